/* SPDX-License-Identifier: MIT */
/* POSIX message queues: what the rest of the processor node's manager must tell them. */
#ifndef MANAGERS_PROCESSOR_IPC_MQUEUE_H
#define MANAGERS_PROCESSOR_IPC_MQUEUE_H

struct process;

/* Another program begins in it, perhaps with more rights: no signal comes of what it asked mq_notify(2) for. Takes a spinlock. */
void mqueue_process_execs(const struct process *p);

#endif
