/* SPDX-License-Identifier: MIT */
/* Memory for lib/: declared here, completed by mm/slab.c (mm/slab.h says what they promise); on the host by the test shim. */
#ifndef LIB_BASE_ALLOC_H
#define LIB_BASE_ALLOC_H

#include "lib/base/types.h"

void *kmalloc(size_t size);
void *kzalloc(size_t size);
void kfree(void *p);

#endif
