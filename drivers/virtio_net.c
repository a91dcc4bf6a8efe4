/* SPDX-License-Identifier: MIT */
/*
 * virtio-net (virtio 1.1, section 5.1): one receive thread and one transmit queue a queue pair.
 *
 * Receive. Each buffer holds a whole frame of the device's MTU (9 KiB at 9000, 2 KiB at 1500), so that a frame is
 * handed up where the device wrote it; 256 of them are 2.3 MiB a queue. A device may still spread a frame over
 * buffers, which are copied together then.
 *
 * Transmit. A batch is one notification. Nobody waits for completions one by one: they are collected by the receive
 * thread, whose frames answer what was sent; by a timer, so that done() comes within a millisecond or two whatever
 * happens; and by an interrupt only after the queue was full. send() itself never calls done(): its caller holds locks.
 */
#include "arch/x86/platform.h"
#include "drivers/counters.h"
#include "drivers/net_poll.h"
#include "drivers/netdev.h"
#include "drivers/virtio.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/frame.h"
#include "mm/slab.h"

#define F_MTU		(1ULL << 3)
#define F_MAC		(1ULL << 5)
#define F_MERGED	(1ULL << 15)		/* MRG_RXBUF */
#define F_STATUS	(1ULL << 16)
#define F_CTRL_VQ	(1ULL << 17)
#define F_MQ		(1ULL << 22)
#define CONFIG_MAC	0
#define CONFIG_STATUS	6
#define CONFIG_PAIRS	8
#define CONFIG_MTU	10

#define STATUS_LINK_UP	1

#define MAX_PAIRS	8
#define QUEUE_SIZE	256
#define ETH_HEADER	14
#define MTU_MAX		9000
#define CHUNK_ORDER	4			/* receive buffers are cut from blocks of 64 KiB */
#define RX_BATCH	64
#define TX_TIMER_NS	NSEC_PER_MSEC
#define DESCS_A_FRAME	(1 + NETDEV_MAX_FRAGS)
#define RECLAIM_BATCH	32

struct net_header {				/* before each frame, both ways */
	u8 flags, gso_type;
	u16 header_length, gso_size, csum_start, csum_offset, nr_buffers;
};

struct net_queue {
	struct virtio_net *net;			/* [I] */
	unsigned nr;				/* [I] */
	/* receive: the queue's thread alone */
	struct virtqueue rx;
	struct net_poll poll;
	u8 *linear;				/* where a frame in pieces is put together */
	/* transmit */
	struct spinlock lock;			/* irqsave */
	struct virtqueue tx;			/* [lock] */
	struct vring_desc *indirect;		/* [lock] DESCS_A_FRAME for each descriptor; NULL: not offered */
	struct timer tx_timer;
	bool timer_armed;			/* [lock] */
};

struct virtio_net {
	struct netdev netdev;
	struct virtio_dev dev;
	struct net_header *tx_header;		/* zeroes: no offload is in use; read only by the device */
	u32 rx_size;				/* bytes of a receive buffer */
	u32 frame_max;
	u16 control_index;
	struct net_queue *queue;		/* netdev.nr_queues */
};

/* ---- transmit ---- */

/* Take finished frames off the queue and tell their owners, without the lock. */
static void tx_reclaim(struct net_queue *q)
{
	struct net_tx *done[RECLAIM_BATCH];
	unsigned n;
	u32 len;

	do {
		u64 flags = spin_lock_irqsave(&q->lock);

		for (n = 0; n < RECLAIM_BATCH && (done[n] = virtio_pop(&q->tx, &len)); n++)
			;
		spin_unlock_irqrestore(&q->lock, flags);
		for (unsigned i = 0; i < n; i++)
			done[i]->done(done[i]);
	} while (n == RECLAIM_BATCH);
}

static void tx_interrupt(void *arg)
{
	tx_reclaim(arg);
}

static void tx_timer(struct timer *t)
{
	struct net_queue *q = t->arg;
	u64 flags;

	tx_reclaim(q);
	flags = spin_lock_irqsave(&q->lock);
	q->timer_armed = q->tx.nr_requests != 0;
	if (q->timer_armed)
		timer_start(t, time_mono_ns() + TX_TIMER_NS);
	spin_unlock_irqrestore(&q->lock, flags);
}

static int tx_add(struct net_queue *q, struct net_tx *tx)
{
	struct vq_buf buf[DESCS_A_FRAME];
	unsigned n = 0;

	DEBUG_BUG_ON(tx->nr_frags == 0 || tx->nr_frags > NETDEV_MAX_FRAGS);
	buf[n++] = (struct vq_buf){ virt_to_phys(q->net->tx_header), sizeof(struct net_header) };
	for (u32 i = 0; i < tx->nr_frags; i++)
		buf[n++] = (struct vq_buf){ virt_to_phys(tx->frag[i].ptr), tx->frag[i].len };
	/* descriptors of the ring itself are cheaper for the device; a table makes room when they become few */
	if (q->indirect && q->tx.nr_free < q->tx.size / 2) {
		struct vring_desc *table = q->indirect + DESCS_A_FRAME * q->tx.free_head;

		return vq_add_indirect(&q->tx, buf, n, 0, table, virt_to_phys(table), tx);
	}
	return vq_add(&q->tx, buf, n, 0, tx);
}

/* The caller will try again after done(): have it come as soon as half of what is queued is out. */
static void tx_full(struct net_queue *q)
{
	count(nr_net_tx_full);
	if (!vq_irq_enable_after(&q->tx, MAX(q->tx.nr_requests / 2, 1)))
		timer_start(&q->tx_timer, time_mono_ns());	/* it is out already: collect it at once */
}

static unsigned net_send(struct netdev *netdev, unsigned queue, struct net_tx **tx, unsigned n)
{
	struct virtio_net *net = container_of(netdev, struct virtio_net, netdev);
	struct net_queue *q = &net->queue[queue % netdev->nr_queues];
	u64 flags = spin_lock_irqsave(&q->lock);
	bool notify;
	unsigned i;

	for (i = 0; i < n && tx_add(q, tx[i]) == 0; i++)
		;
	notify = vq_publish(&q->tx);
	if (i && !q->timer_armed) {
		q->timer_armed = true;
		timer_start(&q->tx_timer, time_mono_ns() + TX_TIMER_NS);
	}
	if (i < n)
		tx_full(q);
	spin_unlock_irqrestore(&q->lock, flags);
	if (notify)
		virtio_notify(&q->tx);
	count_n(nr_net_tx, i);
	return i;
}

/* ---- receive ---- */

static void rx_interrupt(void *arg)
{
	struct net_queue *q = arg;

	vq_irq_disable(&q->rx);
	net_poll_wake(&q->poll);
}

static void rx_post(struct net_queue *q, u8 *buffer)
{
	struct vq_buf buf = { virt_to_phys(buffer), q->net->rx_size };

	if (vq_add(&q->rx, &buf, 0, 1, buffer) < 0)
		BUG_ON(true);			/* the queue has a place for each of its buffers */
}

static void rx_deliver(struct net_queue *q, const u8 *frame, u32 len)
{
	struct netdev *netdev = &q->net->netdev;

	if (len < ETH_HEADER || len > q->net->frame_max) {
		count(nr_net_rx_refused);
		return;
	}
	count(nr_net_rx);
	netdev->rx(netdev, q->nr, frame, len);
}

/* A frame whose first buffer says that it goes on in others: they are next in the ring. */
static void rx_merge(struct net_queue *q, const u8 *first, u32 first_len, unsigned nr_buffers)
{
	u32 at = MIN(first_len, q->net->frame_max), len;
	bool whole = at == first_len;
	u8 *buffer;

	count(nr_net_rx_merged);
	memcpy(q->linear, first, at);
	for (unsigned i = 1; i < nr_buffers; i++) {
		buffer = virtio_pop(&q->rx, &len);
		if (!buffer) {
			whole = false;
			break;
		}
		if (len > q->net->frame_max - at)
			whole = false;
		else if (whole)
			memcpy(q->linear + at, buffer, len);
		at += whole ? len : 0;
		rx_post(q, buffer);
	}
	rx_deliver(q, q->linear, whole ? at : 0);
}

static unsigned rx_batch(void *arg)
{
	struct net_queue *q = arg;
	struct netdev *netdev = &q->net->netdev;
	const struct net_header *h;
	unsigned n;
	u8 *buffer;
	u32 len;

	for (n = 0; n < RX_BATCH && (buffer = virtio_pop(&q->rx, &len)); n++) {
		h = (const void *)buffer;
		if (len < sizeof(*h))
			rx_deliver(q, buffer, 0);
		else if (q->net->dev.features & F_MERGED && h->nr_buffers > 1)
			rx_merge(q, buffer + sizeof(*h), len - sizeof(*h), h->nr_buffers);
		else
			rx_deliver(q, buffer + sizeof(*h), len - sizeof(*h));
		rx_post(q, buffer);
	}
	if (n) {
		virtio_kick(&q->rx);
		if (netdev->rx_batch_end)
			netdev->rx_batch_end(netdev, q->nr);
	}
	tx_reclaim(q);
	return n;
}

static bool rx_pending(void *arg)
{
	return vq_pending(&((struct net_queue *)arg)->rx);
}

static bool rx_irq_enable(void *arg)
{
	return vq_irq_enable(&((struct net_queue *)arg)->rx);
}

static int net_open(struct netdev *netdev)
{
	struct virtio_net *net = container_of(netdev, struct virtio_net, netdev);

	for (u32 i = 0; i < netdev->nr_queues; i++) {
		int rc;

		virtio_kick(&net->queue[i].rx);		/* the buffers posted at set-up */
		/* with one queue the scheduler chooses; with several each stays where its interrupt arrives */
		rc = net_poll_start(&net->queue[i].poll, i, netdev->nr_queues > 1 ? (int)(i % nr_cpus) : -1);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static const struct netdev_ops net_ops = { .driver = "virtio-net", .open = net_open, .send = net_send };

/* ---- the link (5.1.4) ---- */

static void link_read(struct virtio_net *net)
{
	u16 status;

	virtio_config_read(&net->dev, CONFIG_STATUS, &status, sizeof(status));
	WRITE_ONCE(net->netdev.no_carrier, !(status & STATUS_LINK_UP));
}

static void config_interrupt(void *arg)
{
	struct virtio_net *net = arg;

	link_read(net);
	if (net->netdev.link_changed != NULL)
		net->netdev.link_changed(&net->netdev);
}

/* Before the device is ready: it tells of what changes from then on. Without an interrupt the link counts as up. */
static void link_watch(struct virtio_net *net)
{
	if (!(net->dev.features & F_STATUS))
		return;
	if (virtio_config_irq(&net->dev, config_interrupt, net) < 0)
		pr_warn("virtio-net: no interrupt left that would tell of the link");
	else
		link_read(net);
}

/* ---- set-up ---- */

static int rx_fill(struct net_queue *q)
{
	u32 size = q->net->rx_size, a_chunk = (PAGE_SIZE << CHUNK_ORDER) / size;
	struct frame *chunk = NULL;

	for (u32 i = 0; i < q->rx.size; i++) {
		if (i % a_chunk == 0)
			chunk = frames_alloc(CHUNK_ORDER, FRAME_KERNEL, 0);
		if (!chunk)
			return -ENOMEM;
		rx_post(q, (u8 *)frame_virt(chunk) + (i % a_chunk) * size);
	}
	return 0;
}

static int queue_setup(struct net_queue *q, unsigned nr)
{
	struct virtio_net *net = q->net;
	int rc, rx_vector, tx_vector;

	q->nr = nr;
	spin_init(&q->lock, "net_tx", RANK_NETDEV);
	q->poll = (struct net_poll){ .batch = rx_batch, .pending = rx_pending, .irq_enable = rx_irq_enable, .arg = q };
	net_poll_init(&q->poll);
	timer_init(&q->tx_timer, tx_timer, q);
	rx_vector = virtio_vector(&net->dev, nr % nr_cpus, rx_interrupt, q);
	tx_vector = virtio_vector(&net->dev, nr % nr_cpus, tx_interrupt, q);
	if (rx_vector < 0 || tx_vector < 0)
		return -ENOSPC;
	rc = virtio_queue_init(&net->dev, &q->rx, 2 * nr, QUEUE_SIZE, rx_vector);
	if (rc == 0)
		rc = virtio_queue_init(&net->dev, &q->tx, 2 * nr + 1, QUEUE_SIZE, tx_vector);
	if (rc < 0)
		return rc;
	vq_irq_disable(&q->tx);
	if (q->tx.size < DESCS_A_FRAME)
		return -ENODEV;
	if (net->dev.features & VIRTIO_F_INDIRECT_DESC)
		q->indirect = kcalloc(q->tx.size, DESCS_A_FRAME * sizeof(struct vring_desc));
	q->linear = kmalloc(net->frame_max);
	return q->linear ? rx_fill(q) : -ENOMEM;
}

/* Class MQ, command VQ_PAIRS_SET (5.1.6.5.5), once, at set-up. */
static int set_pairs(struct virtio_net *net, u16 pairs)
{
	struct { u8 class, command; u16 pairs; u8 ack; } *m = kzalloc(sizeof(*m));
	struct virtqueue *vq = kzalloc(sizeof(*vq));
	struct vq_buf buf[2];
	u64 deadline = time_mono_ns() + NSEC_PER_SEC;
	u32 len;

	if (!m || !vq)
		return -ENOMEM;
	*m = (typeof(*m)){ .class = 4, .command = 0, .pairs = pairs, .ack = 0xff };
	if (virtio_queue_init(&net->dev, vq, net->control_index, 16, -1) < 0)
		return -ENODEV;
	virtio_ready(&net->dev);
	buf[0] = (struct vq_buf){ virt_to_phys(m), 4 };
	buf[1] = (struct vq_buf){ virt_to_phys(&m->ack), 1 };
	if (vq_add(vq, buf, 1, 1, m) < 0)
		return -ENODEV;
	virtio_kick(vq);
	while (!virtio_pop(vq, &len)) {
		if (time_mono_ns() > deadline)
			return -ETIMEDOUT;
		thread_sleep_ns(100 * NSEC_PER_USEC);
	}
	return m->ack == 0 ? 0 : -EIO;
}

static void read_config(struct virtio_net *net)
{
	u16 mtu = 1500;

	if (net->dev.features & F_MTU)
		virtio_config_read(&net->dev, CONFIG_MTU, &mtu, sizeof(mtu));
	net->netdev.mtu = mtu >= 68 ? MIN(mtu, MTU_MAX) : 1500;
	net->frame_max = net->netdev.mtu + ETH_HEADER;
	net->rx_size = ALIGN_UP(net->frame_max + (u32)sizeof(struct net_header), 512);
	if (net->dev.features & F_MAC) {
		virtio_config_read(&net->dev, CONFIG_MAC, net->netdev.mac, 6);
	} else {
		u64 random = arch_random();

		memcpy(net->netdev.mac, &random, 6);
		net->netdev.mac[0] = (net->netdev.mac[0] & ~1) | 2;	/* one station, locally administered */
	}
}

static int net_setup(struct virtio_net *net, struct pci_dev *pci)
{
	u64 wanted = F_MTU | F_MAC | F_MERGED | F_STATUS | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC;
	u16 pairs = 1;
	int rc;

	rc = virtio_open(&net->dev, pci);
	if (rc == 0)
		rc = virtio_negotiate(&net->dev, wanted | (nr_cpus > 1 ? F_MQ | F_CTRL_VQ : 0));
	if (rc < 0)
		return rc;
	read_config(net);
	net->tx_header = kzalloc(64);
	if ((net->dev.features & (F_MQ | F_CTRL_VQ)) == (F_MQ | F_CTRL_VQ)) {
		virtio_config_read(&net->dev, CONFIG_PAIRS, &pairs, sizeof(pairs));
		net->control_index = 2 * pairs;
	}
	net->netdev.nr_queues = MIN(MIN((unsigned)pairs, nr_cpus), (unsigned)MAX_PAIRS);
	if (net->netdev.nr_queues == 0)
		return -ENODEV;
	net->queue = kcalloc(net->netdev.nr_queues, sizeof(*net->queue));
	if (!net->tx_header || !net->queue)
		return -ENOMEM;
	for (u32 i = 0; i < net->netdev.nr_queues; i++) {
		net->queue[i].net = net;
		rc = queue_setup(&net->queue[i], i);
		if (rc < 0)
			return rc;
	}
	link_watch(net);
	if (net->netdev.nr_queues > 1)
		return set_pairs(net, net->netdev.nr_queues);
	virtio_ready(&net->dev);
	return 0;
}

void virtio_net_probe(struct pci_dev *pci)
{
	struct virtio_net *net = kzalloc(sizeof(*net));
	int rc = net ? net_setup(net, pci) : -ENOMEM;

	if (rc < 0) {
		pr_warn("virtio-net: %02x:%02x.%u is not usable: %s", pci->bus, pci->slot, pci->fn, errno_name(rc));
		if (net && net->dev.common)
			virtio_give_up(&net->dev);
		return;
	}
	net->netdev.ops = &net_ops;
	(void)netdev_register(&net->netdev);
}
