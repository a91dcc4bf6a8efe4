/* SPDX-License-Identifier: MIT */
/* Kernel virtual ranges outside the direct map: stacks with guard pages, device registers, large tables. */
#ifndef MM_VMALLOC_H
#define MM_VMALLOC_H

#include "lib/base/types.h"

void vmalloc_init(void);
void *vmalloc(size_t size);			/* zeroed pages, guard page on both sides; may be large; NULL */
void vfree(void *p);
void *ioremap(paddr_t pa, size_t size);		/* uncached device registers; NULL */
void *memremap(paddr_t pa, size_t size);	/* cached, for firmware tables */

u64 vmalloc_pages(void);			/* in use, for accounting */

#endif
