/* SPDX-License-Identifier: MIT */
#include "arch/x86/vdso.h"

#include "arch/x86/init.h"
#include "arch/x86/layout.h"
#include "lib/base/printk.h"

extern const char vdso_start[], vdso_end[];

unsigned vdso_nr_pages(void)
{
	return (vdso_end - vdso_start) >> PAGE_SHIFT;
}

paddr_t vdso_page_phys(unsigned nr)
{
	BUG_ON(nr > vdso_nr_pages());
	return (nr == 0 ? (u64)clock_page_address() : (u64)vdso_start + (nr - 1) * PAGE_SIZE) - KERNEL_VMA;
}
