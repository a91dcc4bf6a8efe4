/* SPDX-License-Identifier: MIT */
/*
 * settings: what an ordinary user is told who asks for more than his share: rights, prctl(2), scheduling, limits, memory of odd
 * ranges. Prints each call with its outcome, for comparison with Linux.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "plain.h"
#include "said.h"

#define BAD ((void *)8)
#define PAGE 4096l
#define MAPPED(call) do { void *p_ = (call); said(#call, p_ == MAP_FAILED ? -1 : 0); } while (0)

static void show_file(const char *path)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY);

	said(path, fd < 0 ? -1 : read(fd, text, sizeof(text) - 1));
	fputs(text, stdout);
	close(fd);
}

static void zeros(void)
{
	int fd = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_RDONLY), e = epoll_create1(0), two[2];
	struct epoll_event ev = { 0 }, out[2];
	char *p, *q;

	CHECK(fd >= 0 && null >= 0 && pipe(two) == 0);
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, PAGE);
	q = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED && q != MAP_FAILED);
	p[PAGE] = 7;
	TRY(p[0] + p[PAGE] + q[0]);
	MAPPED(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	MAPPED(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 1));
	MAPPED(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, null, 0));
	TRY(epoll_ctl(e, EPOLL_CTL_ADD, null, &ev));
	TRY(epoll_ctl(e, EPOLL_CTL_ADD, fd, &ev));
	TRY(epoll_ctl(e, EPOLL_CTL_ADD, two[0], &ev));
	TRY(epoll_wait(e, out, 2, 0));
	close(two[1]);				/* that is told, though nothing was asked for */
	TRY(epoll_wait(e, out, 2, 0));
	TRY(out[0].events);
	TRY(epoll_ctl(e, EPOLL_CTL_MOD, two[0], &ev));
	TRY(epoll_wait(e, out, 2, 0));
	ev.events = EPOLLONESHOT;
	TRY(epoll_ctl(e, EPOLL_CTL_MOD, two[0], &ev));
	TRY(epoll_wait(e, out, 2, 0));
	TRY(epoll_wait(e, out, 2, 0));
	close(fd);
	close(null);
	close(e);
	close(two[0]);
}

static void own_process(void)
{
	int n = 0;

	TRY(prctl(PR_SET_PDEATHSIG, SIGUSR1, 1, 1, 1));
	TRY(prctl(PR_GET_PDEATHSIG, &n));
	TRY(n);
	TRY(prctl(PR_SET_PDEATHSIG, -1));
	TRY(prctl(PR_SET_DUMPABLE, 2));
	TRY(prctl(PR_SET_TIMING, 1));
	TRY(prctl(PR_SET_NAME, BAD));
	TRY(prctl(PR_SET_TIMERSLACK, 12345));
	TRY(prctl(PR_GET_TIMERSLACK));
	TRY(prctl(PR_SET_DUMPABLE, 1));
	show_file("/proc/self/timerslack_ns");
	TRY(prctl(PR_SET_TIMERSLACK, 0));
	TRY(prctl(PR_TASK_PERF_EVENTS_DISABLE));
	TRY(prctl(PR_GET_TSC, &n));
	TRY(n);
	TRY(prctl(PR_SET_TSC, PR_TSC_ENABLE));
	TRY(prctl(PR_SET_TSC, 3));
	TRY(prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0));
	TRY(prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 1, 0));
	TRY(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	TRY(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	TRY(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0));
	TRY(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
	TRY(prctl(PR_SET_SPECULATION_CTRL, 99, 0, 0, 0));
	TRY(prctl(PR_GET_SPECULATION_CTRL, 99, 0, 0, 0));
	TRY(prctl(PR_GET_SPECULATION_CTRL, 0, 1, 0, 0));
	TRY(prctl(PR_CAPBSET_READ, 64));
	TRY(prctl(PR_CAPBSET_DROP, 1));
	TRY(prctl(PR_GET_SECUREBITS));
	TRY(prctl(PR_SET_SECUREBITS, 1 << 4));
	TRY(prctl(PR_SET_KEEPCAPS, 1));
	TRY(prctl(PR_GET_SECUREBITS));
	TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 1, 0, 0));
	TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 64, 0, 0));
	TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
	TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	TRY(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	TRY(prctl(PR_SET_SECCOMP, 9));
}

static void capabilities(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { { 0 } };
	struct iovec one = { d, 1 };
	struct stat st;

	TRY(syscall(SYS_capget, &h, d));
	TRY(d[0].effective | d[0].permitted);
	d[0].inheritable = 0;
	d[0].permitted = d[0].effective = 1;
	TRY(syscall(SYS_capset, &h, d));
	d[0].permitted = d[0].effective = 0;
	d[0].inheritable = 1;
	TRY(syscall(SYS_capset, &h, d));
	h.pid = -1;
	TRY(syscall(SYS_capget, &h, d));
	h.pid = 0x3fffff;
	TRY(syscall(SYS_capget, &h, d));
	h.pid = 1;
	TRY(syscall(SYS_capget, &h, d));
	if (stat("/proc/1", &st) == 0 && st.st_uid != geteuid()) {	/* whose is not ours */
		TRY(syscall(SYS_kcmp, 1, getpid(), 1, 0, 0));
		TRY(process_vm_readv(1, &one, 1, &one, 1, 0));
		TRY(syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, 1, 0), 0, 0));
	}
	h.pid = 0;
	h.version = 0;
	TRY(syscall(SYS_capget, &h, NULL));
	TRY(h.version);
	h.version = 0;
	TRY(syscall(SYS_capset, &h, d));
	TRY(syscall(SYS_capset, &h, BAD));
	TRY(syscall(SYS_capget, BAD, d));
}

static void scheduling(void)
{
	struct sched_param p = { .sched_priority = 1 };
	struct rlimit none = { 0, 0 };
	struct timespec turn;
	cpu_set_t cpus;
	int status;

	CHECK(setrlimit(RLIMIT_NICE, &none) == 0 && setrlimit(RLIMIT_RTPRIO, &none) == 0);
	for (int policy = 0; policy <= 6; policy++) {
		TRY(sched_get_priority_max(policy));
		TRY(sched_get_priority_min(policy));
	}
	TRY(sched_setscheduler(0, SCHED_FIFO, &p));
	TRY(sched_setscheduler(0, SCHED_OTHER, &p));
	TRY(sched_setparam(0, &p));
	p.sched_priority = 0;
	TRY(sched_setscheduler(0, SCHED_RR, &p));
	TRY(sched_setscheduler(0, SCHED_BATCH, &p));
	TRY(sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &p));
	TRY(sched_setparam(0, &p));
	TRY(sched_getscheduler(0));
	status = fork();
	if (status == 0)
		_exit(sched_getscheduler(0) & 0xff);
	CHECK(waitpid(status, &status, 0) > 0);
	TRY(WEXITSTATUS(status));
	TRY(sched_setscheduler(0, SCHED_OTHER, &p));
	TRY(sched_setscheduler(0, SCHED_IDLE | SCHED_RESET_ON_FORK, &p));
	TRY(sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &p));
	TRY(sched_getscheduler(1) >= 0);
	TRY(sched_getparam(1, &p));
	TRY(sched_rr_get_interval(1, &turn));
	TRY(sched_getaffinity(1, sizeof(cpus), &cpus));
	TRY(getpriority(PRIO_PROCESS, 1) == -1 && errno != 0);
	TRY(setpriority(PRIO_PROCESS, 0, 19));
	TRY(setpriority(PRIO_PROCESS, 0, 18));
	TRY(nice(-1));
	TRY(nice(100));
}

static void disk_turns(void)
{
	int status;

	CHECK(syscall(SYS_ioprio_get, 1, 0) >= 0);		/* kernels differ in what they call none; and one may have been started with some */
	TRY(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6));
	TRY(syscall(SYS_ioprio_get, 1, getpid()));
	status = fork();
	if (status == 0)
		_exit(syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 6) ? 3 : 4);
	CHECK(waitpid(status, &status, 0) > 0);
	TRY(WEXITSTATUS(status));
	TRY(syscall(SYS_ioprio_set, 1, 0, 3 << 13));
	TRY(syscall(SYS_ioprio_get, 1, 0));
	TRY(syscall(SYS_ioprio_set, 1, 0, 1 << 13));
	TRY(syscall(SYS_ioprio_set, 1, 0, 4 << 13));
	TRY(syscall(SYS_ioprio_set, 1, 0, 1));
	TRY(syscall(SYS_ioprio_set, 9, 0, 0));
	TRY(syscall(SYS_ioprio_get, 9, 0));
	TRY(syscall(SYS_ioprio_get, 1, 0x3fffff));
}

static int parts_with(void *what)
{
	CHECK(unshare((long)what) == 0 && close(0) == 0 && chdir("/proc") == 0);
	return 6;
}

static void parting(void)
{
	static char stack[65536];
	char where[64];
	int status;

	if (unshare(0) < 0 && errno == EPERM)
		return;			/* a container that forbids it to its programs */
	CHECK(unshare(CLONE_THREAD) == 0 && unshare(1) == -1 && errno == EINVAL && chdir("/") == 0);
	for (int both = 0; both < 2; both++) {
		CHECK(clone(parts_with, stack + sizeof(stack), CLONE_FILES | CLONE_FS | SIGCHLD,
			    (void *)(both ? 0L : (long)(CLONE_FILES | CLONE_FS))) > 0);
		CHECK(wait(&status) > 0);
		CHECK(WEXITSTATUS(status) == 6 && (fcntl(0, F_GETFD) == -1) == both);
		CHECK(getcwd(where, sizeof(where)) != NULL && strcmp(where, both ? "/proc" : "/") == 0);
	}
}

static void few_descriptors(void)
{
	struct rlimit l = { 4, 4 };
	int two[2];

	closefrom(3);
	CHECK(setrlimit(RLIMIT_NOFILE, &l) == 0);
	TRY(open("/proc/self/exe", O_RDONLY));
	TRY(open("/proc/self/exe", O_RDONLY));
	TRY(open("/proc/self/none", O_RDONLY));
	TRY(pipe(two));
	TRY(epoll_create1(0));
	TRY(memfd_create("x", 0));
	TRY(dup2(0, 4));
	TRY(syscall(SYS_close_range, 3, 3, 0));
	TRY(pipe(two));
	TRY(open("/proc/self/exe", O_RDONLY));
	close(3);
	l.rlim_max = 5;
	TRY(setrlimit(RLIMIT_NOFILE, &l));
	TRY(prlimit(0x3fffff, RLIMIT_NOFILE, &l, NULL));
	TRY(prlimit(0, 16, NULL, &l));
	TRY(prlimit(0, RLIMIT_CORE, NULL, BAD));
	TRY(prlimit(0, RLIMIT_CORE, NULL, NULL));
}

static void no_processes(void)
{
	struct rlimit none = { 0, 0 };

	CHECK(setrlimit(RLIMIT_NPROC, &none) == 0);
	TRY(fork());
}

static void no_signals(void)
{
	struct rlimit none = { 0, 0 };
	union sigval v = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && setrlimit(RLIMIT_SIGPENDING, &none) == 0);
	TRY(sigqueue(getpid(), SIGRTMIN, v));
	TRY(kill(getpid(), SIGUSR1));
}

static void cpu_time(void)
{
	struct rlimit l = { 1, 1 };

	signal(SIGXCPU, SIG_IGN);
	CHECK(setrlimit(RLIMIT_CPU, &l) == 0);
	for (;;)
		;
}

static void memory(void)
{
	char *p = mmap(NULL, 9 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static char to[8192];
	struct iovec l = { to, 100 }, r[2] = { { p, PAGE }, { p + 8 * PAGE, 10 } };
	unsigned char vec[16];

	CHECK(p != MAP_FAILED && munmap(p + 8 * PAGE, PAGE) == 0);
	TRY(mincore(p, -1ul, vec));
	TRY(mincore(p, 0, vec));
	TRY(mincore(p + 7 * PAGE, 2 * PAGE, vec));
	TRY(mprotect(p, PAGE, PROT_READ | PROT_GROWSUP));
	TRY(mprotect(p, PAGE, PROT_GROWSDOWN | PROT_GROWSUP));
	TRY(process_vm_readv(getpid(), &l, 1, r, 2, 0));
	l.iov_len = sizeof(to);
	TRY(process_vm_readv(getpid(), &l, 1, r, 2, 0));
	TRY(process_vm_readv(getpid(), &l, 1, r + 1, 1, 0));
	TRY(process_vm_readv(getpid(), &l, 1, r, 1, 1));
	TRY(process_vm_readv(0x3fffff, &l, 1, r, 1, 0));
	CHECK(mprotect(p, PAGE, PROT_READ) == 0);
	TRY(process_vm_writev(getpid(), &l, 1, r, 1, 0));
	r[0].iov_len = -1;
	TRY(process_vm_readv(getpid(), &l, 1, r, 1, 0));
	TRY(munmap(p, 8 * PAGE));
}

static int ends(void *none)
{
	(void)none;
	return 5;
}

static void sibling(void)		/* of a child of main(): main waits for it, too */
{
	static char stack[16384];

	TRY(clone(ends, stack + sizeof(stack), CLONE_PARENT | SIGUSR1, NULL) > 0);
}

static void locks(void)
{
	const long far = 0x7fffffffffffffff;
	struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = far, .l_len = 10 };
	int fd = memfd_create("locks", 0);

	CHECK(fd >= 0 && ftruncate(fd, 100) == 0);
	TRY(fcntl(fd, F_SETLK, &l));
	l.l_len = 1;
	TRY(fcntl(fd, F_SETLK, &l));
	l.l_start = 10;
	l.l_len = -11;
	TRY(fcntl(fd, F_SETLK, &l));
	l.l_len = -10;
	TRY(fcntl(fd, F_SETLK, &l));
	l.l_whence = SEEK_END;
	l.l_start = far;
	TRY(fcntl(fd, F_SETLK, &l));
	l.l_start = -101;
	TRY(fcntl(fd, F_SETLK, &l));
	l.l_len = 0;
	l.l_start = -100;
	TRY(fcntl(fd, F_SETLK, &l));
	close(fd);
}

static void numbers(void)
{
	char a[64] = "", b[64] = "";
	int last = 0, low = 0, high = 0;
	FILE *f = fopen("/proc/sys/kernel/cap_last_cap", "r");

	CHECK(f != NULL && fscanf(f, "%d", &last) == 1 && fclose(f) == 0);
	CHECK(prctl(PR_CAPBSET_READ, last) >= 0 && prctl(PR_CAPBSET_READ, last + 1) == -1);
	f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
	CHECK(f != NULL && fscanf(f, "%d %d", &low, &high) == 2 && fclose(f) == 0 && low < high && high < 65536);
	f = fopen("/proc/sys/kernel/random/boot_id", "r");
	CHECK(f != NULL && fgets(a, sizeof(a), f) != NULL && fclose(f) == 0);
	f = fopen("/proc/sys/kernel/random/boot_id", "r");
	CHECK(f != NULL && fgets(b, sizeof(b), f) != NULL && fclose(f) == 0);
	CHECK(strlen(a) == 37 && strcmp(a, b) == 0);
	f = fopen("/proc/sys/kernel/random/entropy_avail", "r");
	CHECK(f != NULL && fscanf(f, "%d", &last) == 1 && fclose(f) == 0 && last > 0);
}

/* Writes to a pipe with O_DIRECT are packets, each read by itself. */
static void packets(void)
{
	static char big[10000], c[8192];
	int two[2], nr = 0;

	CHECK(pipe2(two, O_DIRECT | O_NONBLOCK) == 0);
	TRY((fcntl(two[1], F_GETFL) & O_DIRECT) != 0);
	CHECK(write(two[1], "abc", 3) == 3 && write(two[1], "de", 2) == 2);
	TRY(read(two[0], c, 2));			/* the rest of it is gone */
	TRY(read(two[0], c, sizeof(c)));
	TRY(read(two[0], c, sizeof(c)));
	TRY(write(two[1], big, sizeof(big)));
	TRY(ioctl(two[0], FIONREAD, &nr));
	TRY(nr);
	TRY(read(two[0], c, sizeof(c)));
	TRY(read(two[0], c, sizeof(c)));
	TRY(read(two[0], c, sizeof(c)));
	while (write(two[1], "x", 1) == 1)
		nr++;
	TRY(nr - sizeof(big));				/* one packet takes a page */
	TRY(poll(&(struct pollfd){ .fd = two[1], .events = POLLOUT }, 1, 0));
	TRY(read(two[0], c, sizeof(c)));
	TRY(poll(&(struct pollfd){ .fd = two[1], .events = POLLOUT }, 1, 0));
	while (read(two[0], c, sizeof(c)) == 1)
		;
	CHECK(write(two[1], "packet", 6) == 6 && write(two[1], "next", 4) == 4);
	TRY(fcntl(two[0], F_SETPIPE_SZ, 4096));
	TRY(fcntl(two[0], F_SETPIPE_SZ, 8192));
	TRY(read(two[0], c, sizeof(c)));
	TRY(c[0] == 'p' && c[5] == 't');
	CHECK(fcntl(two[1], F_SETFL, O_NONBLOCK) == 0 && write(two[1], "plain", 5) == 5);
	TRY(read(two[0], c, 2));
	TRY(c[0] == 'n' && c[1] == 'e');
	TRY(read(two[0], c, sizeof(c)));
	CHECK(fcntl(two[1], F_SETFL, O_NONBLOCK) == 0 && write(two[1], "ab", 2) == 2 && write(two[1], "cd", 2) == 2);
	TRY(read(two[0], c, sizeof(c)));
	close(two[0]);
	close(two[1]);
}

static void relatives(void)
{
	unsigned long args[11] = { 0 };
	int status;

	args[8] = 1;			/* set_tid without its size */
	CHECK(syscall(SYS_clone3, args, sizeof(args)) == -1 && (errno == EINVAL || errno == ENOSYS));	/* the latter in a container */
	TRY(status_in_child(sibling));
	CHECK(waitpid(-1, &status, 0) > 0);	/* without __WALL: it ends with SIGCHLD, as who made it does */
	TRY(WEXITSTATUS(status));
}

/* The child of a real-time thread that wants none like it begins as any other does, its nice value included: sched(7). */
static void children_of_real_time(void)
{
	struct sched_param p = { .sched_priority = 5 }, usual = { 0 };
	pid_t child;
	int status;

	CHECK(setpriority(PRIO_PROCESS, 0, 7) == 0);
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p) < 0)
		return;				/* an ordinary user, or root of a container */
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		_exit(sched_getscheduler(0) == SCHED_OTHER && getpriority(PRIO_PROCESS, 0) == 0 ? 3 : 4);
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
	CHECK(sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &usual) == 0 && getpriority(PRIO_PROCESS, 0) == 7);
}

static void in_child(void (*fn)(void), const char *name)
{
	printf("%s:\n", name);
	fflush(stdout);
	printf("%s ended with %#x\n", name, status_in_child(fn));
	fflush(stdout);
}
#define IN_CHILD(fn) in_child(fn, #fn)

int main(void)
{
	zeros();
	CHECK(status_in_child(children_of_real_time) == 0);
	be_nobody();
	IN_CHILD(own_process);
	IN_CHILD(capabilities);
	IN_CHILD(scheduling);
	IN_CHILD(disk_turns);
	IN_CHILD(parting);
	IN_CHILD(few_descriptors);
	IN_CHILD(no_processes);
	IN_CHILD(no_signals);
	IN_CHILD(cpu_time);
	IN_CHILD(memory);
	relatives();
	locks();
	numbers();
	packets();
	return ok("");
}
