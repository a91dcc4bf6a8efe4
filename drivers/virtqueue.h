/* SPDX-License-Identifier: MIT */
/*
 * A split virtqueue (virtio 1.1, section 2.6): the ring shared with a device, and our notes about it.
 *
 *	rc = vq_add(vq, bufs, nr_out, nr_in, token);	for each request; then once
 *	if (vq_publish(vq)) notify the device;
 *	while ((token = vq_pop(vq, &len))) ...		what the device has finished
 *	if (!vq_irq_enable(vq)) go on popping;
 *
 * The caller's lock protects the queue. What the device writes is checked: an id that is not in flight, or a length
 * beyond what was offered, is counted and dropped. Pure memory: tested on the host against a device made up there.
 */
#ifndef DRIVERS_VIRTQUEUE_H
#define DRIVERS_VIRTQUEUE_H

#include "lib/base/types.h"

#define VRING_DESC_NEXT		1
#define VRING_DESC_WRITE	2		/* the device writes it */
#define VRING_DESC_INDIRECT	4

struct vring_desc {
	u64 addr;
	u32 len;
	u16 flags, next;
};
struct vring_avail {
	u16 flags, idx;
	u16 ring[];			/* size entries, then used_event */
};
struct vring_used {
	u16 flags, idx;
	struct { u32 id, len; } ring[];	/* size entries, then avail_event (16 bits) */
};

struct vq_buf {
	paddr_t addr;
	u32 len;
};

struct vq_slot {			/* what we know of a descriptor; the device cannot touch it */
	void *token;			/* of the request that begins here; NULL: none in flight */
	u32 writable;			/* bytes the device may write in it */
	u16 next;			/* the chain of a request, or of the free ones */
	u16 nr;				/* descriptors of the request that begins here */
};

struct virtqueue {
	u16 size;			/* [I] power of two */
	bool event_idx;			/* [I] */
	bool broken;			/* the device's index is nonsense: nothing is taken any more */
	struct vring_desc *desc;	/* [I] */
	struct vring_avail *avail;	/* [I] */
	struct vring_used *used;	/* [I] */
	struct vq_slot *slot;		/* [I] */
	u16 free_head, nr_free;
	u16 nr_requests;		/* in flight */
	u16 avail_idx;			/* next to fill; the device sees it after vq_publish() */
	u16 published_idx;
	u16 last_used;			/* next to pop */
	u64 nr_bad;			/* answers refused */
	/* the transport's (virtio.c) */
	u16 index;			/* [I] */
	volatile u16 *notify;		/* [I] */
};

/* Bytes for a ring of the size, and where in it the parts begin; memory is aligned to 16. */
size_t vq_memory_size(u16 size);
void vq_init(struct virtqueue *vq, u16 size, void *memory, struct vq_slot *slots, bool event_idx);

/* nr_out buffers that the device reads, then nr_in that it writes. token is not NULL. 0 or -ENOSPC. */
int __must_check vq_add(struct virtqueue *vq, const struct vq_buf *buf, unsigned nr_out, unsigned nr_in, void *token);
/* The same with one descriptor of the ring; the others stand in table until the request is popped. */
int __must_check vq_add_indirect(struct virtqueue *vq, const struct vq_buf *buf, unsigned nr_out, unsigned nr_in,
				 struct vring_desc *table, paddr_t table_addr, void *token);
bool __must_check vq_publish(struct virtqueue *vq);	/* true: the device wants to be told */

/* The token of a finished request and how many bytes the device wrote; NULL: none now. */
void *vq_pop(struct virtqueue *vq, u32 *len);
bool vq_pending(const struct virtqueue *vq);		/* vq_pop() would look at something; without a lock: a hint */

bool __must_check vq_irq_enable(struct virtqueue *vq);	/* at the next answer; false: there is one already */
/* At the nth answer from now (n >= 1); false: that one is there already. Without event index: at the next. */
bool __must_check vq_irq_enable_after(struct virtqueue *vq, u16 n);
void vq_irq_disable(struct virtqueue *vq);		/* a hint to the device */

#endif
