/* SPDX-License-Identifier: MIT */
/*
 * bad_args: system calls with arguments that are wrong, one wrong thing at a time where that is possible. Each line says what
 * came of it; the test compares the whole with what Linux says.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#define BAD	16L			/* not mapped */
#define KERNEL	(long)0xffff800000000000
#define NOBODY	0x3ffffffL		/* no such process */
#define ODD	(-12345L)

static long ok_page, read_only, edge;	/* edge: 4 bytes before memory that is not there */
static struct timespec far_off = { 1, 0 }, negative = { -1, 0 }, too_many = { 0, 1000000000 }, nothing_left = { 0, 0 };
static struct timeval tv_negative = { -1, 0 }, tv_too_many = { 0, 1000000 };
static struct itimerval it_bad = { { 0, 1000000 }, { 1, 0 } };
static struct itimerspec its_bad = { { 0, 1000000000 }, { 1, 0 } }, its_off;
static struct rlimit limit_crossed = { 10, 5 };
static struct sched_param rt_priority = { 50 }, rt_too_high = { 100 }, no_priority = { 0 };
static struct sigevent ev_bad_notify = { .sigev_notify = 77, .sigev_signo = SIGUSR1 };
static struct sigevent ev_bad_signo = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 100 };
static struct sigevent ev_bad_tid = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
static struct { unsigned version; int pid; } cap_bad = { 1, 0 }, cap_nobody = { 0x20080522, NOBODY }, cap_negative = { 0x20080522, -5 };
static unsigned long clone3_bad[11] = { 1UL << 63 }, clone3_stack[11] = { 0, 0, 0, 0, SIGCHLD, 4096, 0 };
static unsigned long clone3_signal[11] = { CLONE_VM, 0, 0, 0, 1000 };
static char no_such_file[] = "/no/such/file", folder[] = "/", not_program[] = "/dev/null", empty[] = "", *no_argv[] = { NULL };
static int word;
static stack_t stack_small, stack_odd;
static struct { unsigned size, policy; unsigned long flags; int nice; unsigned priority; unsigned long rest[3]; } attr_policy =
	{ 48, 99, 0, 0, 0, { 0 } }, attr_small = { 5, 0, 0, 0, 0, { 0 } };

struct row { const char *name; long nr, a[6]; };

#define P(x) (long)(x)
#define CALL(name, ...) { #name "(" #__VA_ARGS__ ")", SYS_##name, { __VA_ARGS__ } }

static void run(const struct row *row, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		const struct row *r = &row[i];
		long rc;

		errno = 0;
		rc = syscall(r->nr, r->a[0], r->a[1], r->a[2], r->a[3], r->a[4], r->a[5]);
		printf("%s: %s\n", r->name, rc == -1 ? strerrorname_np(errno) : rc == 0 ? "0" : "more");
	}
}

#define RUN(rows) run(rows, sizeof(rows) / sizeof(rows[0]))

static void processes(void)
{
	const struct row rows[] = {
		CALL(wait4, -1, 0, 0, 0), CALL(wait4, NOBODY, 0, 0, 0), CALL(wait4, -1, 0, 0x100, 0), CALL(wait4, 1L << 31, 0, 0, 0),
		CALL(wait4, -NOBODY, 0, 0, 0), CALL(wait4, 0, 0, WNOHANG, 0),
		CALL(waitid, 9, 0, 0, WEXITED, 0), CALL(waitid, P_PID, 0, 0, WEXITED, 0), CALL(waitid, P_PID, -1, 0, WEXITED, 0),
		CALL(waitid, P_ALL, 0, 0, 0, 0), CALL(waitid, P_ALL, 0, 0, WNOHANG, 0), CALL(waitid, P_ALL, 0, 0, WEXITED | 0x100, 0),
		CALL(waitid, P_ALL, 0, 0, WEXITED, 0), CALL(waitid, P_PGID, -1, 0, WEXITED, 0),
		CALL(kill, 0, 65), CALL(kill, 0, -1), CALL(kill, NOBODY, 0), CALL(kill, NOBODY, 65), CALL(kill, 1L << 31, 0),
		CALL(kill, -NOBODY, 0), CALL(tkill, 0, 0), CALL(tkill, -1, 0), CALL(tkill, NOBODY, 0), CALL(tkill, getpid(), 65),
		CALL(tgkill, 0, 1, 0), CALL(tgkill, 1, 0, 0), CALL(tgkill, NOBODY, 1, 0), CALL(tgkill, -5, 1, 0),
		CALL(getpgid, NOBODY), CALL(getpgid, -1), CALL(getsid, NOBODY), CALL(getsid, -1),
		CALL(setpgid, NOBODY, 0), CALL(setpgid, 0, -1), CALL(setpgid, 0, NOBODY), CALL(setpgid, -1, 0),
		CALL(execve, P(no_such_file), P(no_argv), P(no_argv)), CALL(execve, P(folder), P(no_argv), P(no_argv)),
		CALL(execve, P(not_program), P(no_argv), P(no_argv)), CALL(execve, P(empty), P(no_argv), P(no_argv)),
		CALL(execve, BAD, P(no_argv), P(no_argv)), CALL(execve, P(no_such_file), BAD, P(no_argv)),
		CALL(execve, P(no_such_file), P(no_argv), KERNEL),
		CALL(clone, CLONE_THREAD, 0, 0, 0, 0), CALL(clone, CLONE_SIGHAND, 0, 0, 0, 0),
		CALL(clone, CLONE_VM | CLONE_THREAD, 0, 0, 0, 0), CALL(clone, CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0),
		CALL(clone3, P(clone3_bad), 88), CALL(clone3, P(clone3_stack), 88), CALL(clone3, P(clone3_signal), 88),
		CALL(clone3, BAD, 88), CALL(clone3, P(clone3_bad), 8), CALL(clone3, P(clone3_bad), 8192), CALL(clone3, P(clone3_bad), 0),
		CALL(set_robust_list, 0, 23), CALL(get_robust_list, NOBODY, ok_page, ok_page), CALL(get_robust_list, 0, BAD, ok_page),
		CALL(get_robust_list, 0, ok_page, BAD),
		CALL(process_vm_readv, NOBODY, 0, 0, 0, 0, 0), CALL(process_vm_readv, 0, 0, 0, 0, 0, 1),
		CALL(process_vm_readv, getpid(), BAD, 1, BAD, 1, 0), CALL(process_vm_readv, getpid(), ok_page, 1025, ok_page, 1, 0),
		CALL(process_vm_writev, getpid(), ok_page, 1, BAD, 1, 0),
	};

	RUN(rows);
}

static void signals(void)
{
	const struct row rows[] = {
		CALL(rt_sigaction, 0, 0, 0, 8), CALL(rt_sigaction, 65, 0, 0, 8), CALL(rt_sigaction, SIGKILL, ok_page, 0, 8),
		CALL(rt_sigaction, SIGSTOP, ok_page, 0, 8), CALL(rt_sigaction, SIGKILL, 0, ok_page, 8), CALL(rt_sigaction, SIGUSR1, BAD, 0, 8),
		CALL(rt_sigaction, SIGUSR1, 0, BAD, 8), CALL(rt_sigaction, SIGUSR1, 0, ok_page, 4), CALL(rt_sigaction, -1, 0, 0, 8),
		CALL(rt_sigprocmask, 9, ok_page, 0, 8), CALL(rt_sigprocmask, 9, 0, 0, 8), CALL(rt_sigprocmask, SIG_BLOCK, BAD, 0, 8),
		CALL(rt_sigprocmask, SIG_BLOCK, 0, BAD, 8), CALL(rt_sigprocmask, SIG_BLOCK, 0, 0, 4),
		CALL(rt_sigpending, BAD, 8), CALL(rt_sigpending, ok_page, 9), CALL(rt_sigpending, ok_page, 4),
		CALL(rt_sigsuspend, BAD, 8), CALL(rt_sigsuspend, ok_page, 4),
		CALL(rt_sigtimedwait, BAD, 0, P(&nothing_left), 8), CALL(rt_sigtimedwait, ok_page, 0, P(&negative), 8),
		CALL(rt_sigtimedwait, ok_page, 0, P(&too_many), 8), CALL(rt_sigtimedwait, ok_page, 0, BAD, 8),
		CALL(rt_sigtimedwait, ok_page, 0, P(&nothing_left), 7), CALL(rt_sigtimedwait, ok_page, BAD, P(&nothing_left), 8),
		CALL(rt_sigqueueinfo, NOBODY, SIGUSR1, ok_page), CALL(rt_sigqueueinfo, getpid(), 65, ok_page),
		CALL(rt_sigqueueinfo, getpid(), 0, BAD), CALL(rt_sigqueueinfo, getppid(), 0, ok_page),
		CALL(rt_tgsigqueueinfo, getpid(), NOBODY, 0, ok_page), CALL(rt_tgsigqueueinfo, 0, 1, 0, ok_page),
		CALL(rt_tgsigqueueinfo, getpid(), getpid(), 65, ok_page), CALL(rt_tgsigqueueinfo, getpid(), -1, 0, ok_page),
		CALL(sigaltstack, BAD, 0), CALL(sigaltstack, 0, BAD), CALL(sigaltstack, P(&stack_small), 0), CALL(sigaltstack, P(&stack_odd), 0),
	};

	stack_small = (stack_t){ .ss_sp = (void *)ok_page, .ss_size = 100 };
	stack_odd = (stack_t){ .ss_sp = (void *)ok_page, .ss_size = 8192, .ss_flags = 0x40 };
	RUN(rows);
}

static void times(void)
{
	timer_t none = (timer_t)0x1234;
	const struct row rows[] = {
		CALL(clock_gettime, 99, ok_page), CALL(clock_gettime, CLOCK_REALTIME, BAD), CALL(clock_gettime, CLOCK_REALTIME, read_only),
		CALL(clock_gettime, ODD, ok_page), CALL(clock_gettime, CLOCK_MONOTONIC, KERNEL), CALL(clock_gettime, CLOCK_REALTIME, edge),
		CALL(clock_gettime, (long)(~0x3ffffffUL << 3 | 2), ok_page), CALL(clock_gettime, (long)(~0x3ffffffUL << 3 | 3), ok_page),
		CALL(clock_getres, 99, 0), CALL(clock_getres, CLOCK_REALTIME, 0), CALL(clock_getres, CLOCK_REALTIME, BAD),
		CALL(clock_nanosleep, 99, 0, P(&far_off), 0), CALL(clock_nanosleep, CLOCK_REALTIME, 0, BAD, 0),
		CALL(clock_nanosleep, CLOCK_REALTIME, 0, P(&negative), 0), CALL(clock_nanosleep, CLOCK_REALTIME, 0, P(&too_many), 0),
		CALL(clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, P(&far_off), 0),
		CALL(clock_nanosleep, CLOCK_MONOTONIC_COARSE, 0, P(&far_off), 0),
		CALL(nanosleep, BAD, 0), CALL(nanosleep, P(&negative), 0), CALL(nanosleep, P(&too_many), 0),
		CALL(gettimeofday, BAD, 0), CALL(gettimeofday, 0, BAD), CALL(gettimeofday, 0, 0), CALL(time, BAD), CALL(times, BAD),
		CALL(getitimer, 3, ok_page), CALL(getitimer, ITIMER_REAL, BAD), CALL(getitimer, -1, ok_page),
		CALL(setitimer, 3, ok_page, 0), CALL(setitimer, ITIMER_REAL, BAD, 0), CALL(setitimer, ITIMER_REAL, P(&it_bad), 0),
		CALL(setitimer, ITIMER_VIRTUAL, P(&it_bad), 0), CALL(setitimer, 3, BAD, 0),
		CALL(timer_create, 99, 0, ok_page), CALL(timer_create, CLOCK_REALTIME, BAD, ok_page),
		CALL(timer_create, CLOCK_REALTIME, 0, BAD), CALL(timer_create, CLOCK_REALTIME, P(&ev_bad_notify), ok_page),
		CALL(timer_create, CLOCK_REALTIME, P(&ev_bad_signo), ok_page), CALL(timer_create, CLOCK_REALTIME, P(&ev_bad_tid), ok_page),
		CALL(timer_create, CLOCK_MONOTONIC_RAW, 0, ok_page), CALL(timer_create, CLOCK_REALTIME_COARSE, 0, ok_page),
		CALL(timer_settime, P(none), 0, P(&its_off), 0), CALL(timer_settime, P(none), 0, 0, 0),
		CALL(timer_settime, P(none), 0, BAD, 0), CALL(timer_settime, P(none), 0, P(&its_bad), 0),
		CALL(timer_gettime, P(none), ok_page), CALL(timer_gettime, -1, ok_page), CALL(timer_getoverrun, P(none)),
		CALL(timer_delete, P(none)), CALL(timer_delete, -1),
		CALL(timerfd_create, 99, 0), CALL(timerfd_create, CLOCK_REALTIME, 7), CALL(timerfd_gettime, -1, ok_page),
		CALL(timerfd_gettime, 1, ok_page), CALL(timerfd_settime, 1, 0, P(&its_off), 0), CALL(timerfd_settime, 1, 0, BAD, 0),
		CALL(getrusage, 5, ok_page), CALL(getrusage, RUSAGE_SELF, BAD), CALL(alarm, 0),
	};

	RUN(rows);
	(void)tv_negative;
	(void)tv_too_many;
}

static void schedulers(void)
{
	const struct row rows[] = {
		CALL(sched_setscheduler, NOBODY, SCHED_OTHER, P(&no_priority)), CALL(sched_setscheduler, 0, 99, P(&no_priority)),
		CALL(sched_setscheduler, 0, SCHED_FIFO, P(&no_priority)), CALL(sched_setscheduler, 0, SCHED_RR, P(&rt_too_high)),
		CALL(sched_setscheduler, 0, SCHED_OTHER, P(&rt_priority)), CALL(sched_setscheduler, 0, SCHED_OTHER, 0),
		CALL(sched_setscheduler, 0, SCHED_OTHER, BAD), CALL(sched_setscheduler, -1, SCHED_OTHER, P(&no_priority)),
		CALL(sched_setscheduler, 0, -1, P(&no_priority)), CALL(sched_setscheduler, 0, 4, P(&no_priority)),
		CALL(sched_setparam, 0, P(&rt_priority)), CALL(sched_setparam, 0, 0), CALL(sched_setparam, NOBODY, P(&no_priority)),
		CALL(sched_setparam, -1, P(&no_priority)), CALL(sched_getparam, 0, 0), CALL(sched_getparam, 0, BAD),
		CALL(sched_getparam, NOBODY, ok_page), CALL(sched_getparam, -1, ok_page), CALL(sched_getscheduler, NOBODY),
		CALL(sched_getscheduler, -1), CALL(sched_get_priority_max, 99), CALL(sched_get_priority_min, -1),
		CALL(sched_get_priority_max, SCHED_BATCH), CALL(sched_rr_get_interval, NOBODY, ok_page), CALL(sched_rr_get_interval, 0, BAD),
		CALL(sched_rr_get_interval, -1, ok_page), CALL(sched_getaffinity, 0, 3, ok_page), CALL(sched_getaffinity, 0, 9, ok_page),
		CALL(sched_getaffinity, 0, 8, BAD), CALL(sched_getaffinity, NOBODY, 128, ok_page), CALL(sched_setaffinity, 0, 8, BAD),
		CALL(sched_setaffinity, NOBODY, 8, ok_page), CALL(sched_setaffinity, 0, 0, ok_page),
		CALL(sched_setattr, 0, 0, 0), CALL(sched_setattr, 0, P(&attr_policy), 0), CALL(sched_setattr, 0, P(&attr_policy), 1),
		CALL(sched_setattr, 0, BAD, 0), CALL(sched_setattr, 0, P(&attr_small), 0), CALL(sched_getattr, 0, ok_page, 8, 0),
		CALL(sched_getattr, 0, BAD, 48, 0), CALL(sched_getattr, NOBODY, ok_page, 48, 0), CALL(sched_getattr, 0, ok_page, 48, 1),
		CALL(getpriority, 3, 0), CALL(getpriority, -1, 0), CALL(getpriority, PRIO_PROCESS, NOBODY), CALL(getpriority, PRIO_PGRP, NOBODY),
		CALL(setpriority, 3, 0, 0), CALL(setpriority, PRIO_PROCESS, NOBODY, 0), CALL(getcpu, BAD, 0, 0), CALL(getcpu, 0, BAD, 0),
		CALL(membarrier, 1 << 30, 0, 0), CALL(membarrier, 0, 99, 0), CALL(sched_yield, 0),
	};

	RUN(rows);
}

static void futexes(void)
{
	const struct row rows[] = {
		CALL(futex, P(&word), 99, 0, 0, 0, 0), CALL(futex, P(&word), FUTEX_WAIT, 1, 0, 0, 0), CALL(futex, BAD, FUTEX_WAIT, 0, 0, 0, 0),
		CALL(futex, P(&word) + 1, FUTEX_WAIT, 0, 0, 0, 0), CALL(futex, P(&word) + 2, FUTEX_WAKE, 1, 0, 0, 0),
		CALL(futex, P(&word), FUTEX_WAIT, 0, BAD, 0, 0), CALL(futex, P(&word), FUTEX_WAIT, 0, P(&negative), 0, 0),
		CALL(futex, P(&word), FUTEX_WAIT, 0, P(&too_many), 0, 0), CALL(futex, P(&word), FUTEX_WAIT, 0, P(&nothing_left), 0, 0),
		CALL(futex, P(&word), FUTEX_WAIT_BITSET, 0, P(&nothing_left), 0, 0), CALL(futex, P(&word), FUTEX_WAIT_BITSET, 0, 0, 0, 0),
		CALL(futex, P(&word), FUTEX_WAKE_BITSET, 1, 0, 0, 0), CALL(futex, P(&word), FUTEX_WAKE, 1, 0, 0, 0),
		CALL(futex, BAD, FUTEX_WAKE, 1, 0, 0, 0), CALL(futex, KERNEL, FUTEX_WAKE, 1, 0, 0, 0),
		CALL(futex, P(&word), FUTEX_CMP_REQUEUE, 1, 1, BAD, 0), CALL(futex, P(&word), FUTEX_CMP_REQUEUE, 1, 1, P(&word) + 4, 5),
		CALL(futex, P(&word), FUTEX_CMP_REQUEUE, -1, 1, P(&word) + 4, 0), CALL(futex, P(&word), FUTEX_REQUEUE, 1, -1, P(&word) + 4, 0),
		CALL(futex, P(&word), FUTEX_WAKE_OP, 1, 1, BAD, 0), CALL(futex, P(&word), FUTEX_WAKE_OP, 1, 1, P(&word), 7 << 28),
		CALL(futex, P(&word), FUTEX_UNLOCK_PI, 0, 0, 0, 0), CALL(futex, P(&word), FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, 0, 0, 0),
		CALL(futex, P(&word), FUTEX_FD, 0, 0, 0, 0), CALL(set_tid_address, 0),
	};

	RUN(rows);
}

static void rights(void)
{
	const struct row rows[] = {
		CALL(setuid, -1), CALL(setgid, -1), CALL(getgroups, -1, ok_page), CALL(setgroups, 65537, ok_page), CALL(setgroups, 1, BAD),
		CALL(getresuid, BAD, ok_page, ok_page), CALL(getresuid, ok_page, BAD, ok_page), CALL(getresgid, ok_page, ok_page, BAD),
		CALL(capget, BAD, 0), CALL(capget, P(&cap_bad), 0), CALL(capget, P(&cap_bad), ok_page), CALL(capget, P(&cap_nobody), ok_page),
		CALL(capget, P(&cap_negative), ok_page), CALL(capset, P(&cap_bad), ok_page), CALL(capset, P(&cap_nobody), ok_page),
		CALL(capset, BAD, ok_page), CALL(prctl, 9999, 0, 0, 0, 0), CALL(prctl, 15, BAD, 0, 0, 0), CALL(prctl, 16, BAD, 0, 0, 0),
		CALL(prctl, 1, 65, 0, 0, 0), CALL(prctl, 2, BAD, 0, 0, 0), CALL(prctl, 4, 9, 0, 0, 0), CALL(prctl, 8, 9, 0, 0, 0),
		CALL(prctl, 23, 99, 0, 0, 0), CALL(prctl, 24, 99, 0, 0, 0), CALL(prctl, 38, 1, 1, 0, 0), CALL(prctl, 38, 0, 0, 0, 0),
		CALL(prctl, 39, 1, 0, 0, 0), CALL(prctl, 37, BAD, 0, 0, 0), CALL(prctl, 47, 9, 0, 0, 0),
		CALL(getrlimit, 16, ok_page), CALL(getrlimit, -1, ok_page), CALL(getrlimit, 0, BAD), CALL(setrlimit, 0, BAD),
		CALL(setrlimit, RLIMIT_NOFILE, P(&limit_crossed)), CALL(setrlimit, 16, P(&limit_crossed)),
		CALL(prlimit64, NOBODY, 0, 0, ok_page), CALL(prlimit64, 0, 99, 0, ok_page), CALL(prlimit64, 0, 0, 0, BAD),
		CALL(uname, BAD), CALL(sysinfo, BAD), CALL(getrandom, BAD, 8, 0), CALL(getrandom, ok_page, 8, 0x100), CALL(getrandom, ok_page, 0, 0),
		CALL(getrandom, ok_page, 8, 6), CALL(personality, 0xffffffff), CALL(arch_prctl, 0x9999, 0), CALL(arch_prctl, 0x1003, BAD),
		CALL(arch_prctl, 0x1002, KERNEL), CALL(umask, 022),
	};

	RUN(rows);
}

static void memory(void)
{
	const struct row rows[] = {
		CALL(mmap, 0, 0, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), CALL(mmap, 0, 4096, 3, MAP_ANONYMOUS, -1, 0),
		CALL(mmap, 0, 4096, 3, MAP_PRIVATE, -1, 0), CALL(mmap, 0, 4096, 3, MAP_PRIVATE, 99, 0),
		CALL(mmap, 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1), CALL(mmap, 1, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		CALL(mmap, KERNEL, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), CALL(mmap, 0, -4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		CALL(mmap, ok_page, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
		CALL(munmap, ok_page + 1, 4096), CALL(munmap, ok_page, 0), CALL(munmap, KERNEL, 4096), CALL(munmap, 0x10000, 4096),
		CALL(mprotect, ok_page + 1, 4096, 3), CALL(mprotect, BAD - 16, 4096, 3), CALL(mprotect, ok_page, 0, 3), CALL(mprotect, KERNEL, 4096, 3),
		CALL(madvise, ok_page + 1, 4096, 0), CALL(madvise, ok_page, 4096, 999), CALL(madvise, BAD - 16, 4096, 4), CALL(madvise, ok_page, 0, 4),
		CALL(mremap, ok_page + 1, 4096, 8192, 1, 0), CALL(mremap, ok_page, 4096, 0, 1, 0), CALL(mremap, BAD - 16, 4096, 8192, 1, 0),
		CALL(mremap, ok_page, 4096, 8192, 2, 0), CALL(mremap, ok_page, 4096, 8192, 99, 0),
		CALL(msync, ok_page + 1, 4096, 4), CALL(msync, ok_page, 4096, 5), CALL(msync, BAD - 16, 4096, 4), CALL(msync, ok_page, 4096, 99),
		CALL(mincore, ok_page + 1, 4096, ok_page), CALL(mincore, ok_page, 4096, BAD), CALL(mincore, BAD - 16, 4096, ok_page),
	};

	RUN(rows);
}

static void files(void)
{
	const struct row rows[] = {
		CALL(read, -1, ok_page, 1), CALL(read, 99, ok_page, 1), CALL(write, 99, ok_page, 1), CALL(close, -1), CALL(close, 99),
		CALL(open, BAD, 0, 0), CALL(open, P(empty), 0, 0), CALL(open, P(no_such_file), 0, 0), CALL(open, P(folder), O_WRONLY, 0),
		CALL(openat, 99, P("x"), 0, 0), CALL(openat, 99, P(folder), 0, 0), CALL(open, P("/dev/null/x"), 0, 0),
		CALL(open, P("/dev/null"), O_DIRECTORY, 0), CALL(open, P("/proc/self/exe"), O_CREAT | O_EXCL, 0),
		CALL(fcntl, 99, F_GETFD, 0), CALL(fcntl, 1, 9999, 0), CALL(fcntl, 1, F_DUPFD, -1), CALL(fcntl, 1, F_DUPFD, 10000000),
		CALL(fcntl, 1, F_SETLK, BAD), CALL(dup, 99), CALL(dup2, 99, 1), CALL(dup2, 1, -1), CALL(dup3, 1, 1, 0), CALL(dup3, 1, 5, 0x10),
		CALL(pipe2, BAD, 0), CALL(pipe2, ok_page, 0x10), CALL(lseek, 99, 0, 0), CALL(ioctl, 99, 0, 0),
		CALL(fstat, 99, ok_page), CALL(stat, P(no_such_file), ok_page), CALL(stat, P(folder), BAD), CALL(access, P(folder), 99),
		CALL(access, P(no_such_file), 0), CALL(chdir, P("/dev/null")), CALL(chdir, P(no_such_file)), CALL(fchdir, 99), CALL(getcwd, ok_page, 1),
		CALL(getcwd, BAD, 100), CALL(mkdir, P(folder), 0), CALL(mkdir, P(empty), 0), CALL(rmdir, P(no_such_file)), CALL(unlink, P(folder)),
		CALL(rename, P(no_such_file), P("/x")), CALL(readlink, P(folder), ok_page, 10), CALL(readlink, P("/proc/self"), ok_page, 0),
		CALL(poll, BAD, 1, 0), CALL(poll, 0, 1 << 24, 0), CALL(select, -1, 0, 0, 0, 0), CALL(select, 1, BAD, 0, 0, 0),
		CALL(epoll_create, 0), CALL(epoll_create1, 99), CALL(epoll_ctl, 99, 1, 1, ok_page),
		CALL(epoll_wait, 99, ok_page, 1, 0), CALL(epoll_wait, 1, ok_page, 1, 0), CALL(eventfd2, 0, 99), CALL(flock, 99, 1),
		CALL(truncate, P(no_such_file), 0), CALL(ftruncate, 99, 0), CALL(ftruncate, 1, -1), CALL(readv, 0, BAD, 1), CALL(readv, 0, ok_page, 1025),
		CALL(writev, 1, ok_page, -1), CALL(getdents64, 1, ok_page, 100), CALL(fchmod, 99, 0), CALL(chmod, P(no_such_file), 0),
		CALL(fsync, 99), CALL(close_range, 5, 4, 0), CALL(close_range, 90, 100, 99), CALL(memfd_create, BAD, 0), CALL(memfd_create, P("x"), 0x100),
		CALL(faccessat2, AT_FDCWD, P(folder), 0, 0x10000), CALL(statx, AT_FDCWD, P(folder), 0x100000, 0, ok_page),
		CALL(statx, AT_FDCWD, P(folder), 0, 0x80000000, ok_page), CALL(renameat2, AT_FDCWD, P("/a"), AT_FDCWD, P("/b"), 99),
	};

	RUN(rows);
}

int main(void)
{
	char *page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED && mprotect(page + 4096, 4096, PROT_READ) == 0 && munmap(page + 8192, 4096) == 0);
	ok_page = (long)page;
	read_only = (long)page + 4096;
	edge = (long)page + 8192 - 4;
	processes();
	signals();
	times();
	schedulers();
	futexes();
	rights();
	memory();
	files();
	return ok("");
}
