/* SPDX-License-Identifier: MIT */
#include "managers/processor/process/pending.h"

#include "lib/base/string.h"
#include "managers/processor/process/process.h"
#include "managers/processor/process/timers.h"
#include "mm/slab.h"

#define SIG_SYNCHRONOUS	(SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGILL) | SIGBIT(SIGFPE) | SIGBIT(SIGTRAP) | SIGBIT(SIGSYS))

static u32 nr_queued;			/* [a] in all queues */

u32 pending_all(void) { return __atomic_load_n(&nr_queued, __ATOMIC_RELAXED); }

static void queued_free(struct pending *q, struct queued_signal *s)
{
	q->nr--;
	__atomic_fetch_sub(&nr_queued, 1, __ATOMIC_RELAXED);
	kfree(s);
}

/* Off the queue; its timer, if it has one, goes on. */
static void queued_drop(struct pending *q, struct queued_signal *s)
{
	list_del(&s->link);
	if (s->timer != NULL)
		ptimer_taken(s->timer, &s->info);
	else
		queued_free(q, s);
}

void signal_flush(struct pending *q)
{
	struct queued_signal *s, *tmp;

	list_for_each_safe(s, tmp, &q->queue, link)
		queued_drop(q, s);
	q->set = 0;
}

void pending_remove(struct pending *q, sigset_t_ which)
{
	struct queued_signal *s, *tmp;

	list_for_each_safe(s, tmp, &q->queue, link)
		if (SIGBIT(s->info.signo) & which)
			queued_drop(q, s);
	q->set &= ~which;
}

void pending_unlink(struct pending *q, struct queued_signal *s)
{
	struct queued_signal *other;
	bool here = false, more = false;

	list_for_each(other, &q->queue, link) {
		if (other == s)
			here = true;
		else if (other->info.signo == s->info.signo)
			more = true;
	}
	if (!here)
		return;
	list_del(&s->link);
	if (!more)
		q->set &= ~SIGBIT(s->info.signo);
}

void pending_add(struct pending *q, const struct siginfo_abi *info, struct queued_signal *mine, u64 max)
{
	struct queued_signal *s = mine;
	int sig = info->signo;

	if (mine == NULL && sig < SIGRTMIN && (q->set & SIGBIT(sig)))
		return;				/* one of a kind is enough */
	q->set |= SIGBIT(sig);
	if (mine == NULL) {
		s = q->nr < max ? kzalloc(sizeof(*s)) : NULL;
		if (s == NULL)
			return;			/* delivered without details, as when the queue is full */
		q->nr++;
		__atomic_fetch_add(&nr_queued, 1, __ATOMIC_RELAXED);
		s->info = *info;
	}
	list_add_tail(&q->queue, &s->link);
}

bool pending_take(struct pending *q, int sig, struct siginfo_abi *info)
{
	struct queued_signal *s, *tmp;
	bool found = false, more = false;

	memset(info, 0, sizeof(*info));
	info->signo = sig;
	list_for_each_safe(s, tmp, &q->queue, link) {
		if (s->info.signo != sig)
			continue;
		if (found) {
			more = true;
			break;
		}
		list_del(&s->link);
		if (s->timer != NULL)
			ptimer_taken(s->timer, &s->info);
		*info = s->info;
		if (s->timer == NULL)
			queued_free(q, s);
		found = true;
	}
	if (!more)
		q->set &= ~SIGBIT(sig);
	return found;
}

int pending_pick(sigset_t_ set)
{
	sigset_t_ first = set & SIG_SYNCHRONOUS;

	return __builtin_ctzll(first ? first : set) + 1;
}
