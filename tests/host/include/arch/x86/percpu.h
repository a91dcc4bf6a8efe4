/* SPDX-License-Identifier: MIT */
/* Host: shadows arch/x86/percpu.h. One CPU, so a per-CPU variable is a plain one; the adds stay atomic for threads. */
#ifndef ARCH_X86_PERCPU_H
#define ARCH_X86_PERCPU_H

#include "lib/base/types.h"

#define DEFINE_PER_CPU(type, name)	__typeof__(type) name
#define DECLARE_PER_CPU(type, name)	extern __typeof__(type) name

#define this_cpu_ptr(ptr)	(ptr)
#define this_cpu(var)		(var)
#define per_cpu_ptr(ptr, cpu)	((void)(cpu), (ptr))
#define per_cpu(var, cpu)	(*per_cpu_ptr(&(var), cpu))

#define this_cpu_add(var, n)	((void)__atomic_fetch_add(&(var), (u64)(n), __ATOMIC_RELAXED))
#define this_cpu_inc(var)	this_cpu_add(var, 1)
#define this_cpu_read8(var)	__atomic_load_n(&(var), __ATOMIC_RELAXED)

#endif
