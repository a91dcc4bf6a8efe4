/* SPDX-License-Identifier: MIT */
#include "kernel/printk_ring.h"
#include "lib/base/atomic.h"
#include "lib/base/string.h"

/* Get the slot for number n, or give n up: false. */
static bool claim(struct ring_slot *s, u64 n)
{
	u64 state = __atomic_load_n(&s->state, __ATOMIC_ACQUIRE);

	for (;;) {
		if (state > n * 2 + 2)		/* lapped before it began; the reader sees that the number is gone */
			return false;
		if (state & 1) {		/* one that this writer lapped is still at it */
			u64 skipped = __atomic_load_n(&s->skipped, __ATOMIC_RELAXED);

			while (skipped < n + 1 && !__atomic_compare_exchange_n(&s->skipped, &skipped, n + 1, false,
									     __ATOMIC_RELEASE, __ATOMIC_RELAXED))
				;
			return false;
		}
		if (__atomic_compare_exchange_n(&s->state, &state, n * 2 + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return true;
	}
}

u64 ring_write(struct ring *r, u64 time_ns, unsigned level, unsigned cpu, const char *text, size_t len)
{
	u64 parts = len == 0 ? 1 : DIV_ROUND_UP(len, RING_TEXT), first;

	if (parts > RING_MAX_PARTS) {
		parts = RING_MAX_PARTS;
		len = RING_MAX_PARTS * RING_TEXT;
	}
	first = __atomic_fetch_add(&r->head, parts, __ATOMIC_SEQ_CST);
	for (u64 i = 0; i < parts; i++) {
		struct ring_slot *s = &r->slot[(first + i) & (r->nr_slots - 1)];
		size_t n = MIN(len, (size_t)RING_TEXT);

		if (claim(s, first + i)) {
			__atomic_thread_fence(__ATOMIC_RELEASE);	/* A: "being written" before the bytes; pairs with B */
			s->time_ns = time_ns;
			s->level = level;
			s->cpu = cpu;
			s->len = n;
			s->more = i + 1 < parts;
			memcpy(s->text, text, n);
			store_release(&s->state, (first + i) * 2 + 2);
		}
		text += n;
		len -= n;
	}
	return first + parts;
}

bool ring_read_from(struct ring *r, u64 *next, u64 *lost, struct ring_slot *out)
{
	for (;;) {
		u64 head = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE), state, n = *next;
		struct ring_slot *s = &r->slot[n & (r->nr_slots - 1)];

		if (n == head)
			return false;
		if (head - n > r->nr_slots) {		/* lapped: go on with the oldest that may be there */
			*lost += head - r->nr_slots - n;
			*next = head - r->nr_slots;
			continue;
		}
		state = load_acquire(&s->state);
		if (state == n * 2 + 2) {
			memcpy(out, s, sizeof(*out));
			__atomic_thread_fence(__ATOMIC_ACQUIRE);	/* B: the bytes before the second look; pairs with A */
			if (__atomic_load_n(&s->state, __ATOMIC_RELAXED) == state) {
				*next = n + 1;
				return true;
			}
		} else if (state <= n * 2 + 1 && load_acquire(&s->skipped) < n + 1) {
			return false;			/* being written, or about to be */
		}
		++*lost;				/* overwritten or given up */
		*next = n + 1;
	}
}

bool ring_read(struct ring *r, struct ring_slot *out) { return ring_read_from(r, &r->tail, &r->lost, out); }

bool ring_readable(struct ring *r)
{
	u64 head = __atomic_load_n(&r->head, __ATOMIC_SEQ_CST), n = r->tail;
	struct ring_slot *s = &r->slot[n & (r->nr_slots - 1)];

	return n != head && (head - n > r->nr_slots || __atomic_load_n(&s->state, __ATOMIC_SEQ_CST) > n * 2 + 1 ||
			     load_acquire(&s->skipped) >= n + 1);
}

bool ring_drained(struct ring *r, u64 number)
{
	return __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) >= number;
}
