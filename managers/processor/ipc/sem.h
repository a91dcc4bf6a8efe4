/* SPDX-License-Identifier: MIT */
/* System V semaphores: what the rest of the processor node's manager must tell them. */
#ifndef MANAGERS_PROCESSOR_IPC_SEM_H
#define MANAGERS_PROCESSOR_IPC_SEM_H

struct process;

/* Its last thread ends: SEM_UNDO takes effect. Sleeps not; once for each process. */
void sem_process_ends(struct process *p);

#endif
