/* SPDX-License-Identifier: MIT */
/* M's answers to an exec and to a fork: read as a whole, before anything of them is taken over. */
#ifndef MANAGERS_PROCESSOR_SPACE_EXEC_REPLY_H
#define MANAGERS_PROCESSOR_SPACE_EXEC_REPLY_H

#include "arch/x86/paging.h"
#include "managers/protocol/memory_ops.h"

struct exec_reply {
	struct rpc_memory_exec_rep r;
	u8 bulk[];		/* wire_vma[nr_vmas], le64[nr_private] */
};

static inline const struct wire_vma *exec_reply_vmas(const struct exec_reply *rep) { return (const void *)rep->bulk; }
static inline const le64 *exec_reply_private(const struct exec_reply *rep)
{
	return (const void *)(rep->bulk + (u64)le32_get(rep->r.nr_vmas) * sizeof(struct wire_vma));
}

/*
 * Can it be? len bytes came. All addresses are a user's; the mappings are private ones in ascending order, charged as they must
 * be; the stack is one of them, and the pages that M has made lie in them. Any context.
 */
bool exec_reply_ok(const struct exec_reply *rep, u32 len);

/*
 * Can it be? M charges the child for all that the parent is charged for, nr_accounted pages: what only this node knows that the child is
 * not to have is taken off it again.
 */
static inline bool fork_reply_ok(const struct rpc_memory_fork_rep *rep, u64 nr_accounted)
{
	u64 child = le64_get(rep->child), commit = le64_get(rep->commit);

	return child != 0 && !wire_is_object(child) && commit >= nr_accounted && commit <= USER_END >> PAGE_SHIFT;
}

#endif
