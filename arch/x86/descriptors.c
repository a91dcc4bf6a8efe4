/* SPDX-License-Identifier: MIT */
/* GDT and TSS of each CPU in its per-CPU data (L34: kernel memory), and the one IDT. */
#include "arch/x86/cpu.h"
#include "arch/x86/init.h"
#include "arch/x86/traps.h"
#include "lib/base/string.h"

struct idt_gate {
	u16 offset_low, selector;
	u8 ist, type;
	u16 offset_mid;
	u32 offset_high, reserved;
};
struct table_pointer { u16 limit; u64 base; } __packed;

#define GATE_INTERRUPT	0x8e
#define GATE_USER	0x60		/* INT n from user mode is allowed */

static struct idt_gate idt[256] __aligned(4096);

/* 0, 8: empty; then kernel CS and DS, user 32-bit CS, user DS, user CS, TSS (two cells); at 15 the CPU's number. SYSRET wants this order. */
static const u64 gdt_template[16] = {
	[2] = 0x00af9b000000ffff, [3] = 0x00cf93000000ffff,
	[4] = 0x00cffb000000ffff, [5] = 0x00cff3000000ffff, [6] = 0x00affb000000ffff,
};
static DEFINE_PER_CPU(u64, cpu_gdt[16]) __aligned(16);
DEFINE_PER_CPU(struct tss, cpu_tss) __aligned(64);
DEFINE_PER_CPU(u64, syscall_user_rsp);

void segments_reload(void);

void idt_init(void)
{
	for (unsigned v = 0; v < 256; v++) {
		u64 stub = (u64)trap_stubs + v * 16;

		idt[v] = (struct idt_gate){
			.offset_low = stub, .offset_mid = stub >> 16, .offset_high = stub >> 32,
			.selector = KERNEL_CS, .type = GATE_INTERRUPT,
		};
	}
	idt[TRAP_NMI].ist = 1;
	idt[TRAP_DF].ist = 2;
	idt[TRAP_MC].ist = 3;
	idt[TRAP_DB].ist = 4;
	idt[TRAP_BP].type |= GATE_USER;
	idt[TRAP_OF].type |= GATE_USER;
}

void descriptors_init_cpu(void *const ist[NR_IST])
{
	struct tss *tss = this_cpu_ptr(&cpu_tss);
	u64 *gdt = this_cpu_ptr(&cpu_gdt[0]), base = (u64)tss, limit = sizeof(*tss) - 1;

	memset(tss, 0, sizeof(*tss));
	tss->io_map = sizeof(*tss);		/* no port for user mode */
	for (unsigned i = 0; i < NR_IST; i++) {
		u64 *top = (u64 *)ist[i] - 2;	/* the GS base for trap_paranoid; two words keep the alignment */

		*top = this_cpu_offset();
		tss->ist[i] = (u64)top;
	}
	memcpy(gdt, gdt_template, sizeof(gdt_template));
	gdt[8] = limit | (base & 0xffffff) << 16 | 0x89ULL << 40 | (base >> 24 & 0xff) << 56;
	gdt[9] = base >> 32;
	gdt[15] = cpu_id() | 0xf1ULL << 40 | 0x4ULL << 52;	/* read-only data: its limit is what getcpu() in the vDSO reads */

	struct table_pointer gdtr = { sizeof(gdt_template) - 1, (u64)gdt };
	struct table_pointer idtr = { sizeof(idt) - 1, (u64)idt };

	__asm__ volatile("lgdt %0" :: "m"(gdtr));
	segments_reload();			/* data and code; loading FS or GS here would clear the per-CPU base */
	__asm__ volatile("lidt %0" :: "m"(idtr));
	__asm__ volatile("ltr %w0" :: "r"(TSS_SELECTOR));
	__asm__ volatile("lldt %w0" :: "r"(0));
}

#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_FMASK	0xc0000084

void syscall_init_cpu(void)
{
	wrmsr(MSR_STAR, 0x10ULL << 32 | 0x23ULL << 48);
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	wrmsr(MSR_FMASK, 0x47700);		/* TF IF DF IOPL NT AC */
}
