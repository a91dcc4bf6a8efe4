/* SPDX-License-Identifier: MIT */
/* Descriptor rings of the 82574L; see e1000e_ring.h. */
#include "drivers/e1000e_ring.h"
#include "lib/base/atomic.h"
#include "lib/base/errno.h"

bool e1000_rx_pending(const struct e1000_rx_ring *r)
{
	return load_acquire(&r->desc[r->next].status) & RX_DONE;
}

int e1000_rx_next(struct e1000_rx_ring *r, u32 max, u16 *index, u32 *len)
{
	const struct e1000_rx_desc *d = &r->desc[r->next];
	bool skip = r->skipping;

	if (!e1000_rx_pending(r))
		return 0;
	*index = r->next;
	*len = d->length;
	r->next = (r->next + 1) & (r->size - 1);
	r->skipping = !(d->status & RX_END);
	return skip || r->skipping || d->errors || *len > max ? -EINVAL : 1;
}

void e1000_rx_return(struct e1000_rx_ring *r, u16 index)
{
	/* the address stays; the device writes the rest again */
	r->desc[index].length = 0;
	r->desc[index].errors = 0;
	store_release(&r->desc[index].status, 0);
}

int e1000_tx_add(struct e1000_tx_ring *r, const struct e1000_frag *frag, unsigned n, void *token)
{
	u16 used = (r->tail - r->head) & (r->size - 1), at = r->tail;

	/* one descriptor stays empty: head and tail equal means that there is nothing */
	if (n == 0 || n > r->size - 1U - used)
		return -ENOSPC;
	for (unsigned i = 0; i < n; i++) {
		bool last = i + 1 == n;

		r->token[at] = last ? token : NULL;
		r->desc[at] = (struct e1000_tx_desc){
			.addr = frag[i].addr, .length = frag[i].len,
			.command = TX_FCS | (last ? TX_END | TX_REPORT : 0) };
		at = (at + 1) & (r->size - 1);
	}
	r->tail = at;
	return 0;
}

void *e1000_tx_pop(struct e1000_tx_ring *r)
{
	u16 at = r->head;

	/* only a frame's last descriptor reports */
	while (at != r->tail && !r->token[at])
		at = (at + 1) & (r->size - 1);
	if (at == r->tail || !(load_acquire(&r->desc[at].status) & TX_DONE))
		return NULL;
	r->head = (at + 1) & (r->size - 1);
	return r->token[at];
}
