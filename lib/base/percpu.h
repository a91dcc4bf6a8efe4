/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU variables: one copy a CPU, the template in section .percpu, reached through %gs on a node.
 *
 *	DEFINE_PER_CPU(u64, nr_things);
 *	this_cpu(nr_things)++;			with preemption off, or where a lost increment cannot happen
 *	*per_cpu_ptr(&nr_things, cpu)		another CPU's copy
 *	this_cpu_add(nr_things, 1)		one instruction: right in any context
 */
#ifndef LIB_BASE_PERCPU_H
#define LIB_BASE_PERCPU_H

#include "lib/base/types.h"
#include "arch/x86/percpu.h"	/* shadowed by the test shim on the host */

extern unsigned nr_cpus;	/* CPUs online; numbered 0 .. nr_cpus-1; set once at boot */
#define MAX_CPUS 16
#define for_each_cpu(cpu)	for (unsigned cpu = 0; cpu < nr_cpus; cpu++)

#endif
