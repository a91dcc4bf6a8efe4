/* SPDX-License-Identifier: MIT */
/* pi_mutex: locks with priority inheritance: excluding, timing out, trying, robust, between processes; the raw calls' errors. */
#define _GNU_SOURCE
#include "check.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define THREADS	4
#define ROUNDS	300

static pthread_mutex_t *make(int robust)
{
	pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attr;

	CHECK(m != MAP_FAILED && pthread_mutexattr_init(&attr) == 0);
	CHECK(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT) == 0);
	CHECK(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0);
	if (robust)
		CHECK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0);
	CHECK(pthread_mutex_init(m, &attr) == 0);
	return m;
}

static pthread_mutex_t *lock;
static volatile int *inside, *total;

static void nothing(int sig) { (void)sig; }

static void *contend(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK(pthread_mutex_lock(lock) == 0);
		CHECK(++*inside == 1);
		++*total;
		if (i % 16 == 0)
			sched_yield();
		--*inside;
		CHECK(pthread_mutex_unlock(lock) == 0);
	}
	return arg;
}

/* Threads of two processes, while signals interrupt those who wait. */
static void excluding(void)
{
	pthread_t t[THREADS];
	struct sigaction sa = { .sa_handler = nothing };
	int status;
	pid_t child;

	inside = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(inside != MAP_FAILED && sigaction(SIGUSR1, &sa, NULL) == 0);
	total = inside + 1;
	lock = make(0);
	child = fork();
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], NULL, contend, NULL) == 0);
	for (int i = 0; i < 50; i++) {
		usleep(500);
		for (int k = 0; child > 0 && k < THREADS; k++)
			pthread_kill(t[k], SIGUSR1);
	}
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
	if (child == 0)
		_exit(0);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(*total == 2 * THREADS * ROUNDS);
}

static void *hold(void *arg)
{
	CHECK(pthread_mutex_lock(lock) == 0);
	*(volatile int *)arg = 1;
	while (*(volatile int *)arg != 2)
		usleep(1000);
	CHECK(pthread_mutex_unlock(lock) == 0);
	return NULL;
}

static void timing_out(void)
{
	struct timespec until;
	volatile int state = 0;
	pthread_t t;

	lock = make(0);
	CHECK(pthread_create(&t, NULL, hold, (void *)&state) == 0);
	while (state == 0)
		usleep(1000);
	CHECK(pthread_mutex_trylock(lock) == EBUSY);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 30000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	CHECK(pthread_mutex_timedlock(lock, &until) == ETIMEDOUT);
	state = 2;
	CHECK(pthread_mutex_lock(lock) == 0);		/* at once or when it is let go */
	CHECK(pthread_mutex_unlock(lock) == 0 && pthread_join(t, NULL) == 0);
	CHECK(pthread_mutex_trylock(lock) == 0 && pthread_mutex_unlock(lock) == 0);
}

static void *die_holding(void *arg)
{
	CHECK(pthread_mutex_lock(lock) == 0);
	return arg;
}

static void robust(void)
{
	pthread_t t;
	int status;
	pid_t child;

	lock = make(1);
	CHECK(pthread_create(&t, NULL, die_holding, NULL) == 0 && pthread_join(t, NULL) == 0);
	CHECK(pthread_mutex_lock(lock) == EOWNERDEAD && pthread_mutex_consistent(lock) == 0 && pthread_mutex_unlock(lock) == 0);
	for (int killed = 0; killed < 2; killed++) {
		volatile int *ready = inside + 100 + killed;

		child = fork();
		if (child == 0) {
			CHECK(pthread_mutex_lock(lock) == 0);
			*ready = 1;
			usleep(60000);
			if (killed)
				raise(SIGKILL);
			_exit(0);
		}
		while (*ready == 0)
			usleep(1000);
		CHECK(pthread_mutex_lock(lock) == EOWNERDEAD);		/* waits for its death */
		CHECK(pthread_mutex_consistent(lock) == 0 && pthread_mutex_unlock(lock) == 0);
		CHECK(waitpid(child, &status, 0) == child);
	}
}

static long futex(int *word, int op, int val, void *timeout)
{
	return syscall(SYS_futex, word, op, val, timeout, NULL, 0);
}

static void raw(void)
{
	static int word;

	CHECK(futex(&word, FUTEX_LOCK_PI, 0, NULL) == 0 && word == gettid());
	CHECK(futex(&word, FUTEX_LOCK_PI, 0, NULL) == -1 && errno == EDEADLK);
	CHECK(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL) == -1 && errno == EDEADLK);
	CHECK(futex(&word, FUTEX_UNLOCK_PI, 0, NULL) == 0 && word == 0);
	CHECK(futex(&word, FUTEX_UNLOCK_PI, 0, NULL) == -1 && errno == EPERM);
	CHECK(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL) == 0 && word == gettid());
	CHECK(futex(&word, FUTEX_UNLOCK_PI, 0, NULL) == 0);
	word = 0x3ffffff0;				/* nobody has this number */
	CHECK(futex(&word, FUTEX_LOCK_PI, 0, NULL) == -1 && errno == ESRCH);
	CHECK(futex((int *)((char *)&word + 1), FUTEX_LOCK_PI, 0, NULL) == -1 && errno == EINVAL);
	CHECK(futex((int *)16, FUTEX_LOCK_PI, 0, NULL) == -1 && errno == EFAULT);
	CHECK(futex((int *)16, FUTEX_UNLOCK_PI, 0, NULL) == -1 && errno == EFAULT);
}

int main(void)
{
	setbuf(stdout, NULL);
	puts("excluding");
	excluding();
	puts("timing out");
	timing_out();
	puts("robust");
	robust();
	puts("raw");
	raw();
	return ok("");
}
