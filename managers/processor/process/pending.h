/* SPDX-License-Identifier: MIT */
/*
 * Queues of signals that wait to be taken: of a task or of a process. A standard signal waits once, whatever it says; real-time
 * signals wait one by one, in their order. The caller holds the process's signal_lock.
 */
#ifndef MANAGERS_PROCESSOR_PENDING_H
#define MANAGERS_PROCESSOR_PENDING_H

#include "managers/processor/process/process.h"

/* mine: what to queue, NULL: one is allocated, if there are fewer than max; else the signal waits without its details */
void pending_add(struct pending *q, const struct siginfo_abi *info, struct queued_signal *mine, u64 max);
/* The first of signal sig, which waits: false if it had no details; *info then says the number only. */
bool pending_take(struct pending *q, int sig, struct siginfo_abi *info);
u32 pending_all(void);		/* allocated ones in all queues there are; any context */
void pending_remove(struct pending *q, sigset_t_ which);
/* Which of a set that is not empty goes first: faults, then the lowest number. */
int pending_pick(sigset_t_ set);

#endif
