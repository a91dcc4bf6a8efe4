/* SPDX-License-Identifier: MIT */
/* Per-CPU copies: the boot CPU's stands in the image, the others' are made before any of them starts. */
#include "arch/x86/cpu.h"
#include "arch/x86/context.h"
#include "arch/x86/init.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/frame.h"

#define MSR_GS_BASE	0xc0000101

extern char percpu_start[], percpu_end[], percpu_boot_copy[];

unsigned nr_cpus = 1;
u64 percpu_offset[MAX_CPUS];
u64 percpu_this_offset __section(".data.percpu");
DEFINE_PER_CPU(u32, cpu_number);
DEFINE_PER_CPU(struct thread *, arch_current);

static void percpu_make(unsigned cpu, char *copy)
{
	u64 offset = copy - percpu_start;

	memcpy(copy, percpu_start, percpu_end - percpu_start);
	percpu_offset[cpu] = offset;
	*(u64 *)((char *)&percpu_this_offset + offset) = offset;
	*(u32 *)((char *)&cpu_number + offset) = cpu;
}

/* First of all C code: nothing before it may touch a per-CPU variable. */
void percpu_init_boot(void)
{
	percpu_make(0, percpu_boot_copy);
	percpu_load(0);
}

void percpu_load(unsigned cpu)
{
	wrmsr(MSR_GS_BASE, percpu_offset[cpu]);
}

void percpu_init_others(unsigned nr)
{
	size_t size = percpu_end - percpu_start;
	unsigned order = 0;

	while ((PAGE_SIZE << order) < size)
		order++;
	for (unsigned cpu = 1; cpu < nr; cpu++) {
		struct frame *f = frames_alloc(order, FRAME_KERNEL, FRAME_ZERO);

		if (f == NULL)
			panic("no memory for the per-CPU data of cpu %u", cpu);
		percpu_make(cpu, frame_virt(f));
	}
}
