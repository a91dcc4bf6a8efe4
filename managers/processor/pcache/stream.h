/* SPDX-License-Identifier: MIT */
/* What the prefetcher believes of a thread's faults in one mapping: stream.c decides, prefetch.c does. */
#ifndef MANAGERS_PROCESSOR_PCACHE_STREAM_H
#define MANAGERS_PROCESSOR_PCACHE_STREAM_H

#include "lib/base/types.h"

#define STREAM_DELTAS		8	/* distances between faults that vote on the stride */
#define STREAM_STRIDE_MAX	64	/* pages */
#define STREAM_WINDOW_FIRST	4	/* pages */
#define STREAM_WINDOW_MAX	32
#define STREAM_AROUND		8	/* pages, aligned, of which one is missed */
#define STREAM_AROUND_SMALL	4

enum prefetch_mode { PREFETCH_OFF, PREFETCH_FIXED, PREFETCH_ADAPTIVE };
enum stream_advice { ADVICE_NORMAL, ADVICE_SEQUENTIAL, ADVICE_RANDOM };

struct stream {
	u64 last;		/* page of the last fault that counts */
	u64 next;		/* first page not asked for yet, if stride is not 0 */
	s64 stride;		/* pages; 0: none known */
	s64 delta[STREAM_DELTAS];	/* the last ones, a ring */
	u32 nr_deltas;
	u32 window;		/* pages to be ahead */
	u32 wasted_seen;	/* of wasted */
	u32 wasted;		/* [a] pages that left the cache unused */
	u32 around;		/* pages asked for because they lie around a miss */
	bool begun;
};

struct stream_plan {		/* pages first, first + stride, ... nr of them; mark: the one that is to be noticed when it is used */
	u64 first;
	s64 stride;
	unsigned nr, mark;
};

/* Page vpn was missed (or, ahead: was found because it had been prefetched). max: of the window. The pages to ask for now. */
struct stream_plan stream_fault(struct stream *s, u64 vpn, bool ahead, enum prefetch_mode mode, enum stream_advice advice, u32 max);
/*
 * Page vpn of a file was missed and no stride is known: the block that it lies in (itself among them), as programs and libraries
 * are laid out; nothing once half of what was asked for so was wasted. small: so is the cache.
 */
struct stream_plan stream_around(struct stream *s, u64 vpn, bool small, u32 max);
/* Page vpn could not be had: ask for it and those behind it again. */
void stream_rewind(struct stream *s, u64 vpn);

#endif
