/* SPDX-License-Identifier: MIT */
/*
 * Where memory lies: set_mempolicy(2), mbind(2), move_pages(2) and their like. To programs all memory is one node, number 0: a policy that
 * can be obeyed is obeyed by that, and is kept so that it can be asked for; one that names other nodes alone is refused.
 */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"

enum { MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE, MPOL_LOCAL, MPOL_PREFERRED_MANY, MPOL_KINDS };
#define MPOL_F_STATIC_NODES	(1U << 15)
#define MPOL_F_RELATIVE_NODES	(1U << 14)
#define MPOL_F_NUMA_BALANCING	(1U << 13)
#define MPOL_F_MODES		(MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES | MPOL_F_NUMA_BALANCING)
#define MPOL_F_NODE		1
#define MPOL_F_ADDR		2
#define MPOL_F_MEMS_ALLOWED	4
#define MPOL_MF_STRICT		1
#define MPOL_MF_MOVE		2
#define MPOL_MF_MOVE_ALL	4
#define NODES_MOST		(PAGE_SIZE * 8)
#define NODES_KNOWN		1024	/* bits beyond are none that a mask may have */

/* What is kept: a kind, and of the flags those that are shown again. */
#define KEPT_STATIC		8
#define KEPT_RELATIVE		16
_Static_assert(((MPOL_KINDS - 1) | KEPT_STATIC | KEPT_RELATIVE) <= POLICY_MOST, "it fits where it is kept");

static u32 kept_mode(u32 policy)
{
	return (policy & 7) | (policy & KEPT_STATIC ? MPOL_F_STATIC_NODES : 0) | (policy & KEPT_RELATIVE ? MPOL_F_RELATIVE_NODES : 0);
}

/* A mask of nodes as mbind(2) has it: nr - 1 bits count. *here: node 0 is among them; *any: some are */
static int nodes_from_user(u64 user, u64 nr, bool *here, bool *any)
{
	u64 word;

	*here = *any = false;
	if (nr == 0 || --nr == 0 || user == 0)
		return 0;
	if (nr > NODES_MOST)
		return -EINVAL;
	for (u64 at = 0; at < nr; at += 64) {
		if (get_user64(&word, user + at / 8) < 0)
			return -EFAULT;
		if (nr - at < 64)
			word &= (1ULL << (nr - at)) - 1;
		if (word != 0 && at >= NODES_KNOWN)
			return -EINVAL;
		*here |= at == 0 && (word & 1);
		*any |= word != 0;
	}
	return 0;
}

/* What is asked for, as it is kept. -EINVAL: it cannot be, or not here */
static int policy_from(u32 mode, bool here, bool any, u32 *policy)
{
	u32 flags = mode & MPOL_F_MODES, both = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES;

	mode &= ~MPOL_F_MODES;
	if (mode >= MPOL_KINDS || (flags & both) == both || ((flags & MPOL_F_NUMA_BALANCING) && mode != MPOL_BIND))
		return -EINVAL;
	*policy = mode | (flags & MPOL_F_STATIC_NODES ? KEPT_STATIC : 0) | (flags & MPOL_F_RELATIVE_NODES ? KEPT_RELATIVE : 0);
	switch (mode) {
	case MPOL_DEFAULT:
		return any ? -EINVAL : 0;
	case MPOL_LOCAL:
		return any || flags != 0 ? -EINVAL : 0;
	case MPOL_PREFERRED:
		if (!any) {
			*policy = MPOL_LOCAL;
			return flags != 0 ? -EINVAL : 0;
		}
	}
	return here ? 0 : -EINVAL;
}

static bool has_nodes(u32 policy) { return (policy & 7) != MPOL_DEFAULT && (policy & 7) != MPOL_LOCAL; }

/* As many words as nr - 1 bits need: libnuma asks with one more than its mask has. */
static int nodes_to_user(u64 user, u64 nr, bool here)
{
	u64 word = here;

	if (user == 0)
		return 0;
	if (--nr > NODES_MOST)
		return -EINVAL;
	for (u64 at = 0; at < nr; at += 64, word = 0)
		if (put_user64(user + at / 8, word) < 0)
			return -EFAULT;
	return 0;
}

static int policy_of(u64 addr, u64 flags, u32 *mode, bool *nodes)
{
	u32 policy = task_current()->mempolicy;
	int rc;

	if (flags & MPOL_F_ADDR) {
		rc = space_policy_get(task_current()->space, addr, &policy);
		if (rc < 0)
			return rc;
		if (policy == MPOL_DEFAULT)
			policy = task_current()->mempolicy;
	} else if (addr != 0) {
		return -EINVAL;
	}
	*nodes = has_nodes(policy);
	*mode = kept_mode(policy);
	if (!(flags & MPOL_F_NODE))
		return 0;
	if (!(flags & MPOL_F_ADDR))
		return (policy & 7) == MPOL_INTERLEAVE ? (*mode = 0, 0) : -EINVAL;
	rc = space_fault(task_current()->space, addr, 0);	/* the page itself is asked for */
	*mode = 0;
	return rc < 0 ? -EFAULT : 0;
}

s64 sys_get_mempolicy(u64 mode_user, u64 nodes_user, u64 nr, u64 addr, u64 flags, u64 a5)
{
	bool nodes = true;
	u32 mode = 0;
	int rc = 0;

	if (nodes_user != 0 && nr < 1)
		return -EINVAL;
	if (flags & ~(u64)(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED))
		return -EINVAL;
	if (flags & MPOL_F_MEMS_ALLOWED)
		rc = flags & (MPOL_F_NODE | MPOL_F_ADDR) ? -EINVAL : 0;
	else
		rc = policy_of(addr, flags, &mode, &nodes);
	if (rc < 0)
		return rc;
	if (mode_user != 0 && put_user32(mode_user, mode) < 0)
		return -EFAULT;
	return nodes_to_user(nodes_user, nr, nodes);
}

s64 sys_set_mempolicy(u64 mode, u64 nodes_user, u64 nr, u64 a3, u64 a4, u64 a5)
{
	bool here, any;
	u32 policy;
	int rc = 0;

	if (((u32)mode & ~MPOL_F_MODES) >= MPOL_KINDS)
		return -EINVAL;
	rc = nodes_from_user(nodes_user, nr, &here, &any);
	if (rc == 0)
		rc = policy_from(mode, here, any, &policy);
	if (rc == 0)
		task_current()->mempolicy = policy;
	return rc;
}

/* Whole pages from a page's border on, *len of them in bytes: 1; 0 if they are none; -EINVAL */
static int pages_of(u64 addr, u64 *len)
{
	*len = page_up(*len);
	if ((addr & ~PAGE_MASK) || addr + *len < addr)
		return -EINVAL;
	return *len != 0;
}

s64 sys_mbind(u64 addr, u64 len, u64 mode, u64 nodes_user, u64 nr, u64 flags)
{
	bool here, any;
	u32 policy;
	int rc;

	if (((u32)mode & ~MPOL_F_MODES) >= MPOL_KINDS)
		return -EINVAL;
	rc = nodes_from_user(nodes_user, nr, &here, &any);
	if (rc < 0)
		return rc;
	if ((u32)flags & ~(u32)(MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
		return -EINVAL;
	if (((u32)flags & MPOL_MF_MOVE_ALL) && !capable(CAP_SYS_NICE))
		return -EPERM;
	rc = pages_of(addr, &len);
	if (rc <= 0)
		return rc;
	rc = policy_from(mode, here, any, &policy);
	if (rc < 0)
		return rc;
	return addr + len > USER_END ? -EFAULT : space_policy_set(task_current()->space, addr, addr + len, policy);
}

/* Which of several nodes is to come first: there is one. */
s64 sys_set_mempolicy_home_node(u64 addr, u64 len, u64 node, u64 flags, u64 a4, u64 a5)
{
	u32 policy;
	int rc;

	if (flags != 0 || node != 0)
		return -EINVAL;
	rc = pages_of(addr, &len);
	if (rc <= 0)
		return rc;
	if (space_policy_get(task_current()->space, addr, &policy) < 0)
		return -ENOENT;
	return (policy & 7) == MPOL_BIND || (policy & 7) == MPOL_PREFERRED_MANY ? 0 : -EOPNOTSUPP;
}

/* --- other processes' memory: it lies on node 0 already --- */

static int space_of(u32 pid, struct space **out) { return task_space_inspect(pid == 0 ? task_current()->tid : pid, out); }

s64 sys_migrate_pages(u64 pid, u64 nr, u64 from_user, u64 to_user, u64 a4, u64 a5)
{
	bool here, any;
	struct space *s;
	int rc = nodes_from_user(from_user, nr, &here, &any);

	if (rc == 0)
		rc = nodes_from_user(to_user, nr, &here, &any);
	if (rc == 0)
		rc = space_of(pid, &s);
	if (rc < 0)
		return rc;
	space_put(s);
	return here ? 0 : capable(CAP_SYS_NICE) ? -EINVAL : -EPERM;
}

/* Where a page is: its node, or why that cannot be said. */
static s32 page_status(struct space *s, u64 va)
{
	u32 policy;

	if (va >= USER_END || space_policy_get(s, va, &policy) < 0)
		return -EFAULT;
	return space_resident(s, page_down(va), page_down(va) + PAGE_SIZE) != 0 ? 0 : -ENOENT;
}

s64 sys_move_pages(u64 pid, u64 nr, u64 pages, u64 nodes, u64 status, u64 flags)
{
	struct space *s;
	int rc;

	if ((u32)flags & ~(u32)(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
		return -EINVAL;
	if (((u32)flags & MPOL_MF_MOVE_ALL) && !capable(CAP_SYS_NICE))
		return -EPERM;
	rc = space_of(pid, &s);
	if (rc < 0)
		return rc;
	for (u64 n = 0; n < nr && rc == 0; n++) {
		u64 va;
		u32 node = 0;

		if (READ_ONCE(thread_current()->fatal_pending))
			rc = -EINTR;
		else if (get_user64(&va, pages + n * sizeof(va)) < 0 || (nodes != 0 && get_user32(&node, nodes + n * sizeof(node)) < 0))
			rc = -EFAULT;
		else if (node != 0)
			rc = -ENODEV;
		else if (put_user32(status + n * sizeof(s32), page_status(s, va)) < 0)
			rc = -EFAULT;
	}
	space_put(s);
	return rc;
}
