/* SPDX-License-Identifier: MIT */
#include "managers/storage/lease.h"

#include "kernel/time.h"
#include "net/fit/rpc.h"

#define PROMISED_NS	(2 * LEASE_MS * NSEC_PER_MSEC)

static bool is_processor(unsigned node) { return fit_node_role(node) == ROLE_PROCESSOR; }

static bool others_up(unsigned node)
{
	for (unsigned n = 1; n < FIT_MAX_NODES; n++)
		if (n != node && is_processor(n) && fit_node_up(n))
			return true;
	return false;
}

u32 lease_promise(struct lease *l, unsigned node)
{
	u64 now = time_mono_ns();

	if (!is_processor(node) || now < l->not_before_ns || (l->node != node && now < l->until_ns) || others_up(node))
		return 0;
	l->node = (u16)node;
	l->until_ns = now + PROMISED_NS;
	return LEASE_MS;
}

u64 lease_wait_ns(struct lease *l, unsigned node)
{
	u64 now = time_mono_ns();

	if (l->node == node || now >= l->until_ns || !(is_processor(node) || others_up(l->node)))
		return 0;
	l->not_before_ns = l->until_ns;
	return l->until_ns - now;
}
