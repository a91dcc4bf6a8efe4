/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU data through %gs: IA32_GS_BASE of a CPU is the distance from the linked template to its own copy,
 * so `%gs:symbol` is that CPU's variable. arch/x86/percpu.c makes the copies; CPU 0's exists from the first C line.
 */
#ifndef ARCH_X86_PERCPU_H
#define ARCH_X86_PERCPU_H

#include "lib/base/types.h"

#define DEFINE_PER_CPU(type, name)	__section(".data.percpu") __typeof__(type) name
#define DECLARE_PER_CPU(type, name)	extern __typeof__(type) name

extern u64 percpu_offset[];	/* by CPU number */

/* This CPU's offset. Stays true only while preemption is off. */
#define this_cpu_offset() ({ u64 o_; __asm__ volatile("movq %%gs:%1, %0" : "=r"(o_) : "m"(percpu_this_offset)); o_; })
extern u64 percpu_this_offset;	/* in .data.percpu: holds the offset itself */

#define this_cpu_ptr(ptr)	((__typeof__(ptr))((char *)(ptr) + this_cpu_offset()))
#define this_cpu(var)		(*this_cpu_ptr(&(var)))
#define per_cpu_ptr(ptr, cpu)	((__typeof__(ptr))((char *)(ptr) + percpu_offset[cpu]))
#define per_cpu(var, cpu)	(*per_cpu_ptr(&(var), cpu))

/* single instructions, safe against preemption and interrupts; 8-byte variables */
#define this_cpu_add(var, n)	__asm__ volatile("addq %1, %%gs:%0" : "+m"(var) : "er"((u64)(n)) : "cc")
#define this_cpu_inc(var)	this_cpu_add(var, 1)
#define this_cpu_read8(var)	({ u64 r_; __asm__ volatile("movq %%gs:%1, %0" : "=r"(r_) : "m"(var)); r_; })

#endif
