/* SPDX-License-Identifier: MIT */
/*
 * The descriptor rings of an Intel 82574L (datasheet sections 3.2 and 3.3, legacy descriptors), without the registers:
 * pure memory, tested on the host. The caller's lock protects each.
 */
#ifndef DRIVERS_E1000E_RING_H
#define DRIVERS_E1000E_RING_H

#include "lib/base/types.h"

struct e1000_rx_desc {
	u64 addr;
	u16 length, checksum;
	u8 status, errors;
	u16 special;
};
struct e1000_tx_desc {
	u64 addr;
	u16 length;
	u8 checksum_offset, command, status, checksum_start;
	u16 special;
};
#define RX_DONE		0x01
#define RX_END		0x02		/* last buffer of its frame */
#define TX_END		0x01
#define TX_FCS		0x02
#define TX_REPORT	0x08
#define TX_DONE		0x01

struct e1000_rx_ring {
	struct e1000_rx_desc *desc;
	u16 size, next;			/* power of two; the descriptor to look at next */
	bool skipping;			/* within a frame that did not fit one buffer */
};
/*
 * What has arrived next: 1 with *index and *len; 0: nothing; -EINVAL: one to be dropped, also with *index.
 * e1000_rx_return() when the buffer may be used again.
 */
int e1000_rx_next(struct e1000_rx_ring *r, u32 max, u16 *index, u32 *len);
bool e1000_rx_pending(const struct e1000_rx_ring *r);
void e1000_rx_return(struct e1000_rx_ring *r, u16 index);

struct e1000_tx_ring {
	struct e1000_tx_desc *desc;
	void **token;			/* at the last descriptor of each frame */
	u16 size, head, tail;		/* power of two; oldest in flight, next to fill; equal: empty */
};
struct e1000_frag { u64 addr; u32 len; };
/* 0 or -ENOSPC */
int __must_check e1000_tx_add(struct e1000_tx_ring *r, const struct e1000_frag *frag, unsigned n, void *token);
void *e1000_tx_pop(struct e1000_tx_ring *r);	/* a frame that is out, or NULL */
static inline bool e1000_tx_empty(const struct e1000_tx_ring *r) { return r->head == r->tail; }

#endif
