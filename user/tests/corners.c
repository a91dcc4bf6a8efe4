/* SPDX-License-Identifier: MIT */
/*
 * corners: what processes, memory, signals and sockets do where programs seldom go, scene by scene, as an ordinary user. Each call says what came of
 * it, and that is the same on Linux.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "plain.h"
#include "said.h"

#define PAGE 4096UL

static int temporary(size_t size)
{
	char path[] = "/tmp/cornersXXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0 && unlink(path) == 0 && ftruncate(fd, size) == 0);
	return fd;
}

/* --- making processes --- */

static char stack[65536];

static int ends(void *arg) { return (long)arg; }

static void with_signal(int sig)
{
	int status = -1;
	pid_t pid = clone(ends, stack + sizeof(stack), sig, (void *)7L);
	bool child;

	CHECK(pid > 0);
	child = waitpid(pid, &status, 0) == pid;
	printf("ends with signal %d: a child %d, a clone %d", sig, child, waitpid(pid, &status, __WCLONE) == pid);
	printf(", %#x\n", status);
}

static void three(const char *what, struct clone_args a, size_t size)
{
	long pid = syscall(SYS_clone3, &a, size);

	if (pid == 0)
		_exit(3);
	said(what, pid > 0 ? 0 : pid);
	if (pid > 0)
		CHECK(waitpid(pid, NULL, 0) == pid);
}
#define THREE(...) three(#__VA_ARGS__, (struct clone_args){ .exit_signal = SIGCHLD, __VA_ARGS__ }, sizeof(struct clone_args))

static void births(void)
{
	pid_t tid = 20000, none = -1;

	CHECK(signal(64, SIG_IGN) == SIG_DFL);
	with_signal(SIGCHLD);
	with_signal(0);
	with_signal(64);
	with_signal(65);
	with_signal(255);
	THREE(.cgroup = 5);
	THREE(.flags = CLONE_DETACHED);
	THREE(.flags = CLONE_INTO_CGROUP, .cgroup = 999);
	THREE(.flags = CLONE_INTO_CGROUP, .cgroup = -1UL);
	THREE(.flags = CLONE_PIDFD | CLONE_PARENT_SETTID, .pidfd = (uintptr_t)&none, .parent_tid = (uintptr_t)&none);
	THREE(.flags = CLONE_SETTLS, .tls = 1UL << 63);
	THREE(.flags = CLONE_SETTLS, .tls = -1UL);
	THREE(.set_tid = 8);
	THREE(.set_tid_size = 1);
	THREE(.set_tid = 8, .set_tid_size = 33);
	THREE(.set_tid = 8, .set_tid_size = 1);
	THREE(.set_tid = (uintptr_t)&none, .set_tid_size = 1);
	THREE(.set_tid = (uintptr_t)&tid, .set_tid_size = 1);
	TRY(unshare(CLONE_SYSVSEM));
	TRY(unshare(CLONE_SIGHAND));
}

static void nobody_to_wait_for(void)
{
	siginfo_t si;

	memset(&si, 0x55, sizeof(si));
	TRY(waitid(P_ALL, 0, &si, WEXITED));
	printf("%d %d %d %d %d %d\n", si.si_signo, si.si_code, si.si_errno, si.si_pid, si.si_uid, si.si_status);
}

/* What a child of clone without a signal is to waitpid() when it has executed a program, or lost its parent; whose group its sibling is in. */
static pid_t clone_of(unsigned long flags)
{
	return syscall(SYS_clone3, &(struct clone_args){ .flags = flags }, sizeof(struct clone_args));
}

static void silent_children(void)
{
	char *words[] = { "corners", "end", NULL };
	int status;
	pid_t pid;

	CHECK((pid = clone_of(0)) >= 0);
	if (pid == 0)
		_exit(0);
	TRY(waitpid(-1, &status, 0));
	TRY(waitpid(-1, &status, __WCLONE) == pid);
	CHECK((pid = clone_of(0)) >= 0);
	if (pid == 0) {
		execv("/proc/self/exe", words);
		_exit(1);
	}
	usleep(300000);
	TRY(waitpid(-1, &status, 0) == pid);
	TRY(status);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && (pid = fork()) >= 0);
	if (pid == 0) {
		CHECK((pid = clone_of(0)) >= 0);
		if (pid == 0) {
			usleep(200000);
			_exit(9);
		}
		_exit(8);
	}
	TRY(waitpid(-1, &status, 0) == pid);
	TRY(status);
	TRY(waitpid(-1, &status, 0) > 0);
	TRY(status);
	CHECK((pid = fork()) >= 0);
	if (pid == 0) {
		CHECK(setpgid(0, 0) == 0 && (pid = clone_of(CLONE_PARENT)) >= 0);
		if (pid == 0)
			_exit(getpgrp() == getppid() ? 1 : getpgrp() == getpgid(getppid()) ? 2 : 3);
		_exit(4);
	}
	for (int i = 0; i < 2; i++) {
		CHECK(waitpid(-1, &status, __WALL) > 0);
		if (WEXITSTATUS(status) != 4)
			TRY(WEXITSTATUS(status));
	}
}

/* Semaphores that it would put back when it ends, it puts back now. */
static void gives_back(void)
{
	struct sembuf op = { 0, 5, SEM_UNDO };
	int id = semget(IPC_PRIVATE, 1, 0600);

	CHECK(id >= 0);
	TRY(semop(id, &op, 1));
	TRY(semctl(id, 0, GETVAL));
	TRY(unshare(CLONE_SYSVSEM));
	TRY(semctl(id, 0, GETVAL));
	CHECK(semctl(id, 0, IPC_RMID) == 0);
}

/* --- signals --- */

static void unknown_flags(void)
{
	struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; } all = { SIG_IGN, ~0UL, NULL, ~0UL }, now;

	TRY(syscall(SYS_rt_sigaction, SIGUSR1, &all, NULL, 8));
	TRY(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &now, 8));
	printf("%#lx %#lx\n", now.flags, now.mask);
}

static void to_all_others(void)		/* there are some, and none of them is ours to signal */
{
	TRY(kill(-1, 0));
	TRY(kill(-1, 65));
	TRY(kill(1, 0));
}

/* --- memory --- */

static void show_rights(const char *at, size_t pages)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start, end, a = (uintptr_t)at;
	char line[512], how[5];

	CHECK(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL) {
		CHECK(sscanf(line, "%lx-%lx %4s", &start, &end, how) == 3);
		for (size_t i = 0; i < pages; i++)
			if (start <= a + i * PAGE && a + i * PAGE < end)
				printf(" %zu%s", i, how);
	}
	printf("\n");
	fclose(f);
}

static void rights(void)
{
	char *p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED && munmap(p + 4 * PAGE, PAGE) == 0);
	TRY(mprotect(p, 8 * PAGE, PROT_READ));		/* up to the hole */
	show_rights(p, 8);
	TRY(mprotect(p, -1UL, PROT_READ));
	TRY(mprotect(p, PAGE, 8 | PROT_READ));		/* PROT_SEM */
	TRY(mprotect(p, PAGE, PROT_GROWSDOWN | PROT_READ));
	TRY(mprotect(p, PAGE, PROT_GROWSUP | PROT_READ));
	TRY(mprotect(p + 4 * PAGE, PAGE, PROT_GROWSDOWN | PROT_READ));
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
	CHECK(p != MAP_FAILED);
	TRY(mprotect(p + 2 * PAGE, PAGE, PROT_GROWSDOWN | PROT_READ));
	show_rights(p, 4);
}

static void maps(void)
{
	int fd = temporary(3 * PAGE);

#define MAPS(...) said(#__VA_ARGS__, mmap(NULL, __VA_ARGS__) == MAP_FAILED ? -1 : 0)
	MAPS(PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
	MAPS(PAGE, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN, fd, 0);
	MAPS(PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
	MAPS(PAGE, PROT_READ, MAP_PRIVATE, fd, (off_t)0x7ffffffffffff000);
}

/* mremap() of no bytes: the same pages once more, if they are shared. */
static void once_more(void)
{
	int fd = temporary(3 * PAGE);
	char *file = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *none = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *p;

	CHECK(file != MAP_FAILED && none != MAP_FAILED && own != MAP_FAILED && at != MAP_FAILED);
	strcpy(file + PAGE, "of a file");
	strcpy(none + 2 * PAGE, "of none");
	p = mremap(file + PAGE, 0, 2 * PAGE, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED && p != file + PAGE);
	strcat(p, ", twice");
	printf("%s\n", file + PAGE);
	p = mremap(none + 2 * PAGE, 0, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at);
	CHECK(p == at);
	strcat(p, ", twice");
	printf("%s\n", none + 2 * PAGE);
	said("mremap(own, 0, PAGE, MREMAP_MAYMOVE)", mremap(own, 0, PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
	said("mremap(file, 0, PAGE, 0)", mremap(file, 0, PAGE, 0) == MAP_FAILED ? -1 : 0);
}

static void advised(void)
{
	int fd = temporary(4 * PAGE);
	char *file = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *copy = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	char *own = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *common = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), c = 0;

	CHECK(file != MAP_FAILED && copy != MAP_FAILED && own != MAP_FAILED && common != MAP_FAILED);
	memset(file, 1, 4 * PAGE);
	memset(common, 1, 2 * PAGE);
	memset(own, 1, 2 * PAGE);
	TRY(madvise(file + PAGE, 2 * PAGE, MADV_REMOVE));
	CHECK(pread(fd, &c, 1, 2 * PAGE) == 1);
	printf("%d %d %d %d, read: %d\n", file[0], file[PAGE], file[2 * PAGE], file[3 * PAGE], c);
	TRY(madvise(common, PAGE, MADV_REMOVE));
	printf("%d %d\n", common[0], common[PAGE]);
	TRY(madvise(copy, PAGE, MADV_REMOVE));
	TRY(madvise(own, PAGE, MADV_REMOVE));
	TRY(mlock(own, 2 * PAGE));
	TRY(madvise(own, PAGE, MADV_DONTNEED));
	TRY(madvise(own, PAGE, 24));			/* MADV_DONTNEED_LOCKED */
	printf("%d %d\n", own[0], own[PAGE]);
	TRY(mlock(file, PAGE));
	TRY(madvise(file, PAGE, MADV_REMOVE));
	TRY(shmget(IPC_PRIVATE, 1UL << 63, 0600));
}

/* --- memory as a file: proc(5) --- */

static void as_file(void)
{
	long *own = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), word = 77;
	static volatile long here = 1234;
	char name[64];
	pid_t child;
	int fd;

	CHECK(own != MAP_FAILED && munmap((char *)own + PAGE, PAGE) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);		/* which it is no more since it has become nobody */
	fd = open("/proc/self/mem", O_RDWR);
	CHECK(fd >= 0);
	TRY(pread(fd, &word, sizeof(word), (uintptr_t)&here));
	printf("%ld\n", word);
	word = 4321;
	TRY(pwrite(fd, &word, sizeof(word), (uintptr_t)&here));
	TRY(pwrite(fd, &word, sizeof(word), (uintptr_t)own));	/* which it may only read */
	printf("%ld %ld\n", here, own[0]);
	TRY(pwrite(fd, &word, sizeof(word), (uintptr_t)own + PAGE - 4));
	TRY(pread(fd, &word, sizeof(word), (uintptr_t)own + PAGE));
	TRY(pread(fd, &word, sizeof(word), 0));
	TRY(pread(fd, &word, sizeof(word), 1UL << 60));
	TRY(lseek(fd, 0, SEEK_END));
	TRY(lseek(fd, 64, SEEK_SET));
	TRY(lseek(fd, 64, SEEK_CUR));
	TRY(read(fd, &word, sizeof(word)));
	CHECK(lseek(fd, (uintptr_t)&here, SEEK_SET) == (off_t)(uintptr_t)&here);
	TRY(read(fd, &word, sizeof(word)));
	printf("%d\n", lseek(fd, 0, SEEK_CUR) == (off_t)((uintptr_t)&here + sizeof(here)));
	close(fd);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		here = 99;
		for (;;)
			pause();
	}
	snprintf(name, sizeof(name), "/proc/%d/mem", child);
	fd = open(name, O_RDWR);
	CHECK(fd >= 0);
	do
		CHECK(pread(fd, &word, sizeof(word), (uintptr_t)&here) == sizeof(word));
	while (word != 99);
	printf("its own %ld, ours %ld\n", word, here);
	CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
	TRY(pread(fd, &word, sizeof(word), (uintptr_t)&here));
	TRY(pwrite(fd, &word, sizeof(word), (uintptr_t)&here));
	TRY(open(name, O_RDONLY));
	TRY(open("/proc/1/mem", O_RDONLY));
}

/* --- what can be set --- */

static void set(void)
{
	struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t times[3]; uint32_t util[2]; uint64_t more; } a = { 0 };

#define ATTR(...) do { memset(&a, 0, sizeof(a)); __VA_ARGS__; TRY(syscall(SYS_sched_setattr, 0, &a, 0)); } while (0)
	ATTR(a.size = 40);
	printf("known: %u\n", a.size);
	ATTR(a.size = 64, a.more = 1);
	ATTR(a.size = 64, a.nice = 19);
	ATTR(a.size = 48, a.flags = 0x80);
	ATTR(a.size = 48, a.nice = 19);
	ATTR(a.size = 48, a.flags = 0x18, a.policy = 77, a.nice = -20);
	printf("nice %d\n", nice(0));
	memset(&a, 0, sizeof(a));
	TRY(syscall(SYS_sched_getattr, 0, &a, 48, 0));
	printf("%u %u %d\n", a.size, a.policy, a.nice);
	TRY(syscall(SYS_sched_getattr, 0, &a, 47, 0));
	TRY(prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0));
	TRY(prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0));
	TRY(syscall(SYS_arch_prctl, 0x1021, 8));
}

/* --- lengths and addresses at the end of all --- */

static void ends_of_memory(void)
{
	const struct rlimit limit = { 64 * PAGE, 64 * PAGE };
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int id = shmget(IPC_PRIVATE, PAGE, 0600);

	CHECK(p != MAP_FAILED && id >= 0);
	said("mmap of -1", mmap(NULL, -1UL, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
	CHECK(mremap(p, PAGE, 1UL << 47, MREMAP_MAYMOVE) == MAP_FAILED && (errno == ENOMEM || errno == EINVAL));	/* by Linux's version */
	TRY(munlock(p, -1UL));
	TRY(mlock(p, -1UL));
	TRY(msync((void *)(1UL << 63), 0, MS_SYNC));
	TRY(msync((void *)(1UL << 63), 1, MS_SYNC));
	TRY(shmget(IPC_PRIVATE, 1UL << 46, 0600));
	said("shmat at the end", (long)shmat(id, (void *)-PAGE, 0));
	p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED && mlock(p + PAGE, PAGE) == 0);
	memset(p, 7, 3 * PAGE);
	TRY(madvise(p, 3 * PAGE, MADV_DONTNEED));
	printf("%d %d %d\n", p[0], p[PAGE], p[2 * PAGE]);
	CHECK(shmctl(id, IPC_RMID, NULL) == 0 && setrlimit(RLIMIT_MEMLOCK, &limit) == 0 && mlockall(MCL_FUTURE) == 0);
	said("sbrk of more than may be locked", sbrk(256 * PAGE) == (void *)-1 ? -1 : 0);
	said("sbrk of less", sbrk(PAGE) == (void *)-1 ? -1 : 0);
	said("sbrk back", sbrk(-(long)PAGE) == (void *)-1 ? -1 : 0);
}

/* --- signals that find no place --- */

static void queued(void)
{
	const struct rlimit limit = { 2, 2 };
	const union sigval value = { .sival_int = 1 };
	pid_t self = getpid();
	sigset_t all;

	TRY(syscall(SYS_rt_sigaction, 0, 8, NULL, 8));
	TRY(syscall(SYS_rt_sigaction, SIGKILL, 8, NULL, 8));
	TRY(syscall(SYS_rt_sigaction, SIGUSR1, 8, NULL, 4));
	CHECK(setrlimit(RLIMIT_SIGPENDING, &limit) == 0 && sigfillset(&all) == 0 && sigprocmask(SIG_BLOCK, &all, NULL) == 0);
	for (int i = 0; i < 3; i++)
		TRY(sigqueue(self, SIGRTMIN, value));
	TRY(syscall(SYS_tgkill, self, self, SIGRTMIN + 1));
	TRY(syscall(SYS_tkill, self, SIGRTMIN + 1));
	TRY(syscall(SYS_tgkill, self, self, SIGUSR1));
	TRY(kill(self, SIGRTMIN + 2));
}

/* --- waiting for a message, stopped meanwhile --- */

static void waits_on(void)
{
	struct { long type; char text[8]; } m = { 1, "later" };
	int id = msgget(IPC_PRIVATE, 0600), status;
	pid_t pid;

	CHECK(id >= 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		TRY(msgrcv(id, &m, sizeof(m.text), 1, 0));
		_exit(0);
	}
	usleep(100000);
	CHECK(kill(pid, SIGSTOP) == 0 && waitpid(pid, &status, WUNTRACED) == pid && kill(pid, SIGCONT) == 0);
	usleep(100000);
	CHECK(msgsnd(id, &m, 6, IPC_NOWAIT) == 0);	/* it says what it got */
	CHECK(waitpid(pid, &status, 0) == pid && msgctl(id, IPC_RMID, NULL) == 0);
}

/* --- sockets --- */

static int at_loopback(int type, struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	int s = socket(AF_INET, type, 0);

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CHECK(s >= 0 && bind(s, (void *)a, sizeof(*a)) == 0 && getsockname(s, (void *)a, &len) == 0);
	return s;
}

static void to_the_end(void)
{
	struct sockaddr_in a;
	int listener = at_loopback(SOCK_STREAM, &a), s = socket(AF_INET, SOCK_STREAM, 0), peer;

	CHECK(listen(listener, 1) == 0 && connect(s, (void *)&a, sizeof(a)) == 0);
	peer = accept(listener, NULL, NULL);
	CHECK(peer >= 0);
	TRY(shutdown(s, SHUT_WR));
	TRY(shutdown(s, SHUT_WR));
	TRY(shutdown(peer, SHUT_RDWR));
	usleep(20000);
	TRY(shutdown(s, SHUT_RDWR));
	TRY(shutdown(peer, SHUT_WR));
}

static void refused(void)
{
	struct sockaddr_in a;
	struct pollfd p = { .events = POLLIN | POLLOUT };
	int held = at_loopback(SOCK_STREAM, &a);

	p.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK(held >= 0 && p.fd >= 0);
	printf("%d", poll(&p, 1, 0));
	printf(" %#x\n", p.revents);
	TRY(connect(p.fd, (void *)&a, sizeof(a)));
	printf("%d", poll(&p, 1, 5000));
	printf(" %#x\n", p.revents);
}

static void of_no_family(void)
{
	struct sockaddr_in a;
	int s = at_loopback(SOCK_DGRAM, &a);
	char text[4];

	a.sin_family = AF_UNSPEC;
	TRY(sendto(s, "abc", 3, 0, (void *)&a, sizeof(a)));
	TRY(recv(s, text, sizeof(text), MSG_DONTWAIT));
	a.sin_family = AF_UNIX;
	TRY(sendto(s, "abc", 3, 0, (void *)&a, sizeof(a)));
}

static void heard_later(void)
{
	struct sockaddr_in a;
	int gone = at_loopback(SOCK_DGRAM, &a), s = socket(AF_INET, SOCK_DGRAM, 0);
	static char text[65508];

	CHECK(close(gone) == 0 && connect(s, (void *)&a, sizeof(a)) == 0);
	TRY(send(s, "x", 1, 0));
	usleep(20000);
	TRY(sendto(s, "x", 1, 0, (void *)&a, 4));
	TRY(send(s, text, sizeof(text), 0));
	TRY(send(s, "x", 1, 0));
	TRY(recv(s, text, 1, MSG_DONTWAIT));
}

static int send_ten(int s)
{
	union { struct cmsghdr h; char room[CMSG_SPACE(10 * sizeof(int))]; } c = { .h = { CMSG_LEN(10 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec v = { "x", 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c) };

	memset(CMSG_DATA(&c.h), 0, 10 * sizeof(int));		/* descriptor 0, ten times */
	return sendmsg(s, &m, MSG_DONTWAIT);
}

static void in_flight(void)
{
	const struct rlimit limit = { 20, 20 };
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0 && setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (int i = 0; i < 4; i++)
		TRY(send_ten(pair[0]));
}

static const struct { const char *name; void (*fn)(void); } scenes[] = {
#define S(fn) { #fn, fn },
	S(births) S(nobody_to_wait_for) S(silent_children) S(gives_back) S(unknown_flags) S(to_all_others) S(rights) S(maps) S(once_more) S(advised) S(as_file) S(set)
	S(ends_of_memory) S(queued) S(waits_on) S(to_the_end) S(refused) S(of_no_family) S(heard_later) S(in_flight)
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "end") == 0)
		_exit(0);
	be_nobody();
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		printf("== %s\n", scenes[i].name);
		fflush(stdout);
		if (status_in_child(scenes[i].fn) != 0)
			fail("%s", scenes[i].name);
	}
	return ok("");
}
