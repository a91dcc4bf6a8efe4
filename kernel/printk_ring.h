/* SPDX-License-Identifier: MIT */
/*
 * The log ring: fixed slots, any number of writers in any context (a writer may be interrupted anywhere, by another writer too),
 * one reader, and others who keep their own place. A line takes one slot or several in a row. Slots are numbered for ever; number n
 * stands in slot n modulo the size, whose state word says which number is there and whether it is whole. Writers that lap the reader
 * overwrite, and the reader counts what it lost; a writer that finds the slot still being written by one it lapped gives its own line
 * up instead.
 */
#ifndef KERNEL_PRINTK_RING_H
#define KERNEL_PRINTK_RING_H

#include "lib/base/types.h"

#define RING_TEXT	232
#define RING_MAX_PARTS	4		/* a line is cut at 4 slots */

struct ring_slot {
	u64 state;		/* [a] number * 2 + 1: being written; * 2 + 2: whole; 0: never used */
	u64 skipped;		/* [a] number + 1 of a line given up because the slot was busy */
	u64 time_ns;
	u16 len;		/* bytes in text */
	u8 level, cpu;
	u8 more;		/* the next number continues the line */
	char text[RING_TEXT];
};

struct ring {
	struct ring_slot *slot;	/* [I] */
	u64 nr_slots;		/* [I] a power of two */
	u64 head;		/* [a] next number to write */
	u64 tail;		/* the reader's: next number to read */
	u64 lost;		/* the reader's: slots never read */
};

/* The number behind the line's last slot. */
u64 ring_write(struct ring *r, u64 time_ns, unsigned level, unsigned cpu, const char *text, size_t len);
/* true: *out is the next slot, in order. false: nothing there, or the next is still being written. */
bool ring_read(struct ring *r, struct ring_slot *out);
/* The same for one who reads from *next on, the number of a slot (0: the oldest); slots that are gone are added to *lost. */
bool ring_read_from(struct ring *r, u64 *next, u64 *lost, struct ring_slot *out);
/* Would ring_read() do anything? To be asked after going to sleep was announced: orders with a writer that then wakes. */
bool ring_readable(struct ring *r);
/* All that was written so far has been read (or lost). */
bool ring_drained(struct ring *r, u64 number);

#endif
