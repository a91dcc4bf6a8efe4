/* SPDX-License-Identifier: MIT */
/* poll(): a file's poll op says what is ready and names the wait queues that are woken when that changes. */
#ifndef MANAGERS_PROCESSOR_POLL_H
#define MANAGERS_PROCESSOR_POLL_H

#include "kernel/waitq.h"
#include "managers/processor/fs/fs_abi.h"

struct poll_table;

/* Called by poll ops; pt NULL: only the state is wanted. */
static inline void poll_wait(struct poll_table *pt, struct waitq *q)
{
}

#endif
