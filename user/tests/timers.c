/* SPDX-License-Identifier: MIT */
/*
 * timers: POSIX timers, interval timers, sleeping by every clock, and the account of CPU time. Nothing here depends on how
 * fast the machine is: a machine that is slow makes things late, never early.
 */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>

#define MS 1000000LL

static struct timespec span(long long ns) { return (struct timespec){ ns / 1000000000, ns % 1000000000 }; }
static struct itimerspec timer_of(long long value, long long interval)
{
	return (struct itimerspec){ span(interval), span(value) };
}
static long long ns_of(struct timespec ts) { return ts.tv_sec * 1000000000LL + ts.tv_nsec; }

static volatile int hits, last_code, last_value, last_overrun;
static volatile pid_t last_tid;

static void hit(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	hits++;
	last_code = si->si_code;
	last_value = si->si_value.sival_int;
	last_overrun = si->si_overrun;
	last_tid = gettid();
}

static void handle(int sig)
{
	struct sigaction sa = { .sa_sigaction = hit, .sa_flags = SA_SIGINFO | SA_RESTART };

	CHECK(sigaction(sig, &sa, NULL) == 0);
	hits = 0;
}

static void spin(clockid_t clock, long long ns)
{
	long long end = clock_ns(clock) + ns;

	while (clock_ns(clock) < end)
		;
}

static void wait_hits(int n)
{
	long long give_up = clock_ns(CLOCK_MONOTONIC) + 20000 * MS;

	while (hits < n && clock_ns(CLOCK_MONOTONIC) < give_up)
		usleep(1000);
	CHECK(hits >= n);
}

/* --- POSIX timers --- */

static void one_shot(clockid_t clock, bool absolute)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2, .sigev_value.sival_int = 77 };
	long long start = clock_ns(clock);
	struct itimerspec it = timer_of(30 * MS + (absolute ? start : 0), 0), left;
	timer_t id;

	handle(SIGRTMIN + 2);
	CHECK(timer_create(clock, &ev, &id) == 0);
	CHECK(timer_gettime(id, &left) == 0 && ns_of(left.it_value) == 0 && ns_of(left.it_interval) == 0);
	CHECK(timer_settime(id, absolute ? TIMER_ABSTIME : 0, &it, NULL) == 0);
	CHECK(timer_gettime(id, &left) == 0 && ns_of(left.it_value) <= 30 * MS);
	if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID)
		while (hits == 0)
			spin(clock, MS);
	else
		wait_hits(1);
	CHECK(clock_ns(clock) - start >= 30 * MS);
	CHECK(last_code == SI_TIMER && last_value == 77 && last_overrun == 0);
	CHECK(timer_gettime(id, &left) == 0 && ns_of(left.it_value) == 0);
	usleep(2000);
	CHECK(hits == 1 && timer_getoverrun(id) == 0);
	CHECK(timer_delete(id) == 0);
}

static void overruns(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 5 };
	struct itimerspec it = timer_of(5 * MS, 5 * MS), left, off = timer_of(0, 0);
	sigset_t set, was;
	timer_t id;
	int seen;

	handle(SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &set, &was) == 0);
	CHECK(timer_create(CLOCK_MONOTONIC, &ev, &id) == 0 && timer_settime(id, 0, &it, NULL) == 0);
	usleep(60000);
	CHECK(timer_gettime(id, &left) == 0 && ns_of(left.it_interval) == 5 * MS);
	CHECK(hits == 0 && sigpending(&set) == 0 && sigismember(&set, SIGUSR1) == 1);
	CHECK(sigprocmask(SIG_SETMASK, &was, NULL) == 0);
	CHECK(hits >= 1 && last_overrun >= 9 - 2 * (hits - 1));
	seen = hits;
	wait_hits(seen + 3);				/* and it goes on */
	CHECK(timer_settime(id, 0, &off, &left) == 0 && ns_of(left.it_interval) == 5 * MS && ns_of(left.it_value) <= 5 * MS);
	usleep(3000);
	seen = hits;
	usleep(20000);
	CHECK(hits == seen);
	CHECK(timer_delete(id) == 0);

	/* a pending signal goes with its timer */
	CHECK(sigprocmask(SIG_BLOCK, &set, &was) == 0);
	CHECK(timer_create(CLOCK_MONOTONIC, &ev, &id) == 0 && timer_settime(id, 0, &it, NULL) == 0);
	do {
		usleep(1000);
		sigpending(&set);
	} while (!sigismember(&set, SIGUSR1));
	CHECK(timer_delete(id) == 0);
	CHECK(sigprocmask(SIG_SETMASK, &was, NULL) == 0);
	CHECK(hits == seen || hits == seen + 1);	/* Linux drops it from 6.13 on */

	/* a short period */
	it = timer_of(200000, 200000);
	CHECK(timer_create(CLOCK_MONOTONIC, &ev, &id) == 0 && timer_settime(id, 0, &it, NULL) == 0);
	wait_hits(hits + 3);
	CHECK(timer_delete(id) == 0);

	/* silent, and far away */
	ev.sigev_notify = SIGEV_NONE;
	it = timer_of(3600000 * MS, 0);
	CHECK(timer_create(CLOCK_REALTIME, &ev, &id) == 0 && timer_settime(id, 0, &it, NULL) == 0);
	CHECK(timer_gettime(id, &left) == 0 && ns_of(left.it_value) > 3000000 * MS && ns_of(left.it_value) <= 3600000 * MS);
	it = timer_of(MS, 0);
	CHECK(timer_settime(id, 0, &it, &left) == 0 && ns_of(left.it_value) > 3000000 * MS);
	usleep(3000);
	CHECK(timer_gettime(id, &left) == 0 && ns_of(left.it_value) == 0);
	CHECK(timer_delete(id) == 0);
}

static volatile int runs;
static void run(union sigval v) { runs += v.sival_int; }

static void *wait_for_it(void *arg)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 3 };
	struct itimerspec it = timer_of(5 * MS, 0);
	timer_t id;

	(void)arg;
	ev._sigev_un._tid = gettid();
	handle(SIGRTMIN + 3);
	CHECK(timer_create(CLOCK_MONOTONIC, &ev, &id) == 0 && timer_settime(id, 0, &it, NULL) == 0);
	wait_hits(1);
	CHECK(last_tid == gettid());
	CHECK(timer_delete(id) == 0);
	return NULL;
}

static void threads(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = run, .sigev_value.sival_int = 1 };
	struct itimerspec it = timer_of(5 * MS, 5 * MS);
	pthread_t t;
	timer_t id;

	CHECK(timer_create(CLOCK_MONOTONIC, &ev, &id) == 0 && timer_settime(id, 0, &it, NULL) == 0);
	while (runs < 3)
		usleep(1000);
	CHECK(timer_delete(id) == 0);
	CHECK(pthread_create(&t, NULL, wait_for_it, NULL) == 0 && pthread_join(t, NULL) == 0);
}

static void many(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };
	timer_t id[100];

	for (int i = 0; i < 100; i++)
		CHECK(timer_create(CLOCK_MONOTONIC, &ev, &id[i]) == 0);
	for (int i = 0; i < 100; i += 2)
		CHECK(timer_delete(id[i]) == 0);
	for (int i = 0; i < 100; i += 2)
		CHECK(timer_create(CLOCK_MONOTONIC, &ev, &id[i]) == 0);
	pid_t child = fork();				/* which inherits none */
	int status;

	if (child == 0) {
		struct itimerspec it;

		_exit(timer_gettime(id[7], &it) == -1 && errno == EINVAL ? 3 : 4);
	}
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
	for (int i = 0; i < 100; i++)
		CHECK(timer_delete(id[i]) == 0);
}

/* --- interval timers --- */

static void interval_timers(void)
{
	static const struct { int which, sig; clockid_t clock; } kind[] = {
		{ ITIMER_REAL, SIGALRM, CLOCK_MONOTONIC }, { ITIMER_VIRTUAL, SIGVTALRM, CLOCK_PROCESS_CPUTIME_ID },
		{ ITIMER_PROF, SIGPROF, CLOCK_PROCESS_CPUTIME_ID },
	};
	struct itimerval off = { 0 }, left;

	for (int i = 0; i < 3; i++) {
		struct itimerval it = { { 0, 20000 }, { 0, 20000 } };
		long long start = clock_ns(kind[i].clock);

		handle(kind[i].sig);
		CHECK(setitimer(kind[i].which, &it, &left) == 0 && left.it_value.tv_sec == 0 && left.it_value.tv_usec == 0);
		CHECK(getitimer(kind[i].which, &left) == 0 && left.it_interval.tv_usec == 20000 && left.it_value.tv_usec <= 40000);
		while (hits < 3)
			spin(CLOCK_MONOTONIC, MS / 10);
		CHECK(clock_ns(kind[i].clock) - start >= 30 * MS);	/* Linux counts CPU time in ticks */
		CHECK(last_code == SI_KERNEL);
		CHECK(setitimer(kind[i].which, &off, &left) == 0 && left.it_interval.tv_usec == 20000);
	}
	CHECK(alarm(100) == 0);
	CHECK(alarm(0) == 100);
	CHECK(alarm(0) == 0);
	/* survives exec, not fork */
	CHECK(alarm(100) == 0);
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(alarm(0));
	CHECK(waitpid(child, &status, 0) == child && status == 0 && alarm(0) == 100);
}

/* --- sleeping --- */

static void nothing(int sig) { (void)sig; }

static void *burn(void *arg)
{
	while (*(volatile int *)arg == 0)
		;
	return NULL;
}

static void sleeps(void)
{
	static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI };
	struct timespec ts, rem;
	struct itimerval soon = { { 0, 0 }, { 0, 20000 } };
	struct sigaction sa = { .sa_handler = nothing };
	volatile int stop = 0;
	pthread_t t;

	for (int i = 0; i < 4; i++) {
		long long start = clock_ns(clocks[i]);

		ts = span(10 * MS);
		CHECK(clock_nanosleep(clocks[i], 0, &ts, NULL) == 0 && clock_ns(clocks[i]) - start >= 10 * MS);
		ts = span(start + 30 * MS);
		CHECK(clock_nanosleep(clocks[i], TIMER_ABSTIME, &ts, NULL) == 0 && clock_ns(clocks[i]) - start >= 30 * MS);
		ts = span(start);
		CHECK(clock_nanosleep(clocks[i], TIMER_ABSTIME, &ts, NULL) == 0);
	}
	sa.sa_flags = SA_RESTART;			/* which sleeping does not heed */
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	ts = span(100000 * MS);
	CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &rem) == EINTR && ns_of(rem) < 100000 * MS && ns_of(rem) > 10000 * MS);
	CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	ts = span(clock_ns(CLOCK_REALTIME) + 100000 * MS);
	CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, &rem) == EINTR);

	/* by the process's CPU time: somebody must use it */
	CHECK(pthread_create(&t, NULL, burn, (void *)&stop) == 0);
	long long start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	ts = span(50 * MS);
	CHECK(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &ts, NULL) == 0);
	CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start >= 50 * MS);
	stop = 1;
	CHECK(pthread_join(t, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	ts = span(100000 * MS);
	CHECK(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &ts, &rem) == EINTR && ns_of(rem) <= 100000 * MS);
}

/* --- who used the CPU --- */

static double seconds(struct timeval tv) { return tv.tv_sec + tv.tv_usec / 1e6; }

static void cpu_time(void)
{
	struct rusage before, after, kids, one;
	clockid_t mine, other;
	struct tms tms;
	pthread_t t;
	volatile int stop = 0;
	pid_t child;
	int status;

	CHECK(getrusage(RUSAGE_SELF, &before) == 0);
	for (long long end = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + 200 * MS; clock_ns(CLOCK_PROCESS_CPUTIME_ID) < end; )
		for (volatile int i = 0; i < 100000; i++)
			;
	CHECK(getrusage(RUSAGE_SELF, &after) == 0);
	CHECK(seconds(after.ru_utime) - seconds(before.ru_utime) > 0.1);	/* most of it in user mode */

	CHECK(getrusage(RUSAGE_SELF, &before) == 0);
	for (long long end = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + 200 * MS; clock_ns(CLOCK_PROCESS_CPUTIME_ID) < end; )
		for (int i = 0; i < 1000; i++)
			syscall(SYS_getppid);
	CHECK(getrusage(RUSAGE_SELF, &after) == 0);
	CHECK(seconds(after.ru_stime) - seconds(before.ru_stime) > 0.02);	/* a good part of it in the kernel */
	CHECK(after.ru_minflt > 0 && after.ru_maxrss > 0);

	/* a thread's own, and a clock for another thread */
	CHECK(pthread_create(&t, NULL, burn, (void *)&stop) == 0);
	CHECK(pthread_getcpuclockid(t, &other) == 0 && clock_getcpuclockid(0, &mine) == 0);
	long long was = clock_ns(other), self = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	while (clock_ns(other) - was < 50 * MS)
		usleep(1000);
	CHECK(clock_ns(CLOCK_THREAD_CPUTIME_ID) - self < clock_ns(other) - was + 50 * MS);
	CHECK(clock_ns(mine) >= clock_ns(CLOCK_THREAD_CPUTIME_ID));
	stop = 1;
	CHECK(pthread_join(t, NULL) == 0);
	CHECK(getrusage(RUSAGE_THREAD, &one) == 0 && getrusage(RUSAGE_SELF, &after) == 0);
	CHECK(seconds(one.ru_utime) <= seconds(after.ru_utime));

	/* the children's, once they are reaped */
	CHECK(getrusage(RUSAGE_CHILDREN, &before) == 0);
	child = fork();
	if (child == 0) {
		for (long long end = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + 200 * MS; clock_ns(CLOCK_PROCESS_CPUTIME_ID) < end; )
			for (volatile int i = 0; i < 100000; i++)
				;
		_exit(0);
	}
	CHECK(clock_getcpuclockid(child, &other) == 0);
	while (clock_ns(other) < 20 * MS)
		usleep(1000);
	CHECK(getrusage(RUSAGE_CHILDREN, &kids) == 0 && seconds(kids.ru_utime) == seconds(before.ru_utime));
	CHECK(wait4(child, &status, 0, &one) == child && status == 0);
	CHECK(seconds(one.ru_utime) + seconds(one.ru_stime) >= 0.19);
	CHECK(getrusage(RUSAGE_CHILDREN, &kids) == 0);
	CHECK(seconds(kids.ru_utime) + seconds(kids.ru_stime) >= seconds(one.ru_utime) + seconds(one.ru_stime));
	CHECK(times(&tms) != -1 && tms.tms_cutime + tms.tms_cstime >= 18);
	CHECK(clock_gettime(other, &(struct timespec){ 0 }) == -1 && errno == EINVAL);

	/* a limit of one second */
	child = fork();
	if (child == 0) {
		struct rlimit limit = { 1, 2 };

		handle(SIGXCPU);
		CHECK(setrlimit(RLIMIT_CPU, &limit) == 0);
		for (;;)
			if (hits > 100)
				_exit(1);
	}
	CHECK(wait4(child, &status, 0, &one) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(seconds(one.ru_utime) + seconds(one.ru_stime) > 1.5);
}

int main(void)
{
	setbuf(stdout, NULL);
	puts("one shot");
	one_shot(CLOCK_MONOTONIC, false);
	one_shot(CLOCK_REALTIME, true);
	one_shot(CLOCK_BOOTTIME, true);
	one_shot(CLOCK_PROCESS_CPUTIME_ID, false);
	one_shot(CLOCK_THREAD_CPUTIME_ID, false);
	puts("overruns");
	overruns();
	puts("threads");
	threads();
	many();
	puts("interval timers");
	interval_timers();
	puts("sleeps");
	sleeps();
	puts("CPU time");
	cpu_time();
	return ok("");
}
