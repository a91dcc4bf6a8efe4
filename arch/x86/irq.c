/* SPDX-License-Identifier: MIT */
/* Interrupt vectors of each CPU and who handles them. */
#include "arch/x86/irq.h"
#include "arch/x86/cpu.h"
#include "arch/x86/hooks.h"
#include "arch/x86/ioapic.h"
#include "arch/x86/smp_internal.h"
#include "arch/x86/traps.h"
#include "lib/base/atomic.h"
#include "lib/base/errno.h"
#include "lib/base/lock.h"
#include "lib/base/printk.h"

#define NR_VECTORS	(VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1)
#define NR_LINES	64		/* global system interrupts in use */
#define LINE_HANDLERS	4		/* devices that share one */

struct vector { irq_handler fn; void *arg; };	/* fn last at set-up, so that a set fn has its arg */
static DEFINE_PER_CPU(struct vector, vectors[NR_VECTORS]);

struct line {
	u32 gsi;
	unsigned nr;			/* [a] handlers */
	struct vector handler[LINE_HANDLERS];
};
static struct line lines[NR_LINES];
static unsigned nr_lines;
static DEFINE_SPINLOCK(irq_lock, RANK_LEAF);

static int vector_take(unsigned cpu, irq_handler fn, void *arg)
{
	for (unsigned i = 0; i < NR_VECTORS; i++) {
		struct vector *v = &per_cpu(vectors[i], cpu);

		if (v->fn != NULL)
			continue;
		v->arg = arg;
		store_release(&v->fn, fn);
		return VECTOR_DEVICE_FIRST + i;
	}
	return -ENOSPC;
}

int irq_vector_alloc(unsigned cpu, irq_handler fn, void *arg)
{
	u64 flags = spin_lock_irqsave(&irq_lock);
	int vector = vector_take(cpu, fn, arg);

	spin_unlock_irqrestore(&irq_lock, flags);
	return vector;
}

void irq_msi_message(unsigned cpu, int vector, u64 *addr, u32 *data)
{
	*addr = 0xfee00000 | (u64)apic_id_of(cpu) << 12;	/* physical destination */
	*data = vector;						/* fixed delivery, edge */
}

static void line_interrupt(void *arg)
{
	struct line *l = arg;
	unsigned nr = load_acquire(&l->nr);

	for (unsigned i = 0; i < nr; i++)
		l->handler[i].fn(l->handler[i].arg);
}

static int line_request(u32 gsi, bool level, bool active_low, irq_handler fn, void *arg)
{
	struct line *l = NULL;
	int vector;

	for (unsigned i = 0; i < nr_lines; i++)
		if (lines[i].gsi == gsi)
			l = &lines[i];
	if (l != NULL) {
		if (l->nr == LINE_HANDLERS)
			return -ENOSPC;
		l->handler[l->nr] = (struct vector){ fn, arg };
		store_release(&l->nr, l->nr + 1);
		return 0;
	}
	if (nr_lines == NR_LINES)
		return -ENOSPC;
	l = &lines[nr_lines];
	*l = (struct line){ .gsi = gsi, .nr = 1, .handler = { { fn, arg } } };
	vector = vector_take(0, line_interrupt, l);
	if (vector < 0)
		return vector;
	nr_lines++;
	return ioapic_route(gsi, level, active_low, vector);
}

int irq_gsi_request(u32 gsi, bool level, bool active_low, irq_handler fn, void *arg)
{
	u64 flags = spin_lock_irqsave(&irq_lock);
	int rc = line_request(gsi, level, active_low, fn, arg);

	spin_unlock_irqrestore(&irq_lock, flags);
	return rc;
}

int irq_isa_request(u8 isa_irq, irq_handler fn, void *arg)
{
	struct acpi_override o = ioapic_isa(isa_irq);

	return irq_gsi_request(o.gsi, o.level, o.active_low, fn, arg);
}

static void device_interrupt(u64 vector)
{
	struct vector *v = this_cpu_ptr(&vectors[vector - VECTOR_DEVICE_FIRST]);
	irq_handler fn = load_acquire(&v->fn);

	if (fn != NULL)
		fn(v->arg);
	else
		WARN_ONCE(true, "interrupt %llu on cpu %u has no handler", (unsigned long long)vector, cpu_id());
}

/* Interrupts stay off throughout. The end of interrupt is told last: a level-triggered line has been quieted then. */
void irq_dispatch(struct regs *r)
{
	switch (r->vector) {
	case VECTOR_DEVICE_FIRST ... VECTOR_DEVICE_LAST:
		device_interrupt(r->vector);
		break;
	case VECTOR_TIMER:
		apic_timer_interrupt();
		break;
	case VECTOR_RESCHED:
		arch_hooks->resched();
		break;
	case VECTOR_CALL:
		smp_call_interrupt();
		break;
	case VECTOR_ERROR:
		WARN_ONCE(true, "local APIC error on cpu %u", cpu_id());
		break;
	default:
		return;			/* spurious, or of the masked PIC: no end of interrupt for these */
	}
	apic_eoi();
}
