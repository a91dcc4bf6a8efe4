/* SPDX-License-Identifier: MIT */
/* The PCI transport of virtio 1.x; see virtio.h. */
#include "drivers/counters.h"
#include "drivers/virtio.h"
#include "lib/base/atomic.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "arch/x86/cpu.h"
#include "mm/frame.h"
#include "mm/slab.h"

#define VENDOR_VIRTIO		0x1af4
#define STATUS_ACKNOWLEDGE	1
#define STATUS_DRIVER		2
#define STATUS_DRIVER_OK	4
#define STATUS_FEATURES_OK	8
#define STATUS_FAILED		0x80
#define NO_VECTOR		0xffff

struct virtio_common {			/* 4.1.4.3 */
	u32 device_feature_select, device_feature;
	u32 driver_feature_select, driver_feature;
	u16 config_vector, nr_queues;
	u8 status, config_generation;
	u16 queue_select, queue_size, queue_vector, queue_enable, queue_notify_off;
	u32 queue_desc_lo, queue_desc_hi, queue_driver_lo, queue_driver_hi, queue_device_lo, queue_device_hi;
} __packed;

enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_CONFIG = 4 };	/* cfg_type of struct virtio_pci_cap (4.1.4) */
#define CAP_TYPE		3
#define CAP_BAR			4
#define CAP_OFFSET		8
#define CAP_LENGTH		12
#define CAP_NOTIFY_MULTIPLIER	16

unsigned virtio_type(const struct pci_dev *pci)
{
	static const u8 transitional[] = { VIRTIO_TYPE_NET, VIRTIO_TYPE_BLK, 0, VIRTIO_TYPE_CONSOLE };

	if (pci->vendor != VENDOR_VIRTIO)
		return 0;
	if (pci->device >= 0x1040 && pci->device < 0x1080)
		return pci->device - 0x1040;
	if (pci->device >= 0x1000 && pci->device < 0x1000 + ARRAY_SIZE(transitional))
		return transitional[pci->device - 0x1000];
	return 0;
}

/* The registers that the capability of that type names, at least min bytes; NULL. */
static volatile u8 *find_registers(struct pci_dev *pci, u8 type, u32 min, u32 *length, unsigned *cap_at)
{
	for (unsigned at = 0; (at = pci_cap_find(pci, PCI_CAP_VENDOR, at)) != 0;) {
		u32 offset = pci_read32(pci, at + CAP_OFFSET), n = pci_read32(pci, at + CAP_LENGTH);
		u8 bar = pci_read8(pci, at + CAP_BAR);
		volatile u8 *regs;
		u64 size;

		/* the first of a type that can be used is the one to use */
		if (pci_read8(pci, at + CAP_TYPE) != type || bar >= PCI_NR_BARS || n < min)
			continue;
		regs = pci_bar_map(pci, bar, &size);
		if (!regs || offset > size || n > size - offset)
			continue;
		*length = n;
		*cap_at = at;
		return regs + offset;
	}
	return NULL;
}

static int fail(struct virtio_dev *dev, int rc, const char *what)
{
	pr_warn("virtio: %02x:%02x.%u: %s", dev->pci->bus, dev->pci->slot, dev->pci->fn, what);
	if (dev->common)
		virtio_give_up(dev);
	return rc;
}

int virtio_open(struct virtio_dev *dev, struct pci_dev *pci)
{
	unsigned at;
	u32 length;
	int rc;

	*dev = (struct virtio_dev){ .pci = pci };
	rc = pci_dev_enable(pci);
	if (rc < 0)
		return rc;
	dev->common = (volatile void *)find_registers(pci, CAP_COMMON, sizeof(struct virtio_common), &length, &at);
	if (!dev->common)
		return fail(dev, -ENODEV, "no virtio 1.x registers (a legacy device?)");
	dev->config = find_registers(pci, CAP_CONFIG, 1, &dev->config_length, &at);
	dev->notify = find_registers(pci, CAP_NOTIFY, 2, &dev->notify_length, &at);
	if (!dev->notify)
		return fail(dev, -ENODEV, "no notification registers");
	dev->notify_multiplier = pci_read32(pci, at + CAP_NOTIFY_MULTIPLIER);
	dev->common->status = 0;
	for (unsigned i = 0; dev->common->status != 0; i++) {
		if (i == 1000000)
			return fail(dev, -EIO, "reset does not end");
		cpu_relax();
	}
	rc = pci_msix_enable(pci);
	if (rc < 0)
		return fail(dev, rc, "no MSI-X");
	dev->nr_vectors = rc;
	dev->common->status = STATUS_ACKNOWLEDGE;
	dev->common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
	return 0;
}

int virtio_negotiate(struct virtio_dev *dev, u64 wanted)
{
	volatile struct virtio_common *c = dev->common;
	u64 offered;

	c->device_feature_select = 0;
	offered = c->device_feature;
	c->device_feature_select = 1;
	offered |= (u64)c->device_feature << 32;
	if (!(offered & VIRTIO_F_VERSION_1))
		return fail(dev, -ENODEV, "does not offer virtio 1.x");
	dev->features = offered & (wanted | VIRTIO_F_VERSION_1);
	c->driver_feature_select = 0;
	c->driver_feature = dev->features;
	c->driver_feature_select = 1;
	c->driver_feature = dev->features >> 32;
	c->status |= STATUS_FEATURES_OK;
	if (!(c->status & STATUS_FEATURES_OK))
		return fail(dev, -ENODEV, "refuses our set of features");
	c->config_vector = NO_VECTOR;
	return 0;
}

void virtio_config_read(struct virtio_dev *dev, unsigned off, void *buf, size_t len)
{
	u8 *out = buf, before;

	memset(buf, 0, len);
	if (!dev->config || off + len > dev->config_length)
		return;
	for (unsigned tries = 0; tries < 16; tries++) {
		before = dev->common->config_generation;
		/* fields are read with their own width (4.1.3.1); bytes are right for arrays only */
		if (len == 2) {
			u16 v = *(volatile u16 *)(dev->config + off);

			memcpy(buf, &v, 2);
		} else if (len == 4 || len == 8) {
			for (unsigned i = 0; i < len; i += 4) {
				u32 v = *(volatile u32 *)(dev->config + off + i);

				memcpy(out + i, &v, 4);
			}
		} else {
			for (unsigned i = 0; i < len; i++)
				out[i] = dev->config[off + i];
		}
		if (dev->common->config_generation == before)
			return;
	}
}

int virtio_vector(struct virtio_dev *dev, unsigned cpu, irq_handler fn, void *arg)
{
	int rc;

	if (dev->next_vector == dev->nr_vectors)
		return -ENOSPC;
	rc = pci_msix_set(dev->pci, dev->next_vector, cpu, fn, arg);
	return rc < 0 ? rc : (int)dev->next_vector++;
}

int virtio_config_irq(struct virtio_dev *dev, irq_handler fn, void *arg)
{
	int vector = virtio_vector(dev, 0, fn, arg);

	if (vector < 0)
		return vector;
	dev->common->config_vector = vector;
	return dev->common->config_vector == vector ? 0 : -ENOSPC;
}

int virtio_queue_init(struct virtio_dev *dev, struct virtqueue *vq, u16 index, u16 max_size, int vector)
{
	volatile struct virtio_common *c = dev->common;
	struct vq_slot *slots;
	void *memory;
	u16 size, at;
	u64 notify;

	if (index >= c->nr_queues)
		return fail(dev, -ENODEV, "has fewer queues than its features say");
	c->queue_select = index;
	size = MIN(c->queue_size, max_size);
	while (size & (size - 1))
		size &= size - 1;
	if (size == 0 || c->queue_enable)
		return fail(dev, -ENODEV, "a queue is not there");
	notify = (u64)c->queue_notify_off * dev->notify_multiplier;
	if (notify + 2 > dev->notify_length)
		return fail(dev, -ENODEV, "a notification register lies outside its range");
	memory = kmalloc(ALIGN_UP(vq_memory_size(size), 64));
	slots = kcalloc(size, sizeof(*slots));
	if (!memory || !slots) {
		kfree(memory);
		kfree(slots);
		return fail(dev, -ENOMEM, "no memory for a queue");
	}
	vq_init(vq, size, memory, slots, dev->features & VIRTIO_F_EVENT_IDX);
	vq->index = index;
	vq->notify = (volatile u16 *)(dev->notify + notify);
	at = vector < 0 ? NO_VECTOR : vector;
	c->queue_size = size;
	c->queue_vector = at;
	if (c->queue_vector != at)
		return fail(dev, -ENOSPC, "has no room for an interrupt vector");
	c->queue_desc_lo = virt_to_phys(vq->desc);
	c->queue_desc_hi = virt_to_phys(vq->desc) >> 32;
	c->queue_driver_lo = virt_to_phys(vq->avail);
	c->queue_driver_hi = virt_to_phys(vq->avail) >> 32;
	c->queue_device_lo = virt_to_phys(vq->used);
	c->queue_device_hi = virt_to_phys(vq->used) >> 32;
	c->queue_enable = 1;
	return 0;
}

void virtio_ready(struct virtio_dev *dev)
{
	dev->common->status |= STATUS_DRIVER_OK;
}

void virtio_give_up(struct virtio_dev *dev)
{
	dev->common->status = 0;	/* a reset device touches no memory of ours any more */
	dev->common->status = STATUS_ACKNOWLEDGE | STATUS_FAILED;
}

void virtio_kick(struct virtqueue *vq)
{
	if (vq_publish(vq))
		virtio_notify(vq);
}

void *virtio_pop(struct virtqueue *vq, u32 *len)
{
	u64 before = vq->nr_bad;
	void *token = vq_pop(vq, len);

	if (unlikely(vq->nr_bad != before))
		count_n(nr_virtio_refused, vq->nr_bad - before);
	return token;
}
