/* SPDX-License-Identifier: MIT */
/* Signals: frames, masks, stacks, restarts, faults, and the extended registers across handlers. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <time.h>

#pragma GCC diagnostic ignored "-Wunused-parameter"	/* handlers have three, whether they look at them or not */

static volatile int count, depth, deepest;
static volatile siginfo_t last;

static void note(int sig, siginfo_t *si, void *context)
{
	const ucontext_t *uc = context;

	CHECK(si->si_signo == sig);
	CHECK(uc->uc_mcontext.gregs[REG_RIP] != 0);
	CHECK(((uintptr_t)__builtin_frame_address(0) & 15) == 0);
	last = *si;
	count++;
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	CHECK(sigaction(sig, &sa, NULL) == 0);
}

static void basics(void)
{
	struct sigaction old;
	sigset_t set, was;

	handle(SIGUSR1, note, SA_RESTART);
	CHECK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_sigaction == note && (old.sa_flags & SA_RESTART));
	CHECK(sigaction(SIGKILL, NULL, &old) == 0);
	CHECK(signal(SIGKILL, SIG_IGN) == SIG_ERR && errno == EINVAL);
	CHECK(kill(getpid(), SIGUSR1) == 0);
	CHECK(count == 1 && last.si_code == SI_USER && last.si_pid == getpid() && last.si_uid == getuid());
	CHECK(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1) == 0);
	CHECK(count == 2 && last.si_code == SI_TKILL);
	CHECK(kill(getpid(), 0) == 0 && count == 2);
	CHECK(kill(getpid(), 65) == -1 && errno == EINVAL);
	CHECK(kill(999999, SIGTERM) == -1 && errno == ESRCH);

	/* blocked: one of a kind stays pending, and is taken when unblocked */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &set, &was) == 0);
	CHECK(raise(SIGUSR1) == 0 && raise(SIGUSR1) == 0 && count == 2);
	CHECK(sigpending(&set) == 0 && sigismember(&set, SIGUSR1) == 1 && sigismember(&set, SIGUSR2) == 0);
	CHECK(sigprocmask(SIG_SETMASK, &was, NULL) == 0 && count == 3);

	/* ignored while pending: gone */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &set, &was) == 0 && raise(SIGUSR1) == 0);
	CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
	handle(SIGUSR1, note, SA_RESTART);
	CHECK(sigprocmask(SIG_SETMASK, &was, NULL) == 0 && count == 3);

	/* SA_RESETHAND */
	handle(SIGUSR2, note, SA_RESETHAND);
	CHECK(raise(SIGUSR2) == 0 && count == 4);
	CHECK(sigaction(SIGUSR2, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
}

static int order[8];
static volatile int nr_order;

static void note_value(int sig, siginfo_t *si, void *context)
{
	order[nr_order++] = si->si_value.sival_int;
}

static void real_time(void)
{
	sigset_t set, was;

	handle(SIGRTMIN + 1, note_value, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	CHECK(sigprocmask(SIG_BLOCK, &set, &was) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGRTMIN + 1,
			      &(siginfo_t){ .si_code = SI_QUEUE, .si_value.sival_int = 10 + i }) == 0 || errno == ENOSYS);
	CHECK(sigprocmask(SIG_SETMASK, &was, NULL) == 0);
	CHECK(nr_order == 0 || nr_order == 4);
	for (int i = 0; i < nr_order; i++)
		CHECK(order[i] == 10 + i);
}

static void nest(int sig, siginfo_t *si, void *context)
{
	if (++depth > deepest)
		deepest = depth;
	if (depth < 5)
		raise(sig);
	depth--;
}

static volatile int runs;

static void one_after_the_other(int sig, siginfo_t *si, void *context)
{
	CHECK(++depth == 1);
	if (++runs < 3)
		raise(sig);
	depth--;
}

static void nested(void)
{
	handle(SIGUSR2, nest, SA_NODEFER);
	CHECK(raise(SIGUSR2) == 0 && deepest == 5 && depth == 0);
	handle(SIGUSR2, one_after_the_other, 0);	/* blocked while it runs */
	CHECK(raise(SIGUSR2) == 0 && runs == 3);
}

static char alt[64 * 1024] __attribute__((aligned(16)));
static volatile uintptr_t handler_sp;

static void note_stack(int sig, siginfo_t *si, void *context)
{
	const ucontext_t *uc = context;
	stack_t now;

	handler_sp = (uintptr_t)__builtin_frame_address(0);
	CHECK(sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_ONSTACK));
	CHECK(uc->uc_stack.ss_sp == alt);
	CHECK(sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL) == -1 && errno == EPERM);
}

static void alternate_stack(void)
{
	stack_t s = { .ss_sp = alt, .ss_size = sizeof(alt) }, old;

	CHECK(sigaltstack(NULL, &old) == 0 && (old.ss_flags & SS_DISABLE));
	CHECK(sigaltstack(&(stack_t){ .ss_sp = alt, .ss_size = 100 }, NULL) == -1 && errno == ENOMEM);
	CHECK(sigaltstack(&s, NULL) == 0);
	handle(SIGUSR2, note_stack, SA_ONSTACK);
	CHECK(raise(SIGUSR2) == 0);
	CHECK(handler_sp > (uintptr_t)alt && handler_sp < (uintptr_t)alt + sizeof(alt));
	CHECK(sigaltstack(NULL, &old) == 0 && old.ss_sp == alt && old.ss_flags == 0);
}

static sigjmp_buf back;
static volatile void *fault_at;
static volatile int fault_code;

static void on_fault(int sig, siginfo_t *si, void *context)
{
	fault_at = si->si_addr;
	fault_code = si->si_code;
	siglongjmp(back, sig);
}

#define FAULTS(sig, code, addr, expression) do {					\
	fault_code = 0;									\
	int got_ = sigsetjmp(back, 1);							\
	if (got_ == 0) {								\
		expression;								\
		fail("%s did not fault", #expression);					\
	}										\
	if (got_ != (sig) || fault_code != (code) || fault_at != (addr))		\
		fail("%s: signal %d code %d at %p", #expression, got_, fault_code, fault_at); \
} while (0)

static void faults(void)
{
	volatile char *page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile char *volatile low = (volatile char *)16;
	volatile int zero = 0, many = 100;
	int file;

	CHECK(page != MAP_FAILED);
	handle(SIGSEGV, on_fault, SA_ONSTACK);
	handle(SIGBUS, on_fault, 0);
	handle(SIGFPE, on_fault, 0);
	handle(SIGILL, on_fault, 0);
	handle(SIGTRAP, on_fault, 0);
	FAULTS(SIGSEGV, SEGV_ACCERR, page + 17, page[17] = 1);
	FAULTS(SIGSEGV, SEGV_MAPERR, (void *)16, *low);
	CHECK(munmap((void *)(page + 4096), 4096) == 0);
	FAULTS(SIGSEGV, SEGV_MAPERR, page + 5000, page[5000]);
	CHECK(mprotect((void *)page, 4096, PROT_NONE) == 0);
	FAULTS(SIGSEGV, SEGV_ACCERR, page, *page);
	FAULTS(SIGSEGV, SI_KERNEL, NULL, *(volatile char *)0x8000000000001000);
	FAULTS(SIGFPE, FPE_INTDIV, fault_at, zero = many / zero);
	FAULTS(SIGILL, ILL_ILLOPN, fault_at, __asm__ volatile("ud2"));
	FAULTS(SIGTRAP, SI_KERNEL, NULL, __asm__ volatile("int3"));

	/* past the end of a file: SIGBUS */
	file = open("/proc/self/exe", 0);
	if (file >= 0) {
		off_t end = lseek(file, 0, SEEK_END);
		volatile char *m = mmap(NULL, end + 8192, PROT_READ, MAP_PRIVATE, file, 0);

		CHECK(m != MAP_FAILED && m[0] == 0x7f);
		FAULTS(SIGBUS, BUS_ADRERR, m + ((end + 4095) & -4096) + 5, m[((end + 4095) & -4096) + 5]);
		close(file);
	}
	signal(SIGSEGV, SIG_DFL);
}

/* Registers: a handler that uses all of them must not be seen by what it interrupted. */
static void scramble(int sig, siginfo_t *si, void *context)
{
	__asm__ volatile("pcmpeqb %%xmm0, %%xmm0\n movdqa %%xmm0, %%xmm1\n movdqa %%xmm0, %%xmm7\n movdqa %%xmm0, %%xmm15\n"
			 "fninit\n fldpi\n" ::: "xmm0", "xmm1", "xmm7", "xmm15", "memory");
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vpcmpeqb %%xmm3, %%xmm3, %%xmm3\n vinsertf128 $1, %%xmm3, %%ymm3, %%ymm3\n"
				 "vmovaps %%ymm3, %%ymm9" ::: "xmm3", "xmm9");
	count++;
}

static void registers(void)
{
	uint64_t in[4] = { 0x1111, 0x2222, 0x3333, 0x4444 }, out[4], general[2];
	struct itimerval tick = { { 0, 1000 }, { 0, 1000 } }, off = { 0 };
	bool avx = __builtin_cpu_supports("avx"), ticking;
	time_t end = time(NULL) + 2;

	handle(SIGALRM, scramble, SA_RESTART);
	count = 0;
	ticking = setitimer(ITIMER_REAL, &tick, NULL) == 0;
	if (!ticking)
		handle(SIGUSR1, scramble, SA_RESTART);
	do {
		if (!ticking)
			raise(SIGUSR1);
		for (int i = 0; i < 1000; i++) {
			double d;

			__asm__ volatile("movq %3, %%xmm7\n movq %4, %%xmm15\n fldz\n mov $200, %%rcx\n 1: dec %%rcx\n jnz 1b\n"
					 "movq %%xmm7, %0\n movq %%xmm15, %1\n fstpl %2"
					 : "=r"(general[0]), "=r"(general[1]), "=m"(d) : "r"(in[0]), "r"(in[1])
					 : "rcx", "xmm7", "xmm15", "st");
			CHECK(general[0] == in[0] && general[1] == in[1] && d == 0.0);
			if (!avx)
				continue;
			__asm__ volatile("vmovups %1, %%ymm9\n mov $200, %%rcx\n 1: dec %%rcx\n jnz 1b\n vmovups %%ymm9, %0\n vzeroupper"
					 : "=m"(out) : "m"(in) : "rcx", "xmm9", "memory");
			CHECK(memcmp(in, out, sizeof(in)) == 0);
		}
	} while (count < 50 && time(NULL) < end);
	if (ticking)
		CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
	CHECK(count > 0);
}

/* A handler may change what is restored. */
static void jump_over(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;

	uc->uc_mcontext.gregs[REG_RIP] += 2;		/* ud2 */
	uc->uc_mcontext.gregs[REG_RAX] = 77;
	sigaddset(&uc->uc_sigmask, SIGUSR2);
}

static void changed_frame(void)
{
	sigset_t now;
	long rax = 1;

	handle(SIGILL, jump_over, 0);
	__asm__ volatile("ud2" : "+a"(rax));
	CHECK(rax == 77);
	CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0 && sigismember(&now, SIGUSR2) == 1);
	sigdelset(&now, SIGUSR2);
	CHECK(sigprocmask(SIG_SETMASK, &now, NULL) == 0);
}

static int ends[2];

static volatile int *enough;		/* shared with the child */

/*
 * A child that signals its parent again and again, whatever it is doing, until that has had enough (times 0), or `times`
 * signals were seen; then it does what ends the parent's read().
 */
static void interrupt_parent(int sig, int times)
{
	pid_t child;

	*enough = 0;
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		for (int i = 0; times == 0 ? !*enough : i < times; i++) {
			usleep(30000);
			kill(getppid(), sig);
		}
		usleep(30000);
		CHECK(write(ends[1], "x", 1) == 1);
		_exit(0);
	}
}

static void interrupted_calls(void)
{
	char c;
	int status;
	sigset_t none;

	enough = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(enough != MAP_FAILED && pipe(ends) == 0);
	handle(SIGUSR1, note, SA_RESTART);
	count = 0;
	interrupt_parent(SIGUSR1, 3);
	CHECK(read(ends[0], &c, 1) == 1 && count >= 1 && count <= 3);
	CHECK(wait(&status) > 0 && status == 0);

	handle(SIGUSR1, note, 0);
	count = 0;
	interrupt_parent(SIGUSR1, 0);
	CHECK(read(ends[0], &c, 1) == -1 && errno == EINTR && count >= 1);
	CHECK(nanosleep(&(struct timespec){ 5, 0 }, NULL) == -1 && errno == EINTR && count >= 2);
	sigemptyset(&none);
	CHECK(sigsuspend(&none) == -1 && errno == EINTR && count >= 3);
	handle(SIGUSR1, note, SA_RESTART);
	*enough = 1;
	CHECK(read(ends[0], &c, 1) == 1);
	CHECK(wait(&status) > 0 && status == 0);

	/* wait4 goes on by itself */
	count = 0;
	interrupt_parent(SIGUSR1, 3);
	CHECK(wait(&status) > 0 && status == 0 && count >= 1);
	CHECK(read(ends[0], &c, 1) == 1);

	/* stop and continue: nobody sees EINTR */
	pid_t child = fork();

	if (child == 0) {
		struct timespec rest = { 0, 200000000 };

		_exit(nanosleep(&rest, NULL) == 0 ? 7 : 1);
	}
	usleep(30000);
	CHECK(kill(child, SIGSTOP) == 0);
	CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	CHECK(waitpid(child, &status, WNOHANG | WUNTRACED) == 0);
	CHECK(kill(child, SIGCONT) == 0);
	CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);

	/* a writer without a reader */
	signal(SIGPIPE, SIG_IGN);
	close(ends[0]);
	CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE);
	handle(SIGPIPE, note, 0);
	count = 0;
	CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE && count == 1);
	close(ends[1]);
}

static void *sleeper(void *arg)
{
	pthread_mutex_lock(arg);		/* for ever */
	return NULL;
}

static volatile pthread_t taker;
static void note_thread(int sig) { taker = pthread_self(); }

static void *open_ear(void *arg)
{
	while (taker == 0)
		usleep(1000);
	return NULL;
}

static void threads(void)
{
	pthread_mutex_t never = PTHREAD_MUTEX_INITIALIZER;
	pthread_t t[4], ear;
	sigset_t set, was;
	int status;
	pid_t child;

	/* a signal to the process goes to the thread that does not block it */
	signal(SIGUSR2, note_thread);
	CHECK(pthread_create(&ear, NULL, open_ear, NULL) == 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK(pthread_sigmask(SIG_BLOCK, &set, &was) == 0);
	CHECK(kill(getpid(), SIGUSR2) == 0);
	CHECK(pthread_join(ear, NULL) == 0 && taker == ear);
	CHECK(pthread_sigmask(SIG_SETMASK, &was, NULL) == 0);

	/* SIGKILL reaches threads that sleep on futexes; so does exit_group */
	for (int round = 0; round < 2; round++) {
		child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			pthread_mutex_lock(&never);
			for (int i = 0; i < 4; i++)
				CHECK(pthread_create(&t[i], NULL, sleeper, &never) == 0);
			if (round == 1) {
				usleep(50000);
				_exit(9);
			}
			pause();
		}
		usleep(100000);
		if (round == 0)
			CHECK(kill(child, SIGKILL) == 0);
		CHECK(waitpid(child, &status, 0) == child);
		CHECK(round == 0 ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL : WIFEXITED(status) && WEXITSTATUS(status) == 9);
	}
}

static void chld(int sig, siginfo_t *si, void *context)
{
	last = *si;
	count++;
}

static void children(void)
{
	siginfo_t info = { 0 };
	int status;
	pid_t child;

	handle(SIGCHLD, chld, SA_RESTART);
	count = 0;
	child = fork();
	if (child == 0)
		_exit(33);
	CHECK(waitid(P_PID, child, &info, WEXITED | WNOWAIT) == 0);
	CHECK(info.si_pid == child && info.si_code == CLD_EXITED && info.si_status == 33);
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 33);
	CHECK(count == 1 && last.si_code == CLD_EXITED && last.si_pid == child && last.si_status == 33);
	child = fork();
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	CHECK(waitpid(child, &status, 0) == -1 && errno == ECHILD);
	/* nobody waits: no zombie */
	signal(SIGCHLD, SIG_IGN);
	child = fork();
	if (child == 0)
		_exit(0);
	CHECK(wait(&status) == -1 && errno == ECHILD);
	signal(SIGCHLD, SIG_DFL);
}

int main(void)
{
	basics();
	real_time();
	nested();
	alternate_stack();
	faults();
	registers();
	changed_frame();
	interrupted_calls();
	threads();
	children();
	return ok("");
}
