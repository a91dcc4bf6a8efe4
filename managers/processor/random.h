/* SPDX-License-Identifier: MIT */
/* Random bytes and memory totals that programs ask for. */
#ifndef MANAGERS_PROCESSOR_RANDOM_H
#define MANAGERS_PROCESSOR_RANDOM_H

#include "lib/base/types.h"

#define RANDOM_BITS	256		/* of entropy, as programs are told: all that can be, and nobody waits for more */

/* Cryptographically strong bytes: ChaCha20 over a key from the CPU's generator and timing jitter, re-keyed as it goes (RFC 8439's
 * block function). Any thread context. */
void random_bytes(void *buf, size_t n);
void random_init(void);

struct memory_totals { u64 total, free, available, cached; };	/* bytes, of the memory node: what a program has */
void memory_totals(struct memory_totals *m);

#endif
