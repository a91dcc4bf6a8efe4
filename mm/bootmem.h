/* SPDX-License-Identifier: MIT */
/* Memory before frames_init(): the ranges of RAM, those in use among them, and pages taken from the rest. */
#ifndef MM_BOOTMEM_H
#define MM_BOOTMEM_H

#include "lib/base/types.h"

/* [*start, *end) covers all RAM; returns its bytes */
u64 bootmem_extent(paddr_t *start, paddr_t *end);
/* The lowest free run of so many bytes (a multiple of a page); panics when there is none. Not cleared. */
paddr_t bootmem_alloc(u64 bytes);
/* Each free run, in whole pages, ascending. Ends boot memory: nothing may be added, reserved or taken any more. */
void bootmem_for_each_free(void (*fn)(paddr_t start, paddr_t end, void *arg), void *arg);

#endif
