/* SPDX-License-Identifier: MIT */
/*
 * file_rights: who may do what to files and folders of others, and what becomes of owner, group and mode. Prints each call with its
 * outcome, for comparison with Linux. As root, who becomes others in children; for anybody else there is nothing to see.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <utime.h>

#include "check.h"

#define ALICE	2001
#define BOB	2002
#define USERS	3001			/* a group of Alice's and Bob's */
#define OTHERS	3002			/* of nobody's */

static void said(const char *who, const char *what, long rc)
{
	printf("%s: %s: %s\n", who, what, rc >= 0 ? "fine" : strerrorname_np(errno));
	fflush(stdout);
}

static const char *me = "root";
#define TRY(call) said(me, #call, call)

static void show(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		printf("%s: %s: %s\n", me, path, strerrorname_np(errno));
	else
		printf("%s: %s: %o %u %u links %lu\n", me, path, st.st_mode, st.st_uid, st.st_gid, (unsigned long)st.st_nlink);
	fflush(stdout);
}
#define SHOWN(call, path) do { TRY(call); show(path); } while (0)

static int make(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0600);

	CHECK(fd >= 0 && write(fd, "text", 4) == 4 && fchown(fd, uid, gid) == 0 && fchmod(fd, mode) == 0);
	close(fd);
	return 0;
}

static int folder(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	CHECK(mkdir(path, 0700) == 0 && chown(path, uid, gid) == 0 && chmod(path, mode) == 0);
	return 0;
}

static int opened(const char *path, int flags)
{
	int fd = open(path, flags, 0644);

	if (fd >= 0)
		close(fd);
	return fd;
}

static int written(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), rc;

	if (fd < 0)
		return -1;
	rc = write(fd, text, strlen(text));
	close(fd);
	return rc;
}

static void become(const char *name, uid_t uid)
{
	gid_t group = USERS;

	me = name;
	CHECK(setgroups(1, &group) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0);
}

/* --- groups of new files --- */

static void new_files_alice(void)
{
	become("alice", ALICE);
	umask(0);
	SHOWN(opened("sgid/file", O_CREAT | O_RDWR), "sgid/file");
	SHOWN(open("sgid/sfile", O_CREAT | O_RDWR, 02777), "sgid/sfile");
	SHOWN(open("sgid/lfile", O_CREAT | O_RDWR, 02666), "sgid/lfile");
	SHOWN(mkdir("sgid/dir", 0755), "sgid/dir");
	SHOWN(mkdir("sgid/dir/below", 0700), "sgid/dir/below");
	SHOWN(symlink("x", "sgid/link"), "sgid/link");
	SHOWN(mkfifo("sgid/fifo", 0644), "sgid/fifo");
	SHOWN(mknod("sgid/reg", S_IFREG | 0644, 0), "sgid/reg");
	TRY(mknod("sgid/dev", S_IFCHR | 0644, makedev(1, 3)));
	SHOWN(open("plain/sfile", O_CREAT | O_RDWR, 06777), "plain/sfile");
	SHOWN(mkdir("plain/dir", 02777), "plain/dir");
	SHOWN(mkdir("plain/sticky", 01777), "plain/sticky");
	umask(077);
	SHOWN(opened("plain/masked", O_CREAT | O_RDWR), "plain/masked");
	SHOWN(mkdir("plain/mdir", 0777), "plain/mdir");
}

/* --- owner, group, mode --- */

static void owners_alice(void)
{
	become("alice", ALICE);
	SHOWN(chmod("hers", 06777), "hers");
	SHOWN(chown("hers", -1, USERS), "hers");
	SHOWN(chmod("hers", 02755), "hers");
	SHOWN(chmod("hers", 02745), "hers");
	SHOWN(chown("hers", -1, ALICE), "hers");
	TRY(chown("hers", BOB, -1));
	TRY(chown("hers", -1, OTHERS));
	TRY(chown("hers", ALICE, ALICE));
	SHOWN(chown("hers", -1, -1), "hers");
	SHOWN(chmod("her_group", 02777), "her_group");		/* of a group that she is not in */
	TRY(chmod("bobs", 0777));
	TRY(chown("bobs", ALICE, -1));
	TRY(chown("bobs", -1, -1));
	SHOWN(chmod("her_dir", 02777), "her_dir");
	SHOWN(chown("her_dir", -1, USERS), "her_dir");
	SHOWN(written("suid_open", "x"), "suid_open");
	SHOWN(truncate("suid_cut", 1), "suid_cut");
}

/* --- times --- */

static void times_bob(void)
{
	struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } }, omit[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };
	struct timespec set[2] = { { 5, 0 }, { 6, 0 } }, half[2] = { { 0, UTIME_NOW }, { 0, UTIME_OMIT } };
	struct utimbuf buf = { 1, 2 };

	become("bob", BOB);
	TRY(utimensat(AT_FDCWD, "writable", now, 0));
	TRY(utimensat(AT_FDCWD, "writable", NULL, 0));
	TRY(utimensat(AT_FDCWD, "writable", omit, 0));
	TRY(utimensat(AT_FDCWD, "writable", set, 0));
	TRY(utimensat(AT_FDCWD, "writable", half, 0));
	TRY(utimensat(AT_FDCWD, "readable", now, 0));
	TRY(utimensat(AT_FDCWD, "readable", omit, 0));
	TRY(utimensat(AT_FDCWD, "readable", set, 0));
	TRY(utime("readable", &buf));
	TRY(utime("readable", NULL));
	TRY(utimes("readable", NULL));
}

/* --- names in folders --- */

static void names_bob(void)
{
	become("bob", BOB);
	TRY(unlink("sticky/alices"));
	TRY(rename("sticky/alices", "sticky/x"));
	TRY(rename("sticky/bobs", "sticky/alices"));
	TRY(rename("sticky/bobs", "sticky/moved"));
	TRY(rename("sticky/alices", "open/x"));
	TRY(rmdir("sticky/alices_dir"));
	TRY(rename("sticky/alices_dir", "sticky/y"));
	TRY(rename("open/file", "sticky/alices"));
	TRY(rename("open/file", "sticky/new"));
	TRY(unlink("sticky/new"));
	TRY(rename("open/alices_dir", "open/renamed_dir"));
	TRY(rename("open/renamed_dir", "sticky/renamed_dir"));		/* its ".." would change */
	TRY(rename("open/renamed_dir", "open/writable_dir/in"));
	TRY(rename("open/writable_dir", "sticky/writable_dir"));
	TRY(unlink("closed/file"));
	TRY(mkdir("closed/x", 0700));
	TRY(link("writable", "open/hard"));
	TRY(rename("closed/file", "open/y"));
	TRY(opened("closed/none", O_RDONLY));
	TRY(opened("nosearch/file", O_RDONLY));
	TRY(opened("nosearch/none", O_CREAT | O_RDWR));
	TRY(access("nosearch/file", F_OK));
	TRY(opened("readable", O_RDWR));
	TRY(opened("readable", O_RDONLY | O_TRUNC));
	TRY(opened("readable", O_RDONLY | O_NOATIME));
	TRY(opened("writable", O_RDONLY | O_NOATIME));
	TRY(truncate("readable", 0));
	TRY(chdir("nosearch"));
	TRY(opened("nosearch", O_RDONLY | O_DIRECTORY));
	TRY(chroot("."));
	TRY(mknod("open/dev", S_IFBLK | 0600, makedev(7, 0)));
	TRY(mkfifo("open/fifo", 0600));
}

static void odd_renames(void)
{
	folder("r", 0755, 0, 0);
	folder("r/a", 0755, 0, 0);
	folder("r/a/b", 0755, 0, 0);
	folder("r/full", 0755, 0, 0);
	make("r/full/file", 0644, 0, 0);
	make("r/file", 0644, 0, 0);
	folder("r/empty", 0755, 0, 0);
	TRY(rename("r/a", "r/a/b/c"));
	TRY(rename("r/a", "r/a/x"));
	TRY(rename("r/a", "r/full"));
	TRY(rename("r/a", "r/file"));
	TRY(rename("r/file", "r/a"));
	TRY(rename("r/file", "r/file"));
	TRY(rename("r/a", "r/a"));
	TRY(rename("r/a", "r/empty"));
	TRY(rename("r/none", "r/x"));
	TRY(rename("r/empty/.", "r/x"));
	TRY(rename("r/file", "r/empty/.."));
	TRY(rename("r/file/", "r/x"));
	TRY(rename("r/file", "r/x/"));
	TRY(rmdir("r"));
	TRY(rmdir("r/empty/."));
	TRY(rmdir("r/empty/b/.."));
	TRY(rmdir("r/file"));
	TRY(unlink("r/empty"));
	TRY(unlink("r/file/"));
	TRY(link("r/empty", "r/hard"));
	TRY(link("r/file", "r/hard"));
	TRY(link("r/file", "r/hard"));
	TRY(rename("r/file", "r/hard"));		/* two names of one file: both stay */
	show("r/file");
	TRY(mkdir("r/file/x", 0700));
	TRY(mkdir("r/x/", 0700));
	TRY(mkdir("r/x", 0700));
	TRY(symlink("file", "r/sym"));
	TRY(symlink("", "r/none"));
	TRY(readlink("r/file", (char[10]){ 0 }, 10));
	TRY(readlink("r/sym", (char[10]){ 0 }, 0));
	TRY(open("r/sym", O_CREAT | O_EXCL | O_RDWR, 0600));
	TRY(open("r/sym", O_RDONLY | O_NOFOLLOW));
	TRY(open("r/sym/", O_RDONLY));
	TRY(open("r/file", O_RDONLY | O_DIRECTORY));
	TRY(open("r/x", O_WRONLY));
	TRY(open("r/x", O_CREAT | O_RDONLY, 0600));
	TRY(open("r/none/", O_CREAT | O_RDWR, 0600));
	mkfifo("r/fifo", 0600);
	TRY(open("r/fifo", O_WRONLY | O_NONBLOCK));
	TRY(unlink("r/x"));
	TRY(rename("r/fifo", "r/sym"));
	show("r/sym");
}

static void prepare(void)
{
	make("private", 0600, ALICE, ALICE);
	make("nobodys", 0, 0, 0);
	folder("locked", 0700, ALICE, ALICE);
	make("locked/file", 0600, ALICE, ALICE);
	folder("sgid", 02777, 0, OTHERS);
	folder("plain", 0777, 0, OTHERS);
	make("hers", 0644, ALICE, ALICE);
	make("her_group", 0644, ALICE, OTHERS);
	make("bobs", 0666, BOB, BOB);
	folder("her_dir", 0755, ALICE, OTHERS);
	make("suid_open", 06777, BOB, BOB);
	make("suid_cut", 06777, BOB, BOB);
	make("writable", 0666, ALICE, ALICE);
	make("readable", 0644, ALICE, ALICE);
	folder("sticky", 01777, 0, 0);
	folder("open", 0777, 0, 0);
	folder("closed", 0755, 0, 0);
	folder("nosearch", 0644, 0, 0);
	make("sticky/alices", 0666, ALICE, ALICE);
	make("sticky/bobs", 0666, BOB, BOB);
	make("open/file", 0666, ALICE, ALICE);
	make("closed/file", 0666, BOB, BOB);
	make("nosearch/file", 0666, BOB, BOB);
	folder("sticky/alices_dir", 0777, ALICE, ALICE);
	folder("open/alices_dir", 0755, ALICE, ALICE);
	folder("open/writable_dir", 0777, ALICE, ALICE);
}

/* What root may is a matter of capabilities: without them he is an owner like others. */
static int keep_only(unsigned caps)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { { .effective = caps, .permitted = caps } };

	return syscall(SYS_capset, &h, d);
}

static void few_rights(void)
{
	TRY(keep_only(1 << CAP_CHOWN));
	TRY(opened("private", O_RDONLY));
	TRY(access("locked/file", F_OK));
	TRY(chmod("private", 0644));
	TRY(utimensat(AT_FDCWD, "private", NULL, 0));
	TRY(chown("private", ALICE, BOB));
	TRY(unlink("sticky/bobs"));
	TRY(keep_only(0));
	TRY(opened("private", O_RDONLY));
	TRY(opened("nobodys", O_RDONLY));
	TRY(access("private", R_OK));
	TRY(access("locked/file", F_OK));
	TRY(chown("nobodys", ALICE, -1));
	TRY(chmod("nobodys", 0600));
	TRY(opened("nobodys", O_RDWR));
}

/* Says nothing: a container's root may not have this one. */
static void looks_only(void)
{
	if (prctl(PR_CAPBSET_READ, CAP_DAC_READ_SEARCH) != 1 || keep_only(1 << CAP_DAC_READ_SEARCH) < 0)
		return;
	CHECK(opened("private", O_RDONLY) >= 0 && access("locked/file", R_OK) == 0 && opened("locked", O_RDONLY) >= 0);
	CHECK(opened("private", O_RDWR) == -1 && errno == EACCES);
	CHECK(opened("locked/none", O_CREAT | O_RDWR) == -1 && errno == EACCES);
}

/* What a process has open, and its environment, is not for who happens to have the id that it works under. */
static int seen_in(pid_t pid, const char *what)
{
	char path[64], c;
	int fd, rc;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	fd = open(path, O_RDONLY);
	rc = fd < 0 ? -1 : read(fd, &c, 1);
	close(fd);
	return rc >= 0;
}

static void names_of_one(void)
{
	become("bob", BOB);
	TRY(opened("second", O_RDONLY));
}

/* What is changed by one name of a file holds for all of them. */
static void two_names(void)
{
	CHECK(close(open("first", O_CREAT | O_RDWR, 0644)) == 0 && link("first", "second") == 0 && access("second", R_OK) == 0);
	CHECK(chmod("first", 0600) == 0);
	CHECK(status_in_child(names_of_one) == 0);
	CHECK(chmod("second", 0644) == 0 && chown("first", BOB, -1) == 0 && chmod("first", 0200) == 0);
	CHECK(status_in_child(names_of_one) == 0);
	CHECK(chmod("second", 0400) == 0);
	CHECK(status_in_child(names_of_one) == 0);
	CHECK(unlink("first") == 0 && unlink("second") == 0);
}

static pid_t server;		/* root's, who works for Alice */

static void looks_alice(void)
{
	static const char *const files[] = { "maps", "smaps", "auxv", "io", "fdinfo/0", "personality", "status", "stat", "cmdline", "comm", "limits",
					     "statm", "mounts", "oom_score", "oom_score_adj" };
	static const char *const links[] = { "exe", "cwd", "root", "fd/0" };
	char path[64], to[64];
	struct stat st;

	become("alice", ALICE);
	printf("%s: sees of it: %d %d\n", me, seen_in(server, "environ"), seen_in(server, "fd/0"));
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		printf("%s: %s: %d\n", me, files[i], seen_in(server, files[i]));
	for (unsigned i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", server, links[i]);
		printf("%s: %s: %s %d\n", me, links[i], readlink(path, to, sizeof(to)) < 0 ? strerrorname_np(errno) : "read", stat(path, &st));
	}
	fflush(stdout);
}

static void looks_into_others(void)
{
	int ready[2];
	char c;

	CHECK(pipe(ready) == 0);
	server = fork();
	CHECK(server >= 0);
	if (server == 0) {
		CHECK(dup2(open("/dev/zero", O_RDONLY), 0) == 0 && seteuid(ALICE) == 0 && write(ready[1], "x", 1) == 1);
		for (;;)
			pause();
	}
	CHECK(read(ready[0], &c, 1) == 1);
	CHECK(status_in_child(looks_alice) == 0);
	CHECK(kill(server, SIGKILL) == 0 && waitpid(server, NULL, 0) == server);
}

static void other_id_for_files(void)
{
	TRY(setfsuid(BOB));
	TRY(opened("private", O_RDONLY));
	TRY(chown("private", BOB, BOB));
	TRY(mknod("device", S_IFCHR | 0600, makedev(1, 3)));
	TRY(setfsuid(0));
	TRY(opened("private", O_RDONLY));
}

static void rights_kept(void)
{
	CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0 && setresuid(BOB, BOB, BOB) == 0);
	TRY(opened("private", O_RDONLY));
	TRY(keep_only(1 << CAP_DAC_OVERRIDE));
	TRY(opened("private", O_RDWR));
	TRY(access("private", R_OK));
	TRY(faccessat(AT_FDCWD, "private", R_OK | W_OK, AT_EACCESS));
	TRY(faccessat(AT_FDCWD, "private", X_OK, AT_EACCESS));
}

static int removed(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return st == NULL || at == NULL || kind < 0 || remove(path) < 0;
}

static void everywhere(const char *where)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/file_rights.XXXXXX", where);
	CHECK(mkdtemp(path) != NULL && chdir(path) == 0 && chmod(path, 0777) == 0 && chown(path, 0, 0) == 0);
	me = "root";
	prepare();
	CHECK(status_in_child(other_id_for_files) == 0);
	CHECK(status_in_child(rights_kept) == 0);
	CHECK(status_in_child(looks_only) == 0);
	CHECK(status_in_child(few_rights) == 0);
	CHECK(status_in_child(new_files_alice) == 0);
	CHECK(status_in_child(owners_alice) == 0);
	CHECK(status_in_child(times_bob) == 0);
	CHECK(status_in_child(names_bob) == 0);
	SHOWN(chown("bobs", ALICE, -1), "bobs");
	SHOWN(chmod("bobs", 06755), "bobs");
	SHOWN(chown("bobs", -1, USERS), "bobs");
	SHOWN(chmod("bobs", 06745), "bobs");
	SHOWN(chown("bobs", BOB, -1), "bobs");
	SHOWN(written("suid_open", "y"), "suid_open");
	two_names();
	odd_renames();
	CHECK(chdir("/") == 0 && nftw(path, removed, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

int main(void)
{
	if (geteuid() != 0)
		return ok("");
	umask(022);
	everywhere("/tmp");
	everywhere("/var/tmp");
	looks_into_others();
	return ok("");
}
