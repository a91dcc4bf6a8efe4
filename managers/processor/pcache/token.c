/* SPDX-License-Identifier: MIT */
/*
 * The progress token. One instruction may need six pages at once (code, source, destination, each straddling two). In a
 * set with fewer ways than that its pages would chase each other out for ever: it faults again and again in pages that it
 * has had. A thread that does so at the same instruction more often than a set has ways takes the node's one token: the
 * last six lines it faulted in are kept, in lines lent by the reserve if need be. (A loop or string instruction that walks
 * through memory faults at one instruction, too, but in ever new pages.)
 *
 * It lets go when it faults at another instruction, waits for a closed range, calls the kernel, takes a signal, stops or ends
 * (space_moves_on(), space_thread_ends()). A holder that computes on without another fault does not know: so a thread that
 * wants the token takes it over once the holder has been without a fault for LEASE_NS, which is far more than a retry takes.
 */
#include "managers/processor/pcache/pcache.h"

#include "arch/x86/regs.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/string.h"
#include "lib/hash.h"

#define LEASE_NS	(5 * NSEC_PER_MSEC)
#define NR_SITES	256		/* where threads faulted last; a collision only loses a count */
#define SITE_PROBES	4
#define SITE_OLD_NS	(200 * NSEC_PER_MSEC)	/* its thread is gone, or does not fault */

static struct spinlock token_lock = SPINLOCK_INIT("token", RANK_LEAF);
static struct thread *holder;			/* [token_lock] */
static bool holder_faulting;			/* [token_lock] it is inside a fault: however long that takes */
static u64 holder_last_ns;			/* [token_lock] end of its last fault */
static struct pcache_line *kept[TOKEN_LINES];	/* [token_lock] each counted in its line's kept */
static unsigned next_kept;			/* [token_lock] */

static struct site {				/* [o] written by its thread alone once it has it; see site_of() */
	struct thread *thread;
	u64 rip, last_ns;
	u64 vpn[TOKEN_LINES];		/* it faulted in last at this instruction */
	u32 next;
	u32 repeats;			/* faults in one of these */
	u32 fresh;			/* faults since, each in another page: more than an instruction can need, it moves on */
} sites[NR_SITES];

bool token_mine(void)
{
	return READ_ONCE(holder) == thread_current();
}

bool token_held(void)
{
	return READ_ONCE(holder) != NULL;
}

/* The calling thread's place, or one that was not used for long. */
static struct site *site_of(struct thread *t, u64 now)
{
	u64 h = hash64((u64)(uintptr_t)t);
	struct site *old = NULL;

	for (unsigned i = 0; i < SITE_PROBES; i++) {
		struct site *s = &sites[(h + i) % NR_SITES];

		if (READ_ONCE(s->thread) == t)
			return s;
		if (old == NULL && (READ_ONCE(s->thread) == NULL || now - READ_ONCE(s->last_ns) > SITE_OLD_NS))
			old = s;
	}
	if (old == NULL)
		return NULL;
	WRITE_ONCE(old->thread, t);
	old->rip = 0;
	return old;
}

/* Lines that are kept no longer leave their sets with more than their ways: soon, by somebody who may wait. */
static bool untrimmed;				/* [a] */

static void trim(void)
{
	WRITE_ONCE(untrimmed, false);
	if (pcache_reserve_out() != 0)
		evict_trim_all();
}

/* Sets whose lines are kept no longer: who found nothing to evict there looks again. */
struct freed { struct pcache_set *set[TOKEN_LINES]; };

static void wake_sets(const struct freed *f)
{
	for (unsigned i = 0; i < TOKEN_LINES; i++) {
		if (f->set[i] == NULL)
			continue;
		spin_lock(&f->set[i]->lock);
		set_changed(f->set[i]);
		spin_unlock(&f->set[i]->lock);
	}
}

static void release_locked(struct freed *f)
{
	for (unsigned i = 0; i < TOKEN_LINES; i++) {
		f->set[i] = NULL;
		if (kept[i] != NULL) {
			atomic_dec(&kept[i]->kept);	/* first: who saw it kept, saw it in the set where it is now, or was told that it left */
			f->set[i] = READ_ONCE(kept[i]->page.set);
		}
		kept[i] = NULL;
	}
	WRITE_ONCE(holder, NULL);
	WRITE_ONCE(untrimmed, true);
}

static void try_take(u64 now)
{
	struct freed freed = { { NULL } };
	bool taken = false;

	spin_lock(&token_lock);
	if (holder != NULL && holder != thread_current() && !holder_faulting && now - holder_last_ns > LEASE_NS)
		release_locked(&freed);
	if (holder == NULL && RULE(TOKEN)) {
		WRITE_ONCE(holder, thread_current());
		taken = true;
	}
	spin_unlock(&token_lock);
	wake_sets(&freed);
	if (taken)
		count(nr_token_taken);
}

static void let_go(void)
{
	struct freed freed = { { NULL } };

	if (!token_mine())
		return;
	spin_lock(&token_lock);
	if (holder == thread_current())
		release_locked(&freed);
	spin_unlock(&token_lock);
	wake_sets(&freed);
}

static bool had(const struct site *s, u64 vpn)
{
	for (unsigned i = 0; i < TOKEN_LINES; i++)
		if (s->vpn[i] == vpn)
			return true;
	return false;
}

void token_fault(u64 vpn)
{
	struct thread *t = thread_current();
	u64 now, rip;
	struct site *s;

	if (READ_ONCE(untrimmed))
		trim();
	if (t->task == NULL)		/* a kernel thread, for a space that is not its own */
		return;
	now = time_mono_ns();
	rip = arch_user_regs()->rip;
	s = site_of(t, now);
	if (s == NULL)
		return;
	s->last_ns = now;
	if (s->rip != rip) {
		s->rip = rip;
		s->repeats = s->fresh = 0;
		memset(s->vpn, 0, sizeof(s->vpn));
		s->vpn[s->next++ % TOKEN_LINES] = vpn;
		let_go();
		return;
	}
	if (had(s, vpn)) {
		s->repeats++;
		s->fresh = 0;
	} else {
		s->vpn[s->next++ % TOKEN_LINES] = vpn;
		if (++s->fresh > TOKEN_LINES) {
			s->repeats = 0;
			let_go();
		}
	}
	if (s->repeats > pcache.p.ways && !token_mine())
		try_take(now);
	if (token_mine()) {
		spin_lock(&token_lock);
		holder_faulting = true;
		spin_unlock(&token_lock);
	}
}

void token_fault_done(void)
{
	if (!token_mine())
		return;
	spin_lock(&token_lock);
	holder_faulting = false;
	holder_last_ns = time_mono_ns();
	spin_unlock(&token_lock);
}

void token_keep(struct pcache_line *line)
{
	struct pcache_line *old;

	if (!token_mine())
		return;
	spin_lock(&token_lock);
	if (holder == thread_current()) {
		old = kept[next_kept];
		kept[next_kept] = line;
		next_kept = (next_kept + 1) % TOKEN_LINES;
		atomic_inc(&line->kept);
		if (old != NULL) {
			atomic_dec(&old->kept);
			WRITE_ONCE(untrimmed, true);
		}
	}
	spin_unlock(&token_lock);
}

/* Its place, too: a later thread may have the same address. */
static void forget_site(struct thread *t)
{
	u64 h = hash64((u64)(uintptr_t)t);

	for (unsigned i = 0; i < SITE_PROBES; i++)
		if (READ_ONCE(sites[(h + i) % NR_SITES].thread) == t)
			WRITE_ONCE(sites[(h + i) % NR_SITES].thread, NULL);
}

void pcache_token_moves_on(void)
{
	let_go();
}

void pcache_token_release(void)
{
	forget_site(thread_current());
	let_go();
}

void token_reset(void)
{
	release_locked(&(struct freed){ { NULL } });
	memset(kept, 0, sizeof(kept));
	memset(sites, 0, sizeof(sites));
	holder_faulting = false;
	untrimmed = false;
}
