/* SPDX-License-Identifier: MIT */
/*
 * identity: user and group ids, what is refused to whom, capabilities, set-user-ID programs, limits, scheduling, prctl,
 * personality, another process's memory. Run as root; without, it says so and tests what is left.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static const char *self;

static void in_child(void (*fn)(void))
{
	int status = status_in_child(fn);

	if (status != 0)
		fail("a child ended with %#x", status);
}

#define FAILS(call, error) do {								\
	errno = 0;									\
	long rc_ = (long)(call);							\
	if (rc_ != -1 || errno != (error))						\
		fail("%s:%d: %s: %ld, errno %d", __FILE__, __LINE__, #call, rc_, errno); \
} while (0)

static bool uids_are(uid_t r, uid_t e, uid_t s)
{
	uid_t a, b, c;

	CHECK(getresuid(&a, &b, &c) == 0);
	return a == r && b == e && c == s && getuid() == r && geteuid() == e;
}

static void drop_for_good(void)
{
	gid_t groups[3] = { 100, 200, 300 }, got[8];

	CHECK(setgroups(3, groups) == 0 && getgroups(0, NULL) == 3 && getgroups(8, got) == 3 && got[1] == 200);
	FAILS(getgroups(2, got), EINVAL);
	CHECK(setresgid(50, 50, 50) == 0 && setuid(1000) == 0 && uids_are(1000, 1000, 1000));
	FAILS(setuid(0), EPERM);
	FAILS(seteuid(0), EPERM);
	FAILS(setresuid(-1, 1001, -1), EPERM);
	FAILS(setgid(0), EPERM);
	FAILS(setgroups(0, NULL), EPERM);
	CHECK(setresuid(1000, -1, 1000) == 0);
	FAILS(kill(getppid(), 0), EPERM);
	FAILS(open("/etc/tangram-none", O_CREAT | O_WRONLY, 0600), EACCES);
	FAILS(setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - 1), EACCES);		/* whatever it was started with */
	FAILS(sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ 5 }), EPERM);
	FAILS(sched_setaffinity(getppid(), sizeof(cpu_set_t), &(cpu_set_t){ { 1 } }), EPERM);

	struct rlimit limit = { 100, 200 };

	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_max = 300;
	FAILS(setrlimit(RLIMIT_NOFILE, &limit), EPERM);
	limit = (struct rlimit){ 201, 200 };
	FAILS(setrlimit(RLIMIT_NOFILE, &limit), EINVAL);
	limit = (struct rlimit){ 1, 1 };
	CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
	FAILS(fork(), EAGAIN);
	FAILS(prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit), EPERM);
}

static void drop_and_return(void)
{
	CHECK(setresuid(0, 1000, 0) == 0 && uids_are(0, 1000, 0));
	FAILS(open("/etc/tangram-none", O_CREAT | O_WRONLY, 0600), EACCES);
	CHECK(seteuid(0) == 0 && uids_are(0, 0, 0));
	CHECK(setreuid(1000, 2000) == 0 && uids_are(1000, 2000, 2000));
	FAILS(setreuid(3000, -1), EPERM);
	CHECK(setreuid(2000, 1000) == 0 && uids_are(2000, 1000, 1000));
	CHECK(syscall(SYS_setfsuid, -1) == 1000);
}

struct cap_header { unsigned version; int pid; };
struct cap_data { unsigned effective, permitted, inheritable; };

static void capabilities(void)
{
	struct cap_header h = { 0x20080522, 0 };
	struct cap_data d[2];

	CHECK(syscall(SYS_capget, &h, d) == 0 && (d[0].effective & 1 << 5));		/* CAP_KILL */
	h.version = 1;
	FAILS(syscall(SYS_capget, &h, d), EINVAL);
	CHECK(h.version == 0x20080522);
	CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0 && setresuid(1000, 1000, 1000) == 0);
	CHECK(syscall(SYS_capget, &h, d) == 0 && d[0].effective == 0 && (d[0].permitted & 1 << 5));
	FAILS(setuid(0), EPERM);
	d[0].effective = 1 << 7;							/* CAP_SETUID */
	d[0].permitted = 1 << 7;
	d[1].effective = d[1].permitted = 0;
	CHECK(syscall(SYS_capset, &h, d) == 0);
	CHECK(setresuid(1000, 1001, 1000) == 0);
	d[0].permitted = 3 << 7;
	FAILS(syscall(SYS_capset, &h, d), EPERM);
}

static void set_user_id(void)
{
	char copy[] = "/tmp/identity-XXXXXX", buf[65536];
	int in = open("/proc/self/exe", O_RDONLY), out = mkstemp(copy), status;
	ssize_t n;

	CHECK(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		CHECK(write(out, buf, n) == n);
	CHECK(fchown(out, 1234, 4321) == 0 && fchmod(out, 06755) == 0 && close(out) == 0 && close(in) == 0);
	for (int plain = 0; plain < 2; plain++) {
		pid_t child = fork();

		if (child == 0) {
			if (plain)
				CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
			CHECK(setresgid(77, 77, 77) == 0 && setresuid(99, 99, 99) == 0);
			CHECK(prctl(PR_GET_DUMPABLE) != 1);	/* what it holds was root's */
			execl(copy, copy, "who", plain ? "plain" : "set", NULL);
			_exit(100);
		}
		CHECK(waitpid(child, &status, 0) == child);
		if (status != 0)
			fail("the set-user-ID program ended with %#x", status);
	}
	CHECK(unlink(copy) == 0);
}

static int who_am_i(const char *how)
{
	bool set = strcmp(how, "set") == 0;

	CHECK(set ? uids_are(99, 1234, 1234) : uids_are(99, 99, 99));
	CHECK(getgid() == 77 && getegid() == (set ? 4321 : 77));
	CHECK(getauxval(AT_SECURE) == set && getauxval(AT_EUID) == geteuid() && getauxval(AT_EGID) == getegid());
	CHECK(prctl(PR_GET_DUMPABLE) != 1 || !set);
	return 0;
}

/* --- without root's rights, too --- */

static void scheduling(void)
{
	int nice;
	struct sched_param param;
	struct timespec slice;
	cpu_set_t set;
	unsigned cpu, node;

	CHECK(sched_getscheduler(0) == SCHED_OTHER && sched_getparam(0, &param) == 0 && param.sched_priority == 0);
	CHECK(sched_get_priority_max(SCHED_FIFO) == 99 && sched_get_priority_min(SCHED_RR) == 1);
	CHECK(sched_get_priority_max(SCHED_OTHER) == 0);
	FAILS(sched_get_priority_max(17), EINVAL);
	CHECK(sched_rr_get_interval(0, &slice) == 0 && slice.tv_sec == 0);
	FAILS(sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 1 }), EINVAL);
	FAILS(sched_setscheduler(0, 99, &(struct sched_param){ 0 }), EINVAL);
	FAILS(sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ 100 }), EINVAL);
	FAILS(sched_getscheduler(-1), EINVAL);
	FAILS(sched_getscheduler(4000000), ESRCH);
	CHECK(sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ 0 }) == 0 && sched_getscheduler(0) == SCHED_BATCH);
	CHECK(sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 0 }) == 0);
	CHECK(sched_yield() == 0 && getcpu(&cpu, &node) == 0 && cpu < (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) >= 1);
	FAILS(syscall(SYS_sched_getaffinity, 0, 4, &set), EINVAL);
	FAILS(sched_setaffinity(0, sizeof(set), &(cpu_set_t){ { 0 } }), EINVAL);
	for (int c = 0; c < CPU_SETSIZE; c++) {
		cpu_set_t one;

		if (!CPU_ISSET(c, &set))
			continue;
		CPU_ZERO(&one);
		CPU_SET(c, &one);
		CHECK(sched_setaffinity(0, sizeof(one), &one) == 0 && sched_getcpu() == c);
	}
	CHECK(sched_setaffinity(0, sizeof(set), &set) == 0);
	errno = 0;
	nice = getpriority(PRIO_PROCESS, 0);
	CHECK(errno == 0 && nice <= 19);		/* whatever it was started with */
	nice = nice < 12 ? nice + 7 : 19;
	CHECK(setpriority(PRIO_PROCESS, 0, nice) == 0 && getpriority(PRIO_PROCESS, 0) == nice);
	CHECK(setpriority(PRIO_PROCESS, 0, 50) == 0 && getpriority(PRIO_PROCESS, getpid()) == 19);
	FAILS(getpriority(5, 0), EINVAL);
	FAILS(getpriority(PRIO_PROCESS, 4000000), ESRCH);
	FAILS(setpriority(PRIO_PROCESS, 4000000, 1), ESRCH);
}

/* Two that never wait, on one CPU: who is nice gets less of it. Counted until that shows: a busy machine may give both little at first. */
static void niceness(void)
{
	volatile unsigned long *turns = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int nice = getpriority(PRIO_PROCESS, 0);
	unsigned long from[2], got[2];
	cpu_set_t one;
	pid_t child[2];

	CHECK(turns != MAP_FAILED);
	if (nice > 9)
		return;				/* there is nothing less to compare with */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
	for (int i = 0; i < 2; i++) {
		child[i] = fork();
		if (child[i] == 0) {
			CHECK(setpriority(PRIO_PROCESS, 0, i == 0 ? nice : 19) == 0);
			for (;;)
				turns[i * 64]++;
		}
	}
	while (turns[0] == 0 || turns[64] == 0)
		usleep(1000);
	from[0] = turns[0];
	from[1] = turns[64];
	for (int tries = 0; tries < 100; tries++) {
		usleep(400000);
		got[0] = turns[0] - from[0];
		got[1] = turns[64] - from[1];
		if (got[0] / 2 > got[1])
			break;
	}
	for (int i = 0; i < 2; i++)
		CHECK(kill(child[i], SIGKILL) == 0 && waitpid(child[i], NULL, 0) == child[i]);
	if (got[0] / 2 <= got[1])
		fail("nice %d got %lu, nice 19 %lu", nice, got[0], got[1]);
}

static void settings(void)
{
	char name[17] = { 0 };
	int value;

	CHECK(prctl(PR_SET_NAME, "a name that is too long") == 0 && prctl(PR_GET_NAME, name) == 0);
	CHECK(strcmp(name, "a name that is ") == 0);
	CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0 && prctl(PR_GET_PDEATHSIG, &value) == 0 && value == SIGUSR1);
	FAILS(prctl(PR_SET_PDEATHSIG, 100), EINVAL);
	CHECK(prctl(PR_GET_DUMPABLE) == 1 && prctl(PR_SET_DUMPABLE, 0) == 0 && prctl(PR_GET_DUMPABLE) == 0);
	FAILS(prctl(PR_SET_DUMPABLE, 7), EINVAL);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
	FAILS(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	CHECK(prctl(PR_GET_TIMERSLACK) == 50000 && prctl(PR_SET_TIMERSLACK, 1000) == 0 && prctl(PR_GET_TIMERSLACK) == 1000);
	FAILS(prctl(9999, 0), EINVAL);
	CHECK(prctl(PR_CAPBSET_READ, 5) >= 0);
	FAILS(prctl(PR_CAPBSET_READ, 1000), EINVAL);
	CHECK(personality(0xffffffff) == 0 && personality(ADDR_NO_RANDOMIZE) == 0);
	CHECK(personality(0xffffffff) == ADDR_NO_RANDOMIZE);
}

/* An orphan goes to the nearest ancestor that asked for it; a dying parent can be heard of. */
static void orphans(void)
{
	int ends[2], status;
	char c;
	pid_t child;

	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && pipe(ends) == 0);
	child = fork();
	if (child == 0) {
		pid_t me = getpid();

		if (fork() == 0) {
			sigset_t set;

			sigemptyset(&set);
			sigaddset(&set, SIGUSR2);
			CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && prctl(PR_SET_PDEATHSIG, SIGUSR2) == 0);
			CHECK(getppid() == me && write(ends[1], "r", 1) == 1);
			CHECK(sigwaitinfo(&set, NULL) == SIGUSR2);
			CHECK(getppid() != me);
			_exit(44);
		}
		CHECK(read(ends[0], &c, 1) == 1);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(waitpid(-1, &status, 0) > 0 && WEXITSTATUS(status) == 44);
	FAILS(waitpid(-1, &status, 0), ECHILD);
}

static void peek(void)
{
	char mine[32] = "", *theirs = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec local[2] = { { mine, 3 }, { mine + 8, 20 } }, remote[2] = { { theirs, 5 }, { theirs + 4094, 4 } };
	int go[2], back[2], status;
	char c;
	pid_t child;

	CHECK(pipe(go) == 0 && pipe(back) == 0);
	child = fork();
	if (child == 0) {
		strcpy(theirs, "hello");
		memcpy(theirs + 4094, "page", 4);
		CHECK(write(back[1], "x", 1) == 1 && read(go[0], &c, 1) == 1);
		_exit(strcmp(theirs + 100, "poked") == 0 ? 0 : 1);
	}
	CHECK(read(back[0], &c, 1) == 1);
	CHECK(process_vm_readv(child, local, 2, remote, 2, 0) == 9);
	CHECK(memcmp(mine, "hel", 3) == 0 && memcmp(mine + 8, "lopage", 6) == 0);
	strcpy(mine, "poked");
	local[0].iov_len = 6;
	remote[0] = (struct iovec){ theirs + 100, 6 };
	CHECK(process_vm_writev(child, local, 1, remote, 1, 0) == 6);
	FAILS(process_vm_readv(child, local, 1, remote, 1, 1), EINVAL);
	remote[0].iov_base = (void *)16;
	FAILS(process_vm_readv(child, local, 1, remote, 1, 0), EFAULT);
	CHECK(write(go[1], "x", 1) == 1 && waitpid(child, &status, 0) == child && status == 0);
	FAILS(process_vm_readv(child, local, 1, remote, 1, 0), ESRCH);
}

static void barriers(void)
{
	long all = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	CHECK(all > 0 && (all & MEMBARRIER_CMD_PRIVATE_EXPEDITED));
	FAILS(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), EPERM);
	CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0);
	CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
	FAILS(syscall(SYS_membarrier, 1 << 20, 0, 0), EINVAL);
	FAILS(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 4, 0), EINVAL);
}

/* __WALL and __WCLONE: a child whose end is told by another signal than SIGCHLD */
static void odd_children(void)
{
	int status;
	pid_t child = syscall(SYS_clone, 0, 0, 0, 0, 0);

	if (child == 0)
		_exit(5);
	FAILS(waitpid(child, &status, 0), ECHILD);
	CHECK(waitpid(child, &status, __WCLONE) == child && WEXITSTATUS(status) == 5);
	child = syscall(SYS_clone, SIGUSR1 | 0, 0, 0, 0, 0);
	if (child == 0)
		_exit(6);
	signal(SIGUSR1, SIG_IGN);
	CHECK(waitpid(-1, &status, __WALL) == child && WEXITSTATUS(status) == 6);
	FAILS(syscall(SYS_waitid, P_PID, 0, NULL, WEXITED, NULL), EINVAL);
	FAILS(syscall(SYS_waitid, P_ALL, 0, NULL, 0, NULL), EINVAL);
	FAILS(syscall(SYS_waitid, 17, 0, NULL, WEXITED, NULL), EINVAL);
	FAILS(waitpid(-1, &status, 0x100), EINVAL);
}

/* --- a child has the groups of one moment, whatever another thread is doing --- */

#define GROUPS 32

static volatile bool enough;

static void *changes_groups(void *none)
{
	gid_t groups[GROUPS];

	for (gid_t k = 1; !enough; k = k % 1000 + 1) {
		for (int i = 0; i < GROUPS; i++)
			groups[i] = k;
		CHECK(syscall(SYS_setgroups, GROUPS, groups) == 0);
	}
	return none;
}

static void one_kind_of_groups(void)
{
	gid_t got[GROUPS];
	int nr = getgroups(GROUPS, got);

	for (int i = 1; i < nr; i++)
		CHECK(got[i] == got[0]);
}

static void groups_at_fork(void)
{
	gid_t same[GROUPS] = { 0 };
	pthread_t thread;

	CHECK(setgroups(GROUPS, same) == 0 && pthread_create(&thread, NULL, changes_groups, NULL) == 0);
	for (int n = 0; n < 4000; n++) {
		if (n % 100 == 0)
			in_child(one_kind_of_groups);
		one_kind_of_groups();
	}
	enough = true;
	CHECK(pthread_join(thread, NULL) == 0);
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc == 3 && strcmp(argv[1], "who") == 0)
		return who_am_i(argv[2]);
	in_child(scheduling);
	in_child(niceness);
	in_child(settings);
	in_child(orphans);
	in_child(peek);
	in_child(barriers);
	in_child(odd_children);
	if (geteuid() == 0) {
		in_child(drop_for_good);
		in_child(drop_and_return);
		in_child(capabilities);
		in_child(set_user_id);
		in_child(groups_at_fork);
	}
	return ok("%s", geteuid() == 0 ? "" : "(not root: little tested)");
}
