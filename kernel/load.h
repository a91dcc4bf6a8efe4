/* SPDX-License-Identifier: MIT */
/* How busy this node has been: threads that run or are ready to, looked at every five seconds and averaged with what was before. */
#ifndef KERNEL_LOAD_H
#define KERNEL_LOAD_H

#include "lib/base/types.h"

enum { LOAD_1, LOAD_5, LOAD_15, NR_LOADS };	/* minutes after which the past counts for 1/e */
#define LOAD_SHIFT	11

void load_start(void);				/* once timers run */
u64 load_average(unsigned which);		/* in 1 / 2^LOAD_SHIFT threads; any context */

#endif
