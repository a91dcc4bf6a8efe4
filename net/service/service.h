/* SPDX-License-Identifier: MIT */
/*
 * The verbs service: what the well-known RDMA test programs of Linux talk to (rping, ucmatose, udaddy, rdma_client, rdma_server,
 * perftest with -R). A client of net/roce/verbs.h like net/fit, and independent of it. Every node has it: as a server with the
 * boot parameter rdma.service=1, as a client at the control port's command `rdma`. One server is always there, for the cluster's nodes
 * alone: of a page of zeros, to be read by those that want to know how long that takes.
 */
#ifndef NET_SERVICE_SERVICE_H
#define NET_SERVICE_SERVICE_H

#include "lib/base/types.h"

/*
 * Listen for READs of the page; and where those programs expect a server, if rdma.service says so. After roce_init(). member says
 * whether somebody at an address belongs to the cluster; it must not sleep.
 */
void service_start(bool (*member)(u32 ip));

/*
 * How long a bare READ of 4 KiB from that node takes: the median of count (1 to 101), each from its post until the thread that
 * waited for it runs. Sleeps. 0; -ECONNREFUSED (it does not listen), -EHOSTUNREACH, -ECONNRESET, -EIO, -ETIMEDOUT, -ENOMEM, -EINVAL.
 */
int __must_check service_read_time(u32 ip, unsigned count, u64 *median_ns);

/*
 * Be the client of a program's server: words are PROGRAM ADDRESS [OPTION=VALUE...]. Sleeps until it is done.
 * 0, with the results in why if the program has any, or negative errno with the reason there.
 */
int service_run(unsigned argc, char **argv, char *why, size_t why_size);

#endif
