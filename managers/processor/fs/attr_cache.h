/* SPDX-License-Identifier: MIT */
/*
 * Attributes of a storage node's files, kept by this node, so that the next stat needs no call. They are right because
 *
 * - the storage node has said for how long no other processor node will change anything there (wire_attr.lease_ms, which begins when
 *   the answer was asked for), and
 * - whatever this node does that changes a file is enclosed by attr_change_begin() and attr_change_end(): while a change is under way
 *   nothing that it may concern is used, and what was asked for before its end is not kept.
 *
 * What remains is what a memory node writes back by itself, without any call of ours: a new mtime is seen when the lease is over.
 * Any thread context, no lock needed; nothing here sleeps but attr_keep(), which may allocate.
 */
#ifndef MANAGERS_PROCESSOR_FS_ATTR_CACHE_H
#define MANAGERS_PROCESSOR_FS_ATTR_CACHE_H

#include "managers/processor/fs/fs.h"

struct attr_file { u16 node; u32 fs; u64 ino; };	/* of any generation */

/* The moment before a question is sent. */
struct attr_asked {
	u64 changes;		/* that had ended then */
	u64 at_ns;
};
void attr_ask(struct attr_asked *asked);
/*
 * Keep the answer, if nothing has changed meanwhile and lease_ms is not 0. i is the caller's; no memory: it is not kept. own: how many
 * changes that are under way are the caller's, 0 or 1: asked after it began, it answers with what i is then.
 */
void attr_keep(struct inode *i, const struct attr_asked *asked, const struct attr *a, u32 lease_ms, unsigned own);
/* What is kept of i and right now; false: there is nothing. */
bool attr_kept(struct inode *i, struct attr *a);

/*
 * Who may do what with a file (mode, uid, gid) is kept by every struct inode, of which a file has one for each of its names. It is right
 * until this node changes it by another: i->rights_asked is the moment from which it is, as long as nothing of the kind has ended since.
 */
bool attr_rights_right(const struct inode *i);
void attr_rights_answered(struct inode *i, const struct attr_asked *asked, const struct attr *a);	/* kept, unless a later answer is */

/* A change of this file; NULL: of files that are not known. As many ends as beginnings, with the same file. */
void attr_change_begin(const struct attr_file *f);
void attr_change_end(const struct attr_file *f);
/* The end of one that may have changed the rights, to what the answer says (NULL: it failed); asked after it began. */
void attr_change_end_rights(const struct attr_file *f, struct inode *i, const struct attr_asked *asked, const struct attr *now);
/* A change of files that were not known when it began: it was of these, and of no others. */
void attr_change_end_found(const struct attr_file *f, unsigned nr);

#endif
