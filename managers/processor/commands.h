/* SPDX-License-Identifier: MIT */
/* What the control port can ask of a processor node: exec, signal, balance, drop-caches, sync, poweroff. */
#ifndef MANAGERS_PROCESSOR_COMMANDS_H
#define MANAGERS_PROCESSOR_COMMANDS_H

void commands_init(void);		/* registers the verbs */
void __attribute__((noreturn)) cluster_off(void);	/* ask M and S to end, then this node */
/* init=: run that program, then power off. Returns at once; does nothing without the parameter. */
void commands_run_init(void);

#endif
