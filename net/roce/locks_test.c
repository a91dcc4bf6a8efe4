/* SPDX-License-Identifier: MIT */
/* SOURCES: net/roce/packet.c net/roce/tx.c net/roce/rx.c net/roce/req.c net/roce/resp.c net/roce/cc.c net/roce/ud.c net/roce/qp.c net/roce/cq.c net/roce/mr.c net/roce/srq.c net/roce/cm_mad.c net/roce/cm.c net/roce/dev.c net/eth.c net/arp.c net/ipv4.c net/icmp.c net/udp.c */
/*
 * Which locks a message takes on its way, from the post to the completion at both ends: none that a message of another queue pair takes,
 * too. The transport thread does not run here: it goes over all queue pairs, when there is a timer or an event, not for a packet.
 */
#include "net/roce/sim_test.h"

#define MESSAGES	50
#define LEN		10000U

struct pair {
	struct end a, b;
	struct roce_mr *mr;
	u32 rkey;
	u8 from[LEN], to[LEN], got[LEN];
	const struct spinlock *locks[64];	/* taken for its messages */
	unsigned nr_locks;
};
static struct pair pairs[2], *whose;

static void let_go(const struct spinlock *l)
{
	for (unsigned i = 0; i < whose->nr_locks; i++) {
		if (whose->locks[i] == l)
			return;
	}
	assert_true(whose->nr_locks < ARRAY_SIZE(whose->locks));
	whose->locks[whose->nr_locks++] = l;
}

static bool has_lock(const struct pair *p, const struct spinlock *l)
{
	for (unsigned i = 0; i < p->nr_locks; i++) {
		if (p->locks[i] == l)
			return true;
	}
	return false;
}

static void open_pair(struct pair *p)
{
	end_create(&p->a, 0);
	end_create(&p->b, 1);
	pair_connect(&p->a, &p->b, 1024, 1, 1, 4);
	p->mr = roce_dev_mr_create(sim.node[1].dev, 7);
	p->rkey = roce_mr_bind(p->mr, p->to, sizeof(p->to), MR_REMOTE_WRITE | MR_REMOTE_READ | MR_REMOTE_ATOMIC);
}

/* Frames arrive one by one, each a batch, until none is on its way. */
static void deliver(void)
{
	while (sim.nr_frames != 0) {
		struct sim_frame f = sim.frame[0];
		struct netdev *d = &sim.node[f.to].netdev;

		memmove(&sim.frame[0], &sim.frame[1], --sim.nr_frames * sizeof(f));
		d->rx(d, 0, f.data, f.len);
		d->rx_batch_end(d, 0);
		free(f.data);
	}
}

static void message(struct pair *p, u8 op)
{
	bool atomic = op == WR_CMP_SWAP || op == WR_FETCH_ADD;
	struct roce_recv_wr recv = { .nr_sge = 1, .sge[0] = { p->got, LEN } };
	struct roce_send_wr wr = {
		.opcode = op, .flags = WR_SIGNALED | WR_ACK_NOW, .rkey = p->rkey, .remote_addr = (uintptr_t)p->to & ~7ULL, .nr_sge = 1,
		.sge[0] = { p->from, atomic ? 8 : LEN },
	};

	wr.remote_addr += wr.remote_addr < (uintptr_t)p->to ? 8 : 0;
	wr.sge[0].len -= atomic ? 0 : 8;
	whose = p;
	shim_on_unlock = let_go;
	if (op == WR_SEND || op == WR_RDMA_WRITE_WITH_IMM)
		assert_int_equal(roce_post_recv(p->b.qp, &recv), 0);
	assert_int_equal(roce_post_send(p->a.qp, &wr), 0);
	deliver();
	shim_on_unlock = NULL;
	assert_int_equal(p->a.nr_wc, 1);
	assert_int_equal(p->a.wc[0].status, WC_SUCCESS);
	assert_int_equal(p->b.nr_wc, op == WR_SEND || op == WR_RDMA_WRITE_WITH_IMM);
	p->a.nr_wc = p->b.nr_wc = 0;
}

static void none_is_shared(void **state)
{
	static const u8 ops[] = { WR_SEND, WR_RDMA_WRITE, WR_RDMA_WRITE_WITH_IMM, WR_RDMA_READ, WR_FETCH_ADD, WR_CMP_SWAP };

	sim_start(1, 1500);
	for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++)
		open_pair(&pairs[i]);
	for (unsigned i = 0; i < MESSAGES; i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(ops); k++) {
			message(&pairs[0], ops[k]);
			message(&pairs[1], ops[k]);
		}
	}
	assert_true(has_lock(&pairs[0], &pairs[0].a.qp->lock) && has_lock(&pairs[0], &pairs[0].b.qp->lock));
	assert_true(has_lock(&pairs[0], &pairs[0].a.cq->lock) && has_lock(&pairs[0], &pairs[0].mr->lock));
	for (unsigned i = 0; i < pairs[0].nr_locks; i++) {
		if (has_lock(&pairs[1], pairs[0].locks[i]))
			fail_msg("both take the lock '%s'", pairs[0].locks[i]->name);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++) {
		roce_mr_destroy(pairs[i].mr);
		end_destroy(&pairs[i].a);
		end_destroy(&pairs[i].b);
	}
	sim_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(none_is_shared) };

	return cmocka_run_group_tests_name("locks", tests, NULL, NULL);
}
