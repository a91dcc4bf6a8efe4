/* SPDX-License-Identifier: MIT */
/* Registers and stack traces for the log, with names from the table that scripts/symbols.py links in. */
#include "arch/x86/context.h"
#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"
#include "arch/x86/traps.h"
#include "lib/base/printk.h"

#define TRACE_DEPTH_MAX	32

extern const u32 symbol_count, symbol_offsets[], symbol_name_offsets[];
extern const char symbol_names[], kernel_text_start[], kernel_text_end[];

const char *symbol_name(u64 addr, u64 *offset)
{
	u64 base = (u64)kernel_text_start, lo = 0, hi = symbol_count;

	if (addr < base || addr >= (u64)kernel_text_end || hi == 0 || addr < base + symbol_offsets[0])
		return NULL;
	while (hi - lo > 1) {
		u64 mid = (lo + hi) / 2;

		if (base + symbol_offsets[mid] <= addr)
			lo = mid;
		else
			hi = mid;
	}
	*offset = addr - base - symbol_offsets[lo];
	return symbol_names + symbol_name_offsets[lo];
}

static void trace_line(u64 addr)
{
	u64 offset;
	const char *name = symbol_name(addr, &offset);

	if (name != NULL)
		pr_err("  %#llx %s+%#llx", (unsigned long long)addr, name, (unsigned long long)offset);
	else
		pr_err("  %#llx", (unsigned long long)addr);
}

/* Frames must climb, within what one stack may hold; peek64() covers the rest. */
static void trace_frames(u64 frame)
{
	for (unsigned depth = 0; depth < TRACE_DEPTH_MAX && frame >> 47 == 0x1ffff && IS_ALIGNED(frame, 8); depth++) {
		u64 next, ret;

		if (!peek64(frame, &next) || !peek64(frame + 8, &ret) || symbol_name(ret - 1, &(u64){ 0 }) == NULL)
			return;
		trace_line(ret - 1);
		if (next <= frame)	/* an interrupt stack's last frame leads to another stack, once */
			return;
		frame = next;
	}
}

void arch_trace_here(void)
{
	pr_err("stack of cpu %u:", cpu_id());
	trace_frames((u64)__builtin_frame_address(0));
}

void arch_trace_regs(const struct regs *r)
{
	pr_err("stack of cpu %u:", cpu_id());
	if (regs_from_user(r))
		return;
	trace_line(r->rip);
	trace_frames(r->rbp);
}

void trace_registers(const struct regs *r)
{
#define REG(name) (unsigned long long)r->name
	pr_err("rip %#06llx:%#018llx rsp %#06llx:%#018llx rflags %#llx", REG(cs), REG(rip), REG(ss), REG(rsp), REG(rflags));
	pr_err("rax %#018llx rbx %#018llx rcx %#018llx rdx %#018llx", REG(rax), REG(rbx), REG(rcx), REG(rdx));
	pr_err("rsi %#018llx rdi %#018llx rbp %#018llx r8  %#018llx", REG(rsi), REG(rdi), REG(rbp), REG(r8));
	pr_err("r9  %#018llx r10 %#018llx r11 %#018llx r12 %#018llx", REG(r9), REG(r10), REG(r11), REG(r12));
	pr_err("r13 %#018llx r14 %#018llx r15 %#018llx", REG(r13), REG(r14), REG(r15));
	pr_err("cr2 %#llx cr3 %#llx cr4 %#llx vector %llu error %#llx thread %p", (unsigned long long)cr2_read(),
	       (unsigned long long)cr3_read(), (unsigned long long)cr4_read(), REG(vector), REG(error),
	       (void *)arch_current_thread());
#undef REG
}
