/* SPDX-License-Identifier: MIT */
/*
 * The kernel log and the end of it. printk() may be called from any context, interrupts included;
 * it allocates nothing, takes no lock that a caller could hold, and never waits for the serial line.
 * Completed by kernel/printk.c and kernel/panic.c; on the host by the test shim.
 */
#ifndef LIB_BASE_PRINTK_H
#define LIB_BASE_PRINTK_H

#include "lib/base/types.h"

enum log_level { LOG_ERR, LOG_WARN, LOG_NOTE, LOG_INFO, LOG_DEBUG };

void printk(enum log_level level, const char *fmt, ...) __printf(2, 3);	/* one line; no newline needed */
void vprintk(enum log_level level, const char *fmt, va_list ap) __printf(2, 0);
void __noreturn panic(const char *fmt, ...) __printf(1, 2);

#define pr_err(...)	printk(LOG_ERR, __VA_ARGS__)
#define pr_warn(...)	printk(LOG_WARN, __VA_ARGS__)
#define pr_note(...)	printk(LOG_NOTE, __VA_ARGS__)
#define pr_info(...)	printk(LOG_INFO, __VA_ARGS__)
#define pr_debug(...)	printk(LOG_DEBUG, __VA_ARGS__)

/* Our own invariants only: never on what a program, a peer or a disk can cause. */
#define BUG_ON(cond)	do { if (unlikely(cond)) panic("%s:%d: %s", __FILE__, __LINE__, #cond); } while (0)
#ifdef CONFIG_DEBUG
#define DEBUG_BUG_ON(cond) BUG_ON(cond)
#else
#define DEBUG_BUG_ON(cond) ((void)sizeof(!(cond)))
#endif
#define WARN_ONCE(cond, ...) ({						\
	static bool warned_;						\
	bool hit_ = (cond);						\
	if (unlikely(hit_ && !warned_)) {				\
		warned_ = true;						\
		pr_warn(__VA_ARGS__);					\
	}								\
	hit_; })

#endif
