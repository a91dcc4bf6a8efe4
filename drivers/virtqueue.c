/* SPDX-License-Identifier: MIT */
/* Split virtqueues; see virtqueue.h. Names of fields are the specification's (virtio 1.1, 2.6). */
#include "arch/x86/platform.h"
#include "drivers/virtqueue.h"
#include "lib/base/atomic.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"

#define AVAIL_NO_INTERRUPT	1
#define USED_NO_NOTIFY		1

static size_t used_offset(u16 size)
{
	return ALIGN_UP(sizeof(struct vring_desc) * size + sizeof(struct vring_avail) + sizeof(u16) * (size + 1UL), 4UL);
}

size_t vq_memory_size(u16 size)
{
	return used_offset(size) + sizeof(struct vring_used) + 8UL * size + sizeof(u16);
}

void vq_init(struct virtqueue *vq, u16 size, void *memory, struct vq_slot *slots, bool event_idx)
{
	memset(memory, 0, vq_memory_size(size));
	memset(slots, 0, sizeof(*slots) * size);
	*vq = (struct virtqueue){
		.size = size, .event_idx = event_idx, .slot = slots, .nr_free = size,
		.desc = memory,
		.avail = (void *)((char *)memory + sizeof(struct vring_desc) * size),
		.used = (void *)((char *)memory + used_offset(size)),
	};
	for (unsigned i = 0; i < size; i++)
		slots[i].next = (i + 1) % size;
}

static volatile u16 *used_event(struct virtqueue *vq)	/* we write: interrupt when used idx passes it */
{
	return &vq->avail->ring[vq->size];
}

static volatile u16 *avail_event(struct virtqueue *vq)	/* the device writes: tell when avail idx passes it */
{
	return (volatile u16 *)&vq->used->ring[vq->size];
}

static u16 used_idx(const struct virtqueue *vq)
{
	return load_acquire(&vq->used->idx);
}

static void make_available(struct virtqueue *vq, u16 head, u16 nr, u32 writable, void *token)
{
	vq->slot[head].token = token;
	vq->slot[head].writable = writable;
	vq->slot[head].nr = nr;
	vq->nr_free -= nr;
	vq->nr_requests++;
	vq->avail->ring[vq->avail_idx % vq->size] = head;
	vq->avail_idx++;
}

int vq_add(struct virtqueue *vq, const struct vq_buf *buf, unsigned nr_out, unsigned nr_in, void *token)
{
	unsigned nr = nr_out + nr_in;
	u16 at = vq->free_head, last = at;
	u32 writable = 0;

	if (nr == 0 || nr > vq->nr_free)
		return -ENOSPC;
	for (unsigned i = 0; i < nr; i++) {
		struct vring_desc *d = &vq->desc[at];

		d->addr = buf[i].addr;
		d->len = buf[i].len;
		d->flags = (i + 1 < nr ? VRING_DESC_NEXT : 0) | (i >= nr_out ? VRING_DESC_WRITE : 0);
		d->next = vq->slot[at].next;
		if (i >= nr_out)
			writable += buf[i].len;
		last = at;
		at = vq->slot[at].next;
	}
	make_available(vq, vq->free_head, nr, writable, token);
	vq->free_head = vq->slot[last].next;
	return 0;
}

int vq_add_indirect(struct virtqueue *vq, const struct vq_buf *buf, unsigned nr_out, unsigned nr_in,
		    struct vring_desc *table, paddr_t table_addr, void *token)
{
	unsigned nr = nr_out + nr_in;
	u16 head = vq->free_head;
	u32 writable = 0;

	if (nr == 0 || vq->nr_free == 0)
		return -ENOSPC;
	for (unsigned i = 0; i < nr; i++) {
		table[i] = (struct vring_desc){
			.addr = buf[i].addr, .len = buf[i].len, .next = i + 1,
			.flags = (i + 1 < nr ? VRING_DESC_NEXT : 0) | (i >= nr_out ? VRING_DESC_WRITE : 0) };
		if (i >= nr_out)
			writable += buf[i].len;
	}
	vq->desc[head] = (struct vring_desc){
		.addr = table_addr, .len = nr * sizeof(*table), .flags = VRING_DESC_INDIRECT };
	make_available(vq, head, 1, writable, token);
	vq->free_head = vq->slot[head].next;
	return 0;
}

/* Has idx, going from before to now, passed event? (2.6.7.2) */
static bool passed(u16 event, u16 now, u16 before)
{
	return (u16)(now - event - 1) < (u16)(now - before);
}

bool vq_publish(struct virtqueue *vq)
{
	u16 before = vq->published_idx, now = vq->avail_idx;

	if (now == before)
		return false;
	store_release(&vq->avail->idx, now);
	vq->published_idx = now;
	arch_device_mb();		/* the index is out before we look whether the device waits for it */
	return vq->event_idx ? passed(*avail_event(vq), now, before) : !(READ_ONCE(vq->used->flags) & USED_NO_NOTIFY);
}

static void release(struct virtqueue *vq, u16 head)
{
	u16 last = head;

	for (unsigned i = 1; i < vq->slot[head].nr; i++)
		last = vq->slot[last].next;
	vq->slot[last].next = vq->free_head;
	vq->free_head = head;
	vq->nr_free += vq->slot[head].nr;
	vq->slot[head].token = NULL;
	vq->nr_requests--;
}

bool vq_pending(const struct virtqueue *vq)
{
	return used_idx(vq) != vq->last_used && !vq->broken;
}

void *vq_pop(struct virtqueue *vq, u32 *len)
{
	while (vq_pending(vq)) {
		u16 at = vq->last_used % vq->size;
		u32 id = READ_ONCE(vq->used->ring[at].id), n = READ_ONCE(vq->used->ring[at].len);
		void *token;

		if ((u16)(used_idx(vq) - vq->last_used) > vq->size) {
			vq->broken = true;
			vq->nr_bad++;
			break;
		}
		vq->last_used++;
		if (id >= vq->size || !vq->slot[id].token) {
			vq->nr_bad++;
			continue;
		}
		if (n > vq->slot[id].writable) {
			vq->nr_bad++;
			n = 0;		/* the request is over, but nothing it says is believed */
		}
		token = vq->slot[id].token;
		release(vq, id);
		*len = n;
		return token;
	}
	return NULL;
}

bool vq_irq_enable_after(struct virtqueue *vq, u16 n)
{
	vq->avail->flags = 0;
	*used_event(vq) = vq->last_used + n - 1;
	arch_device_mb();		/* the wish is out before we look whether it is fulfilled */
	/* of a broken queue nothing will come, and nothing is there */
	return vq->broken || (u16)(used_idx(vq) - vq->last_used) < (vq->event_idx ? n : 1);
}

bool vq_irq_enable(struct virtqueue *vq)
{
	return vq_irq_enable_after(vq, 1);
}

void vq_irq_disable(struct virtqueue *vq)
{
	/* with event index a wish is for one interrupt only: nothing to do */
	if (!vq->event_idx)
		vq->avail->flags = AVAIL_NO_INTERRUPT;
}
