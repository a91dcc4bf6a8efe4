/* SPDX-License-Identifier: MIT */
/* Start-up of the boot CPU, in the order in which entry.S and kernel_main() call. */
#include "arch/x86/bootinfo.h"
#include "arch/x86/cpu.h"
#include "arch/x86/crc32_clmul.h"
#include "arch/x86/fpu.h"
#include "arch/x86/fpu_internal.h"
#include "arch/x86/init.h"
#include "arch/x86/layout.h"
#include "arch/x86/platform.h"
#include "arch/x86/traps.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "lib/crc32.h"
#include "mm/frame.h"

extern char kernel_end[];

char boot_command_line[4096];
paddr_t boot_rsdp;
static struct bootinfo bootinfo;
static u32 boot_kind, boot_info;

void boot_main(u32 kind, u32 info);	/* from boot.S */

/* Nothing before percpu_init_boot() may touch per-CPU data; after descriptors_init_cpu() a fault is reported. */
void boot_main(u32 kind, u32 info)
{
	void *const ist[NR_IST] = {
		(void *)BOOT_IST_TOP(0), (void *)BOOT_IST_TOP(1), (void *)BOOT_IST_TOP(2), (void *)BOOT_IST_TOP(3),
	};

	percpu_init_boot();
	idt_init();
	descriptors_init_cpu(ist);
	boot_kind = kind;
	boot_info = info;
}

static const void *boot_at(paddr_t pa)
{
	if (pa >= GIB(4))
		panic("boot loader's data at %#llx, out of reach", (unsigned long long)pa);
	return phys_to_virt(pa);
}

static void memory_hand_over(void)
{
	for (unsigned i = 0; i < bootinfo.nr_ram; i++)
		frames_add_ram(bootinfo.ram[i].start, bootinfo.ram[i].end);
	frames_reserve(0, MIB(1));			/* BIOS data, the trampoline */
	frames_reserve(MIB(1), page_up((paddr_t)kernel_end - KERNEL_VMA));
}

void arch_early_init(void)
{
	pic_disable();
	features_init();
	features_init_cpu();
	bootinfo_read(&bootinfo, boot_kind, boot_at(boot_info), boot_at);
	if (bootinfo.nr_ram == 0)
		panic("the boot loader gave no memory map");
	memcpy(boot_command_line, bootinfo.command_line, sizeof(boot_command_line));
	boot_rsdp = bootinfo.rsdp_len != 0 ? (paddr_t)bootinfo.rsdp - KERNEL_VMA : bootinfo.rsdp_phys;
	memory_hand_over();
	paging_init(&bootinfo);
}

void arch_init(void)
{
	paging_use_frames();
	fpu_init();
	tlb_init();
	clock_init();
	if (cpu_features.pclmul)
		pr_info("crc32: PCLMULQDQ %s", crc32_offer(crc32_clmul, arch_clock_ns) ? "is used" : "would be slower here");
	pr_info("boot: by %s%s", bootinfo.loader, bootinfo.uefi ? ", UEFI" : "");
	pr_info("cpu: %s", cpu_features.brand);
}

void arch_init_cpu(void)
{
	features_init_cpu();
	syscall_init_cpu();
	fpu_init_cpu();
	apic_init_cpu();
}

void arch_halt_forever(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}
