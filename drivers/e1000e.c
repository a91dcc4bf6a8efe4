/* SPDX-License-Identifier: MIT */
/*
 * Intel 82574L (QEMU: -device e1000e), so that virtio-net is not the only card that the code has seen. One queue pair,
 * legacy descriptors, frames up to 9014 bytes in receive buffers of 10 KiB.
 *
 * The receive interrupt masks itself (EIAC with MSI-X; the handler with MSI) until the receive thread has run dry.
 * Transmit completions are collected by the receive thread and by a timer, as in virtio_net.c, and never by send().
 * The link's MTU is not known to the card: net.mtu says it, 9000 by default as on the testbed's wire.
 */
#include "arch/x86/cpu.h"
#include "drivers/counters.h"
#include "drivers/e1000e.h"
#include "drivers/e1000e_ring.h"
#include "drivers/net_poll.h"
#include "drivers/netdev.h"
#include "kernel/param.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/lock.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/frame.h"
#include "mm/slab.h"

enum {					/* registers: datasheet chapter 10 */
	CTRL = 0x0000, STATUS = 0x0008, CTRL_EXT = 0x0018, ICR = 0x00c0, IMS = 0x00d0, IMC = 0x00d8, EIAC = 0x00dc,
	IVAR = 0x00e4, RCTL = 0x0100, TCTL = 0x0400, TIPG = 0x0410,
	RDBAL = 0x2800, RDBAH = 0x2804, RDLEN = 0x2808, RDH = 0x2810, RDT = 0x2818, RDTR = 0x2820, RADV = 0x282c,
	TDBAL = 0x3800, TDBAH = 0x3804, TDLEN = 0x3808, TDH = 0x3810, TDT = 0x3818, TXDCTL = 0x3828,
	MTA = 0x5200, RAL = 0x5400, RAH = 0x5404, REGISTERS_END = 0x6000,
};
#define CTRL_FULL_DUPLEX	(1u << 0)
#define CTRL_LINK_UP		(1u << 6)
#define CTRL_RESET		(1u << 26)
#define STATUS_LINK_UP		(1u << 1)
#define INT_RX			(1u << 7 | 1u << 6)	/* MSI: receive timer (0: each frame), overrun */
#define INT_RXQ0		(1u << 20)		/* MSI-X: receive queue 0 */
#define INT_OTHER		(1u << 24)
#define IVAR_RXQ0_VECTOR0	(1u << 3)		/* vector 0, valid */
#define RCTL_ENABLE		(1u << 1)
#define RCTL_LONG		(1u << 5)
#define RCTL_BROADCAST		(1u << 15)
#define RCTL_STRIP_CRC		(1u << 26)
#define RCTL_BUFFER_KIB(n)	((n) << 27)
#define TCTL_ENABLE		(1u << 1)
#define TCTL_PAD		(1u << 3)
#define TCTL_COLLISIONS		(0x0fu << 4 | 0x3fu << 12)
#define TIPG_DEFAULT		(8u | 8u << 10 | 6u << 20)
#define TXDCTL_DEFAULT		(1u << 22 | 1u << 24)	/* thresholds count descriptors; bit 22 is to be set */
#define RAH_VALID		(1u << 31)

#define RING_SIZE	256
#define BUFFER_KIB	10
#define CHUNK_ORDER	4				/* six buffers of a block of 64 KiB */
#define ETH_HEADER	14
#define RX_BATCH	64
#define RECLAIM_BATCH	32
#define TX_TIMER_NS	NSEC_PER_MSEC

struct e1000e {
	struct netdev netdev;
	volatile u8 *regs;
	bool msix;
	u32 frame_max;
	/* receive: the thread alone */
	struct e1000_rx_ring rx;
	u8 *rx_buffer[RING_SIZE];
	struct net_poll poll;
	/* transmit */
	struct spinlock lock;			/* irqsave */
	struct e1000_tx_ring tx;		/* [lock] */
	struct timer tx_timer;
	bool timer_armed;			/* [lock] */
};

static void reg_write(struct e1000e *e, unsigned reg, u32 v)
{
	*(volatile u32 *)(e->regs + reg) = v;
}

static u32 reg_read(struct e1000e *e, unsigned reg)
{
	return *(volatile u32 *)(e->regs + reg);
}

/* ---- transmit ---- */

static void tx_reclaim(struct e1000e *e)
{
	struct net_tx *done[RECLAIM_BATCH];
	unsigned n;

	do {
		u64 flags = spin_lock_irqsave(&e->lock);

		for (n = 0; n < RECLAIM_BATCH && (done[n] = e1000_tx_pop(&e->tx)); n++)
			;
		spin_unlock_irqrestore(&e->lock, flags);
		for (unsigned i = 0; i < n; i++)
			done[i]->done(done[i]);
	} while (n == RECLAIM_BATCH);
}

static void tx_timer(struct timer *t)
{
	struct e1000e *e = t->arg;
	u64 flags;

	tx_reclaim(e);
	flags = spin_lock_irqsave(&e->lock);
	e->timer_armed = !e1000_tx_empty(&e->tx);
	if (e->timer_armed)
		timer_start(t, time_mono_ns() + TX_TIMER_NS);
	spin_unlock_irqrestore(&e->lock, flags);
}

static int tx_add(struct e1000e *e, struct net_tx *tx)
{
	struct e1000_frag frag[NETDEV_MAX_FRAGS];

	for (u32 i = 0; i < tx->nr_frags; i++)
		frag[i] = (struct e1000_frag){ virt_to_phys(tx->frag[i].ptr), tx->frag[i].len };
	return e1000_tx_add(&e->tx, frag, tx->nr_frags, tx);
}

static unsigned e1000e_send(struct netdev *netdev, unsigned queue, struct net_tx **tx, unsigned n)
{
	struct e1000e *e = container_of(netdev, struct e1000e, netdev);
	u64 flags = spin_lock_irqsave(&e->lock);
	unsigned i;

	for (i = 0; i < n && tx_add(e, tx[i]) == 0; i++)
		;
	if (i)
		reg_write(e, TDT, e->tx.tail);
	if (i < n)
		count(nr_net_tx_full);
	if (i < n || (i && !e->timer_armed)) {
		/* full: done() is waited for, so do not let it be long */
		e->timer_armed = true;
		timer_start(&e->tx_timer, time_mono_ns() + (i < n ? TX_TIMER_NS / 20 : TX_TIMER_NS));
	}
	spin_unlock_irqrestore(&e->lock, flags);
	count_n(nr_net_tx, i);
	return i;
}

/* ---- receive ---- */

static void rx_interrupt(void *arg)
{
	struct e1000e *e = arg;

	if (!e->msix) {
		reg_write(e, IMC, ~0u);
		(void)reg_read(e, ICR);		/* reading clears the causes */
	}
	net_poll_wake(&e->poll);
}

static unsigned rx_batch(void *arg)
{
	struct e1000e *e = arg;
	struct netdev *netdev = &e->netdev;
	u16 index = 0;
	unsigned n;
	u32 len;
	int rc;

	for (n = 0; n < RX_BATCH && (rc = e1000_rx_next(&e->rx, e->frame_max, &index, &len)) != 0; n++) {
		if (rc < 0 || len < ETH_HEADER) {
			count(nr_net_rx_refused);
		} else {
			count(nr_net_rx);
			netdev->rx(netdev, 0, e->rx_buffer[index], len);
		}
		e1000_rx_return(&e->rx, index);
	}
	if (n) {
		reg_write(e, RDT, index);	/* up to this one the buffers are the device's again */
		if (netdev->rx_batch_end)
			netdev->rx_batch_end(netdev, 0);
	}
	tx_reclaim(e);
	return n;
}

static bool rx_pending(void *arg)
{
	return e1000_rx_pending(&((struct e1000e *)arg)->rx);
}

static bool rx_irq_enable(void *arg)
{
	struct e1000e *e = arg;

	reg_write(e, IMS, e->msix ? INT_RXQ0 : INT_RX);
	return !rx_pending(e);
}

static int e1000e_open(struct netdev *netdev)
{
	struct e1000e *e = container_of(netdev, struct e1000e, netdev);
	int rc = net_poll_start(&e->poll, 0, -1);

	if (rc < 0)
		return rc;
	reg_write(e, RCTL, RCTL_ENABLE | RCTL_LONG | RCTL_BROADCAST | RCTL_STRIP_CRC | RCTL_BUFFER_KIB(BUFFER_KIB));
	reg_write(e, RDT, e->rx.size - 1);
	return 0;
}

static const struct netdev_ops e1000e_ops = { .driver = "e1000e", .open = e1000e_open, .send = e1000e_send };

/* ---- set-up ---- */

static int rings_setup(struct e1000e *e)
{
	const unsigned a_chunk = (PAGE_SIZE << CHUNK_ORDER) / KIB(BUFFER_KIB);
	struct frame *chunk = NULL;

	/* 4096 bytes each: kmalloc aligns them to their size, and the device wants 128 */
	e->rx = (struct e1000_rx_ring){ .desc = kzalloc(RING_SIZE * sizeof(*e->rx.desc)), .size = RING_SIZE };
	e->tx = (struct e1000_tx_ring){ .desc = kzalloc(RING_SIZE * sizeof(*e->tx.desc)),
					.token = kcalloc(RING_SIZE, sizeof(void *)), .size = RING_SIZE };
	if (!e->rx.desc || !e->tx.desc || !e->tx.token)
		return -ENOMEM;
	for (unsigned i = 0; i < RING_SIZE; i++) {
		if (i % a_chunk == 0)
			chunk = frames_alloc(CHUNK_ORDER, FRAME_KERNEL, 0);
		if (!chunk)
			return -ENOMEM;
		e->rx_buffer[i] = (u8 *)frame_virt(chunk) + i % a_chunk * KIB(BUFFER_KIB);
		e->rx.desc[i].addr = virt_to_phys(e->rx_buffer[i]);
	}
	return 0;
}

static void device_reset(struct e1000e *e)
{
	reg_write(e, IMC, ~0u);
	reg_write(e, RCTL, 0);
	reg_write(e, TCTL, 0);
	reg_write(e, CTRL, reg_read(e, CTRL) | CTRL_RESET);
	thread_sleep_ns(2 * NSEC_PER_MSEC);	/* no register may be touched for a microsecond; the EEPROM takes longer */
	reg_write(e, IMC, ~0u);
	(void)reg_read(e, ICR);
}

static void device_start(struct e1000e *e)
{
	u64 rx = virt_to_phys(e->rx.desc), tx = virt_to_phys(e->tx.desc);

	reg_write(e, CTRL, reg_read(e, CTRL) | CTRL_LINK_UP | CTRL_FULL_DUPLEX);
	for (unsigned i = 0; i < 128; i++)
		reg_write(e, MTA + 4 * i, 0);
	reg_write(e, RDBAL, rx);
	reg_write(e, RDBAH, rx >> 32);
	reg_write(e, RDLEN, RING_SIZE * sizeof(*e->rx.desc));
	reg_write(e, RDH, 0);
	reg_write(e, RDT, 0);			/* no buffers before open() */
	reg_write(e, RDTR, 0);
	reg_write(e, RADV, 0);
	reg_write(e, TDBAL, tx);
	reg_write(e, TDBAH, tx >> 32);
	reg_write(e, TDLEN, RING_SIZE * sizeof(*e->tx.desc));
	reg_write(e, TDH, 0);
	reg_write(e, TDT, 0);
	reg_write(e, TXDCTL, TXDCTL_DEFAULT);
	reg_write(e, TIPG, TIPG_DEFAULT);
	reg_write(e, TCTL, TCTL_ENABLE | TCTL_PAD | TCTL_COLLISIONS);
}

static int irq_setup(struct e1000e *e, struct pci_dev *pci)
{
	e->msix = pci_msix_enable(pci) > 0;
	if (!e->msix)
		return pci_msi_enable(pci, 0, rx_interrupt, e);
	reg_write(e, IVAR, IVAR_RXQ0_VECTOR0);
	reg_write(e, EIAC, INT_RXQ0);		/* the interrupt clears its cause and masks itself */
	return pci_msix_set(pci, 0, 0, rx_interrupt, e);
}

static int read_mac(struct e1000e *e)
{
	u32 lo = reg_read(e, RAL), hi = reg_read(e, RAH);

	if (!(hi & RAH_VALID) || (lo & 1))
		return -ENODEV;			/* no EEPROM, or a group address */
	memcpy(e->netdev.mac, &lo, 4);
	memcpy(e->netdev.mac + 4, &hi, 2);
	return 0;
}

static int e1000e_setup(struct e1000e *e, struct pci_dev *pci)
{
	u64 size = 0;
	int rc = pci_dev_enable(pci);

	if (rc < 0)
		return rc;
	e->regs = pci_bar_map(pci, 0, &size);
	if (!e->regs || size < REGISTERS_END)
		return -ENODEV;
	e->netdev.mtu = param_u64("net.mtu", 9000, 576, 9000);
	e->netdev.nr_queues = 1;
	e->netdev.ops = &e1000e_ops;
	e->frame_max = e->netdev.mtu + ETH_HEADER;
	spin_init(&e->lock, "e1000e_tx", RANK_NETDEV);
	timer_init(&e->tx_timer, tx_timer, e);
	e->poll = (struct net_poll){ .batch = rx_batch, .pending = rx_pending, .irq_enable = rx_irq_enable, .arg = e };
	net_poll_init(&e->poll);
	device_reset(e);
	rc = read_mac(e);
	if (rc == 0)
		rc = rings_setup(e);
	if (rc == 0)
		rc = irq_setup(e, pci);
	if (rc < 0)
		return rc;
	device_start(e);
	if (!(reg_read(e, STATUS) & STATUS_LINK_UP))
		pr_info("e1000e: no link yet");
	return 0;
}

bool e1000e_match(const struct pci_dev *pci)
{
	return pci->vendor == 0x8086 && (pci->device == 0x10d3 || pci->device == 0x10f6);
}

void e1000e_probe(struct pci_dev *pci)
{
	struct e1000e *e = kzalloc(sizeof(*e));
	int rc = e ? e1000e_setup(e, pci) : -ENOMEM;

	if (rc < 0) {
		pr_warn("e1000e: %02x:%02x.%u is not usable: %s", pci->bus, pci->slot, pci->fn, errno_name(rc));
		return;
	}
	(void)netdev_register(&e->netdev);
}
