/* SPDX-License-Identifier: MIT */
/*
 * The kernel log. printk() formats on its stack, puts the line in the ring and is done. Before printk_start() and after a panic
 * the line is then written out by polling; in between the log thread does it. printk() itself wakes nobody, since its caller may
 * hold any lock: it asks this CPU for a schedule(), which wakes the thread where that is right.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"
#include "kernel/param.h"
#include "kernel/preempt.h"
#include "kernel/printk.h"
#include "kernel/printk_ring.h"
#include "kernel/thread.h"
#include "kernel/waitq.h"
#include "lib/base/atomic.h"
#include "lib/base/printf.h"
#include "lib/base/string.h"

#define NR_SLOTS 4096

static struct ring_slot slots[NR_SLOTS];
static struct ring ring = { .slot = slots, .nr_slots = NR_SLOTS };
static const struct printk_sink *sink;
static const char *tag = ROLE_NAME;
static enum log_level max_level = LOG_INFO;
static int sink_level = LOG_DEBUG;	/* [a] what goes out of it */

static struct thread *log_thread;	/* [a] NULL: lines are written by who prints them */
static bool log_pending;		/* [a] the log thread has to be woken */
static struct waitq drained = WAITQ_INIT(drained);
static u64 written;			/* [a] what the sink has taken, as a number in the ring; the log thread's */
static int poll_owner = -1;		/* [a] CPU that is writing out by polling */
static u64 poll_lost;			/* [poll_owner or log thread] lost slots that were reported */

static const char *const level_names[] = { "err", "warn", "note", "info", "debug" };

/* Room for a line's prefix and all of a slot's text. */
struct out_line {
	char text[RING_TEXT + 80];
	size_t len;
};

static void render(const struct ring_slot *s, bool continued, struct out_line *o)
{
	o->len = 0;
	if (!continued)
		o->len = snprintf(o->text, sizeof(o->text), "[%llu.%06llu] %s %s/%u: ", (unsigned long long)(s->time_ns / NSEC_PER_SEC),
				  (unsigned long long)(s->time_ns % NSEC_PER_SEC / 1000), level_names[s->level], tag, s->cpu);
	memcpy(o->text + o->len, s->text, s->len);
	o->len += s->len;
	if (!s->more)
		o->text[o->len++] = '\n';
}

/* The next piece of output, from the only reader there is. */
static bool next_piece(struct out_line *o)
{
	static bool continued;
	struct ring_slot s;

	if (!ring_read(&ring, &s))
		return false;
	if (ring.lost != poll_lost) {
		o->len = snprintf(o->text, sizeof(o->text), "%s[log] %llu pieces were lost\n", continued ? "\n" : "",
				  (unsigned long long)(ring.lost - poll_lost));
		poll_lost = ring.lost;
		if (sink != NULL)
			sink->write_poll(o->text, o->len);
		continued = false;
	}
	if ((int)s.level <= __atomic_load_n(&sink_level, __ATOMIC_RELAXED))
		render(&s, continued, o);
	else
		o->len = 0;
	continued = s.more;
	return true;
}

/* Early and in a panic. One CPU at a time; the others leave their lines to it. */
static void poll_out(void)
{
	struct out_line o;
	u64 flags;
	int nobody = -1;

	if (sink == NULL)
		return;
	flags = irq_save();
	while (!ring_drained(&ring, __atomic_load_n(&ring.head, __ATOMIC_SEQ_CST))) {
		nobody = -1;
		if (!__atomic_compare_exchange_n(&poll_owner, &nobody, (int)cpu_id(), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			break;
		while (next_piece(&o))
			sink->write_poll(o.text, o.len);
		__atomic_store_n(&poll_owner, -1, __ATOMIC_SEQ_CST);
		break;
	}
	irq_restore(flags);
}

void vprintk(enum log_level level, const char *fmt, va_list ap)
{
	char text[PRINTK_LINE_MAX];
	int n;

	if (level > max_level)
		return;
	n = vsnprintf(text, sizeof(text), fmt, ap);
	n = MIN(n, (int)sizeof(text) - 1);
	while (n > 0 && text[n - 1] == '\n')
		n--;
	ring_write(&ring, arch_clock_ns(), level, cpu_id(), text, n);
	if (load_acquire(&log_thread) == NULL) {
		poll_out();
		return;
	}
	__atomic_store_n(&log_pending, true, __ATOMIC_SEQ_CST);
	this_cpu(need_resched) = 1;
	preempt_disable();
	preempt_enable();		/* now, if nothing forbids it */
}

void printk(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(level, fmt, ap);
	va_end(ap);
}

void printk_wake_log_thread(void)
{
	if (unlikely(__atomic_load_n(&log_pending, __ATOMIC_RELAXED)) && __atomic_exchange_n(&log_pending, false, __ATOMIC_SEQ_CST) &&
	    log_thread != NULL)
		thread_wake(log_thread);
}

void printk_set_sink(const struct printk_sink *s)
{
	store_release(&sink, s);
	if (load_acquire(&log_thread) == NULL)
		poll_out();		/* what was said before there was one */
}

void printk_set_tag(const char *role) { tag = role; }

static void log_main(void *arg)
{
	struct thread *self = thread_current();
	struct out_line o;

	for (;;) {
		while (next_piece(&o)) {
			if (sink != NULL && o.len != 0)
				sink->write(o.text, o.len);
		}
		store_release(&written, ring.tail);
		waitq_wake_all(&drained);
		__atomic_store_n(&self->state, THREAD_WAITING, __ATOMIC_SEQ_CST);
		/* Its wake-up may have come and gone before the mark. One that is being written asks again once it is whole. */
		if (ring_readable(&ring))
			__atomic_store_n(&self->state, THREAD_RUNNING, __ATOMIC_SEQ_CST);
		schedule();
	}
}

/* --- other readers --- */

bool printk_read_line(u64 *next, struct printk_line *line)
{
	struct ring_slot s;
	u64 lost = 0, at = *next;
	bool begun = false;

	line->len = 0;
	while (ring_read_from(&ring, &at, &lost, &s)) {
		size_t n = MIN((size_t)s.len, sizeof(line->text) - line->len);

		if (lost != 0 && begun)		/* its rest is gone: what follows is another line, or the rest of one */
			line->len = 0;
		lost = 0;
		begun = true;
		line->time_ns = s.time_ns;
		line->level = s.level;
		memcpy(line->text + line->len, s.text, n);
		line->len += n;
		if (!s.more) {
			*next = at;
			return true;
		}
	}
	return false;
}

u64 printk_next_number(void) { return __atomic_load_n(&ring.head, __ATOMIC_SEQ_CST); }
struct waitq *printk_read_wait(void) { return &drained; }
size_t printk_ring_lines(void) { return NR_SLOTS; }
void printk_sink_level(int level) { __atomic_store_n(&sink_level, level, __ATOMIC_RELAXED); }

void printk_start(void)
{
	struct thread *t;

	max_level = param_u64("loglevel", LOG_INFO, LOG_ERR, LOG_DEBUG);
	t = thread_create(log_main, NULL, PRIO_NORMAL, "log");
	if (t == NULL) {
		pr_warn("no memory for the log thread: the log stays synchronous");
		return;
	}
	store_release(&log_thread, t);
	thread_start(t);
}

bool printk_all_out(void)
{
	return load_acquire(&written) >= __atomic_load_n(&ring.head, __ATOMIC_SEQ_CST);
}

void printk_drain(void)
{
	u64 goal = __atomic_load_n(&ring.head, __ATOMIC_SEQ_CST);

	if (load_acquire(&log_thread) == NULL) {
		poll_out();
		return;
	}
	thread_wake(log_thread);
	(void)waitq_wait_timeout(&drained, load_acquire(&written) >= goal, arch_clock_ns() + 2 * NSEC_PER_SEC);
}

/* The other CPUs stand still. A line that one of them was writing is passed over. */
void printk_panic_flush(void)
{
	struct out_line o;

	store_release(&log_thread, NULL);
	printk_sink_level(LOG_DEBUG);
	__atomic_store_n(&poll_owner, (int)cpu_id(), __ATOMIC_SEQ_CST);
	if (sink == NULL)
		return;
	sink->write_poll("", 0);		/* what the log thread gave it goes out, also where no line follows */
	while (!ring_drained(&ring, ring.head)) {
		if (next_piece(&o))
			sink->write_poll(o.text, o.len);
		else if (!ring_drained(&ring, ring.head))
			ring.tail++;
	}
	__atomic_store_n(&poll_owner, -1, __ATOMIC_SEQ_CST);
}

bool ratelimit_ok(struct ratelimit *l, const char *what)
{
	u64 now = arch_clock_ns() / NSEC_PER_SEC + 1, then = __atomic_load_n(&l->second, __ATOMIC_RELAXED);

	if (now != then && __atomic_compare_exchange_n(&l->second, &then, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		u32 nr = __atomic_exchange_n(&l->nr, 0, __ATOMIC_RELAXED);

		if (nr > l->burst)
			pr_warn("%s: %u more lines kept back", what, nr - l->burst);
	}
	return __atomic_fetch_add(&l->nr, 1, __ATOMIC_RELAXED) < l->burst;
}
