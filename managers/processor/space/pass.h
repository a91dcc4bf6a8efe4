/* SPDX-License-Identifier: MIT */
/*
 * Passes over the PTEs of a range that is closed to faults. What is BUSY or CLEANING is waited for. A line that loses a PTE
 * is pinned until the shootdown of the batch, so that its frame is neither read for a flush nor used for another page while
 * a CPU may still get at it; a private line that lost its last owner is LEAVING until then, and dropped.
 *
 * Before anything is waited for, the batch is flushed and the pins are gone.
 */
#ifndef MANAGERS_PROCESSOR_SPACE_PASS_H
#define MANAGERS_PROCESSOR_SPACE_PASS_H

#include "managers/processor/space/space_impl.h"

enum pass_answer {
	PASS_DONE,		/* go on with the next page */
	PASS_UNLOCKED,		/* the same, and the set lock is dropped already */
	PASS_WAIT,		/* until something in the set changed, then ask again */
	PASS_AGAIN,		/* ask again at once */
	PASS_CLEAN,		/* have the page written home, then ask again */
	PASS_ROOM,		/* make room in p->room, then ask again */
	PASS_WAY,		/* another page of the range is in the way: do that one first (p->way), then ask again */
};

struct pass {
	struct space *s;
	struct tlb_batch tlb;
	struct pcache_line *pinned[TLB_BATCH_MAX];
	unsigned nr;
	/* A page that is mapped; one that is PRIVATE and not mapped, and its line if it is in one. The set lock is held. NULL: nothing to do. */
	enum pass_answer (*present)(struct pass *p, struct pcache_line *line, struct pcache_owner *o);
	enum pass_answer (*absent)(struct pass *p, struct pcache_set *set, struct pcache_line *line, u64 vpn, pte_t *slot);
	/* A PTE that is EMPTY and not 0. No lock. */
	void (*empty)(struct pass *p, u64 vpn, pte_t *slot);
	/* A page of the kernel's own (vDSO) that is mapped. No lock. NULL: nothing to do. */
	void (*foreign)(struct pass *p, u64 vpn, pte_t *slot);
	int rc;			/* not 0: the pass ends */
	u32 prot;		/* protect */
	struct space *child;	/* fork */
	u64 delta;		/* mremap: added to a page number */
	u64 first, end;		/* mremap: the pages of the old range */
	pte_t *new_slots;	/* mremap: the table of the new range that was used last, */
	u64 new_first;		/* and the page of its first entry */
	struct pcache_set *room;
	struct { u64 vpn; pte_t *slot; } way;
	unsigned depth;		/* so many pages wait for one that is in their way */
};

void pass_init(struct pass *p, struct space *s);
void pass_run(struct pass *p, u64 start, u64 end);
void pass_pin(struct pass *p, struct pcache_line *line);	/* until the batch's shootdown */

#endif
