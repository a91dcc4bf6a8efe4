/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/process/pending.c */
/* Queues of signals against a model, and what is taken first. */
#include "managers/processor/process/pending.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "managers/processor/process/timers.h"

static unsigned nr_taken;

void ptimer_taken(struct ptimer *t, struct siginfo_abi *info)
{
	nr_taken++;
	info->timer.overrun = 7;
}

static void add(struct pending *q, int sig, u64 value)
{
	struct siginfo_abi info = { .signo = sig, .code = SI_QUEUE };

	info.kill.value = value;
	pending_add(q, &info, NULL, 1000);
}

static void against_model(void **state)
{
	struct pending q = { 0 };
	static u64 model[NR_SIGNALS + 1][4096];
	unsigned head[NR_SIGNALS + 1] = { 0 }, tail[NR_SIGNALS + 1] = { 0 };
	struct siginfo_abi info;

	list_init(&q.queue);
	srandom(3);
	for (int op = 0; op < 60000; op++) {
		int sig = 1 + random() % NR_SIGNALS;
		bool waits = head[sig] != tail[sig];

		assert_int_equal(waits, (q.set & SIGBIT(sig)) != 0);
		if (random() % 2 == 0) {
			if (tail[sig] == 4096 || q.nr >= 900)
				continue;
			if (sig >= SIGRTMIN || !waits)
				model[sig][tail[sig]++] = op;
			add(&q, sig, op);
		} else if (waits) {
			assert_true(pending_take(&q, sig, &info));
			assert_int_equal(info.signo, sig);
			assert_int_equal(info.kill.value, model[sig][head[sig]++]);
		}
	}
	pending_remove(&q, ~0ULL);
	assert_true(q.set == 0 && q.nr == 0 && list_empty(&q.queue));
}

static void full(void **state)
{
	struct siginfo_abi info = { .signo = SIGRTMIN, .code = SI_USER };
	struct pending q = { 0 };

	list_init(&q.queue);
	for (int i = 0; i < 10; i++)
		pending_add(&q, &info, NULL, 3);
	assert_int_equal(q.nr, 3);
	for (int i = 0; i < 3; i++)
		assert_true(pending_take(&q, SIGRTMIN, &info));
	assert_int_equal(q.set, 0);
	info.signo = SIGUSR1;
	pending_add(&q, &info, NULL, 0);		/* it comes all the same, without its details */
	assert_int_equal(q.set, SIGBIT(SIGUSR1));
	assert_false(pending_take(&q, SIGUSR1, &info));
	assert_int_equal(info.signo, SIGUSR1);
	assert_int_equal(q.set, 0);
}

static void timers_signal(void **state)
{
	struct queued_signal mine = { .timer = (struct ptimer *)&mine };
	struct siginfo_abi info;
	struct pending q = { 0 };

	list_init(&q.queue);
	list_init(&mine.link);
	mine.info.signo = SIGALRM;
	add(&q, SIGALRM, 1);
	pending_add(&q, &mine.info, &mine, 0);		/* beside the other, though of the same number */
	assert_true(pending_take(&q, SIGALRM, &info));
	assert_true(q.set == SIGBIT(SIGALRM) && nr_taken == 0);
	assert_true(pending_take(&q, SIGALRM, &info));
	assert_int_equal(info.timer.overrun, 7);
	assert_true(nr_taken == 1 && q.set == 0 && !list_linked(&mine.link));
	add(&q, SIGALRM, 1);
	pending_add(&q, &mine.info, &mine, 0);
	pending_unlink(&q, &mine);			/* the timer is deleted: the other stays */
	assert_true(q.set == SIGBIT(SIGALRM) && nr_taken == 1);
	pending_remove(&q, SIGBIT(SIGALRM));
	pending_add(&q, &mine.info, &mine, 0);
	pending_unlink(&q, &mine);
	assert_int_equal(q.set, 0);
}

static void order(void **state)
{
	assert_int_equal(pending_pick(SIGBIT(SIGHUP) | SIGBIT(SIGSEGV) | SIGBIT(SIGRTMIN)), SIGSEGV);
	assert_int_equal(pending_pick(SIGBIT(SIGUSR2) | SIGBIT(SIGRTMIN + 3) | SIGBIT(64)), SIGUSR2);
	assert_int_equal(pending_pick(SIGBIT(64) | SIGBIT(SIGRTMIN + 3)), SIGRTMIN + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_model), cmocka_unit_test(full), cmocka_unit_test(timers_signal), cmocka_unit_test(order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
