/* SPDX-License-Identifier: MIT */
/*
 * Small integers for objects: descriptors, process ids, call slots. Ids are given out lowest first, or, for a table made cyclic,
 * upward with wrap-around so that one is not used again soon. Grows by itself up to its limit. The caller's lock protects it.
 */
#ifndef LIB_IDTABLE_H
#define LIB_IDTABLE_H

#include "lib/base/types.h"

struct idtable {
	void **slot;		/* by id - first */
	u64 *used;		/* bit per slot: given out (its pointer may still be NULL) */
	u32 first, limit;	/* ids are first .. limit-1 */
	u32 size;		/* slots there are now */
	u32 next;		/* where the search begins */
	u32 nr;			/* given out */
	bool cyclic;
};

void idtable_init(struct idtable *t, u32 first, u32 limit, bool cyclic);
void idtable_destroy(struct idtable *t);	/* frees the table, not the objects */
/* The id now standing for p (may be NULL: reserved, filled by idtable_set()); -ENOMEM, or -ENOSPC when all are given out. */
s64 idtable_add(struct idtable *t, void *p);
/* A certain id, not yet given out: 0, -EBUSY, -ENOMEM or -EINVAL (out of range) */
int idtable_add_at(struct idtable *t, u32 id, void *p);
void idtable_set(struct idtable *t, u32 id, void *p);	/* of an id given out */
void *idtable_get(const struct idtable *t, u32 id);	/* NULL: not given out, or out of range */
void *idtable_remove(struct idtable *t, u32 id);	/* what it stood for; NULL when it was not given out */
/* The first given out id >= from, with *p what it stands for; -1: none. For walks: for (id = t->first; (id = next(t, id, &p)) >= 0; id++) */
s64 idtable_next(const struct idtable *t, u32 from, void **p);

#endif
