/* SPDX-License-Identifier: MIT */
/*
 * Turns. A cache may hold what one thread works with and not what all do: then each thread's misses drive out what the others
 * are about to use, and none gets far between two of its own. So in a small cache in which most misses are of pages that went
 * not long ago, threads take their faults in turns: who has the turn brings its pages in and computes with them; who faults
 * meanwhile waits.
 *
 * A turn ends when its thread has fetched TURN_FETCHES pages or had TURN_FAULTS faults and another waits, calls the kernel, takes a
 * signal, stops or ends (space_moves_on(), space_thread_ends()), or has been without a fault for TURN_IDLE_NS while another waits.
 * It passes to the one that waits longest.
 *
 * Nothing depends on turns: a fault waits for one at its beginning, before it holds anything, and not longer than TURN_WAIT_NS, nor
 * when turns are no longer worth it; then it goes on without. The holder of the progress token does not wait at all.
 */
#include "managers/processor/pcache/pcache.h"

#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"

#define TURN_LINES	64			/* a larger cache has no turns: its threads' misses overlap instead */
#define TURN_FETCHES	64
#define TURN_FAULTS	256			/* of any kind: what comes ahead or from the victim cache is not fetched by a fault */
#define TURN_IDLE_NS	(5 * NSEC_PER_MSEC)
#define TURN_WAIT_NS	(1000 * NSEC_PER_MSEC)
#define NR_GONE		1024			/* evicted last, about; one in place of another only loses a count */
#define SHARE_ONE	1024			/* shares are of so many */
#define SHARE_SLOWNESS	32			/* misses that a share remembers */

static u64 gone[NR_GONE];			/* [a] hashes of pages */
static u32 share_back;				/* [a] of the misses, those of pages that went not long ago */

struct turn_waiter {
	struct list link;			/* [turn_lock] */
	struct thread *thread;			/* [I] */
	bool given;				/* [turn_lock] the turn is its thread's; off the list */
};

static struct spinlock turn_lock = SPINLOCK_INIT("turn", RANK_LEAF);
static struct list turn_waiters = LIST_INIT(turn_waiters);	/* [turn_lock] in the order in which they came */
static struct waitq turn_wait = WAITQ_INIT(turn_wait);
static struct thread *turn_of;			/* [turn_lock] */
static bool turn_faulting;			/* [turn_lock] its thread is inside a fault */
static u64 turn_last_ns;			/* [turn_lock] when it got the turn, or ended its last fault */
static u32 turn_fetches, turn_faults;		/* [turn_lock] */

static bool turns_possible(void) { return pcache.p.turns && pcache.p.nr_lines <= TURN_LINES; }
static bool turns_due(void) { return turns_possible() && READ_ONCE(share_back) > SHARE_ONE / 2; }

/* --- are they worth it? --- */

void turn_page_gone(struct page_id id)
{
	u64 h;

	if (!turns_possible())
		return;
	h = page_hash(id);
	WRITE_ONCE(gone[h % NR_GONE], h);
}

void turn_page_missed(struct page_id id)
{
	u32 share = READ_ONCE(share_back);
	u64 h;

	if (!turns_possible())
		return;
	h = page_hash(id);
	share -= share / SHARE_SLOWNESS;
	if (READ_ONCE(gone[h % NR_GONE]) == h) {
		WRITE_ONCE(gone[h % NR_GONE], 0);
		share += SHARE_ONE / SHARE_SLOWNESS;
	}
	WRITE_ONCE(share_back, share);
}

/* --- whose it is --- */

static void give_locked(struct thread *t)
{
	WRITE_ONCE(turn_of, t);
	turn_faulting = false;
	turn_fetches = turn_faults = 0;
	turn_last_ns = time_mono_ns();
}

/* Locked: the turn is over. True: somebody has it now, who is to be woken. */
static bool pass_on(void)
{
	struct turn_waiter *w = list_first(&turn_waiters, struct turn_waiter, link);

	give_locked(w == NULL ? NULL : w->thread);
	if (w == NULL)
		return false;
	list_del(&w->link);
	w->given = true;
	return true;
}

/* Locked: its thread computes on without faults, or sleeps. */
static bool idle(void) { return !turn_faulting && time_mono_ns() - turn_last_ns >= TURN_IDLE_NS; }

/* The turn is the waiter's? Takes it from one that is idle, if this is the next in turn. */
static bool turn_given(struct turn_waiter *w)
{
	bool given;

	spin_lock(&turn_lock);
	if (!w->given && list_first(&turn_waiters, struct turn_waiter, link) == w && (turn_of == NULL || idle()))
		(void)pass_on();		/* to w, which needs no wake-up */
	given = w->given;
	spin_unlock(&turn_lock);
	return given;
}

/* On the list; returns off it. */
static void wait_turn(struct turn_waiter *w)
{
	u64 until = time_mono_ns() + TURN_WAIT_NS;
	int rc = 0;

	count(nr_turn_waited);
	while (rc != -EINTR && turns_due() && time_mono_ns() < until) {
		if (turn_given(w))
			break;
		rc = waitq_wait_how(&turn_wait, READ_ONCE(w->given), WAIT_KILLABLE, time_mono_ns() + TURN_IDLE_NS);
	}
	spin_lock(&turn_lock);
	if (!w->given)
		list_del(&w->link);
	spin_unlock(&turn_lock);
}

void turn_fault(void)
{
	struct turn_waiter w = { .thread = thread_current() };
	bool mine, wake = false;

	if (w.thread->task == NULL || !turns_due() || token_mine())
		return;
	spin_lock(&turn_lock);
	if (turn_of == w.thread && (turn_fetches >= TURN_FETCHES || turn_faults >= TURN_FAULTS))
		wake = pass_on();
	if (turn_of == NULL)
		give_locked(w.thread);
	mine = turn_of == w.thread;
	if (!mine)
		list_add_tail(&turn_waiters, &w.link);
	spin_unlock(&turn_lock);
	if (wake)
		waitq_wake_all(&turn_wait);
	if (!mine)
		wait_turn(&w);
	spin_lock(&turn_lock);
	if (turn_of == w.thread)
		turn_faulting = true;
	spin_unlock(&turn_lock);
}

static bool turn_mine(void) { return READ_ONCE(turn_of) == thread_current(); }

void turn_fault_done(bool fetched)
{
	if (!turn_mine())
		return;
	spin_lock(&turn_lock);
	if (turn_of == thread_current()) {
		turn_faulting = false;
		turn_fetches += fetched;
		turn_faults++;
		turn_last_ns = time_mono_ns();
	}
	spin_unlock(&turn_lock);
}

void turn_ends(void)
{
	bool wake = false;

	if (!turn_mine())
		return;
	spin_lock(&turn_lock);
	if (turn_of == thread_current())
		wake = pass_on();
	spin_unlock(&turn_lock);
	if (wake)
		waitq_wake_all(&turn_wait);
}

void turn_reset(void)
{
	give_locked(NULL);
	memset(gone, 0, sizeof(gone));
	share_back = 0;
}
