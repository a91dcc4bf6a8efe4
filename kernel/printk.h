/* SPDX-License-Identifier: MIT */
/* The log ring and where it goes; printing itself is in lib/base/printk.h. */
#ifndef KERNEL_PRINTK_H
#define KERNEL_PRINTK_H

#include "lib/base/printk.h"

struct printk_sink {
	void (*write)(const char *text, size_t len);	/* from the log thread: may sleep */
	void (*write_poll)(const char *text, size_t len); /* early boot and panic: any context, busy-waits; first what write() took */
};
void printk_set_sink(const struct printk_sink *sink);	/* by drivers/serial */
void printk_set_tag(const char *role);			/* "processor": what stands in each line */
void printk_start(void);
void printk_drain(void);		/* sleeps until everything logged so far is out */
void printk_panic_flush(void);
void printk_wake_log_thread(void);	/* the scheduler's: from schedule(), if a line waits */

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
