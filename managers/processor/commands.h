/* SPDX-License-Identifier: MIT */
/* What the control port can ask of a processor node: exec, signal, balance, drop-caches, sync, poweroff. */
#ifndef MANAGERS_PROCESSOR_COMMANDS_H
#define MANAGERS_PROCESSOR_COMMANDS_H

#include "lib/base/types.h"

void commands_init(void);		/* registers the verbs */
void __attribute__((noreturn)) cluster_off(void);	/* end programs, ask M and S to end, then this node */
int __must_check cluster_off_later(void);		/* the same in a thread of its own, as a program asks: the host is told. 0, -ENOMEM */
/* init=: run that program, then power off. Returns at once; does nothing without the parameter. */
void commands_run_init(void);

#endif
