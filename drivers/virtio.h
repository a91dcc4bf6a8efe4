/* SPDX-License-Identifier: MIT */
/*
 * virtio 1.x over PCI (virtio 1.1, section 4.1): finding a device's registers, agreeing on features, setting up queues.
 *
 *	virtio_open(dev, pci);  features = virtio_negotiate(dev, wanted);  virtio_queue_init(...);  virtio_ready(dev);
 */
#ifndef DRIVERS_VIRTIO_H
#define DRIVERS_VIRTIO_H

#include "drivers/pci.h"
#include "drivers/virtqueue.h"

enum { VIRTIO_TYPE_NET = 1, VIRTIO_TYPE_BLK = 2, VIRTIO_TYPE_CONSOLE = 3 };

#define VIRTIO_F_INDIRECT_DESC	(1ULL << 28)
#define VIRTIO_F_EVENT_IDX	(1ULL << 29)
#define VIRTIO_F_VERSION_1	(1ULL << 32)

struct virtio_common;
struct virtio_dev {
	struct pci_dev *pci;
	volatile struct virtio_common *common;
	volatile u8 *notify, *config;
	u32 notify_multiplier, notify_length, config_length;
	u64 features;			/* agreed on */
	unsigned nr_vectors;
	unsigned next_vector;
};

/* The virtio device type of a PCI function, transitional or modern; 0: none */
unsigned virtio_type(const struct pci_dev *pci);
/* Registers found, device reset, MSI-X on. 0 or negative errno, logged. */
int __must_check virtio_open(struct virtio_dev *dev, struct pci_dev *pci);
/* Agree on those of wanted that the device offers; VERSION_1 is always asked for. 0 or negative errno, logged. */
int __must_check virtio_negotiate(struct virtio_dev *dev, u64 wanted);
/* Bytes of the device's own configuration, all of one moment; zeroes where it has none. */
void virtio_config_read(struct virtio_dev *dev, unsigned off, void *buf, size_t len);
/*
 * Set up a queue of at most max_size entries, 0 or negative errno. vector is of virtio_vector().
 */
int __must_check virtio_queue_init(struct virtio_dev *dev, struct virtqueue *vq, u16 index, u16 max_size, int vector);
/* An MSI-X entry for handler fn; when the device has no more, -ENOSPC. */
int __must_check virtio_vector(struct virtio_dev *dev, unsigned cpu, irq_handler fn, void *arg);
/* The interrupt for changes of the device's own configuration. 0 or -ENOSPC. */
int __must_check virtio_config_irq(struct virtio_dev *dev, irq_handler fn, void *arg);
void virtio_ready(struct virtio_dev *dev);	/* queues are set up: the device may use them */
void virtio_give_up(struct virtio_dev *dev);	/* tells the device that its driver failed */

/* Tell the device. Where others wait for the queue's lock: vq_publish() with it, this without it, for it costs microseconds. */
static inline void virtio_notify(struct virtqueue *vq) { *vq->notify = vq->index; }
/* vq_publish() and, if the device wants it, virtio_notify() */
void virtio_kick(struct virtqueue *vq);
/* vq_pop() with what it refused added to the counters */
void *virtio_pop(struct virtqueue *vq, u32 *len);

/* The drivers, called by probe.c for each device of their type. */
void virtio_net_probe(struct pci_dev *pci);
void virtio_blk_probe(struct pci_dev *pci);
void virtio_console_probe(struct pci_dev *pci);

#endif
