/* SPDX-License-Identifier: MIT */
/* The log ring and where it goes; printing itself is in lib/base/printk.h. */
#ifndef KERNEL_PRINTK_H
#define KERNEL_PRINTK_H

#include "lib/base/printk.h"

struct waitq;

struct printk_sink {
	void (*write)(const char *text, size_t len);	/* from the log thread: may sleep */
	void (*write_poll)(const char *text, size_t len); /* early boot and panic: any context, busy-waits; first what write() took */
};
void printk_set_sink(const struct printk_sink *sink);	/* by drivers/serial */
void printk_set_tag(const char *role);			/* "processor": what stands in each line */
void printk_start(void);
bool printk_all_out(void);	/* Is everything out that was logged so far? Any context */
void printk_drain(void);		/* sleeps until everything logged so far is out */
void printk_panic_flush(void);
void printk_wake_log_thread(void);	/* the scheduler's: from schedule(), if a line waits */

/*
 * The lines that the ring has, for any reader: from number *next on (0: the oldest), which then is the number behind this line. false: there
 * is none yet; printk_read_wait() is woken when there may be. Thread context.
 */
#define PRINTK_LINE_MAX	512
struct printk_line { u64 time_ns; enum log_level level; size_t len; char text[PRINTK_LINE_MAX]; };
bool printk_read_line(u64 *next, struct printk_line *line);
u64 printk_next_number(void);		/* of the line that is printed next */
struct waitq *printk_read_wait(void);
size_t printk_ring_lines(void);		/* as many as the ring can have */
void printk_sink_level(int level);	/* lines beyond it stay in the ring and do not go out; LOG_DEBUG: all do. A panic's all do */

/*
 * At most `burst` lines a second from this place; then one that says how many were kept back. For what a peer or a program can cause.
 *	static struct ratelimit limit = RATELIMIT(10);
 *	if (ratelimit_ok(&limit, "bad packets")) pr_warn(...);
 */
struct ratelimit {
	u32 burst;		/* [I] */
	u64 second;		/* [a] the second that nr counts for */
	u32 nr;			/* [a] */
};
#define RATELIMIT(n)	{ .burst = (n) }
bool ratelimit_ok(struct ratelimit *l, const char *what);

#endif
