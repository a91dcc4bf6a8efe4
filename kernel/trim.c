/* SPDX-License-Identifier: MIT */
#include "arch/x86/cpu.h"
#include "kernel/sched.h"
#include "kernel/trim.h"
#include "mm/slab.h"

void memory_trim(void)
{
	struct thread *self = thread_current();
	u64 affinity = self->affinity;

	thread_trim_stacks();
	for_each_cpu(cpu) {
		thread_set_affinity(self, 1ULL << cpu);
		while (cpu_id() != cpu)
			thread_yield();
		slab_trim_cpu();
	}
	thread_set_affinity(self, affinity);
}
