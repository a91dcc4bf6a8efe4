/* SPDX-License-Identifier: MIT */
/* Closed ranges, held-back flushes, and the sequence number of an address space. */
#include "managers/processor/space/space_impl.h"

#include "lib/base/printk.h"

bool space_flush_held(struct space *s, u64 vpn)
{
	u64 va = vpn << PAGE_SHIFT;
	bool held;

	spin_lock(&s->pt_lock);
	held = (va >= s->held[0].start && va < s->held[0].end) || (va >= s->held[1].start && va < s->held[1].end);
	spin_unlock(&s->pt_lock);
	return held;
}

void space_close(struct space *s, unsigned slot, u64 start, u64 end)
{
	DEBUG_BUG_ON(!mutex_held(&s->map_lock));
	spin_lock(&s->pt_lock);
	DEBUG_BUG_ON(s->closed[slot].end != 0);
	s->closed[slot].start = start;
	s->closed[slot].end = end;
	spin_unlock(&s->pt_lock);
}

void space_open(struct space *s, unsigned slot)
{
	spin_lock(&s->pt_lock);
	s->closed[slot].start = s->closed[slot].end = 0;
	spin_unlock(&s->pt_lock);
	waitq_wake_all(&s->open_wait);
}

void space_hold(struct space *s, unsigned slot, u64 start, u64 end)
{
	spin_lock(&s->pt_lock);
	s->held[slot].start = start;
	s->held[slot].end = end;
	spin_unlock(&s->pt_lock);
}

void space_unhold(struct space *s, unsigned slot)
{
	space_hold(s, slot, 0, 0);
	flush_kick(true);
}

static bool is_closed(struct space *s, u64 vpn)
{
	bool closed;

	spin_lock(&s->pt_lock);
	closed = space_closed(s, vpn);
	spin_unlock(&s->pt_lock);
	return closed;
}

int space_wait_open(struct space *s, u64 vpn)
{
	return waitq_wait_killable(&s->open_wait, !is_closed(s, vpn)) == 0 ? -EAGAIN : -EINTR;
}

void space_bump(struct space *s)
{
	spin_lock(&s->pt_lock);
	WRITE_ONCE(s->seq, s->seq + 1);
	spin_unlock(&s->pt_lock);
}

void space_lost(struct space *s, int error)
{
	if (READ_ONCE(s->lost) == 0)
		pr_err("space %llu: its memory is lost: %s", (unsigned long long)s->id, errno_name(error));
	WRITE_ONCE(s->lost, error);
}
