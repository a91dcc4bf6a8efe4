/* SPDX-License-Identifier: MIT */
/* SOURCES: net/roce/packet.c net/roce/tx.c net/roce/rx.c net/roce/req.c net/roce/resp.c net/roce/cc.c net/roce/ud.c net/roce/qp.c net/roce/cq.c net/roce/mr.c net/roce/srq.c net/roce/cm_mad.c net/roce/cm.c net/roce/dev.c net/eth.c net/arp.c net/ipv4.c net/icmp.c net/udp.c */
/*
 * What several threads do at once, by threads of the host: completions come while their queue is polled and armed, the device gives back
 * frames while they are taken, peers write while a region is bound anew, a shared receive queue runs low. Also run with the thread
 * sanitizer, which sees what is not ordered.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/string.h"
#include "net/roce/roce_impl.h"

#define PATIENCE_NS (60 * NSEC_PER_SEC)	/* longer than anything takes, however busy the host is */

static struct roce_dev *dev;
static struct netdev netdev;
static pthread_t transport;
static bool over;

static void *run_transport(void *arg)
{
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		u64 target = roce_dev_run(dev);

		if (target != 0)
			waitq_wait_timeout(&dev->wait, __atomic_load_n(&dev->wake_at, __ATOMIC_SEQ_CST) < target,
					   target == ~0ULL ? 0 : target);
	}
	return NULL;
}

static unsigned lose(struct netdev *d, unsigned queue, struct net_tx **tx, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		tx[i]->done(tx[i]);
	return nr;
}

static int up(struct netdev *d) { return 0; }
static const struct netdev_ops ops = { .open = up, .send = lose };

struct netdev *netdev_first(void) { return NULL; }

static int port_up(void **state)
{
	memset(&netdev, 0, sizeof(netdev));
	netdev.mtu = 1500;
	netdev.nr_queues = 1;
	netdev.ops = &ops;
	dev = roce_dev_create(&netdev, 0x0a4d0001, 24);
	if (dev == NULL || roce_dev_start(dev) < 0)
		return -1;
	over = false;
	return pthread_create(&transport, NULL, run_transport, NULL);
}

static int port_down(void **state)
{
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	roce_kick(dev);
	pthread_join(transport, NULL);
	roce_dev_destroy(dev);
	return 0;
}

/* true: it is so; false: it has not come to be in all that time */
#define comes_true(cond) ({						\
	u64 until_ = time_mono_ns() + PATIENCE_NS;			\
									\
	while (!(cond) && time_mono_ns() < until_)			\
		sched_yield();						\
	(cond); })

/* --- completion queues ------------------------------------------------------------------------------------------- */

#define PUSHERS	3
#define PUSHES	3000		/* of each */
#define DEPTH	64

static struct {
	struct roce_cq *cq;
	bool armed;		/* the user arms the queue, and polls when it is called; else the handler polls */
	u64 handled;		/* by the handler, one at a time: without any lock */
	u64 sum;
	u64 polled;		/* [a] */
	u32 polled_of[PUSHERS];	/* [a] */
	unsigned calls;		/* [a] */
} c;

static unsigned poll_some(void)
{
	struct roce_wc wc[5];
	unsigned n = roce_cq_poll(c.cq, wc, ARRAY_SIZE(wc));

	for (unsigned i = 0; i < n; i++) {
		c.sum += wc[i].wr_id;
		__atomic_fetch_add(&c.polled_of[wc[i].src_qpn], 1, __ATOMIC_RELEASE);
	}
	__atomic_fetch_add(&c.polled, n, __ATOMIC_RELEASE);
	return n;
}

static void called(struct roce_cq *cq, void *arg)
{
	c.handled++;
	__atomic_fetch_add(&c.calls, 1, __ATOMIC_RELEASE);
	while (!c.armed && poll_some() != 0)
		;
	sched_yield();			/* what comes now finds us still here */
}

/*
 * A receive thread: completions by batches, told at the end of each, or by the transport thread. After some it waits until its own were
 * polled, like a peer for its answer: no later one makes up for a call that was lost.
 */
static void *pusher(void *arg)
{
	unsigned self = (uintptr_t)arg;
	u64 r = self;
	struct roce_rx_ctx ctx = { .dev = dev };

	for (unsigned i = 1; i <= PUSHES; i++) {
		struct roce_wc wc = { .wr_id = i, .src_qpn = self };
		bool last;

		r = r * 6364136223846793005ULL + 1442695040888963407ULL;
		last = r >> 62 == 0 || i == PUSHES;
		wc.flags = last ? WC_SOLICITED : 0;
		while (!cq_reserve(c.cq)) {
			roce_ctx_flush(&ctx);
			sched_yield();
		}
		if (cq_push(c.cq, &wc))
			roce_ctx_add_cq((r >> 58 & 15) == 0 ? NULL : &ctx, c.cq);
		if (!last)
			continue;
		roce_ctx_flush(&ctx);
		if (!comes_true(__atomic_load_n(&c.polled_of[self], __ATOMIC_ACQUIRE) == i))
			break;
	}
	return NULL;
}

/* Nobody is called any more, and all that came was polled: what was not told would be missing for ever. */
static void all_is_told(bool armed, bool solicited, u32 number, u64 age)
{
	const u64 all = (u64)PUSHERS * PUSHES;
	pthread_t id[PUSHERS];
	unsigned seen = 0;

	memset(&c, 0, sizeof(c));
	c.armed = armed;
	c.cq = roce_dev_cq_create(dev, DEPTH, called, NULL);
	assert_non_null(c.cq);
	roce_cq_moderate(c.cq, number, age);
	if (armed)
		(void)roce_cq_arm(c.cq, solicited);
	for (uintptr_t i = 0; i < PUSHERS; i++)
		assert_int_equal(pthread_create(&id[i], NULL, pusher, (void *)i), 0);
	while (armed && __atomic_load_n(&c.polled, __ATOMIC_ACQUIRE) < all) {
		assert_true(comes_true(__atomic_load_n(&c.calls, __ATOMIC_ACQUIRE) != seen));
		seen = __atomic_load_n(&c.calls, __ATOMIC_ACQUIRE);
		do {
			while (poll_some() != 0)
				;
		} while (roce_cq_arm(c.cq, solicited));
	}
	assert_true(comes_true(__atomic_load_n(&c.polled, __ATOMIC_ACQUIRE) == all));
	for (unsigned i = 0; i < PUSHERS; i++)
		pthread_join(id[i], NULL);
	roce_cq_destroy(c.cq);
	assert_int_equal(c.sum, PUSHERS * (PUSHES * (u64)(PUSHES + 1) / 2));
	assert_int_equal(c.handled, c.calls);
}

static void handler_is_called(void **state) { all_is_told(false, false, 1, 0); }
static void armed_and_polled(void **state) { all_is_told(true, false, 1, 0); }
static void armed_for_solicited(void **state) { all_is_told(true, true, 1, 0); }
static void moderated_by_number_and_age(void **state)
{
	all_is_told(false, false, 7, 100 * NSEC_PER_USEC);
	all_is_told(true, false, 7, 100 * NSEC_PER_USEC);
}

/* --- frames --------------------------------------------------------------------------------------------------------- */

#define DRIVERS	2
#define QPS	5
#define FRAMES	1000

static struct roce_tx *with_device[ROCE_TX_POOL];	/* [a] */
static bool device_off;					/* [a] */
static bool device_waits;				/* [a] until there is no frame left: else a quick device would never be waited for */
static u64 sent_sum;					/* [a] */

static void *device(void *arg)
{
	u64 sum = 0;

	while (!__atomic_load_n(&device_off, __ATOMIC_ACQUIRE)) {
		for (unsigned i = 0; i < ARRAY_SIZE(with_device) && !__atomic_load_n(&device_waits, __ATOMIC_RELAXED); i++) {
			struct roce_tx *tx = __atomic_exchange_n(&with_device[i], NULL, __ATOMIC_ACQ_REL);
			u32 n;

			if (tx == NULL)
				continue;
			memcpy(&n, tx->head, sizeof(n));
			sum += n;
			tx->frame.tx.done(&tx->frame.tx);
		}
		sched_yield();
	}
	__atomic_fetch_add(&sent_sum, sum, __ATOMIC_RELAXED);
	return NULL;
}

/* A frame is written only when the device has done with it; who finds none is run again; and who destroys the QP waits for all of them. */
static void frames_come_back(void **state)
{
	struct roce_cq *cq = roce_dev_cq_create(dev, 4, NULL, NULL);
	u64 stalls = counter_read(&nr_roce_tx_stall), want = 0;
	pthread_t id[DRIVERS];

	assert_non_null(cq);
	device_off = false;
	device_waits = true;
	sent_sum = 0;
	for (unsigned i = 0; i < DRIVERS; i++)
		assert_int_equal(pthread_create(&id[i], NULL, device, NULL), 0);
	for (unsigned q = 0; q < QPS; q++) {
		struct roce_qp *qp = roce_dev_qp_create(dev, &(struct roce_qp_init){ .type = QPT_RC, .send_cq = cq, .recv_cq = cq });

		assert_non_null(qp);
		for (u32 n = 1; n <= FRAMES;) {
			struct roce_tx *tx;

			spin_lock(&qp->lock);
			tx = tx_get(qp);
			spin_unlock(&qp->lock);
			if (tx == NULL) {
				__atomic_store_n(&device_waits, false, __ATOMIC_RELAXED);
				assert_true(comes_true(!READ_ONCE(qp->stalled)));	/* the transport thread was there */
				continue;
			}
			memcpy(tx->head, &n, sizeof(n));
			want += n++;
			__atomic_store_n(&with_device[tx - qp->tx.array], tx, __ATOMIC_RELEASE);
		}
		roce_qp_destroy(qp);
	}
	__atomic_store_n(&device_off, true, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < DRIVERS; i++)
		pthread_join(id[i], NULL);
	assert_int_equal(sent_sum, want);
	assert_true(counter_read(&nr_roce_tx_stall) > stalls);
	roce_cq_destroy(cq);
}

/* --- regions -------------------------------------------------------------------------------------------------------- */

#define WRITERS	2
#define BINDS	300
#define REGIONS (2 * ROCE_MR_CHUNK + 10)

static u32 rkey_now;			/* [a] 0: nobody knows one */
static u8 target[512];
static u64 written;			/* [a] */
static bool writers_off;		/* [a] */

/* Writes by the last key it heard of, over which nothing orders it with the one who binds but what the region does. */
static void *peer_writes(void *arg)
{
	u8 data[sizeof(target)];

	memset(data, 0x11 * (uintptr_t)arg, sizeof(data));
	while (!__atomic_load_n(&writers_off, __ATOMIC_ACQUIRE)) {
		u64 va = (uintptr_t)target;
		struct roce_mr *mr = mr_lock(dev, __atomic_load_n(&rkey_now, __ATOMIC_RELAXED), va, sizeof(target), MR_REMOTE_WRITE, 3);

		if (mr == NULL) {
			sched_yield();
			continue;
		}
		mr_write(mr, va, data, sizeof(data));
		spin_unlock(&mr->lock);
		__atomic_fetch_add(&written, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* After an unbind nobody writes; and a region is found as soon as its key is known, whoever made its chunk. */
static void nobody_writes_after_unbind(void **state)
{
	struct roce_mr *mr[REGIONS];
	pthread_t id[WRITERS];

	writers_off = false;
	for (uintptr_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&id[i], NULL, peer_writes, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < REGIONS; i++) {
		mr[i] = roce_dev_mr_create(dev, 3);
		assert_non_null(mr[i]);
	}
	for (unsigned n = 0; n < BINDS; n++) {
		struct roce_mr *m = mr[n * 37 % REGIONS];
		u64 before = __atomic_load_n(&written, __ATOMIC_RELAXED);
		u8 own[sizeof(target)];

		__atomic_store_n(&rkey_now, roce_mr_bind(m, target, sizeof(target), MR_REMOTE_WRITE), __ATOMIC_RELAXED);
		assert_true(comes_true(__atomic_load_n(&written, __ATOMIC_RELAXED) != before));
		roce_mr_unbind(m);
		memset(target, n, sizeof(target));		/* it is ours alone */
		memset(own, n, sizeof(own));
		if (n % 16 == 0)
			sched_yield();
		assert_memory_equal(target, own, sizeof(own));
	}
	__atomic_store_n(&writers_off, true, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(id[i], NULL);
	for (unsigned i = 0; i < REGIONS; i++)
		roce_mr_destroy(mr[i]);
}

/* --- shared receive queues ------------------------------------------------------------------------------------------- */

#define TAKERS		3		/* queue pairs to which messages come */
#define POSTED		32		/* at a time */
#define LIMIT		8
#define TIMES_LOW	300

static struct {
	struct roce_srq *srq;
	u64 ids, taken;			/* [a] added up; how many */
	unsigned low;			/* [a] times the limit was told */
	bool off;			/* [a] */
	bool gone;			/* [a] it is nobody's any more */
} shared;

static void runs_low(struct roce_srq *srq, void *arg)
{
	assert_ptr_equal(arg, &shared);
	sched_yield();
	assert_false(__atomic_load_n(&shared.gone, __ATOMIC_ACQUIRE));
	__atomic_fetch_add(&shared.low, 1, __ATOMIC_RELEASE);
}

static void *takes(void *arg)
{
	struct rq_wqe w;

	while (!__atomic_load_n(&shared.off, __ATOMIC_ACQUIRE)) {
		if (!srq_take(shared.srq, &w)) {
			sched_yield();
			continue;
		}
		__atomic_fetch_add(&shared.ids, w.wr_id, __ATOMIC_RELAXED);
		__atomic_fetch_add(&shared.taken, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* Each receive is one message's, and who posts them hears each time that they run low: nothing is posted before, so no later one makes up for it. */
static void receives_run_low(void **state)
{
	pthread_t id[TAKERS];
	u64 posted = 0;

	memset(&shared, 0, sizeof(shared));
	shared.srq = roce_dev_srq_create(dev, 2 * POSTED, runs_low, &shared);
	assert_non_null(shared.srq);
	for (unsigned i = 0; i < TAKERS; i++)
		assert_int_equal(pthread_create(&id[i], NULL, takes, NULL), 0);
	for (unsigned n = 1; n <= TIMES_LOW; n++) {
		for (unsigned i = 0; i < POSTED; i++)
			assert_int_equal(roce_post_srq_recv(shared.srq, &(struct roce_recv_wr){ .wr_id = ++posted }), 0);
		roce_srq_arm(shared.srq, LIMIT);
		assert_true(comes_true(__atomic_load_n(&shared.low, __ATOMIC_ACQUIRE) == n));
	}
	assert_true(comes_true(__atomic_load_n(&shared.taken, __ATOMIC_ACQUIRE) == posted));
	assert_int_equal(shared.low, TIMES_LOW);		/* once for each time that it was armed */
	assert_int_equal(shared.ids, posted * (posted + 1) / 2);
	__atomic_store_n(&shared.off, true, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < TAKERS; i++)
		pthread_join(id[i], NULL);
	roce_srq_destroy(shared.srq);
}

/* Who destroys a queue waits for a call of its limit that is under way; none comes later. */
static void destroyed_as_it_runs_low(void **state)
{
	unsigned told = 0;

	memset(&shared, 0, sizeof(shared));
	for (unsigned n = 0; n < TIMES_LOW; n++) {
		unsigned before = __atomic_load_n(&shared.low, __ATOMIC_ACQUIRE);
		struct rq_wqe w;

		shared.srq = roce_dev_srq_create(dev, 1, runs_low, &shared);
		assert_non_null(shared.srq);
		__atomic_store_n(&shared.gone, false, __ATOMIC_RELEASE);
		roce_srq_arm(shared.srq, 1);
		assert_false(srq_take(shared.srq, &w));
		for (unsigned i = 0; i < n % 8; i++)
			sched_yield();
		roce_srq_destroy(shared.srq);
		__atomic_store_n(&shared.gone, true, __ATOMIC_RELEASE);
		told += __atomic_load_n(&shared.low, __ATOMIC_ACQUIRE) - before;
	}
	print_message("destroyed %u times as it ran low, of which %u were told\n", TIMES_LOW, told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(handler_is_called, port_up, port_down),
		cmocka_unit_test_setup_teardown(armed_and_polled, port_up, port_down),
		cmocka_unit_test_setup_teardown(armed_for_solicited, port_up, port_down),
		cmocka_unit_test_setup_teardown(moderated_by_number_and_age, port_up, port_down),
		cmocka_unit_test_setup_teardown(frames_come_back, port_up, port_down),
		cmocka_unit_test_setup_teardown(nobody_writes_after_unbind, port_up, port_down),
		cmocka_unit_test_setup_teardown(receives_run_low, port_up, port_down),
		cmocka_unit_test_setup_teardown(destroyed_as_it_runs_low, port_up, port_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
