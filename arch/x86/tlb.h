/* SPDX-License-Identifier: MIT */
/* Inside arch/x86: which page table a CPU runs on. */
#ifndef ARCH_X86_TLB_H
#define ARCH_X86_TLB_H

#include "lib/base/types.h"

/* This CPU runs on the table at root (a pgd's; 0: the kernel's own), interrupts off. */
void tlb_load_root(paddr_t root);
/* No CPU runs on pgd after it: those that still did, under a kernel thread, are on the kernel's table. Not with spinlocks. */
struct pgd;
void tlb_evict(struct pgd *pgd);
/* Forget kernel translations of [va, va + size), on every CPU that is up. */
void tlb_flush_kernel(u64 va, u64 size);

#endif
