/* SPDX-License-Identifier: MIT */
#ifndef MANAGERS_CONTROL_RDMA_H
#define MANAGERS_CONTROL_RDMA_H

void control_rdma_init(void);		/* start the verbs service; after roce_init() */

#endif
