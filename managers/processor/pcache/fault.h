/* SPDX-License-Identifier: MIT */
/* One page fault on its way through pcache/: what it is about, and the steps it may take. Filled in by space/fault.c. */
#ifndef MANAGERS_PROCESSOR_PCACHE_FAULT_H
#define MANAGERS_PROCESSOR_PCACHE_FAULT_H

#include "managers/processor/pcache/pcache.h"
#include "managers/processor/space/space_impl.h"

struct fault {
	struct space *s;
	u64 va, vpn;
	bool write, exec;
	bool force;		/* a write to private memory that may be read only: its page is copied as for any other */
	u64 seq;		/* the space's sequence number before the vma was looked up */
	struct vma vma;		/* a copy */
	struct object *object;	/* referenced; NULL for anonymous memory */
	u64 object_index;
	pte_t *slot;
	pte_t pte;		/* as seen; what the fault decided on */
	bool waited;		/* for a page that was on its way */
	bool used_ahead;	/* it found a page that was prefetched: the stream goes on */
};

/* How a fault was answered; each is counted. Every step returns one of these, -EAGAIN (look again), or an error. */
#define FAULT_OUTCOMES(X)								\
	X(HIT, nr_pgfault_set_hit)	X(ZERO, nr_pcache_fill_zerofill)		\
	X(MEMORY, nr_pcache_fill_from_memory) X(VICTIM, nr_pcache_fill_from_victim)	\
	X(COW, nr_pgfault_wp_cow)	X(REUSE, nr_pgfault_wp_reuse)			\
	X(SHARED, nr_pgfault_wp_shared)	X(SPURIOUS, nr_pgfault_spurious)
#define FAULT_OUTCOME_ENUM(o, c) FAULT_##o,
enum fault_outcome { FAULT_OUTCOMES(FAULT_OUTCOME_ENUM) };

/* set and page-table lock; false, unlocked: what the fault decided on is no longer so */
bool fault_lock(struct fault *f, struct pcache_set *set);
void fault_unlock(struct fault *f, struct pcache_set *set);
bool fault_valid(struct fault *f);		/* under the locks */
/* after a wait, our PTE still BUSY, under the locks: may the page be mapped? Looks the vma up again if the map changed. */
bool fault_recheck(struct fault *f);
/* under the locks: may the fault's space, an owner of the line's page, write to it without asking again? Its D bit says if it did. */
bool fault_may_write(const struct fault *f, const struct pcache_line *line);
/* under the locks: map the page of the line, the fault's space being its owner */
void fault_map(struct fault *f, struct pcache_line *line);
/* under the locks, a private page: a write needs a copy, for others own it, too, whether they have it mapped or not */
static inline bool page_shared(const struct pcache_page *p) { return p->nr_owners > 1 && RULE(COW_OWNERS); }
int fault_wait_set(struct fault *f, struct pcache_set *set);	/* unlocks, sleeps: -EAGAIN, -EINTR */
static inline struct page_id fault_private_id(const struct fault *f) { return (struct page_id){ f->s->salt, f->vpn }; }
static inline struct page_id fault_object_id(const struct fault *f)
{
	return (struct page_id){ f->object->id, f->object_index };
}

/* space/vdso.c */
int fault_vdso(struct fault *f);		/* a page of the kernel's own */
/* fill.c */
int fault_private(struct fault *f);		/* the PTE says PRIVATE */
int fault_zero(struct fault *f);		/* EMPTY, anonymous */
int fault_object(struct fault *f);		/* EMPTY: map the object's page */
int fault_fetch_private(struct fault *f);	/* EMPTY, a write: the object's page straight into a private line */
/* prefetch.c; no lock held, may evict but waits for nobody */
/* The page asked for is on its way: ask for others, too. copy: into a private line; the others come as the object's pages. */
void prefetch_missed(struct fault *f, bool copy);
void prefetch_found(struct fault *f);		/* used_ahead */
void prefetch_waited(struct fault *f);		/* it waited and found the page mapped: was it prefetched? */
/* shadow_feed.c */
void shadow_fault(const struct fault *f, int outcome);	/* or what else the step said; no lock held */
/* cow.c */
int fault_write_protected(struct fault *f);	/* present, read-only, may be written */
int fault_copy_object(struct fault *f);		/* EMPTY, a write to a private mapping of an object */
int cow_private(struct fault *f, struct pcache_set *set, struct pcache_line *line);	/* locked; unlocks */

#endif
