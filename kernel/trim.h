/* SPDX-License-Identifier: MIT */
#ifndef KERNEL_TRIM_H
#define KERNEL_TRIM_H

/*
 * Give back all memory that is held in reserve: spare stacks, magazines of every CPU, empty slabs. After it the number of free frames
 * says what is really in use, so that two moments can be compared (L31). Sleeps; visits every CPU.
 */
void memory_trim(void);

#endif
