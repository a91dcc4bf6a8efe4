/* SPDX-License-Identifier: MIT */
/*
 * The progress token. One instruction may need six pages at once (code, source, destination, each straddling two). In a
 * set with fewer ways than that its pages would chase each other out for ever. A thread that faults at the same
 * instruction again and again takes the node's one token: the last six lines it faulted in are kept, in lines lent by the
 * reserve if need be, until it faults at another instruction or lets go.
 */
#include "managers/processor/pcache/pcache.h"

#include "arch/x86/regs.h"
#include "kernel/thread.h"

static struct spinlock token_lock = SPINLOCK_INIT("token", RANK_LEAF);
static struct thread *holder;			/* [token_lock] */
static struct pcache_line *kept[TOKEN_LINES];	/* [token_lock] each counted in its line's kept */
static unsigned next_kept;

void token_init(void)
{
}

bool token_mine(void)
{
	return READ_ONCE(holder) == thread_current();
}

void token_fault(void)
{
}

void token_fault_done(void)
{
}

void token_keep(struct pcache_line *line)
{
	struct pcache_line *old;

	if (!token_mine())
		return;
	spin_lock(&token_lock);
	old = kept[next_kept];
	kept[next_kept] = line;
	next_kept = (next_kept + 1) % TOKEN_LINES;
	atomic_inc(&line->kept);
	if (old != NULL)
		atomic_dec(&old->kept);
	spin_unlock(&token_lock);
}

void pcache_token_release(void)
{
	if (!token_mine())
		return;
	spin_lock(&token_lock);
	for (unsigned i = 0; i < TOKEN_LINES; i++) {
		if (kept[i] != NULL)
			atomic_dec(&kept[i]->kept);
		kept[i] = NULL;
	}
	holder = NULL;
	spin_unlock(&token_lock);
}
