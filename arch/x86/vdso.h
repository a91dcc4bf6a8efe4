/* SPDX-License-Identifier: MIT */
/* The pages that every program has mapped: the clock's, then the vDSO's. */
#ifndef ARCH_X86_VDSO_H
#define ARCH_X86_VDSO_H

#include "lib/base/types.h"

unsigned vdso_nr_pages(void);		/* of the vDSO itself */
paddr_t vdso_page_phys(unsigned nr);	/* 0: the clock's page; from 1: the vDSO's */

#endif
