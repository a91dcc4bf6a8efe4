/* SPDX-License-Identifier: MIT */
/* Receive threads; see net_poll.h. */
#include "arch/x86/cpu.h"
#include "drivers/counters.h"
#include "drivers/net_poll.h"
#include "kernel/param.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"

/* Look on for a moment; true: there is a frame. Gives up as soon as another thread wants the CPU. */
static bool look_on(struct net_poll *p, u64 dry_since)
{
	while (!p->pending(p->arg)) {
		if (time_mono_ns() - dry_since > p->window_ns || sched_need_resched())
			return false;
		cpu_relax();
	}
	count(nr_net_rx_polled);
	return true;
}

static void poll_thread(void *arg)
{
	struct net_poll *p = arg;
	u64 dry_since, gap;

	for (;;) {
		if (p->batch(p->arg))
			continue;
		dry_since = time_mono_ns();
		if (p->gap_ns > p->window_ns || !look_on(p, dry_since))
			waitq_wait(&p->wait, !p->irq_enable(p->arg));
		/* one long gap ends the polling soon, a few short ones in a row begin it */
		gap = MIN(time_mono_ns() - dry_since, 4 * p->window_ns + 1);
		p->gap_ns = (3 * p->gap_ns + gap) / 4;
	}
}

void net_poll_init(struct net_poll *p)
{
	waitq_init(&p->wait);
	p->window_ns = param_ns("net.poll", 20 * NSEC_PER_USEC, 0, NSEC_PER_MSEC);
	p->gap_ns = 4 * p->window_ns + 1;
}

int net_poll_start(struct net_poll *p, unsigned nr, int cpu)
{
	struct thread *t = thread_create(poll_thread, p, PRIO_HIGH, "net-rx/%u", nr);

	if (!t)
		return -ENOMEM;
	if (cpu >= 0)
		thread_set_affinity(t, 1ULL << cpu);
	thread_start(t);
	thread_put(t);
	return 0;
}

void net_poll_wake(struct net_poll *p)
{
	count(nr_net_rx_interrupt);
	waitq_wake_all(&p->wait);
}
