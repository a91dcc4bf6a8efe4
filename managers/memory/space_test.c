/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/memory/ops.c managers/memory/node_ops.c managers/memory/space.c managers/memory/change.c managers/memory/map_ops.c managers/memory/fork.c managers/memory/fill.c managers/memory/flush.c managers/memory/place.c managers/memory/page.c managers/memory/page_tree.c managers/memory/commit.c managers/memory/elf.c managers/memory/exec.c managers/memory/object.c managers/memory/cache.c managers/memory/writeback.c managers/memory/file_ops.c */
/*
 * Address spaces on M against plain memory. A processor node is played by the rules of the design: lines with owners, a victim
 * cache, flushes that name all owners, changes that are told without waiting. The network delivers in any order.
 * lesson: L3, lesson: L5, lesson: L28, lesson: L31, lesson: L40, lesson: L42
 */
#include "managers/memory/test_fit.h"

#define NP 4			/* processes at a time */
#define NV 10			/* pages of each */
#define MAX_LINES 64

struct process {
	bool alive;
	u64 id, change, base;		/* base: page number of page 0 */
	bool mapped[NV], private[NV];	/* private: this space's own copy exists somewhere */
	u64 oracle[NV];
};
static struct process proc[NP];

enum { FREE, LINE, HELD, FLUSHING };
static struct line {
	int state, page;
	unsigned owners;		/* bit per process */
	u64 val;
	bool dirty;
	struct fake *flight;
} lines[MAX_LINES];

static struct fake *net[256];		/* sent, not yet arrived */
static unsigned nr_net;
static u64 next_val;

/* --- the network --- */

static void net_send(struct fake *f)
{
	assert_true(nr_net < ARRAY_SIZE(net));
	net[nr_net++] = f;
}

static void net_deliver_one(void)
{
	unsigned i = random() % nr_net;
	struct fake *f = net[i];

	net[i] = net[--nr_net];
	fake_deliver(f);
}

static void poll_flights(void)
{
	for (int i = 0; i < MAX_LINES; i++) {
		struct fake *f = lines[i].flight;
		struct rpc_memory_flush_rep *r;

		if (lines[i].state != FLUSHING || !load_acquire(&f->replied))
			continue;
		r = (void *)f->rep;
		assert_int_equal(f->status, 0);
		assert_int_equal(le64_get(r->failed), 0);
		for (int k = i; k < MAX_LINES; k++)
			if (lines[k].state == FLUSHING && lines[k].flight == f)
				lines[k].state = FREE;
		fake_done(f);
	}
}

static struct fake *changes[512];	/* told, nobody waits for them */
static unsigned nr_changes;
static void poll_changes(void)
{
	for (unsigned i = 0; i < nr_changes;) {
		struct fake *f = changes[i];

		if (!load_acquire(&f->replied)) {
			i++;
			continue;
		}
		assert_int_equal(f->status, 0);
		fake_done(f);
		changes[i] = changes[--nr_changes];
	}
}

static void wait_for(struct fake *f)
{
	while (!load_acquire(&f->replied)) {
		if (nr_net > 0)
			net_deliver_one();
		else
			usleep(10);
	}
}

static bool flushing(int p)
{
	poll_flights();
	for (int i = 0; i < MAX_LINES; i++)
		if (lines[i].state == FLUSHING && (lines[i].owners & 1u << p))
			return true;
	return false;
}
static void wait_flushes(int p)
{
	while (flushing(p)) {
		if (nr_net > 0)
			net_deliver_one();
		else
			usleep(10);
	}
}

/* --- lines --- */

static struct line *line_of(int p, int v)
{
	for (int i = 0; i < MAX_LINES; i++)
		if (lines[i].state != FREE && lines[i].page == v && (lines[i].owners & 1u << p))
			return &lines[i];
	return NULL;
}

static void flush_some(void);

static struct line *line_new(int p, int v, u64 val, bool dirty)
{
	for (;;) {
		for (int i = 0; i < MAX_LINES; i++) {
			if (lines[i].state == FREE) {
				lines[i] = (struct line){ LINE, v, 1u << p, val, dirty, NULL };
				return &lines[i];
			}
		}
		flush_some();
		if (nr_net > 0)
			net_deliver_one();
		poll_flights();
	}
}

static void disown(int p, int v)
{
	struct line *l = line_of(p, v);

	if (l != NULL) {
		assert_int_not_equal(l->state, FLUSHING);
		l->owners &= ~(1u << p);
		if (l->owners == 0)
			l->state = FREE;
	}
}

static void flush_some(void)
{
	u8 bulk[8192 + FLUSH_MAX_PAGES * PAGE_SIZE];
	struct rpc_memory_flush_req q = { 0 };
	struct line *took[FLUSH_MAX_PAGES];
	unsigned nr = 0, want = 1 + random() % FLUSH_MAX_PAGES;
	u32 at = 0;
	struct fake *f;

	for (int k = 0; k < MAX_LINES && nr < want; k++) {
		struct line *l = &lines[random() % MAX_LINES];
		struct wire_flush_page h = { 0 };
		unsigned owners = 0;

		if (l->state != HELD)
			continue;
		l->state = FLUSHING;
		took[nr++] = l;
		for (int p = 0; p < NP; p++)
			owners += (l->owners >> p) & 1;
		h.nr_owners = le16_of(owners);
		memcpy(bulk + at, &h, sizeof(h));
		at += sizeof(h);
		for (int p = 0; p < NP; p++) {
			struct wire_owner o = { le64_of(proc[p].id), le64_of(proc[p].base + l->page), le64_of(proc[p].change) };

			if (!(l->owners & 1u << p))
				continue;
			memcpy(bulk + at, &o, sizeof(o));
			at += sizeof(o);
		}
	}
	if (nr == 0)
		return;
	q.nr_pages = le16_of(nr);
	q.meta_len = le32_of(at);
	for (unsigned i = 0; i < nr; i++)
		for (unsigned k = 0; k < PAGE_SIZE / 8; k++)
			memcpy(bulk + at + i * PAGE_SIZE + k * 8, &took[i]->val, 8);
	f = fake_call(P_NODE, RPC_memory_flush, &q, sizeof(q), bulk, at + nr * PAGE_SIZE);
	for (unsigned i = 0; i < nr; i++)
		took[i]->flight = f;
	net_send(f);
}

static void evict(void)
{
	struct line *l = &lines[random() % MAX_LINES];

	if (l->state == LINE)
		l->state = l->dirty ? HELD : FREE;
}

/* What M says the page holds. */
static u64 fill(int p, int v)
{
	struct rpc_memory_fill_req q = { le64_of(proc[p].id), le64_of(proc[p].base + v), le64_of(proc[p].change) };
	struct fake *f = fake_call(P_NODE, RPC_memory_fill, &q, sizeof(q), NULL, 0);
	u64 val = 0;

	net_send(f);
	wait_for(f);
	assert_true(f->status == FILL_DATA || f->status == FILL_ZERO);
	if (f->status == FILL_DATA) {
		assert_int_equal(f->data_len, PAGE_SIZE);
		memcpy(&val, f->data, 8);
		for (unsigned k = 0; k < PAGE_SIZE / 8; k++)
			assert_memory_equal((u8 *)f->data + 8 * k, &val, 8);
	}
	/* acknowledged some time later: other things go on meanwhile */
	if (nr_net > 0 && random() % 2)
		net_deliver_one();
	fake_done(f);
	return val;
}

/* A fault: the page's line. */
static struct line *fault(int p, int v)
{
	struct line *l = line_of(p, v);
	u64 val;

	while (l != NULL && l->state == FLUSHING) {
		wait_flushes(p);
		l = line_of(p, v);
	}
	if (l != NULL) {
		l->state = LINE;
		return l;
	}
	if (!proc[p].private[v] && random() % 2) {
		proc[p].private[v] = true;
		return line_new(p, v, 0, true);
	}
	val = fill(p, v);
	assert_int_equal(val, proc[p].oracle[v]);
	l = line_new(p, v, val, !proc[p].private[v]);
	proc[p].private[v] = true;
	return l;
}

static void do_read(int p, int v)
{
	assert_int_equal(fault(p, v)->val, proc[p].oracle[v]);
}

static void do_write(int p, int v)
{
	struct line *l = fault(p, v);

	assert_int_equal(l->val, proc[p].oracle[v]);
	if (l->owners != 1u << p) {
		l->owners &= ~(1u << p);
		l = line_new(p, v, l->val, true);
	}
	l->val = proc[p].oracle[v] = ++next_val;
	l->dirty = true;
}

/* --- changes --- */

static void tell(int op, const void *q, u32 size)
{
	struct fake *f = fake_call(P_NODE, op, q, size, NULL, 0);

	while (nr_changes == ARRAY_SIZE(changes) || nr_net > 200) {
		if (nr_net > 0)
			net_deliver_one();
		poll_changes();
	}
	net_send(f);
	changes[nr_changes++] = f;
}

static void map(int p, int a, int n)
{
	struct rpc_memory_map_req q = {
		.space = le64_of(proc[p].id), .change = le64_of(++proc[p].change), .start = le64_of((proc[p].base + a) << 12),
		.len = le64_of((u64)n << 12), .index = le64_of(proc[p].base + a), .prot = le32_of(3), .flags = le32_of(VMA_ACCOUNTED),
	};

	tell(RPC_memory_map, &q, sizeof(q));
	for (int v = a; v < a + n; v++)
		proc[p].mapped[v] = true;
}

static void forget_range(int p, int a, int n, bool mapped)
{
	for (int v = a; v < a + n; v++) {
		disown(p, v);
		proc[p].mapped[v] = mapped;
		proc[p].private[v] = false;
		proc[p].oracle[v] = 0;
	}
}

static void unmap_or_zap(int p, int a, int n, bool zap)
{
	struct rpc_memory_changes_req q;

	for (int v = a; zap && v < a + n; v++)
		if (!proc[p].mapped[v])
			return;
	wait_flushes(p);
	forget_range(p, a, n, zap);
	q = one_change(proc[p].id, ++proc[p].change, zap ? WIRE_CHANGE_ZAP : WIRE_CHANGE_UNMAP, (proc[p].base + a) << 12,
		       (u64)n << 12, 0);
	tell(RPC_memory_changes, &q, sizeof(q));
}

static void protect(int p, int a, int n)
{
	struct rpc_memory_changes_req q;

	for (int v = a; v < a + n; v++)
		if (!proc[p].mapped[v])
			return;
	q = one_change(proc[p].id, ++proc[p].change, WIRE_CHANGE_PROTECT, (proc[p].base + a) << 12, (u64)n << 12, random() % 4);
	if (random() % 2) {		/* two in one message */
		q.nr = le32_of(2);
		q.list.of[1] = q.list.of[0];
		q.list.of[1].prot = le16_of(random() % 4);
		proc[p].change++;
	}
	tell(RPC_memory_changes, &q, sizeof(q));
}

static void remap(int p)
{
	u64 to = 0x1000 + (random() % 64) * 0x400;
	struct rpc_memory_remap_req q;

	if (to == proc[p].base)
		return;
	/* one vma at a time: make it one */
	wait_flushes(p);
	for (int v = 0; v < NV; v++)
		if (!proc[p].mapped[v])
			map(p, v, 1);
	{
		struct rpc_memory_changes_req pq =
			one_change(proc[p].id, ++proc[p].change, WIRE_CHANGE_PROTECT, proc[p].base << 12, (u64)NV << 12, 3);

		tell(RPC_memory_changes, &pq, sizeof(pq));
	}
	/* neighbours born at different places do not merge: move them one by one */
	for (int v = 0; v < NV; v++) {
		q = (struct rpc_memory_remap_req){
			.space = le64_of(proc[p].id), .change = le64_of(++proc[p].change), .start = le64_of((proc[p].base + v) << 12),
			.len = le64_of(PAGE_SIZE), .new_start = le64_of((to + v) << 12), .new_len = le64_of(PAGE_SIZE),
		};
		tell(RPC_memory_remap, &q, sizeof(q));
	}
	proc[p].base = to;
}

static void do_fork(int p)
{
	struct rpc_memory_fork_req q = { le64_of(proc[p].id) };
	struct rpc_memory_fork_rep r;
	struct fake *f;
	int c = 0;

	while (c < NP && proc[c].alive)
		c++;
	if (c == NP)
		return;
	wait_flushes(p);
	q.change = le64_of(++proc[p].change);
	f = fake_call(P_NODE, RPC_memory_fork, &q, sizeof(q), NULL, 0);
	net_send(f);
	wait_for(f);
	assert_int_equal(f->status, 0);
	memcpy(&r, f->rep, sizeof(r));
	fake_done(f);
	proc[c] = proc[p];
	proc[c].id = le64_get(r.child);
	proc[c].change = 0;
	for (int i = 0; i < MAX_LINES; i++)
		if (lines[i].state != FREE && (lines[i].owners & 1u << p))
			lines[i].owners |= 1u << c;
}

static void do_exit(int p)
{
	struct rpc_memory_space_exit_req q = { le64_of(proc[p].id) };

	wait_flushes(p);
	forget_range(p, 0, NV, false);
	q.change = le64_of(++proc[p].change);
	tell(RPC_memory_space_exit, &q, sizeof(q));
	proc[p].alive = false;
}

static void start(int p)
{
	struct rpc_memory_space_create_rep r;

	proc[p] = (struct process){ .alive = true, .base = 0x1000 };
	assert_int_equal(CALL(memory_space_create, &r), 0);
	proc[p].id = le64_get(r.space);
	map(p, 0, NV);
}

static void settle(void)
{
	while (nr_net > 0)
		net_deliver_one();
	for (int i = 0; i < 10000 && nr_changes > 0; i++) {
		poll_changes();
		usleep(10);
	}
	poll_flights();
	assert_int_equal(nr_changes, 0);
}

static void any_order(void **state)
{
	for (int round = 0; round < 40; round++) {
		srandom(round);
		start(0);
		for (int step = 0; step < 3000; step++) {
			int p = random() % NP, v = random() % NV, n = 1 + random() % (NV - v);

			poll_flights();
			poll_changes();
			if (nr_net > 0 && random() % 3 == 0)
				net_deliver_one();
			if (!proc[p].alive)
				continue;
			switch (random() % 32) {
			case 0: unmap_or_zap(p, v, n, false); break;
			case 1: unmap_or_zap(p, v, n, true); break;
			case 2: protect(p, v, n); break;
			case 3: if (random() % 4 == 0) remap(p); break;
			case 4: do_fork(p); break;
			case 5: if (random() % 3 == 0) do_exit(p); break;
			case 6: case 7: case 8: case 9: evict(); break;
			case 10: case 11: flush_some(); break;
			case 12: case 13: case 14: case 15: case 16: case 17: case 18:
				if (proc[p].mapped[v])
					do_write(p, v);
				else if (random() % 2)
					map(p, v, 1);
				break;
			default:
				if (proc[p].mapped[v])
					do_read(p, v);
			}
			if (!proc[0].alive && !proc[1].alive && !proc[2].alive && !proc[3].alive)
				start(random() % NP);
		}
		for (int p = 0; p < NP; p++)
			if (proc[p].alive)
				do_exit(p);
		settle();
		for (int i = 0; i < MAX_LINES; i++)
			assert_int_equal(lines[i].state, FREE);
		memory_check_empty();
	}
}

/* --- one by one --- */

static u64 new_space(void)
{
	struct rpc_memory_space_create_rep r;

	assert_int_equal(CALL(memory_space_create, &r), 0);
	return le64_get(r.space);
}

#define LE(x) le64_of(x)
static int map_at(u64 id, u64 change, u64 start, u64 len, u32 flags)
{
	return CALL(memory_map, NULL, .space = LE(id), .change = LE(change), .start = LE(start), .len = LE(len),
		    .index = LE(start >> 12), .prot = le32_of(3), .flags = le32_of(flags));
}

static void parked_calls_end_with_their_space(void **state)
{
	u64 id = new_space();
	struct rpc_memory_fill_req q = { LE(id), LE(0x10), LE(5) };
	struct fake *fill1 = fake_call(P_NODE, RPC_memory_fill, &q, sizeof(q), NULL, 0);
	struct fake *fill2 = fake_call(P_NODE, RPC_memory_fill, &q, sizeof(q), NULL, 0);
	struct rpc_memory_changes_req u = one_change(id, 3, WIRE_CHANGE_UNMAP, 0x10000, 0x1000, 0);
	struct fake *unmap = fake_call(P_NODE, RPC_memory_changes, &u, sizeof(u), NULL, 0);
	u64 id2;

	fake_deliver(fill1);
	assert_int_equal(map_at(id, 1, 0x10000, 0x1000, 0), 0);
	assert_false(fill1->replied);
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(2)), 0);
	assert_true(fill1->replied);
	assert_int_equal(fill1->status, -ESRCH);
	fake_done(fill1);
	fake_deliver(fill2);		/* late: the space is gone */
	assert_int_equal(fill2->status, -ESRCH);
	fake_done(fill2);

	id2 = new_space();
	u.space = LE(id2);
	memcpy(unmap->req, &u, sizeof(u));
	fake_deliver(unmap);
	assert_false(unmap->replied);
	memory_node_changed(P_NODE, ROLE_PROCESSOR, false);
	assert_true(unmap->replied);
	assert_int_equal(unmap->status, -EHOSTDOWN);
	fake_done(unmap);
	memory_check_empty();
}

static void flush_one(u64 id, u64 index, u64 change, u8 byte)
{
	static u8 bulk[64 + PAGE_SIZE];
	struct wire_flush_page h = { le16_of(1) };
	struct wire_owner o = { LE(id), LE(index), LE(change) };
	struct rpc_memory_flush_req q = { le16_of(1), le16_of(0), le32_of(sizeof(h) + sizeof(o)) };
	struct rpc_memory_flush_rep r;

	memcpy(bulk, &h, sizeof(h));
	memcpy(bulk + sizeof(h), &o, sizeof(o));
	memset(bulk + sizeof(h) + sizeof(o), byte, PAGE_SIZE);
	assert_int_equal(fake_now(P_NODE, RPC_memory_flush, &q, sizeof(q), bulk, sizeof(h) + sizeof(o) + PAGE_SIZE, &r, sizeof(r), NULL, NULL), 0);
	assert_int_equal(le64_get(r.failed), 0);
}

/* Pages of a space in one message: its own, zeros where it has none yet, nothing where nothing is mapped; and it waits for its change. */
static void pages_ahead_of_a_space(void **state)
{
	u64 id = new_space();
	struct rpc_memory_fill_ahead_req q = { LE(id), LE(1), { { LE(0x11), LE(0x99), LE(0x10), LE(0x99) } }, le32_of(4) };
	struct fake *f = fake_call(P_NODE, RPC_memory_fill_ahead, &q, sizeof(q), NULL, 0);
	u8 zeros[PAGE_SIZE] = { 0 };

	fake_deliver(f);
	assert_false(f->replied);
	assert_int_equal(map_at(id, 1, 0x10000, 0x2000, 0), 0);
	assert_true(f->replied);			/* nothing private: zeros, and what lies between is not said to have come */
	assert_int_equal(f->status, 1 | 4);
	assert_int_equal(f->nr_pages, 3);
	assert_memory_equal(f->copy, zeros, PAGE_SIZE);
	assert_memory_equal(f->copy + 2 * PAGE_SIZE, zeros, PAGE_SIZE);
	fake_done(f);

	flush_one(id, 0x11, 1, 0x5a);
	f = fake_call(P_NODE, RPC_memory_fill_ahead, &q, sizeof(q), NULL, 0);
	fake_deliver(f);
	assert_int_equal(f->status, 1 | 4);
	assert_int_equal(f->copy[0], 0x5a);
	assert_int_equal(f->copy[4095], 0x5a);
	assert_memory_equal(f->copy + 2 * PAGE_SIZE, zeros, PAGE_SIZE);
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(2)), 0);
	fake_done(f);					/* it is still being sent when its space ends */
	q.space = LE(id + 1);
	f = fake_call(P_NODE, RPC_memory_fill_ahead, &q, sizeof(q), NULL, 0);
	fake_deliver(f);
	assert_int_equal(f->status, -ESRCH);
	fake_done(f);
	memory_check_empty();
}

/* Without memory for what would lie between, what comes behind it does not come, and is not kept either. */
static void no_memory_for_the_gap(void **state)
{
	static const struct { u64 index[3]; int status; } t[] = {
		{ { 0x99, 0x10, 0x11 }, 0 }, { { 0x10, 0x99, 0x11 }, 1 }, { { 0x10, 0x11, 0x99 }, 3 },
	};
	u64 id = new_space();

	assert_int_equal(map_at(id, 1, 0x10000, 0x2000, 0), 0);
	flush_one(id, 0x10, 1, 0x10);
	flush_one(id, 0x11, 1, 0x11);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		const u64 *at = t[i].index;
		struct rpc_memory_fill_ahead_req q = { LE(id), LE(1), { { LE(at[0]), LE(at[1]), LE(at[2]) } }, le32_of(3) };
		struct fake *f = fake_call(P_NODE, RPC_memory_fill_ahead, &q, sizeof(q), NULL, 0);

		shim_fail_alloc(1);
		fake_deliver(f);
		shim_fail_alloc(0);
		assert_int_equal(f->status, t[i].status);
		for (unsigned k = 0; k < 3; k++)
			if (t[i].status >> k & 1)
				assert_int_equal(f->copy[k * PAGE_SIZE], at[k]);
		fake_done(f);
	}
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(2)), 0);
	memory_check_empty();
}

/* A page of zeros for which there is no memory does not come, and is not counted as one that did. */
static void no_memory_for_zeros(void **state)
{
	u64 id = new_space(), zeros, missing;
	struct rpc_memory_fill_ahead_req q = { LE(id), LE(1), { { LE(0x10), LE(0x11) } }, le32_of(2) };
	struct fake *f;

	assert_int_equal(map_at(id, 1, 0x10000, 0x2000, 0), 0);
	zeros = counter_read(&nr_memory_fill_zero);
	missing = counter_read(&nr_memory_fill_not_at_hand);
	f = fake_call(P_NODE, RPC_memory_fill_ahead, &q, sizeof(q), NULL, 0);
	shim_fail_alloc(2);
	fake_deliver(f);
	shim_fail_alloc(0);
	assert_int_equal(f->status, 1);
	assert_int_equal(counter_read(&nr_memory_fill_zero), zeros + 1);
	assert_int_equal(counter_read(&nr_memory_fill_not_at_hand), missing + 1);
	fake_done(f);
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(2)), 0);
	memory_check_empty();
}

/* Without any memory left a call is parked all the same: a change that was refused would hold up all after it. */
static void parking_needs_no_memory(void **state)
{
	enum { NR = 200 };
	static struct fake *map[NR];
	u64 id = new_space();

	for (unsigned i = 0; i < NR; i++) {
		struct rpc_memory_map_req q = {
			.space = LE(id), .change = LE(NR - i), .start = LE(0x100000 + 0x2000 * i), .len = LE(0x1000),
			.index = LE(0x100 + 2 * i), .prot = le32_of(3),
		};

		map[i] = fake_call(P_NODE, RPC_memory_map, &q, sizeof(q), NULL, 0);
	}
	for (unsigned i = 0; i < NR - 1; i++) {		/* the last change first */
		shim_fail_alloc(1);
		fake_deliver(map[i]);
		shim_fail_alloc(0);
		assert_false(map[i]->replied);
	}
	fake_deliver(map[NR - 1]);
	for (unsigned i = 0; i < NR; i++) {
		assert_true(map[i]->replied);
		assert_int_equal(map[i]->status, 0);
		fake_done(map[i]);
	}
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(NR + 1)), 0);
	memory_check_empty();
}

static void add_change(struct rpc_memory_changes_req *q, u16 what, u64 start, u64 len, u16 prot)
{
	u32 nr = le32_get(q->nr);

	q->list.of[nr] = one_change(0, 0, what, start, len, prot).list.of[0];
	q->nr = le32_of(nr + 1);
}

/* Several in one message take so many numbers, whatever becomes of each; what waits for one of them waits for all. */
static void changes_travel_together(void **state)
{
	u64 id = new_space();
	struct rpc_memory_fill_req f = { LE(id), LE(0x12), LE(4) };
	struct fake *fill = fake_call(P_NODE, RPC_memory_fill, &f, sizeof(f), NULL, 0);
	struct rpc_memory_changes_req q = one_change(id, 1, WIRE_CHANGE_MAP, 0x10000, 0x4000, 3), none = q;

	fake_deliver(fill);
	assert_false(fill->replied);
	add_change(&q, WIRE_CHANGE_PROTECT, 0x10000, 0x1000, 1);
	add_change(&q, WIRE_CHANGE_NONE, 0, 0, 0);
	add_change(&q, WIRE_CHANGE_UNMAP, 0x11000, 0x1000, 0);
	assert_int_equal(spaces_vmas(), 0);
	assert_int_equal(changes_now(&q), 0);
	assert_int_equal(spaces_vmas(), 2);
	assert_true(fill->replied);
	assert_int_equal(fill->status, FILL_ZERO);
	fake_done(fill);
	assert_int_equal(changes_now(&q), -EINVAL);		/* used, all of them */
	q = one_change(id, 4, WIRE_CHANGE_MAP, 0x20000, 0x1000, 3);
	assert_int_equal(changes_now(&q), -EINVAL);

	q = one_change(id, 5, WIRE_CHANGE_MAP, 0x10000, 0x1000, 3);	/* not free; those behind it are applied all the same */
	add_change(&q, WIRE_CHANGE_UNMAP, 0x10000, 0x1000, 0);
	assert_int_equal(changes_now(&q), -EEXIST);
	assert_int_equal(spaces_vmas(), 1);
	none.nr = le32_of(0);
	none.change = LE(7);
	assert_int_equal(changes_now(&none), -EINVAL);		/* no change, no number */
	none.nr = le32_of(WIRE_CHANGES + 1);
	assert_int_equal(changes_now(&none), -EINVAL);
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(7)), 0);
	memory_check_empty();
}

/* What no map can have in it, behind a change that is sound: neither happens, both numbers are used, and who waits for them goes on. */
static void changes_are_decoded_first(void **state)
{
	static const struct { u16 what, prot; u64 start, len, index; u32 flags; } bad[] = {
		{ 77, 0, 0x10000, 0x1000, 0, 0 },
		{ WIRE_CHANGE_MAP, 8, 0x30000, 0x1000, 0, 0 },
		{ WIRE_CHANGE_MAP, 3, 0x30000, 0x1001, 0, 0 },
		{ WIRE_CHANGE_MAP, 3, 0x30000, 0x1000, 0, VMA_SHARED },
		{ WIRE_CHANGE_MAP, 3, 0x30000, 0x1000, 0, 1U << 31 },
		{ WIRE_CHANGE_MAP, 3, 0x30000, 0x1000, PAGE_TREE_MAX + 1, 0 },
		{ WIRE_CHANGE_UNMAP, 0, 0x30000, 0, 0, 0 },
		{ WIRE_CHANGE_UNMAP, 0, 0x30000, ~0ULL << 12, 0, 0 },
		{ WIRE_CHANGE_PROTECT, 8, 0x10000, 0x1000, 0, 0 },
		{ WIRE_CHANGE_PROTECT, 1, 0x10001, 0x1000, 0, 0 },
		{ WIRE_CHANGE_CHARGE, 0, USER_END, 0x1000, 0, 0 },
		{ WIRE_CHANGE_ZAP, 0, 0x10001, 0x1000, 0, 0 },
	};
	u64 id = new_space(), change = 1;

	assert_int_equal(map_at(id, change, 0x10000, 0x2000, VMA_ACCOUNTED), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct rpc_memory_changes_req q = one_change(id, change + 1, WIRE_CHANGE_UNMAP, 0x10000, 0x1000, 0);
		struct rpc_memory_fill_req f = { LE(id), LE(0x10), LE(change + 2) };
		struct fake *fill = fake_call(P_NODE, RPC_memory_fill, &f, sizeof(f), NULL, 0);

		add_change(&q, bad[i].what, bad[i].start, bad[i].len, bad[i].prot);
		q.list.of[1].index = LE(bad[i].index);
		q.list.of[1].flags = le32_of(bad[i].flags);
		fake_deliver(fill);
		assert_false(fill->replied);
		assert_int_equal(changes_now(&q), -EINVAL);
		assert_int_equal(commit_total(), 2);
		assert_true(fill->replied);
		assert_int_equal(fill->status, FILL_ZERO);
		fake_done(fill);
		change += 2;
	}
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(change + 1)), 0);
	memory_check_empty();
}

static void refused_changes_use_their_number(void **state)
{
	u64 id = new_space(), big = commit_limit() << 12;
	struct rpc_memory_changes_req unmap = one_change(id, 8, WIRE_CHANGE_UNMAP, 0x100000, big, 0);

	assert_int_equal(map_at(id, 1, 0x10001, 0x1000, 0), -EINVAL);
	assert_int_equal(map_at(id, 2, 0x10000, 0x1000, 0), 0);
	assert_int_equal(map_at(id, 3, 0x10000, 0x1000, 0), -EEXIST);
	assert_int_equal(map_at(id, 4, 0x100000, big + PAGE_SIZE, VMA_ACCOUNTED), -ENOMEM);
	assert_int_equal(map_at(id, 5, 0x100000, big, VMA_ACCOUNTED), 0);
	assert_int_equal(map_at(id, 5, 0x20000, 0x1000, 0), -EINVAL);		/* used */
	assert_int_equal(map_at(id, 6, 0x20000, 0x1000, VMA_ACCOUNTED), -ENOMEM);
	assert_int_equal(CALL(memory_fork, NULL, LE(id), LE(7)), -ENOMEM);	/* honest: not twice */
	assert_int_equal(changes_now(&unmap), 0);
	assert_int_equal(CALL(memory_fork, NULL, LE(id), LE(9)), 0);
	assert_int_equal(map_at(id + 1, 1, 0x30000, 0x1000, 0), 0);		/* the child */
	assert_int_equal(map_at(id, 10, 0, 0x1000, VMA_SHARED), -EINVAL);	/* shared memory is an object */
	assert_int_equal(map_at(id, 11, USER_END, 0x1000, 0), -EINVAL);
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(12)), 0);
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id + 1), LE(2)), 0);
	assert_int_equal(map_at(id, 13, 0x10000, 0x1000, 0), -ESRCH);
	memory_check_empty();
}

static void reservation(void **state)
{
	struct rpc_memory_commit_rep r;
	u64 id = new_space();

	assert_int_equal(CALL(memory_commit, &r, LE(1000)), 0);
	assert_int_equal((s64)le64_get(r.moved), 1000);
	assert_int_equal(map_at(id, 1, 0x10000, 600 << 12, VMA_ACCOUNTED), 0);
	assert_int_equal(commit_total(), 1000);		/* charged to what was reserved */
	assert_int_equal(CALL(memory_commit, &r, LE(0 - 700ULL)), 0);
	assert_int_equal((s64)le64_get(r.moved), -400);	/* not below what is charged, and the caller learns that */
	assert_int_equal(CALL(memory_commit, &r, LE(commit_limit())), -ENOMEM);
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(2)), 0);
	memory_check_empty();
}

/* What may not be written, and will be all the same, is charged once, and keeps its rights. */
static void charged_against_its_rights(void **state)
{
	u64 id = new_space();
	struct rpc_memory_changes_req q = one_change(id, 1, WIRE_CHANGE_MAP, 0x10000, 0x4000, PROT_READ);

	add_change(&q, WIRE_CHANGE_CHARGE, 0x11000, 0x1000, 0);
	add_change(&q, WIRE_CHANGE_CHARGE, 0x11000, 0x1000, 0);
	assert_int_equal(changes_now(&q), 0);
	assert_int_equal(commit_total(), 1);
	assert_int_equal(spaces_vmas(), 3);
	q = one_change(id, 4, WIRE_CHANGE_CHARGE, 0x14000, 0x1000, 0);
	assert_int_equal(changes_now(&q), -ENOMEM);		/* not mapped */
	assert_int_equal(commit_total(), 1);
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(5)), 0);
	memory_check_empty();
}

/*
 * A processor node that outlives M may still have spaces and objects of M's last boot, or of another M: none of the next has such an id,
 * whatever the clock says; it stands still here.
 */
u64 time_wall_ns(void) { return 1700000000 * NSEC_PER_SEC; }

static void ids_of_another_boot(void **state)
{
	u64 space[16], object[16];

	for (unsigned i = 0; i < ARRAY_SIZE(space); i++) {
		struct rpc_memory_shm_create_rep r;

		self = 2 + i / 4 % 2 * 40;		/* boots of two nodes, a few of each in turn */
		spaces_init();
		objects_init();
		space[i] = new_space();
		assert_int_equal(CALL(memory_shm_create, &r, LE(PAGE_SIZE)), 0);
		object[i] = le64_get(r.object);
		assert_false(wire_is_object(space[i]));
		assert_true(wire_is_object(object[i]));
		assert_int_equal(space[i] >> WIRE_ID_NODE_SHIFT, self);
		for (unsigned k = 0; k < i; k++) {
			assert_true(space[i] - space[k] + 4096 > 2 * 4096);
			assert_true(object[i] - object[k] + 4096 > 2 * 4096);
		}
		assert_int_equal(CALL(memory_space_exit, NULL, LE(space[i]), LE(1)), 0);
		assert_int_equal(CALL(memory_close, NULL, LE(object[i]), le32_of(1)), 0);
	}
	self = 2;
	memory_check_empty();
}

/* What a node has reserved may be charged there already, by changes that have not come yet: a fork does not live on it. */
static void a_fork_takes_nothing_of_the_reservation(void **state)
{
	struct rpc_memory_commit_rep r;
	struct rpc_memory_fork_rep fork;
	u64 id = new_space(), rest = commit_limit() - 10;

	assert_int_equal(CALL(memory_commit, &r, LE(commit_limit())), 0);
	assert_int_equal(map_at(id, 1, 0x100000, 10 << 12, VMA_ACCOUNTED), 0);
	assert_int_equal(CALL(memory_fork, &fork, LE(id), LE(2)), -ENOMEM);
	assert_int_equal(map_at(id, 3, 0x200000, rest << 12, VMA_ACCOUNTED), 0);	/* it was the node's own */
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(4)), 0);
	id = new_space();
	assert_int_equal(map_at(id, 1, 0x100000, 10 << 12, VMA_ACCOUNTED), 0);
	assert_int_equal(CALL(memory_commit, &r, LE(0 - rest)), 0);
	assert_int_equal(CALL(memory_fork, &fork, LE(id), LE(2)), 0);
	assert_int_equal(commit_total(), 20);
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(3)), 0);
	assert_int_equal(CALL(memory_space_exit, NULL, fork.child, LE(1)), 0);
	memory_check_empty();
}

/* A fork that was asked for in an earlier life of its node: nothing of it is charged to the one that is there now, nor kept for it. */
static void a_fork_that_nobody_wants(void **state)
{
	u64 id = new_space();
	struct rpc_memory_fork_req q = { LE(id), LE(2) };
	struct fake *f;

	memory_node_changed(P_NODE, ROLE_PROCESSOR, true);
	assert_int_equal(map_at(id, 1, 0x100000, 10 << 12, VMA_ACCOUNTED), 0);
	f = fake_call(P_NODE, RPC_memory_fork, &q, sizeof(q), NULL, 0);
	f->obsolete = true;
	fake_deliver(f);
	fake_done(f);
	assert_int_equal(spaces_live(), 1);
	assert_int_equal(commit_total(), 10);
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(3)), 0);
	memory_node_changed(P_NODE, ROLE_PROCESSOR, false);
	memory_check_empty();
}

/* --- a node that dies, and is there again, while its earlier life's call is under way --- */

static void *node_dies(void *arg)
{
	s64 moved;

	spaces_node_died(P_NODE);
	commit_forget(P_NODE);
	assert_int_equal(commit_reserve(P_NODE, 5, &moved), 0);
	return NULL;
}

static void dies_now(const struct spinlock *l)
{
	pthread_t t;

	if (l != &cache_lock)
		return;
	shim_on_unlock = NULL;
	pthread_create(&t, NULL, node_dies, NULL);	/* another thread: this one holds the lock */
	pthread_join(t, NULL);
}

/* The map is looked for, its node dies, then it is charged: not to the node that is there now. */
static void charged_when_dead(void **state)
{
	struct rpc_memory_shm_create_rep made;
	u64 id = new_space();

	memory_node_changed(P_NODE, ROLE_PROCESSOR, true);
	assert_int_equal(CALL(memory_shm_create, &made, .size = LE(0)), 0);
	shim_on_unlock = dies_now;
	assert_int_equal(CALL(memory_map, NULL, LE(id), LE(1), LE(0x10000), LE(0x3000), made.object, LE(0), le32_of(3),
			      le32_of(VMA_ACCOUNTED)), -ESRCH);
	assert_null(shim_on_unlock);
	assert_int_equal(commit_total(), 5);
	assert_int_equal(CALL(memory_close, NULL, .object = made.object, .count = le32_of(1)), 0);
	memory_node_changed(P_NODE, ROLE_PROCESSOR, false);
	memory_check_empty();
}

static const struct space *settled;
static void dies_while_settled(const struct spinlock *l)
{
	s64 moved;

	if (l != &settled->lock || settled->charged != 0)
		return;
	shim_on_unlock = NULL;
	commit_forget(P_NODE);
	assert_int_equal(commit_reserve(P_NODE, 7, &moved), 0);
}

/* What is charged no longer comes back when its node is there again: nothing of it stays reserved, and that one keeps what it has. */
static void settled_when_dead(void **state)
{
	for (unsigned how = 0; how < 2; how++) {
		u64 id = new_space();
		struct rpc_memory_changes_req unmap = one_change(id, 2, WIRE_CHANGE_UNMAP, 0x10000, 0xa000, 0);
		struct space *s = space_get(id, P_NODE);
		s64 moved;

		memory_node_changed(P_NODE, ROLE_PROCESSOR, true);
		assert_int_equal(map_at(id, 1, 0x10000, 0xa000, VMA_ACCOUNTED), 0);
		assert_int_equal(commit_total(), 10);
		settled = s;
		shim_on_unlock = dies_while_settled;
		assert_int_equal(how == 0 ? changes_now(&unmap) : CALL(memory_space_exit, NULL, LE(id), LE(2)), 0);
		assert_null(shim_on_unlock);
		space_put(s);
		assert_int_equal(commit_total(), 7);
		if (how == 0)
			assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(3)), 0);
		assert_int_equal(commit_reserve(P_NODE, -7, &moved), 0);
		assert_int_equal(commit_total(), 0);
		memory_node_changed(P_NODE, ROLE_PROCESSOR, false);
		memory_check_empty();
	}
}

/* A node that is back asks before this one's watchers have heard that it is: what it charged and gives back stays reserved for it. */
static void settled_before_it_is_known(void **state)
{
	struct rpc_memory_changes_req unmap;
	s64 moved;
	u64 id;

	memory_node_changed(P_NODE, ROLE_PROCESSOR, false);
	id = new_space();
	unmap = one_change(id, 2, WIRE_CHANGE_UNMAP, 0x10000, 0xa000, 0);
	assert_int_equal(map_at(id, 1, 0x10000, 0xa000, VMA_ACCOUNTED), 0);
	assert_int_equal(changes_now(&unmap), 0);
	assert_int_equal(commit_total(), 10);
	memory_node_changed(P_NODE, ROLE_PROCESSOR, true);
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(3)), 0);
	assert_int_equal(commit_reserve(P_NODE, -10, &moved), 0);
	memory_check_empty();
}

/* What was asked for in an earlier life is not reserved for the one that is there now. */
static void reserved_for_the_dead(void **state)
{
	struct rpc_memory_commit_req q = { LE(100) };
	struct fake *f = fake_call(P_NODE, RPC_memory_commit, &q, sizeof(q), NULL, 0);

	f->obsolete = true;
	fake_deliver(f);
	assert_int_equal(f->status, -EHOSTDOWN);
	fake_done(f);
	assert_int_equal(commit_total(), 0);
	memory_check_empty();
}

/* Requests that no honest caller sends: refused, nothing changed. */
static void bad_flushes(void **state)
{
	u64 id = new_space();
	static u8 bulk[64 + PAGE_SIZE * 2];
	struct wire_flush_page h = { le16_of(1) };
	struct wire_owner o = { LE(id), LE(0x10), LE(0) };
	struct rpc_memory_flush_req q = { le16_of(1), le16_of(0), le32_of(sizeof(h) + sizeof(o)) };
	struct rpc_memory_flush_rep r;
	u32 good = sizeof(h) + sizeof(o) + PAGE_SIZE;

#define FLUSH(len) fake_now(P_NODE, RPC_memory_flush, &q, sizeof(q), bulk, len, &r, sizeof(r), NULL, NULL)
#define LAY() (memcpy(bulk, &h, sizeof(h)), memcpy(bulk + sizeof(h), &o, sizeof(o)))
	LAY();
	assert_int_equal(FLUSH(good), 0);		/* not mapped: silently right */
	assert_int_equal(le64_get(r.failed), 0);
	assert_int_equal(FLUSH(good - 1), -EINVAL);
	assert_int_equal(FLUSH(good + PAGE_SIZE), -EINVAL);
	h.nr_owners = le16_of(0), LAY();
	assert_int_equal(FLUSH(good), -EINVAL);
	h.nr_owners = le16_of(2), LAY();
	assert_int_equal(FLUSH(good), -EINVAL);
	h.nr_owners = le16_of(1), o.index = LE(1ULL << 40), LAY();
	assert_int_equal(FLUSH(good), -EINVAL);
	o.index = LE(1), o.space = LE(id + 77), LAY();
	assert_int_equal(FLUSH(good), 0);
	assert_int_equal(le64_get(r.failed), 1);
	assert_int_equal(le32_get(r.error), ESRCH);
	o.space = LE(WIRE_OBJECT_FIRST + 12345), LAY();
	assert_int_equal(FLUSH(good), 0);
	assert_int_equal(le64_get(r.failed), 1);
	q.nr_pages = le16_of(9);
	assert_int_equal(FLUSH(good), -EINVAL);
	q.nr_pages = le16_of(1), q.meta_len = le32_of(0xfffffff8);
	assert_int_equal(FLUSH(good), -EINVAL);
	/* another node's space is none of ours */
	{
		struct rpc_memory_fill_req fq = { LE(id), LE(0x10), LE(0) };

		assert_int_equal(fake_now(9, RPC_memory_fill, &fq, sizeof(fq), NULL, 0, NULL, 0, NULL, NULL), -ESRCH);
	}
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(1)), 0);
	memory_check_empty();
}

/* lesson: L42: many processes come and go; nothing stays */
static void many_processes(void **state)
{
	u64 first = new_space(), change = 1;

	assert_int_equal(map_at(first, change, 0x10000, 0x100000, VMA_ACCOUNTED), 0);
	for (int i = 0; i < 10000; i++) {
		struct rpc_memory_fork_rep r;

		assert_int_equal(CALL(memory_fork, &r, LE(first), LE(++change)), 0);
		assert_int_equal(CALL(memory_space_exit, NULL, r.child, LE(1)), 0);
		memory_give_back();		/* as a node does with what it has reserved and does not use */
	}
	assert_int_equal(spaces_live(), 1);
	assert_int_equal(CALL(memory_space_exit, NULL, LE(first), LE(++change)), 0);
	memory_check_empty();
}

static int setup(void **state)
{
	memory_start();
	return 0;
}

static void put_word(u64 id, u64 page, u64 change, u64 word)
{
	static u8 bulk[64 + PAGE_SIZE];
	struct wire_flush_page h = { le16_of(1) };
	struct wire_owner o = { LE(id), LE(page), LE(change) };
	struct rpc_memory_flush_req q = { le16_of(1), le16_of(0), le32_of(sizeof(h) + sizeof(o)) };
	struct rpc_memory_flush_rep r;

	memcpy(bulk, &h, sizeof(h));
	memcpy(bulk + sizeof(h), &o, sizeof(o));
	memcpy(bulk + sizeof(h) + sizeof(o), &word, sizeof(word));
	assert_int_equal(FLUSH(sizeof(h) + sizeof(o) + PAGE_SIZE), 0);
	assert_int_equal(le64_get(r.failed), 0);
}

static u64 get_word(u64 id, u64 page, u64 change)
{
	struct rpc_memory_fill_req q = { LE(id), LE(page), LE(change) };
	static u8 data[PAGE_SIZE];
	u64 word;
	int rc = fake_now(P_NODE, RPC_memory_fill, &q, sizeof(q), NULL, 0, NULL, 0, data, NULL);

	memcpy(&word, data, sizeof(word));
	return rc == FILL_DATA ? word : 0;
}

/* Memory runs out at each allocation of a move in turn: all pages are at the one place or all at the other. */
static void a_move_is_whole_or_not_at_all(void **state)
{
	u64 id = new_space(), change = 0, from = 0x10000, to = 0x4000000, failures = 0;

	assert_int_equal(map_at(id, ++change, from << 12, 200 << 12, 0), 0);
	for (unsigned i = 0; i < 200; i += 3)
		put_word(id, from + i, change, i + 1);
	for (u64 nth = 1; ; nth++) {
		u64 at;
		int rc;

		shim_fail_alloc(nth);
		rc = CALL(memory_remap, NULL, .space = LE(id), .change = LE(++change), .start = LE(from << 12), .len = LE(200 << 12),
			  .new_start = LE(to << 12), .new_len = LE(200 << 12));
		shim_fail_alloc(0);
		assert_true(rc == 0 || rc == -ENOMEM);
		at = rc == 0 ? to : from;
		failures += rc != 0;
		for (unsigned i = 0; i < 200; i++)
			assert_int_equal(get_word(id, at + i, change), i % 3 == 0 ? i + 1 : 0);
		if (rc == 0)
			break;
	}
	assert_true(failures > 3);
	/* what is wrong with the request is found before a page is touched */
	assert_int_equal(map_at(id, ++change, 0x9000000, 0x1000, 0), 0);
	put_word(id, 0x9000, change, 77);
	change++;
	assert_int_equal(CALL(memory_remap, NULL, .space = LE(id), .change = LE(change), .start = LE(to << 12), .len = LE(0x1000),
			      .new_start = LE(0x9000000), .new_len = LE(0x1000)), -EEXIST);
	assert_int_equal(get_word(id, 0x9000, change), 77);
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(++change)), 0);
	memory_check_empty();
}

/* --- pages of files, put into a space by M itself --- */

#define PLACE_SIZE	(5 * PAGE_SIZE + 100)
#define PLACE_AT	0x10000ULL		/* page number */

static u64 place_object(void)
{
	struct rpc_memory_open_rep r;

	s_resize(&s_file[0], 0);
	s_resize(&s_file[0], PLACE_SIZE);
	for (unsigned i = 0; i < PLACE_SIZE; i++)
		s_file[0].data[i] = i * 7 + i / 251;
	assert_int_equal(CALL(memory_open, &r, .storage_node = le32_of(S_NODE), .fs = le32_of(1), .gen = le32_of(7), .ino = LE(1)), 0);
	return le64_get(r.object);
}

static int place_at(u64 id, u64 change, u64 page, u64 object, u64 off, u32 nr)
{
	return CALL(memory_place, NULL, LE(id), LE(change), LE(page), LE(object), LE(off), le32_of(nr));
}

static int zap_at(u64 id, u64 change, u64 page, u64 nr)
{
	struct rpc_memory_changes_req q = one_change(id, change, WIRE_CHANGE_ZAP, page << 12, nr << 12, 0);

	return changes_now(&q);
}

static int get_page(u64 id, u64 page, u64 change, u8 *data)
{
	struct rpc_memory_fill_req q = { LE(id), LE(page), LE(change) };

	return fake_now(P_NODE, RPC_memory_fill, &q, sizeof(q), NULL, 0, NULL, 0, data, NULL);
}

static void pages_are(u64 id, u64 change, u64 page, u64 off, u32 nr)
{
	u8 data[PAGE_SIZE];

	for (u32 i = 0; i < nr; i++) {
		assert_int_equal(get_page(id, page + i, change, data), FILL_DATA);
		assert_memory_equal(data, s_file[0].data + off + i * PAGE_SIZE, PAGE_SIZE);
	}
	assert_int_equal(get_page(id, page + nr, change, data), FILL_ZERO);
}

static void close_and_exit(u64 object, u64 id, u64 change)
{
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(change)), 0);
	assert_int_equal(CALL(memory_close, NULL, LE(object), le32_of(1)), 0);
	memory_check_empty();
}

static void files_are_placed(void **state)
{
	u64 id = new_space(), object = place_object(), change = 2, before;
	struct rpc_memory_fork_rep r;

	assert_int_equal(map_at(id, 1, PLACE_AT << 12, 64 << 12, VMA_ACCOUNTED), 0);
	assert_int_equal(place_at(id, 1, PLACE_AT, object, 0, 3), 3);
	pages_are(id, 1, PLACE_AT, 0, 3);
	assert_int_equal(place_at(id, 1, PLACE_AT + 10, object, 4000, 2), 2);	/* each of two pages of the file */
	pages_are(id, 1, PLACE_AT + 10, 4000, 2);
	assert_int_equal(place_at(id, 1, PLACE_AT + 20, object, 101, PLACE_MAX_PAGES), 4);	/* whole pages alone */
	pages_are(id, 1, PLACE_AT + 20, 101, 4);
	assert_int_equal(place_at(id, 1, PLACE_AT + 30, object, 100 + 4 * PAGE_SIZE, 9), 1);
	assert_int_equal(place_at(id, 1, PLACE_AT + 40, object, 101 + 4 * PAGE_SIZE, 9), 0);
	assert_int_equal(place_at(id, 1, PLACE_AT + 40, object, PLACE_SIZE, 9), 0);
	assert_int_equal(place_at(id, 1, PLACE_AT + 40, object, WIRE_SIZE_MAX, 9), 0);
	pages_are(id, 1, PLACE_AT + 40, 0, 0);
	assert_int_equal(pages_private(), 3 + 2 + 4 + 1);
	/* what a fork shares stays the child's, whatever is placed over it later; what it was is nobody's then */
	assert_int_equal(CALL(memory_fork, &r, LE(id), LE(2)), 0);
	assert_int_equal(place_at(id, 2, PLACE_AT, object, PAGE_SIZE, 3), 3);
	pages_are(id, 2, PLACE_AT, PAGE_SIZE, 3);
	pages_are(le64_get(r.child), 0, PLACE_AT, 0, 3);
	assert_int_equal(CALL(memory_space_exit, NULL, r.child, LE(1)), 0);
	/* memory runs out at any moment: what was answered is there, and nothing else is used up */
	for (u64 nth = 1; ; nth++) {
		int rc;

		before = pages_private();
		shim_fail_alloc(nth);
		rc = place_at(id, change, PLACE_AT + 50, object, 77, 4);
		shim_fail_alloc(0);
		assert_true(rc == -ENOMEM || (rc > 0 && rc <= 4));
		pages_are(id, change, PLACE_AT + 50, 77, MAX(rc, 0));
		assert_int_equal(pages_private() - before, MAX(rc, 0));
		assert_int_equal(zap_at(id, ++change, PLACE_AT + 50, 4), 0);
		if (rc == 4)
			break;
	}
	close_and_exit(object, id, change + 1);
}

/* A placing comes before the change that it names: it waits, holding nothing, and ends with its space too. */
static void placings_wait_for_their_change(void **state)
{
	u64 id = new_space(), object = place_object();
	struct rpc_memory_place_req q = { LE(id), LE(2), LE(PLACE_AT), LE(object), LE(0), le32_of(2) };
	struct fake *early = fake_call(P_NODE, RPC_memory_place, &q, sizeof(q), NULL, 0), *late;

	fake_deliver(early);
	assert_false(early->replied);
	assert_int_equal(map_at(id, 1, PLACE_AT << 12, 64 << 12, VMA_ACCOUNTED), 0);
	assert_false(early->replied);
	assert_int_equal(zap_at(id, 2, PLACE_AT, 64), 0);
	while (!load_acquire(&early->replied))
		usleep(10);
	assert_int_equal(early->status, 2);
	fake_done(early);
	pages_are(id, 2, PLACE_AT, 0, 2);
	q.change = LE(4);
	late = fake_call(P_NODE, RPC_memory_place, &q, sizeof(q), NULL, 0);
	fake_deliver(late);
	assert_false(late->replied);
	assert_int_equal(CALL(memory_space_exit, NULL, LE(id), LE(3)), 0);
	assert_int_equal(late->status, -ESRCH);
	fake_done(late);
	assert_int_equal(CALL(memory_close, NULL, LE(object), le32_of(1)), 0);
	memory_check_empty();
}

static void bad_placings(void **state)
{
	u64 id = new_space(), object = place_object();
	struct rpc_memory_place_req q = { LE(id), LE(0), LE(PLACE_AT), LE(object), LE(0), le32_of(1) };
	struct object *o;

	assert_int_equal(place_at(id, 0, PLACE_AT, object, 0, 1), -EFAULT);
	assert_int_equal(map_at(id, 1, PLACE_AT << 12, 2 << 12, VMA_ACCOUNTED), 0);
	assert_int_equal(CALL(memory_map, NULL, .space = LE(id), .change = LE(2), .start = LE(0x20000000), .len = LE(4 << 12),
			      .object = LE(object), .index = LE(0), .prot = le32_of(3)), 0);
	assert_int_equal(place_at(id, 2, 0x20000, object, 0, 1), -EFAULT);	/* the file's */
	assert_int_equal(place_at(id, 2, PLACE_AT, object, 0, 4), 2);		/* mapped so far */
	assert_int_equal(place_at(id, 2, PLACE_AT, object, 0, 0), -EINVAL);
	assert_int_equal(place_at(id, 2, PLACE_AT, object, 0, PLACE_MAX_PAGES + 1), -EINVAL);
	assert_int_equal(place_at(id, 2, PLACE_AT, object, WIRE_SIZE_MAX + 1, 1), -EINVAL);
	assert_int_equal(place_at(id, 2, ~0ULL, object, 0, 2), -EINVAL);
	assert_int_equal(place_at(id, 2, USER_END >> 12, object, 0, 1), -EINVAL);
	assert_int_equal(place_at(object, 2, PLACE_AT, object, 0, 1), -EINVAL);
	assert_int_equal(place_at(id + 77, 0, PLACE_AT, object, 0, 1), -ESRCH);
	assert_int_equal(place_at(id, 2, PLACE_AT, object + 77, 0, 1), -ESRCH);
	assert_int_equal(fake_now(9, RPC_memory_place, &q, sizeof(q), NULL, 0, NULL, 0, NULL, NULL), -ESRCH);	/* another node's space */
	o = object_find(object, P_NODE);
	for (unsigned i = 0; i < 1000 && o->pages.nr != 0; i++, usleep(1000))	/* read-ahead under way */
		(void)cache_drop(o);
	object_put(o);
	s_fail = EIO;
	assert_int_equal(place_at(id, 2, PLACE_AT, object, 0, 1), -EIO);
	s_fail = 0;
	close_and_exit(object, id, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_ahead_of_a_space), cmocka_unit_test(no_memory_for_the_gap), cmocka_unit_test(no_memory_for_zeros),
		cmocka_unit_test(parked_calls_end_with_their_space), cmocka_unit_test(parking_needs_no_memory),
		cmocka_unit_test(changes_travel_together), cmocka_unit_test(changes_are_decoded_first),
		cmocka_unit_test(refused_changes_use_their_number),
		cmocka_unit_test(reservation), cmocka_unit_test(charged_against_its_rights), cmocka_unit_test(a_fork_takes_nothing_of_the_reservation),
		cmocka_unit_test(a_fork_that_nobody_wants), cmocka_unit_test(charged_when_dead),
		cmocka_unit_test(settled_when_dead), cmocka_unit_test(settled_before_it_is_known), cmocka_unit_test(reserved_for_the_dead),
		cmocka_unit_test(ids_of_another_boot), cmocka_unit_test(bad_flushes), cmocka_unit_test(many_processes),
		cmocka_unit_test(a_move_is_whole_or_not_at_all),
		cmocka_unit_test(files_are_placed), cmocka_unit_test(placings_wait_for_their_change), cmocka_unit_test(bad_placings),
		cmocka_unit_test(any_order),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
