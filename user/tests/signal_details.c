/* SPDX-License-Identifier: MIT */
/*
 * signal_details: what signals.c leaves out: the codes of arithmetic faults, alternate stacks that are too small or disarmed,
 * queues and their limit, which calls go on after a handler (signal(7)), synchronous waits, the frame's extended state.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <fenv.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <linux/futex.h>
#include <time.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static volatile int hits, code, value[64];
static void *volatile address;
static sigjmp_buf back;

static void count_hit(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	value[hits % 64] = si->si_value.sival_int;
	code = si->si_code;
	hits++;
}

static void jump_back(int sig, siginfo_t *si, void *context)
{
	(void)context;
	code = si->si_code;
	address = si->si_addr;
	siglongjmp(back, sig);
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	CHECK(sigaction(sig, &sa, NULL) == 0);
}

/* --- arithmetic --- */

#define FAULTS(sig, want, expression) do {						\
	code = 0;									\
	int got_ = sigsetjmp(back, 1);							\
	if (got_ == 0) {								\
		expression;								\
		fail("%s did not fault", #expression);					\
	}										\
	fedisableexcept(FE_ALL_EXCEPT);							\
	feclearexcept(FE_ALL_EXCEPT);							\
	if (got_ != (sig) || code != (want))						\
		fail("%s: signal %d code %d", #expression, got_, code);			\
} while (0)

static volatile double zero = 0, one = 1, big = 1e308, tiny = 1e-308, result;
static volatile long double lzero = 0, lone = 1, lresult;

/* An emulated CPU may note an unmasked SSE exception and not raise it: then there is nothing for a kernel to do. */
static bool sse_raises(void)
{
	bool raised = sigsetjmp(back, 1) != 0;

	if (!raised) {
		feenableexcept(FE_DIVBYZERO);
		result = one / zero;
	}
	fedisableexcept(FE_ALL_EXCEPT);
	feclearexcept(FE_ALL_EXCEPT);
	return raised;
}

static void arithmetic(void)
{
	handle(SIGFPE, jump_back, 0);
	FAULTS(SIGFPE, FPE_FLTDIV, feenableexcept(FE_DIVBYZERO); lresult = lone / lzero; __asm__ volatile("fwait"));
	FAULTS(SIGFPE, FPE_FLTINV, feenableexcept(FE_INVALID); lresult = lzero / lzero; __asm__ volatile("fwait"));
	FAULTS(SIGFPE, FPE_FLTRES, feenableexcept(FE_INEXACT); lresult = lone / 3; __asm__ volatile("fwait"));
	if (!sse_raises())
		return;
	FAULTS(SIGFPE, FPE_FLTDIV, feenableexcept(FE_DIVBYZERO); result = one / zero);
	CHECK(address != NULL);
	FAULTS(SIGFPE, FPE_FLTINV, feenableexcept(FE_INVALID); result = zero / zero);
	FAULTS(SIGFPE, FPE_FLTOVF, feenableexcept(FE_OVERFLOW); result = big * big);
	FAULTS(SIGFPE, FPE_FLTUND, feenableexcept(FE_UNDERFLOW); result = tiny * tiny);
	FAULTS(SIGFPE, FPE_FLTRES, feenableexcept(FE_INEXACT); result = one / 3);
	signal(SIGFPE, SIG_DFL);
}

static void single_step(void)
{
	handle(SIGTRAP, jump_back, 0);
	FAULTS(SIGTRAP, TRAP_TRACE, __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop; nop" ::: "memory", "cc"));
	__asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
	CHECK(address != NULL);
	signal(SIGTRAP, SIG_DFL);
}

/* --- stacks --- */

static volatile uintptr_t handler_at;
static volatile int stack_flags;

static void where(int sig, siginfo_t *si, void *context)
{
	stack_t now;

	(void)sig;
	(void)si;
	(void)context;
	handler_at = (uintptr_t)&now;
	CHECK(sigaltstack(NULL, &now) == 0);
	stack_flags = now.ss_flags;
	hits++;
}

static void on_small_stack(int sig, siginfo_t *si, void *context)
{
	hits++;
	raise(SIGUSR2);					/* no room for another frame */
	(void)sig;
	(void)si;
	(void)context;
	_exit(9);
}

static void stacks(void)
{
	size_t room = sysconf(_SC_MINSIGSTKSZ) > 2048 ? sysconf(_SC_MINSIGSTKSZ) : 2048, size = room + 512;
	char *alt = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t s = { .ss_sp = alt, .ss_size = 65536, .ss_flags = SS_AUTODISARM }, now;
	int status;
	pid_t child;

	CHECK(alt != MAP_FAILED);
	handle(SIGUSR1, where, SA_ONSTACK);
	hits = 0;
	CHECK(sigaltstack(&s, NULL) == 0 && raise(SIGUSR1) == 0);
	CHECK(handler_at > (uintptr_t)alt && handler_at < (uintptr_t)alt + 65536);
	CHECK(stack_flags == SS_DISABLE);		/* disarmed while the handler runs */
	CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp == alt && now.ss_size == 65536 && (now.ss_flags & SS_AUTODISARM));
	CHECK(sigaltstack(&(stack_t){ .ss_sp = alt, .ss_size = 65536, .ss_flags = 3 }, NULL) == -1 && errno == EINVAL);
	CHECK(sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL) == 0);

	child = fork();					/* too small for a second frame: the program dies of it */
	if (child == 0) {
		s = (stack_t){ .ss_sp = alt + 32768, .ss_size = size };
		CHECK(sigaltstack(&s, NULL) == 0);
		handle(SIGUSR1, on_small_stack, SA_ONSTACK);
		handle(SIGUSR2, count_hit, SA_ONSTACK);
		raise(SIGUSR1);
		_exit(8);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);

	child = fork();					/* no stack at all, but an alternate one for SIGSEGV */
	if (child == 0) {
		CHECK(sigaltstack(&(stack_t){ .ss_sp = alt, .ss_size = 65536 }, NULL) == 0);
		handle(SIGSEGV, jump_back, SA_ONSTACK);
		handle(SIGUSR1, count_hit, 0);
		if (sigsetjmp(back, 1) == 0) {
			__asm__ volatile("movq $4096, %%rsp; movl $39, %%eax; syscall; movl %%eax, %%edi; movl $62, %%eax;"
					 "movl $10, %%esi; syscall" ::: "rax", "rdi", "rsi", "rcx", "r11", "memory");
			_exit(1);
		}
		_exit(code == SI_KERNEL || code == SEGV_MAPERR ? 7 : 2);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	CHECK(munmap(alt, 65536) == 0);
}

/* --- queues --- */

static void queues(void)
{
	struct rlimit limit, low;
	sigset_t set, was;
	siginfo_t si;
	int n;

	handle(SIGRTMIN, count_hit, 0);
	handle(SIGRTMIN + 1, count_hit, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGRTMIN + 1);
	sigaddset(&set, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &set, &was) == 0);
	for (int i = 0; i < 3; i++) {
		CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 100 + i }) == 0);
		CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i }) == 0);
		CHECK(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 50 + i }) == 0);
	}
	CHECK(sigtimedwait(&set, &si, &(struct timespec){ 0, 0 }) == SIGUSR1 && si.si_value.sival_int == 50 &&
	      si.si_code == SI_QUEUE && si.si_pid == getpid());
	hits = 0;
	CHECK(sigprocmask(SIG_SETMASK, &was, NULL) == 0);
	/* the lowest number is delivered first, so its frame is the lowest on the stack: it runs last */
	CHECK(hits == 6);
	int low_seen = 0, high_seen = 0;

	for (int i = 0; i < 6; i++) {
		if (value[i] < 100)
			CHECK(value[i] == low_seen++);
		else
			CHECK(value[i] == 100 + high_seen++);
	}
	CHECK(sigtimedwait(&set, &si, &(struct timespec){ 0, 1000000 }) == -1 && errno == EAGAIN);

	/* no more than the limit */
	CHECK(getrlimit(RLIMIT_SIGPENDING, &limit) == 0);
	low = (struct rlimit){ 20, limit.rlim_max };
	CHECK(setrlimit(RLIMIT_SIGPENDING, &low) == 0 && sigprocmask(SIG_BLOCK, &set, &was) == 0);
	for (n = 0; n < 1000; n++)
		if (sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 0 }) != 0)
			break;
	CHECK(errno == EAGAIN && n > 0 && n <= 20);
	CHECK(kill(getpid(), SIGRTMIN) == 0);		/* which does not count */
	CHECK(setrlimit(RLIMIT_SIGPENDING, &limit) == 0);
	while (sigtimedwait(&set, &si, &(struct timespec){ 0, 0 }) > 0)
		;
	CHECK(sigprocmask(SIG_SETMASK, &was, NULL) == 0);
}

/* --- which calls go on, and which end with EINTR --- */

static pid_t parent_tid;
static volatile int stop_hitting;

/* Signals the main thread every few milliseconds until it is told to stop. */
static void *hitter(void *arg)
{
	(void)arg;
	while (!stop_hitting) {
		usleep(15000);
		syscall(SYS_tgkill, getpid(), parent_tid, SIGUSR1);
	}
	return NULL;
}

static int pipe_ends[2];
static volatile int released;

/* Lets a call that goes on come to its end after some signals. */
static void *releaser(void *arg)
{
	while (hits < 3)
		usleep(1000);
	released = 1;
	if (arg != NULL)
		CHECK(write(pipe_ends[1], "x", 1) == 1);
	return NULL;
}

enum { READ, WAIT4, FLOCK, SETLKW, FUTEX, POLL, SELECT, EPOLL, NANOSLEEP, PAUSE, SUSPEND, SIGWAIT, FUTEX_TIMED, NR_CALLS };
static const char *const call_name[] = { "read", "waitpid", "flock", "F_SETLKW", "futex", "poll", "select", "epoll_wait", "nanosleep",
					 "pause", "sigsuspend", "sigtimedwait", "futex with a timeout" };

static char lock_name[] = "/tmp/signal-details-XXXXXX";
static int lock_file, epoll_fd;
static int futex_word;

static long make_call(int call)
{
	struct timespec long_time = { 30, 0 };
	struct pollfd p = { pipe_ends[0], POLLIN, 0 };
	struct epoll_event ev;
	sigset_t none, usr2;
	fd_set in;
	char c;

	switch (call) {
	case READ: return read(pipe_ends[0], &c, 1);
	case WAIT4: return waitpid(-1, NULL, 0);
	case FLOCK: return flock(lock_file, LOCK_EX);
	case SETLKW: return fcntl(lock_file, F_SETLKW, &(struct flock){ .l_type = F_WRLCK });
	case FUTEX: return syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, NULL);
	case FUTEX_TIMED: return syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, &long_time);
	case POLL: return poll(&p, 1, 30000);
	case SELECT:
		FD_ZERO(&in);
		FD_SET(pipe_ends[0], &in);
		return select(pipe_ends[0] + 1, &in, NULL, NULL, &(struct timeval){ 30, 0 });
	case EPOLL: return epoll_wait(epoll_fd, &ev, 1, 30000);
	case NANOSLEEP: return nanosleep(&long_time, NULL);
	case PAUSE: return pause();
	case SUSPEND:
		sigemptyset(&none);
		return sigsuspend(&none);
	default:
		sigemptyset(&usr2);
		sigaddset(&usr2, SIGUSR2);
		return sigtimedwait(&usr2, NULL, &long_time);
	}
}

static void restarts(void)
{
	pthread_t t, end;

	parent_tid = gettid();
	CHECK(pipe(pipe_ends) == 0);
	lock_file = mkstemp(lock_name);
	CHECK(lock_file >= 0);
	epoll_fd = epoll_create1(0);
	CHECK(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, pipe_ends[0], &(struct epoll_event){ .events = EPOLLIN }) == 0);
	for (int call = 0; call < NR_CALLS; call++) {
		for (int restart = 0; restart < 2; restart++) {
			bool may_go_on = call <= FUTEX;
			pid_t child = -1;
			long rc;
			int other_file = -1;

			if (!restart || !may_go_on) {		/* must end with EINTR */
				handle(SIGUSR1, count_hit, restart ? SA_RESTART : 0);
			} else {
				if (call == FLOCK || call == SETLKW || call == FUTEX)
					continue;		/* nothing ends these by itself */
				handle(SIGUSR1, count_hit, SA_RESTART);
			}
			if (call == WAIT4 || call == SETLKW || call == FLOCK) {
				int ready[2];
				char c;

				CHECK(pipe(ready) == 0);
				child = fork();
				if (child == 0) {
					struct flock l = { .l_type = F_WRLCK };
					sigset_t all;

					sigfillset(&all);
					sigprocmask(SIG_BLOCK, &all, NULL);
					if (call == SETLKW)
						CHECK(fcntl(lock_file, F_SETLKW, &l) == 0);
					if (call == FLOCK) {
						other_file = open(lock_name, O_RDWR);
						CHECK(other_file >= 0 && flock(other_file, LOCK_EX) == 0);
					}
					CHECK(write(ready[1], "x", 1) == 1);
					usleep(restart && may_go_on ? 300000 : 30000000);
					_exit(0);
				}
				CHECK(read(ready[0], &c, 1) == 1);
				close(ready[0]);
				close(ready[1]);
			}
			if (call == FLOCK) {			/* held by the child through a file of its own */
				int mine = open(lock_name, O_RDWR), keep = lock_file;

				CHECK(mine >= 0);
				lock_file = mine;
				hits = stop_hitting = 0;
				CHECK(pthread_create(&t, NULL, hitter, NULL) == 0);
				errno = 0;
				rc = make_call(call);
				if (rc != -1 || errno != EINTR)
					fail("%s: %ld, errno %d", call_name[call], rc, errno);
				lock_file = keep;
				close(mine);
			} else {
				hits = stop_hitting = released = 0;
				CHECK(pthread_create(&t, NULL, hitter, NULL) == 0);
				if (restart && may_go_on)
					CHECK(pthread_create(&end, NULL, releaser, call == READ ? &call : NULL) == 0);
				errno = 0;
				rc = make_call(call);
				if (restart && may_go_on) {
					if (rc < 0 || hits < 3)
						fail("%s did not go on: %ld, errno %d, %d hits", call_name[call], rc, errno, hits);
					CHECK(pthread_join(end, NULL) == 0);
				} else if (rc != -1 || errno != EINTR) {
					fail("%s with%s SA_RESTART: %ld, errno %d", call_name[call], restart ? "" : "out", rc, errno);
				}
			}
			stop_hitting = 1;
			CHECK(pthread_join(t, NULL) == 0);
			if (child > 0 && !(call == WAIT4 && restart)) {
				CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
			}
		}
	}
	CHECK(close(lock_file) == 0 && unlink(lock_name) == 0 && close(epoll_fd) == 0);
}

/* --- the frame --- */

static volatile unsigned magic1, magic2_ok, in_frame;

static void look_at_frame(int sig, siginfo_t *si, void *context)
{
	const ucontext_t *uc = context;
	const unsigned char *fp = (const unsigned char *)uc->uc_mcontext.fpregs;
	unsigned size;

	(void)sig;
	(void)si;
	CHECK(((uintptr_t)fp & 63) == 0 || !__builtin_cpu_supports("avx"));
	memcpy((void *)&in_frame, fp + 160 + 7 * 16, 4);	/* xmm7 */
	memcpy((void *)&magic1, fp + 464, 4);
	memcpy(&size, fp + 468, 4);
	if (magic1 == 0x46505853)
		magic2_ok = memcmp(fp + size - 4, "EXPF", 4) == 0;
	CHECK((uc->uc_flags & 6) == 6);				/* SS is in it, strictly */
	memcpy((void *)(fp + 160 + 7 * 16), &(unsigned){ 0x77777777 }, 4);
}

static void frames(void)
{
	unsigned out;
	pid_t me = getpid();

	handle(SIGUSR1, look_at_frame, 0);
	__asm__ volatile("movd %2, %%xmm7; movl $62, %%eax; movl $10, %%esi; syscall; movd %%xmm7, %0"
			 : "=r"(out) : "D"(me), "r"(0x12345678) : "rax", "rsi", "rcx", "r11", "xmm7", "memory");
	CHECK(in_frame == 0x12345678 && out == 0x77777777);
	if (__builtin_cpu_supports("avx"))
		CHECK(magic1 == 0x46505853 && magic2_ok == 1);
}

int main(void)
{
	setbuf(stdout, NULL);
	puts("arithmetic");
	arithmetic();
	single_step();
	puts("stacks");
	stacks();
	puts("queues");
	queues();
	puts("restarts");
	restarts();
	puts("frames");
	frames();
	return ok("");
}
