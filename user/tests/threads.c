/* SPDX-License-Identifier: MIT */
/* threads [ROUNDS [AT-ONCE]]: starts and joins threads over and over; each uses its stack and malloc. */
#include <pthread.h>

#include "check.h"

static void *run(void *arg)
{
	unsigned long number = (unsigned long)arg;
	uint64_t on_stack[2048], *on_heap = malloc(sizeof(on_stack));

	CHECK(on_heap != NULL);
	pattern_write(on_stack, 2048, 0, number);
	pattern_write(on_heap, 2048, 1, number);
	pattern_check(on_stack, 2048, 0, number);
	pattern_check(on_heap, 2048, 1, number);
	free(on_heap);
	return arg;
}

int main(int argc, char **argv)
{
	unsigned long rounds = number_arg(argc, argv, 1, 20), nr = number_arg(argc, argv, 2, 8);
	pthread_t threads[64];
	void *result;

	CHECK(nr >= 1 && nr <= 64);
	for (unsigned long round = 0; round < rounds; round++) {
		for (unsigned long i = 0; i < nr; i++) {
			errno = pthread_create(&threads[i], NULL, run, (void *)(round * nr + i));
			CHECK(errno == 0);
		}
		for (unsigned long i = 0; i < nr; i++) {
			errno = pthread_join(threads[i], &result);
			CHECK(errno == 0 && (unsigned long)result == round * nr + i);
		}
	}
	return ok("%lu rounds of %lu", rounds, nr);
}
