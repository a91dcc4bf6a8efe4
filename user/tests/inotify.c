/* SPDX-License-Identifier: MIT */
/* inotify: what is told of files in a folder (the first argument, or /tmp). Prints each step with its events, for comparison with Linux. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "check.h"
#include "said.h"

static int in, cookie;

static void events(void)
{
	static const char *const names[] = { "ACCESS", "MODIFY", "ATTRIB", "CLOSE_WRITE", "CLOSE_NOWRITE", "OPEN", "MOVED_FROM", "MOVED_TO",
					     "CREATE", "DELETE", "DELETE_SELF", "MOVE_SELF", "", "UNMOUNT", "Q_OVERFLOW", "IGNORED" };
	_Alignas(struct inotify_event) char buf[8192];
	int there;
	ssize_t n;

	CHECK(ioctl(in, FIONREAD, &there) == 0);
	n = read(in, buf, sizeof(buf));
	CHECK(n == there || (n == -1 && errno == EAGAIN && there == 0));
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (void *)(buf + at);

		printf("   %d", e->wd);
		for (int i = 0; i < 16; i++)
			if (e->mask >> i & 1)
				printf(" %s", names[i]);
		printf("%s%s%s%s\n", e->mask & IN_ISDIR ? " ISDIR " : " ", e->len != 0 ? e->name : "", e->cookie != 0 ? " cookie" : "",
		       e->cookie != 0 && (int)e->cookie == cookie ? " again" : "");
		if (e->cookie != 0)
			cookie = e->cookie;
		CHECK(e->len % sizeof(*e) == 0);
		at += sizeof(*e) + e->len;
	}
	fflush(stdout);
}
#define DO(call) do { TRY(call); events(); } while (0)

static int fd, fd2;
static char buf[100];

static void make_file(const char *name)
{
	int f = open(name, O_CREAT | O_WRONLY, 0644);

	CHECK(f >= 0 && write(f, "0123456789", 10) == 10 && close(f) == 0);
}

static void of_a_folder(void)
{
	DO(inotify_add_watch(in, "dir", IN_ALL_EVENTS));
	DO(inotify_add_watch(in, "dir/sub", IN_ALL_EVENTS));
	fd = open("dir/a", O_CREAT | O_RDWR, 0600);
	DO(fd >= 0);
	DO(write(fd, "hello", 5));
	DO(write(fd, "hello", 5));
	DO(write(fd, "", 0));
	DO(pread(fd, buf, 3, 0));
	DO(pread(fd, buf, 3, 100));
	DO(ftruncate(fd, 3));
	DO(fchmod(fd, 0644));
	DO(fallocate(fd, 0, 0, 100) == 0);
	DO(dup2(fd, 50));
	DO(close(fd));
	DO(close(50));
	DO(inotify_add_watch(in, "dir/a", IN_ALL_EVENTS));
	fd = open("dir/a", O_RDONLY);
	DO(fd >= 0);
	DO(read(fd, buf, 10));
	DO(close(fd));
	DO(truncate("dir/a", 2));
	fd = open("dir/a", O_WRONLY);
	DO(fd >= 0);
	DO(close(fd));
	DO(chmod("dir/a", 0640));
	DO(utimensat(AT_FDCWD, "dir/a", (struct timespec[]){ { 1, 1 }, { 2, 2 } }, 0));
	DO(utimensat(AT_FDCWD, "dir/a", (struct timespec[]){ { 1, 1 }, { 0, UTIME_OMIT } }, 0));
	DO(utimensat(AT_FDCWD, "dir/a", (struct timespec[]){ { 0, UTIME_OMIT }, { 2, 2 } }, 0));
	DO(link("dir/a", "dir/b"));
	DO(symlink("a", "dir/s"));
	DO(mkdir("dir/d", 0700));
	DO(mknod("dir/fifo", S_IFIFO | 0600, 0));
	DO(rename("dir/a", "dir/sub/aa"));
	DO(rename("dir/sub/aa", "other"));
	DO(rename("other", "dir/a"));
	DO(rename("dir/d", "dir/e"));
	DO(rename("dir/a", "dir/b"));			/* two names of one file: nothing happens */
	DO(unlink("dir/b"));
	make_file("dir/c");
	events();
	DO(rename("dir/c", "dir/a"));			/* in the place of what is watched */
	DO(rmdir("dir/e"));
	DO(unlink("dir/s"));
	DO(unlink("dir/fifo"));
	fd = open("dir/sub", O_RDONLY | O_DIRECTORY);
	DO(fd >= 0);
	DO(close(fd));
	DO(rmdir("dir/sub"));
}

static void of_open_files(void)
{
	make_file("dir/open");
	DO(inotify_add_watch(in, "dir/open", IN_ALL_EVENTS | IN_MASK_CREATE));
	DO(inotify_add_watch(in, "dir/open", IN_MODIFY | IN_MASK_CREATE));
	fd = open("dir/open", O_RDWR);
	DO(fd >= 0);
	DO(unlink("dir/open"));
	DO(write(fd, "x", 1));
	DO(close(fd));
	make_file("dir/gone");
	DO(inotify_add_watch(in, "dir/gone", IN_ALL_EVENTS | IN_EXCL_UNLINK));
	fd = open("dir/gone", O_WRONLY);
	DO(fd >= 0);
	DO(unlink("dir/gone"));
	DO(write(fd, "x", 1));			/* its own watch, too, hears no more of it but its end */
	DO(close(fd));
	make_file("dir/from");
	make_file("dir/to");
	events();
	fd = open("dir/from", O_RDONLY);
	fd2 = open("dir/to", O_WRONLY);
	events();
	DO(sendfile(fd2, fd, NULL, 4));
	DO(close(fd));
	DO(close(fd2));
	DO(renameat2(AT_FDCWD, "dir/from", AT_FDCWD, "dir/to", RENAME_NOREPLACE));
	DO(renameat2(AT_FDCWD, "dir/from", AT_FDCWD, "dir/to", RENAME_EXCHANGE));
}

static void of_sizes(void)
{
	char path[64];
	int wd;

	make_file("dir/size");
	events();
	fd = open("dir/size", O_RDWR);
	DO(inotify_add_watch(in, "dir/size", IN_MODIFY) > 0);
	DO(ftruncate(fd, 100));
	DO(truncate("dir/size", 3));
	DO(fallocate(fd, 0, 0, 8192));
	DO(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	DO(close(fd));
	fd = open("dir/size", O_WRONLY | O_TRUNC);
	DO(close(fd));
	DO(unlink("dir/size"));
	fd = memfd_create("sized", 0);		/* whose size is changed under a lock of its own */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	wd = inotify_add_watch(in, path, IN_MODIFY);
	DO(truncate(path, 5000));
	DO(inotify_rm_watch(in, wd));
	DO(close(fd));
}

static void of_masks(void)
{
	int wd = inotify_add_watch(in, "dir/to", IN_OPEN), other = inotify_init1(IN_CLOEXEC);
	struct pollfd p = { in, POLLIN, 0 };

	CHECK(wd > 0 && other >= 0);
	DO(inotify_add_watch(in, "dir", IN_CREATE));
	fd = open("dir/to", O_RDONLY);
	DO(close(fd));
	DO(inotify_add_watch(in, "dir/to", IN_CLOSE | IN_MASK_ADD) == wd);
	fd = open("dir/to", O_RDONLY);
	DO(close(fd));
	DO(inotify_add_watch(in, "dir/to", IN_OPEN | IN_ONESHOT) == wd);
	fd = open("dir/to", O_RDONLY);
	DO(close(fd));
	DO(inotify_rm_watch(in, wd));
	DO(inotify_add_watch(in, "dir/from", IN_OPEN) > wd);
	fd = open("dir/from", O_RDONLY);
	TRY(poll(&p, 1, 0));
	TRY(read(in, buf, 15));
	TRY(inotify_rm_watch(in, wd + 1));
	DO(close(fd));
	TRY(poll(&p, 1, 0));
	TRY(inotify_add_watch(other, "dir", IN_ALL_EVENTS));
	make_file("dir/new");
	events();
	TRY(ioctl(other, FIONREAD, &fd));
	TRY(fd);
	TRY(read(other, buf, 31));
	TRY(close(other));
}

static void wrong(void)
{
	TRY(inotify_init1(0x7f));
	TRY(inotify_add_watch(in, "dir", 0));
	TRY(inotify_add_watch(in, "dir", IN_UNMOUNT | IN_IGNORED | IN_Q_OVERFLOW));
	TRY(inotify_add_watch(in, "dir", IN_OPEN | 0x1000));
	TRY(inotify_add_watch(in, "dir", IN_OPEN | IN_ISDIR));
	TRY(inotify_add_watch(in, "dir", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE));
	TRY(inotify_add_watch(in, "none", IN_OPEN));
	TRY(inotify_add_watch(in, "dir/to", IN_OPEN | IN_ONLYDIR));
	TRY(inotify_add_watch(in, (char *)8, IN_OPEN));
	TRY(inotify_add_watch(0, "dir", IN_OPEN));
	TRY(inotify_add_watch(999, "dir", IN_OPEN));
	TRY(inotify_rm_watch(in, 999));
	TRY(inotify_rm_watch(0, 1));
	TRY(inotify_rm_watch(999, 1));
	TRY(write(in, "x", 1));
	TRY(lseek(in, 0, SEEK_SET));
	TRY(read(in, buf, 100));
}

int main(int argc, char **argv)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%s/inotify.XXXXXX", argc > 1 ? argv[1] : "/tmp");
	CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
	CHECK(mkdir("dir", 0755) == 0 && mkdir("dir/sub", 0755) == 0);
	fd = open("/dev/null", O_RDONLY);
	CHECK(fd >= 0 && dup2(fd, 0) == 0);
	in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	CHECK(in >= 0);
	of_a_folder();
	of_open_files();
	of_sizes();
	of_masks();
	wrong();
	DO(unlink("dir/from") + unlink("dir/to") + unlink("dir/new") + unlink("dir/a"));
	DO(rmdir("dir"));
	CHECK(chdir("/") == 0 && rmdir(folder) == 0);
	return ok("");
}
