/* SPDX-License-Identifier: MIT */
/* The kernel command line: `name=value` words separated by blanks; %XX in values. A later word wins. */
#ifndef KERNEL_PARAM_H
#define KERNEL_PARAM_H

#include "lib/base/types.h"

void param_init(const char *command_line);		/* copies it */
const char *param_str(const char *name, const char *dflt);
bool param_bool(const char *name, bool dflt);		/* 1 0 y n on off yes no; the bare word is 1 */
/* A value that does not parse or is out of [min, max] is logged with the allowed range and dflt is used, and
 * param_errors() counts it; P refuses to start programs while it is not 0. */
u64 param_u64(const char *name, u64 dflt, u64 min, u64 max);
u64 param_size(const char *name, u64 dflt, u64 min, u64 max);	/* 64k, 16M, 1G */
u64 param_ns(const char *name, u64 dflt, u64 min, u64 max);	/* 500ms, 2s, 10us */
/* nth occurrence (from 0) of a repeatable parameter, NULL when there are no more */
const char *param_nth(const char *name, unsigned n);
unsigned param_errors(void);
/*
 * Called once, when all subsystems have been initialised: logs words nobody asked for. So each part asks for its parameters in its
 * init, also for what it needs only later; a mistake is found then and not in the middle of something.
 */
void param_warn_unknown(void);

#endif
