/* SPDX-License-Identifier: MIT */
/* The network devices there are. Written at probe, in one thread, before anyone looks. */
#include "drivers/netdev.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/printk.h"

#define MAX_NETDEVS 4
static struct netdev *netdevs[MAX_NETDEVS];
static unsigned nr_netdevs;

int netdev_register(struct netdev *dev)
{
	if (nr_netdevs == MAX_NETDEVS) {
		pr_warn("net: more than %d network devices", MAX_NETDEVS);
		return -ENOSPC;
	}
	snprintf(dev->name, sizeof(dev->name), "eth%u", nr_netdevs);
	netdevs[nr_netdevs++] = dev;
	pr_info("net: %s: %s, %02x:%02x:%02x:%02x:%02x:%02x, MTU %u, %u queue pair%s", dev->name, dev->ops->driver,
		dev->mac[0], dev->mac[1], dev->mac[2], dev->mac[3], dev->mac[4], dev->mac[5], dev->mtu, dev->nr_queues, dev->nr_queues == 1 ? "" : "s");
	return 0;
}

struct netdev *netdev_first(void)
{
	return nr_netdevs ? netdevs[0] : NULL;
}
