/* SPDX-License-Identifier: MIT */
/*
 * core(5): what is left of a program that ended by a signal that says something is wrong with it, as an ELF file where it worked. Written by
 * the thread that it happened to, when all others of its process are gone: of them only what the process has in common is in the file.
 */
#ifndef MANAGERS_PROCESSOR_CORE_H
#define MANAGERS_PROCESSOR_CORE_H

#include "managers/processor/process/process.h"

#define SIG_CORES	(SIGBIT(SIGQUIT) | SIGBIT(SIGILL) | SIGBIT(SIGTRAP) | SIGBIT(SIGABRT) | SIGBIT(SIGBUS) | SIGBIT(SIGFPE) | \
			 SIGBIT(SIGSEGV) | SIGBIT(SIGXCPU) | SIGBIT(SIGXFSZ) | SIGBIT(SIGSYS))
#define CORE_DUMPED	0x80U		/* in a wait status */

/*
 * The current process is ending by this signal: process_exit_group() has been called. If a core is wanted (RLIMIT_CORE, PR_SET_DUMPABLE)
 * it is written, and its exit status says so. May sleep, no lock held; a SIGKILL ends it before its time.
 */
void core_dump(const struct siginfo_abi *info);

#define CORE_PATTERN_ROOM 128
void core_pattern_get(char *to);			/* /proc/sys/kernel/core_pattern: CORE_PATTERN_ROOM bytes */
int __must_check core_pattern_set(const char *text);	/* -EINVAL: a pipe, or too long */

#endif
