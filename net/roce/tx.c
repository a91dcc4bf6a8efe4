/* SPDX-License-Identifier: MIT */
/*
 * Frames out. Each QP has a pool of frames, so that no lock is shared on the way out; the driver gives them back in any
 * context, interrupts included, by a push without a lock. Payload is pointed to, not copied, unless it is small.
 */
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/slab.h"
#include "net/roce/roce_impl.h"

static void tx_done(struct net_tx *ntx)
{
	struct roce_tx *tx = container_of(ntx, struct roce_tx, frame.tx);
	struct roce_txpool *pool = &tx->qp->tx;
	struct roce_dev *dev = tx->dev;
	struct roce_tx *top = __atomic_load_n(&pool->back, __ATOMIC_RELAXED);

	do {
		tx->next = top;
	} while (!__atomic_compare_exchange_n(&pool->back, &top, tx, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	atomic_dec(&pool->out);		/* the last touch of the QP: roce_qp_destroy() waits for it */
	if (unlikely(__atomic_load_n(&dev->tx_stalled, __ATOMIC_SEQ_CST)))
		roce_kick(dev);
}

int txpool_init(struct roce_qp *qp, unsigned nr)
{
	struct roce_txpool *pool = &qp->tx;

	pool->array = kcalloc(nr, sizeof(struct roce_tx));
	if (pool->array == NULL)
		return -ENOMEM;
	pool->nr = nr;
	for (unsigned i = 0; i < nr; i++) {
		struct roce_tx *tx = &pool->array[i];

		tx->qp = qp;
		tx->dev = qp->dev;
		tx->frame.tx.done = tx_done;
		list_init(&tx->frame.link);
		tx->next = pool->local;
		pool->local = tx;
	}
	return 0;
}

void txpool_free(struct roce_qp *qp)
{
	for (unsigned i = 0; i < qp->tx.nr; i++)
		kfree(qp->tx.array[i].bounce);
	kfree(qp->tx.array);
}

struct roce_tx *tx_get(struct roce_qp *qp)
{
	struct roce_txpool *pool = &qp->tx;
	struct roce_tx *tx;

	assert_held(&qp->lock);
	if (pool->local == NULL)
		pool->local = __atomic_exchange_n(&pool->back, NULL, __ATOMIC_SEQ_CST);
	if (pool->local == NULL) {
		count(nr_roce_tx_stall);
		WRITE_ONCE(qp->stalled, true);
		__atomic_store_n(&qp->dev->tx_stalled, true, __ATOMIC_SEQ_CST);
		/* one may have come back before the flag was seen */
		pool->local = __atomic_exchange_n(&pool->back, NULL, __ATOMIC_SEQ_CST);
		if (pool->local == NULL)
			return NULL;
	}
	tx = pool->local;
	pool->local = tx->next;
	tx->again = false;
	atomic_inc(&pool->out);
	if (unlikely(tx->bounce != NULL)) {
		kfree(tx->bounce);
		tx->bounce = NULL;
	}
	return tx;
}

void tx_put_unused(struct roce_qp *qp, struct roce_tx *tx)
{
	tx->next = qp->tx.local;
	qp->tx.local = tx;
	atomic_dec(&qp->tx.out);
}

static u32 sum_words(const u8 *p, u32 len)
{
	u32 sum = 0;

	for (u32 i = 0; i < len; i += 2)
		sum += (u32)p[i] << 8 | p[i + 1];
	return sum;
}

void tx_prepare(struct roce_qp *qp)
{
	struct netif *nif = qp->dev->nif;
	struct ip_hdr *ip = (struct ip_hdr *)(qp->frame_head + ETH_HLEN);

	if (qp->type != QPT_RC)
		return;
	eth_header(qp->frame_head, 0, nif->mac, ETH_TYPE_IPV4);
	udp_header(qp->frame_head + ETH_HLEN, nif->ip, qp->attr.remote_ip, qp->sport, ROCE_UDP_PORT, 0, 0);
	ip->tos = IP_ECT0;
	ip->len = ip->id = ip->sum = be16_of(0);
	qp->ip_sum = sum_words((const u8 *)ip, IP_HLEN);
}

/* Everything before the BTH, of a frame of a connected QP. */
static void connected_header(const struct roce_qp *qp, u8 *head, u64 dst_mac, u32 data_len, bool markable)
{
	struct ip_hdr *ip = (struct ip_hdr *)(head + ETH_HLEN);
	struct udp_hdr *udp = (struct udp_hdr *)(head + NET_UDP_OFF);
	u32 len = IP_HLEN + UDP_HLEN + data_len, sum = qp->ip_sum + len + qp->ip_id;

	__builtin_memcpy(head, qp->frame_head, NET_DATA_OFF);
	__builtin_memcpy(head, &dst_mac, 6);
	if (unlikely(!markable)) {
		ip->tos = 0;
		sum -= IP_ECT0;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->len = be16_of(len);
	ip->id = be16_of(qp->ip_id);
	ip->sum = be16_of(~sum);
	udp->len = be16_of(UDP_HLEN + data_len);
}

bool tx_packet(struct roce_qp *qp, struct roce_tx *tx, struct roce_pkt *p, const struct roce_piece *piece, unsigned nr,
	       u32 dst_ip, u64 dst_mac, u16 sport)
{
	struct netif *nif = qp->dev->nif;
	struct net_tx *ntx = &tx->frame.tx;
	u8 *head = tx->head, *end, *tail;
	u32 headers, len = 0, pad, reg, inlined;
	unsigned i = 0;

	for (unsigned k = 0; k < nr; k++)
		len += piece[k].len;
	p->pad = pad = -len & 3;
	p->pkey = ROCE_PKEY;
	headers = roce_build(head + NET_DATA_OFF, p);
	end = head + NET_DATA_OFF + headers;

	/* small pieces at the front ride with the headers */
	for (inlined = 0; i < nr && inlined + piece[i].len <= ROCE_TX_INLINE; i++) {
		memcpy(end + inlined, piece[i].ptr, piece[i].len);
		inlined += piece[i].len;
	}
	ntx->nr_frags = 1;
	if (nr - i <= NETDEV_MAX_FRAGS - 2 && (likely(!tx->again) || i == nr)) {
		for (; i < nr; i++) {
			ntx->frag[ntx->nr_frags].ptr = piece[i].ptr;
			ntx->frag[ntx->nr_frags++].len = piece[i].len;
		}
	} else {
		u32 at = 0;

		tx->bounce = kmalloc(len - inlined);
		if (tx->bounce == NULL) {	/* nothing may be under way whose timer would look again */
			tx_put_unused(qp, tx);
			WRITE_ONCE(qp->stalled, true);
			roce_kick_at(qp->dev, time_mono_ns() + NSEC_PER_MSEC);
			return false;
		}
		for (; i < nr; i++) {
			memcpy((u8 *)tx->bounce + at, piece[i].ptr, piece[i].len);
			at += piece[i].len;
		}
		ntx->frag[1].ptr = tx->bounce;
		ntx->frag[1].len = at;
		ntx->nr_frags = 2;
	}

	if (++qp->ip_id == 0)
		qp->ip_id = 1;
	if (qp->type == QPT_RC) {
		connected_header(qp, head, dst_mac, headers + len + pad + ICRC_LEN, p->opcode != CNP);
	} else {
		eth_header(head, dst_mac, nif->mac, ETH_TYPE_IPV4);
		udp_header(head + ETH_HLEN, nif->ip, dst_ip, sport, ROCE_UDP_PORT, headers + len + pad + ICRC_LEN, qp->ip_id);
	}

	tail = ntx->nr_frags == 1 ? end + inlined : tx->tail;
	__builtin_memset(tail, 0, 4);		/* the pad; what is more is written over */
	if (ntx->nr_frags == 1) {
		reg = roce_icrc_start(head + ETH_HLEN, headers + inlined + pad);
	} else {
		reg = roce_icrc_start(head + ETH_HLEN, headers + inlined);
		for (unsigned k = 1; k < ntx->nr_frags; k++)
			reg = roce_icrc_more(reg, ntx->frag[k].ptr, ntx->frag[k].len);
		if (pad != 0)
			reg = roce_icrc_more(reg, tail, pad);
	}
	reg = roce_icrc_finish(reg);
	__builtin_memcpy(tail + pad, &reg, ICRC_LEN);
	ntx->frag[0].ptr = head;
	ntx->frag[0].len = end + inlined - head;
	if (ntx->nr_frags == 1) {
		ntx->frag[0].len += pad + ICRC_LEN;
	} else {
		ntx->frag[ntx->nr_frags].ptr = tail;
		ntx->frag[ntx->nr_frags++].len = pad + ICRC_LEN;
	}

	if (unlikely(dst_mac == 0)) {		/* lost, as on a wire; what matters is sent again */
		count(nr_net_drop_no_neighbour);
		if (qp->neigh != NULL)
			neighbour_ask(nif, qp->neigh);
		tx_put_unused(qp, tx);
		return true;
	}
	count(nr_roce_tx);
	if (unlikely(qp->cc.rate != 0))
		cc_sent(qp, len);
	qp->tx.batch[qp->tx.nr_batch++] = &tx->frame;
	if (qp->tx.nr_batch == ROCE_TX_BATCH)
		tx_flush(qp);
	return true;
}

void tx_flush(struct roce_qp *qp)
{
	unsigned n = qp->tx.nr_batch;

	assert_held(&qp->lock);
	qp->tx.nr_batch = 0;
	net_send(qp->dev->nif, qp->txq, qp->tx.batch, n);
}

void roce_send_gsi(struct roce_dev *dev, u32 ip, u32 psn, const void *mad, u32 len)
{
	struct netif *nif = dev->nif;
	struct net_buf *b = net_buf_get(nif);
	struct roce_pkt p = {
		.opcode = UD_SEND_ONLY, .pkey = ROCE_PKEY, .qpn = ROCE_GSI_QPN, .psn = psn & PSN_MASK, .ackreq = true,
		.qkey = ROCE_GSI_QKEY, .src_qpn = ROCE_GSI_QPN,
	};
	u32 headers, icrc;
	u8 *data;

	if (b == NULL)
		return;
	data = b->data + NET_DATA_OFF;
	headers = roce_build(data, &p);
	memcpy(data + headers, mad, len);	/* a MAD is 256 bytes: no pad */
	eth_header(b->data, 0, nif->mac, ETH_TYPE_IPV4);
	udp_header(b->data + ETH_HLEN, nif->ip, ip, 0xc000 | (ROCE_GSI_QPN * 0x9e37 & 0x3fff), ROCE_UDP_PORT,
		   headers + len + ICRC_LEN, net_ip_id(nif));
	icrc = roce_icrc_finish(roce_icrc_more(roce_icrc_start(b->data + ETH_HLEN, headers), data + headers, len));
	memcpy(data + headers + len, &icrc, ICRC_LEN);
	count(nr_roce_tx);
	net_buf_send_ip(b, NET_DATA_OFF + headers + len + ICRC_LEN, ip);
}
