/* SPDX-License-Identifier: MIT */
/* The kernel's own page tables: the image with W^X, the direct map, and ranges for mm/vmalloc.c. */
#include "arch/x86/bootinfo.h"
#include "arch/x86/cpu.h"
#include "arch/x86/init.h"
#include "arch/x86/layout.h"
#include "arch/x86/pagewalk.h"
#include "arch/x86/tlb.h"
#include "lib/base/errno.h"
#include "lib/base/lock.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/frame.h"

extern char kernel_text_start[], kernel_text_end[], kernel_rodata_start[], kernel_rodata_end[];
extern char kernel_data_start[], kernel_end[];
extern pte_t boot_stack_table[];

#define VMALLOC_SLOT	384		/* of the top level: 0xffffc00000000000 */
#define KERNEL_PAGE	(PTE_PRESENT | PTE_GLOBAL | PTE_ACCESSED | PTE_DIRTY)

static pte_t kernel_pml4[512] __aligned(4096);
static bool frames_ready;		/* mm's allocator serves tables; before it, boot_frame_alloc() */
static DEFINE_SPINLOCK(kernel_map_lock, RANK_VMALLOC);

static paddr_t image_phys(const void *p)
{
	return (paddr_t)p - KERNEL_VMA;
}

paddr_t kernel_root(void)
{
	return image_phys(kernel_pml4);
}

static pte_t *table_at(paddr_t table)
{
	return phys_to_virt(table);
}

static paddr_t table_alloc(void *arg)
{
	if (!frames_ready) {
		paddr_t pa = boot_frame_alloc();

		BUG_ON(pa >= GIB(4));	/* the first tables reach no further */
		return pa;
	}
	struct frame *f = frames_alloc(0, FRAME_PAGE_TABLE, FRAME_ZERO);

	return f != NULL ? frame_phys(f) : 0;
}

static const struct page_walk kernel_walk = {
	.at = table_at, .alloc = table_alloc, .table_flags = PTE_PRESENT | PTE_WRITE | PTE_ACCESSED,
};

/* One page of the level; at boot, where a missing table's page must be had. */
static void map_one(u64 va, paddr_t pa, unsigned level, u64 flags)
{
	pte_t *e = page_walk_entry(&kernel_walk, kernel_root(), va, level, true);

	if (e == NULL)
		panic("no page table for %#llx", (unsigned long long)va);
	*e = pa | flags | (level > 0 ? PTE_HUGE : 0);
}

static void map_image(const char *start, const char *end, u64 flags)
{
	for (const char *p = start; p < end; p += PAGE_SIZE)
		map_one((u64)p, image_phys(p), 0, KERNEL_PAGE | flags);
}

/* Code and constants are read-only through the direct map as well. */
static bool is_read_only(paddr_t start, paddr_t end)
{
	return start < image_phys(kernel_rodata_end) && end > image_phys(kernel_text_start);
}

/* The largest page that fits: 1 GiB where the CPU has them, then 2 MiB, then 4 KiB at ragged edges. */
static void map_ram(paddr_t start, paddr_t end)
{
	while (start < end) {
		unsigned level = cpu_features.gbpages ? 2 : 1;

		while (level > 0 && (!IS_ALIGNED(start, 1ULL << page_shift(level)) ||
				     end - start < 1ULL << page_shift(level) ||
				     is_read_only(start, start + (1ULL << page_shift(level)))))
			level--;
		u64 size = 1ULL << page_shift(level);

		map_one(DIRECT_MAP_BASE + start, start, level,
			KERNEL_PAGE | PTE_NX | (is_read_only(start, start + size) ? 0 : PTE_WRITE));
		start += size;
	}
}

void paging_init(const struct bootinfo *b)
{
	pte_t *slot;

	map_image(kernel_text_start, kernel_text_end, 0);
	map_image(kernel_rodata_start, kernel_rodata_end, PTE_NX);
	map_image(kernel_data_start, kernel_end, PTE_NX | PTE_WRITE);
	slot = page_walk_entry(&kernel_walk, kernel_root(), BOOT_STACK_VA, 1, true);
	*slot = image_phys(boot_stack_table) | kernel_walk.table_flags;
	for (unsigned i = 0; i < b->nr_ram; i++)
		map_ram(b->ram[i].start, b->ram[i].end);
	/* the top level is copied into each pgd: what will ever be under it must be there now */
	(void)page_walk_entry(&kernel_walk, kernel_root(), (u64)VMALLOC_SLOT << 39 | 0xffffULL << 48, 2, true);
	paging_init_cpu();
}

/* The one place where boot's identity map goes, from this CPU too: CR3 first, then the global entries (L33). */
void paging_init_cpu(void)
{
	u64 cr4 = cr4_read();

	cr3_write(kernel_root());
	cr4_write(cr4 & ~(u64)CR4_PGE);
	cr4_write(cr4 | CR4_PGE);
}

void paging_use_frames(void)
{
	frames_ready = true;
}

int kernel_map(u64 va, paddr_t pa, size_t size, u64 pte_flags)
{
	u64 done, flags;
	int rc = 0;

	BUG_ON(!page_aligned(va | pa | size) || kernel_pml4[page_index(va, 3)] == 0);
	flags = spin_lock_irqsave(&kernel_map_lock);
	for (done = 0; done < size; done += PAGE_SIZE) {
		pte_t *e = page_walk_entry(&kernel_walk, kernel_root(), va + done, 0, true);

		if (e == NULL) {
			rc = -ENOMEM;
			break;
		}
		BUG_ON(*e & PTE_PRESENT);
		*e = (pa + done) | pte_flags | PTE_PRESENT | PTE_GLOBAL | PTE_ACCESSED | PTE_DIRTY;
	}
	spin_unlock_irqrestore(&kernel_map_lock, flags);
	if (rc < 0)
		kernel_unmap(va, done);
	return rc;
}

void kernel_unmap(u64 va, size_t size)
{
	u64 flags = spin_lock_irqsave(&kernel_map_lock);

	for (u64 at = va; at < va + size; at += PAGE_SIZE) {
		pte_t *e = page_walk_entry(&kernel_walk, kernel_root(), at, 0, false);

		if (e != NULL)
			(void)pte_xchg(e, 0);
	}
	spin_unlock_irqrestore(&kernel_map_lock, flags);
	tlb_flush_kernel(va, size);
}
