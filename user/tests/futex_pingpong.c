/* SPDX-License-Identifier: MIT */
/*
 * futex_pingpong [ROUNDS [PAIRS]]: pairs of threads hand a ball to and fro by futex, then all threads share a mutex and
 * a condition variable; timed waits end in time; each thread has its own thread-local storage.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

#define MAX_PAIRS	32

struct pair {
	atomic_int ball;		/* 0: the first may play, 1: the second */
	long nr_played[2];
};

static struct pair pairs[MAX_PAIRS];
static unsigned long nr_rounds, nr_pairs;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static unsigned long nr_arrived, shared_count;
static __thread unsigned long own = 42;

static long futex(atomic_int *word, int op, int value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

static void *run(void *arg)
{
	unsigned long number = (unsigned long)arg;
	struct pair *p = &pairs[number / 2];
	int side = number & 1;

	CHECK(own == 42);
	own = number;
	for (unsigned long i = 0; i < nr_rounds; i++) {
		int ball;

		while ((ball = atomic_load(&p->ball)) != side)
			CHECK(futex(&p->ball, FUTEX_WAIT_PRIVATE, ball, NULL) == 0 || errno == EAGAIN || errno == EINTR);
		p->nr_played[side]++;
		atomic_store(&p->ball, !side);
		CHECK(futex(&p->ball, FUTEX_WAKE_PRIVATE, 1, NULL) >= 0);
	}

	pthread_mutex_lock(&mutex);
	if (++nr_arrived == 2 * nr_pairs)
		pthread_cond_broadcast(&cond);
	while (nr_arrived < 2 * nr_pairs)
		pthread_cond_wait(&cond, &mutex);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&mutex);
		shared_count++;
		pthread_mutex_unlock(&mutex);
	}
	CHECK(own == number);
	return (void *)(number + 1);
}

static void check_times(void)
{
	static atomic_int word;
	struct timespec start, now, wait = { .tv_nsec = 50 * 1000 * 1000 };
	double elapsed;

	CHECK(futex(&word, FUTEX_WAIT_PRIVATE, 1, NULL) == -1 && errno == EAGAIN);
	CHECK(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL) == 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	CHECK(futex(&word, FUTEX_WAIT_PRIVATE, 0, &wait) == -1 && errno == ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &now);
	elapsed = (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
	if (elapsed < 0.05)
		fail("a wait of 50 ms took %.3f s", elapsed);
}

int main(int argc, char **argv)
{
	pthread_t threads[2 * MAX_PAIRS];
	void *result;

	nr_rounds = number_arg(argc, argv, 1, 1000);
	nr_pairs = number_arg(argc, argv, 2, 2);
	CHECK(nr_pairs >= 1 && nr_pairs <= MAX_PAIRS);
	check_times();
	for (unsigned long i = 0; i < 2 * nr_pairs; i++) {
		errno = pthread_create(&threads[i], NULL, run, (void *)i);
		CHECK(errno == 0);
	}
	for (unsigned long i = 0; i < 2 * nr_pairs; i++) {
		errno = pthread_join(threads[i], &result);
		CHECK(errno == 0 && (unsigned long)result == i + 1);
	}
	for (unsigned long i = 0; i < nr_pairs; i++)
		CHECK(pairs[i].nr_played[0] == (long)nr_rounds && pairs[i].nr_played[1] == (long)nr_rounds);
	CHECK(shared_count == 2000 * nr_pairs);
	CHECK(own == 42);
	return ok("%lu rounds, %lu pairs", nr_rounds, nr_pairs);
}
