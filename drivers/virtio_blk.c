/* SPDX-License-Identifier: MIT */
/*
 * virtio-blk (virtio 1.1, section 5.2). A caller's transfer is cut into requests of at most MAX_REQUEST bytes that all
 * run at once; the caller sleeps until the last is done. A request's header and status stand in slots of our own: the
 * caller's stack is not memory that a device can reach.
 */
#include "drivers/block.h"
#include "drivers/counters.h"
#include "drivers/virtio.h"
#include "kernel/time.h"
#include "kernel/waitq.h"
#include "lib/base/atomic.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/frame.h"
#include "mm/slab.h"

#define F_SIZE_MAX	(1ULL << 1)
#define F_READ_ONLY	(1ULL << 5)
#define F_BLOCK_SIZE	(1ULL << 6)
#define F_FLUSH		(1ULL << 9)
#define CONFIG_CAPACITY	0		/* sectors of 512 bytes */
#define CONFIG_SIZE_MAX	8
#define CONFIG_BLK_SIZE	20

#define SECTOR		512
#define MAX_REQUEST	KIB(256)
#define NR_SLOTS	64
#define DESCS_A_REQUEST	3		/* header, data, status */

enum { REQUEST_READ = 0, REQUEST_WRITE = 1, REQUEST_FLUSH = 4 };
enum { STATUS_OK = 0, STATUS_NONE = 0xff };

struct transfer {			/* one call of read, write or flush; on the caller's stack */
	u32 outstanding;		/* [lock] requests with the device */
	int error;			/* [lock] the first */
	struct waitq wait;
};

struct slot {
	struct { u32 type, reserved; u64 sector; } header;	/* the device reads it */
	u8 status;						/* and writes this */
	struct transfer *transfer;	/* [lock] NULL: the slot is free */
	u32 len;
	bool in;
};

struct virtio_blk {
	struct blkdev blk;
	struct virtio_dev dev;
	struct spinlock lock;		/* irqsave */
	struct virtqueue vq;		/* [lock] */
	struct slot *slot;		/* NR_SLOTS */
	struct slot *free[NR_SLOTS];	/* [lock] */
	unsigned nr_free;		/* [lock] */
	struct waitq slots;		/* a slot became free */
	u32 max_request;		/* [I] */
};

static void complete(struct virtio_blk *vb, struct slot *s, u32 written)
{
	struct transfer *t = s->transfer;

	assert_held(&vb->lock);
	/* a read that wrote fewer bytes than data and status has no valid data */
	if (s->status != STATUS_OK || (s->in && written != s->len + 1)) {
		count(nr_blk_error);
		t->error = -EIO;
	}
	s->transfer = NULL;
	vb->free[vb->nr_free++] = s;
	/* under the lock: see finished() */
	WRITE_ONCE(t->outstanding, t->outstanding - 1);
	if (t->outstanding == 0)
		waitq_wake_all(&t->wait);
}

static void blk_interrupt(void *arg)
{
	struct virtio_blk *vb = arg;
	u64 flags = spin_lock_irqsave(&vb->lock);
	bool freed = false;
	struct slot *s;
	u32 len;

	do {
		while ((s = virtio_pop(&vb->vq, &len))) {
			complete(vb, s, len);
			freed = true;
		}
	} while (!vq_irq_enable(&vb->vq) && !vb->vq.broken);
	spin_unlock_irqrestore(&vb->lock, flags);
	if (freed)
		waitq_wake_all(&vb->slots);
}

static bool try_submit(struct virtio_blk *vb, struct transfer *t, u32 type, u64 off, void *data, u32 len)
{
	u64 flags = spin_lock_irqsave(&vb->lock);
	struct slot *s = vb->nr_free ? vb->free[vb->nr_free - 1] : NULL;
	bool in = type == REQUEST_READ;
	struct vq_buf buf[DESCS_A_REQUEST];
	unsigned n = 0;
	int rc = -ENOSPC;

	if (s) {
		s->header.type = type;
		s->header.reserved = 0;
		s->header.sector = off / SECTOR;
		s->status = STATUS_NONE;
		s->len = len;
		s->in = in;
		buf[n++] = (struct vq_buf){ virt_to_phys(&s->header), sizeof(s->header) };
		if (len)
			buf[n++] = (struct vq_buf){ virt_to_phys(data), len };
		buf[n] = (struct vq_buf){ virt_to_phys(&s->status), 1 };
		rc = vq_add(&vb->vq, buf, in ? 1 : n, in ? n : 1, s);
	}
	if (rc == 0) {
		vb->nr_free--;
		s->transfer = t;
		t->outstanding++;
	}
	spin_unlock_irqrestore(&vb->lock, flags);
	return rc == 0;
}

static void kick(struct virtio_blk *vb)
{
	u64 flags = spin_lock_irqsave(&vb->lock);
	bool notify = vq_publish(&vb->vq);

	spin_unlock_irqrestore(&vb->lock, flags);
	if (notify)
		virtio_notify(&vb->vq);
}

static bool finished(struct virtio_blk *vb, struct transfer *t)
{
	u64 flags;

	if (READ_ONCE(t->outstanding) != 0)
		return false;
	/* the interrupt handler that made it 0 is still busy with the wait queue on our stack while it holds the lock */
	flags = spin_lock_irqsave(&vb->lock);
	spin_unlock_irqrestore(&vb->lock, flags);
	return true;
}

static int transfer_wait(struct virtio_blk *vb, struct transfer *t)
{
	kick(vb);
	/* no way out before the device is done: it writes into the caller's memory until then */
	while (waitq_wait_timeout(&t->wait, finished(vb, t), time_mono_ns() + 10 * NSEC_PER_SEC) < 0)
		pr_warn("block: %s: no answer for 10 s, waiting on", vb->blk.name);
	return t->error;
}

static int transfer(struct virtio_blk *vb, u32 type, u64 off, void *data, size_t len)
{
	struct transfer t = { .error = 0 };

	if ((off | len) % SECTOR || off > vb->blk.size || len > vb->blk.size - off)
		return -EINVAL;
	waitq_init(&t.wait);
	for (size_t done = 0, n; done < len; done += n) {
		n = MIN(len - done, (size_t)vb->max_request);
		if (!try_submit(vb, &t, type, off + done, (u8 *)data + done, n)) {
			kick(vb);
			waitq_wait(&vb->slots, try_submit(vb, &t, type, off + done, (u8 *)data + done, n));
		}
		if (type == REQUEST_READ)
			count(nr_blk_read);
		else
			count(nr_blk_write);
	}
	return transfer_wait(vb, &t);
}

static int blk_read(struct blkdev *blk, u64 off, void *buf, size_t len)
{
	return transfer(container_of(blk, struct virtio_blk, blk), REQUEST_READ, off, buf, len);
}

static int blk_write(struct blkdev *blk, u64 off, const void *buf, size_t len)
{
	if (blk->read_only)
		return -EROFS;
	return transfer(container_of(blk, struct virtio_blk, blk), REQUEST_WRITE, off, (void *)buf, len);
}

static int blk_flush(struct blkdev *blk)
{
	struct virtio_blk *vb = container_of(blk, struct virtio_blk, blk);
	struct transfer t = { .error = 0 };

	if (!(vb->dev.features & F_FLUSH))
		return 0;		/* without the feature the device has no cache that could lose a write (5.2.6.2) */
	waitq_init(&t.wait);
	waitq_wait(&vb->slots, try_submit(vb, &t, REQUEST_FLUSH, 0, NULL, 0));
	count(nr_blk_flush);
	return transfer_wait(vb, &t);
}

static const struct blkdev_ops blk_ops = { .read = blk_read, .write = blk_write, .flush = blk_flush };

static void read_limits(struct virtio_blk *vb)
{
	u64 capacity;
	u32 v;

	virtio_config_read(&vb->dev, CONFIG_CAPACITY, &capacity, sizeof(capacity));
	vb->blk.size = capacity < (1ULL << 54) ? capacity * SECTOR : 0;
	vb->blk.read_only = vb->dev.features & F_READ_ONLY;
	vb->blk.sector_size = SECTOR;
	if (vb->dev.features & F_BLOCK_SIZE) {
		virtio_config_read(&vb->dev, CONFIG_BLK_SIZE, &v, sizeof(v));
		if (v == 4096)
			vb->blk.sector_size = v;
	}
	vb->max_request = MAX_REQUEST;
	if (vb->dev.features & F_SIZE_MAX) {
		virtio_config_read(&vb->dev, CONFIG_SIZE_MAX, &v, sizeof(v));
		if (v >= SECTOR)
			vb->max_request = MIN(vb->max_request, ALIGN_DOWN(v, (u32)SECTOR));
	}
}

static int blk_setup(struct virtio_blk *vb, struct pci_dev *pci, unsigned nr)
{
	int rc, vector;

	vb->blk.ops = &blk_ops;
	snprintf(vb->blk.name, sizeof(vb->blk.name), "vd%c", 'a' + nr);
	spin_init(&vb->lock, "virtio_blk", RANK_BLKDEV);
	waitq_init(&vb->slots);
	vb->slot = kcalloc(NR_SLOTS, sizeof(*vb->slot));
	if (!vb->slot)
		return -ENOMEM;
	for (unsigned i = 0; i < NR_SLOTS; i++)
		vb->free[vb->nr_free++] = &vb->slot[i];
	rc = virtio_open(&vb->dev, pci);
	if (rc == 0)
		rc = virtio_negotiate(&vb->dev, F_SIZE_MAX | F_READ_ONLY | F_BLOCK_SIZE | F_FLUSH | VIRTIO_F_EVENT_IDX);
	if (rc < 0)
		return rc;
	read_limits(vb);
	vector = virtio_vector(&vb->dev, nr % nr_cpus, blk_interrupt, vb);
	if (vector < 0)
		return vector;
	rc = virtio_queue_init(&vb->dev, &vb->vq, 0, 256, vector);
	if (rc < 0)
		return rc;
	/* a request that needs more descriptors than the ring has would wait for ever */
	return vb->vq.size >= DESCS_A_REQUEST ? 0 : -ENODEV;
}

void virtio_blk_probe(struct pci_dev *pci)
{
	static unsigned nr;
	struct virtio_blk *vb = nr < 16 ? kzalloc(sizeof(*vb)) : NULL;

	if (!vb || blk_setup(vb, pci, nr) < 0) {
		pr_warn("virtio-blk: %02x:%02x.%u is not usable", pci->bus, pci->slot, pci->fn);
		if (vb && vb->dev.common)
			virtio_give_up(&vb->dev);
		return;
	}
	virtio_ready(&vb->dev);
	if (blkdev_register(&vb->blk) == 0)
		nr++;
}
