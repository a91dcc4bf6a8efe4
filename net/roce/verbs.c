/* SPDX-License-Identifier: MIT */
/* The kernel's one RoCE port: verbs.h for those who need not name it. */
#include "kernel/thread.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "net/roce/roce_impl.h"

static struct roce_dev *port;		/* [I] after roce_init() */

int roce_init(u32 ip, unsigned prefix_len)
{
	struct netdev *netdev = netdev_first();
	int rc;

	if (netdev == NULL)
		return -ENODEV;
	net_init_counters();
	counters_register(&roce_counters);
	port = roce_dev_create(netdev, ip, prefix_len);
	if (port == NULL)
		return -ENOMEM;
	rc = thread_spawn(roce_dev_thread, port, PRIO_HIGH, "roce");
	if (rc == 0)
		rc = roce_dev_start(port);
	if (rc < 0)
		return rc;
	pr_info("roce: %s, " IP_FMT "/%u, link MTU %u, path MTU %u", netdev->name, IP_ARGS(ip), prefix_len, netdev->mtu,
		port->max_mtu);
	return 0;
}

u32 roce_max_path_mtu(void) { return port->max_mtu; }

void roce_watch_port(struct roce_port_watch *w) { roce_dev_watch_port(port, w); }

int roce_gid(unsigned index, u8 gid[16]) { return roce_dev_gid(port, index, gid); }

struct roce_cq *roce_cq_create(u32 depth, void (*handler)(struct roce_cq *cq, void *arg), void *arg)
{
	return roce_dev_cq_create(port, depth, handler, arg);
}

struct roce_mr *roce_mr_create(u32 pd) { return roce_dev_mr_create(port, pd); }
struct roce_qp *roce_qp_create(const struct roce_qp_init *init) { return roce_dev_qp_create(port, init); }

struct roce_srq *roce_srq_create(u32 max_wr, void (*limit)(struct roce_srq *srq, void *arg), void *arg)
{
	return roce_dev_srq_create(port, max_wr, limit, arg);
}

struct cm_id *roce_cm_resolve(u32 ip, u64 service_id, const void *private_data, u32 private_len, cm_handler fn, void *arg)
{
	return roce_dev_cm_resolve(port, ip, service_id, private_data, private_len, fn, arg);
}

int roce_cm_listen(u64 service_id, cm_handler fn, void *arg)
{
	return roce_dev_cm_listen(port, service_id, fn, arg);
}
