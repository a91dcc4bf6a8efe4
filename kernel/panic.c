/* SPDX-License-Identifier: MIT */
/* The end of a node that found itself wrong: stop the other CPUs, say what and where, tell the control port, stand still. */
#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"
#include "arch/x86/smp.h"
#include "kernel/power.h"
#include "kernel/preempt.h"
#include "kernel/printk.h"
#include "kernel/thread.h"
#include "kernel/trace.h"
#include "lib/base/printf.h"

static int panic_cpu = -1;		/* [a] */
static void (*notify)(const char *text);

void panic_on_notify(void (*fn)(const char *text)) { notify = fn; }

void panic(const char *fmt, ...)
{
	static char text[512];
	static int depth;
	int nobody = -1, me;
	struct thread *t;
	va_list ap;

	irq_disable();
	me = cpu_id();
	if (!__atomic_compare_exchange_n(&panic_cpu, &nobody, me, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) && nobody != me)
		arch_halt_forever();		/* another CPU was first */
	if (++depth > 3)
		arch_halt_forever();
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (depth == 1)
		smp_stop_others();
	if (depth == 3)				/* not even the trace works */
		goto flush;
	this_cpu_add(preempt_count, 1000);	/* nothing below may schedule */
	t = thread_current();
	pr_err("panic: %s", text);
	pr_err("panic: on CPU %d in thread %s", me, t == NULL ? "none" : t->name);
	if (depth == 1) {
		locks_panic_dump();
		arch_trace_here();
		trace_panic_dump();
	}
flush:
	printk_panic_flush();
	if (depth == 1 && notify != NULL)
		notify(text);
	printk_panic_flush();
	arch_halt_forever();
}
