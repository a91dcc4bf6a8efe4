/* SPDX-License-Identifier: MIT */
/*
 * Network devices: what a NIC driver offers and net/ uses. Frames are Ethernet II without FCS, up to mtu + 14 bytes.
 *
 * Transmit: a frame is a gather list of up to NETDEV_MAX_FRAGS pieces of direct-map memory, referenced by the
 * driver until it calls done(). Receive: the driver calls the registered rx function from its own thread
 * (PRIO_HIGH, one per queue pair, interrupt driven with a short adaptive poll), frames of one batch in order,
 * then rx_batch_end. The frame's bytes stand in one contiguous piece, valid until the function returns.
 */
#ifndef DRIVERS_NETDEV_H
#define DRIVERS_NETDEV_H

#include "lib/base/types.h"

#define NETDEV_MAX_FRAGS 4

struct netdev;

struct net_tx {				/* the sender's, until done() */
	struct { const void *ptr; u32 len; } frag[NETDEV_MAX_FRAGS];
	u32 nr_frags;
	/* any thread or interrupt context; must not sleep. May be called before netdev send returns. */
	void (*done)(struct net_tx *tx);
	void *arg;
};

struct netdev_ops {
	const char *driver;
	int (*open)(struct netdev *dev);	/* begin to receive; 0 or negative errno */
	/*
	 * Queue n frames on the queue (taken modulo the device's number), kick the device once. Any context but interrupts;
	 * returns how many were taken, from the front: fewer than n means the queue is full; try again after done().
	 */
	unsigned (*send)(struct netdev *dev, unsigned queue, struct net_tx **tx, unsigned n);
};

struct netdev {
	char name[16];
	u8 mac[6];
	u32 mtu;			/* bytes behind the Ethernet header; 9000 on the testbed's virtio-net */
	u32 nr_queues;
	const struct netdev_ops *ops;
	bool no_carrier;		/* [a] the link is down; a driver that cannot know leaves it alone */
	/* set by net/ before ops->open() */
	void (*rx)(struct netdev *dev, unsigned queue, const u8 *frame, u32 len);
	void (*rx_batch_end)(struct netdev *dev, unsigned queue);
	void (*link_changed)(struct netdev *dev);	/* after no_carrier was written; any context, interrupts too */
	void *net;			/* net/'s own */
};

int netdev_register(struct netdev *dev);		/* by the driver, at probe */
struct netdev *netdev_first(void);			/* NULL: no NIC */

#endif
