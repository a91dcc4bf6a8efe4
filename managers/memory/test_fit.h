/* SPDX-License-Identifier: MIT */
/*
 * For the unit tests of the memory manager: FIT with one caller and no network, and a storage node in memory. A call is
 * made with fake_call(), runs when it is delivered, and is answered by fake->replied; frames sent by reference stay
 * referenced, and are compared, until fake_done().
 */
#ifndef MANAGERS_MEMORY_TEST_FIT_H
#define MANAGERS_MEMORY_TEST_FIT_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/errno.h"
#include "lib/hash.h"
#include "managers/memory/memory.h"
#include "managers/memory/node.h"
#include "managers/memory/object.h"
#include "managers/memory/ops.h"
#include "managers/memory/space.h"
#include "mm/slab.h"
#include "shim.h"

#define P_NODE 1
#define S_NODE 3

struct fake {
	struct rpc_call call;
	u8 req[RPC_MAX_REQ], rep[RPC_MAX_REP];
	u8 *bulk;			/* of the request; the fake's */
	bool delivered, replied;
	bool obsolete;			/* its caller died, and may be there again */
	int status;
	const void *data;		/* bulk of the reply */
	u32 data_len;
	const void *page[RPC_MAX_PAGES];	/* instead */
	unsigned nr_pages;
	u8 *copy;			/* of data, as it was when the reply was sent */
	void (*release)(void *arg);
	void *release_arg;
};

static struct fake *fake_of(struct rpc_call *c) { return container_of(c, struct fake, call); }

static struct fake *fake_call(unsigned node, unsigned op, const void *req, u32 req_size, const void *bulk, u32 bulk_len)
{
	struct fake *f = calloc(1, sizeof(*f));

	memcpy(f->req, req, req_size);
	f->bulk = malloc(bulk_len + 1);
	if (bulk_len > 0)
		memcpy(f->bulk, bulk, bulk_len);
	f->call = (struct rpc_call){ .node = node, .op = op, .req = f->req, .bulk = f->bulk, .bulk_len = bulk_len,
				     .rep = f->rep, .rep_room = RPC_MAX_BULK_IN };
	return f;
}

static void (*on_reply)(struct rpc_call *c);	/* the caller's thread, when the reply is out */
static void (*_Atomic on_storage_read)(u64 off);	/* before it is served */
static void (*on_storage_hold)(void);

void rpc_reply(struct rpc_call *c, int status)
{
	struct fake *f = fake_of(c);

	assert_false(f->replied);	/* exactly once */
	assert_true(status >= -4095 && status <= 0x7fff);
	f->status = status;
	if (f->data_len > 0) {
		f->copy = malloc(f->data_len);
		memcpy(f->copy, f->data, f->data_len);
	}
	if (f->nr_pages > 0)
		f->copy = malloc(f->nr_pages * PAGE_SIZE);
	for (unsigned i = 0; i < f->nr_pages; i++)
		memcpy(f->copy + i * PAGE_SIZE, f->page[i], PAGE_SIZE);
	store_release(&f->replied, true);
	if (on_reply != NULL)
		on_reply(c);
}

void rpc_reply_bulk_ref(struct rpc_call *c, const void *buf, u32 len, void (*release)(void *arg), void *arg)
{
	struct fake *f = fake_of(c);

	assert_null(f->release);
	assert_true(len <= c->rep_room);
	f->data = buf;
	f->data_len = len;
	f->release = release;
	f->release_arg = arg;
}

void rpc_reply_pages_ref(struct rpc_call *c, const void *const *page, unsigned nr, void (*release)(void *arg), void *arg)
{
	struct fake *f = fake_of(c);

	assert_null(f->release);
	assert_true(nr <= RPC_MAX_PAGES && nr * PAGE_SIZE <= c->rep_room);
	memcpy(f->page, page, nr * sizeof(*page));
	f->nr_pages = nr;
	f->release = release;
	f->release_arg = arg;
}

static __thread bool receiving;	/* in the receive path: nothing may wait for another node */

static bool op_inline(u16 op)
{
	for (unsigned i = 0; i < nr_memory_ops; i++)
		if (memory_ops[i].op == op)
			return memory_ops[i].class == RPC_INLINE;
	return false;
}

/* The request arrives. */
static void fake_deliver(struct fake *f)
{
	int status;

	f->delivered = true;
	f->call.in_worker = !op_inline(f->call.op);
	receiving = !f->call.in_worker;
	status = memory_serve(&f->call);
	receiving = false;
	if (status == RPC_TO_WORKER) {
		assert_false(f->call.in_worker);
		f->call.in_worker = true;
		status = memory_serve(&f->call);
		assert_int_not_equal(status, RPC_TO_WORKER);
	}
	if (status != RPC_PENDING)
		rpc_reply(&f->call, status);
}

/* The reply was acknowledged: what was sent is as it was. */
static void fake_done(struct fake *f)
{
	assert_true(load_acquire(&f->replied));
	if (f->data_len > 0)
		assert_memory_equal(f->data, f->copy, f->data_len);
	for (unsigned i = 0; i < f->nr_pages; i++)
		assert_memory_equal(f->page[i], f->copy + i * PAGE_SIZE, PAGE_SIZE);
	if (f->release != NULL)
		f->release(f->release_arg);
	free(f->copy);
	free(f->bulk);
	free(f);
}

/* Deliver and wait; parked calls are not for this one. The status; the fixed reply in rep, data in buf. */
static __unused int fake_now(unsigned node, unsigned op, const void *req, u32 req_size, const void *bulk, u32 bulk_len, void *rep,
		    u32 rep_size, void *buf, u32 *buf_len)
{
	struct fake *f = fake_call(node, op, req, req_size, bulk, bulk_len);
	int status;

	fake_deliver(f);
	while (!load_acquire(&f->replied))
		usleep(10);
	status = f->status;
	if (rep != NULL)
		memcpy(rep, f->rep, rep_size);
	if (buf != NULL && f->data_len > 0)
		memcpy(buf, f->data, f->data_len);
	if (buf_len != NULL)
		*buf_len = f->data_len;
	fake_done(f);
	return status;
}
#define CALL(name, rp, ...) ({								\
	struct rpc_##name##_req q_ = { __VA_ARGS__ };					\
	fake_now(P_NODE, RPC_##name, &q_, sizeof(q_), NULL, 0, rp, (rp) == NULL ? 0 : sizeof(struct rpc_##name##_rep), NULL, NULL); })

/* A message with one change in it. */
static __unused struct rpc_memory_changes_req one_change(u64 space, u64 number, u16 what, u64 start, u64 len, u16 prot)
{
	return (struct rpc_memory_changes_req){
		.space = le64_of(space), .change = le64_of(number), .nr = le32_of(1),
		.list.of[0] = { .start = le64_of(start), .len = le64_of(len), .index = le64_of(start >> 12), .prot = le16_of(prot),
				.what = le16_of(what) },
	};
}
static __unused int changes_now(const struct rpc_memory_changes_req *q)
{
	return fake_now(P_NODE, RPC_memory_changes, q, sizeof(*q), NULL, 0, NULL, 0, NULL, NULL);
}

static bool p_is_dead;
bool fit_node_up(unsigned node) { return !p_is_dead; }
bool rpc_wanted(const struct rpc_call *c) { return !p_is_dead && !container_of(c, const struct fake, call)->obsolete; }
enum node_role fit_node_role(unsigned node)
{
	return node == S_NODE ? ROLE_STORAGE : node == 2 ? ROLE_MEMORY : node == P_NODE || node == 9 ? ROLE_PROCESSOR : ROLE_NONE;
}
const char *fit_node_name(unsigned node) { return node == S_NODE ? "storage-3" : "processor-1"; }
static unsigned self = 2;
unsigned fit_self(void) { return self; }

/* --- the storage node --- */

#define S_FILES 4
#define S_MAX (1 << 28)		/* bytes of a file */
static struct s_file { u8 *data; u64 size, room; int holds; } s_file[S_FILES];	/* inode i + 1 */
static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int s_fail;			/* errno of the next calls that read or write; 0: none */
static _Atomic unsigned s_delay_us, s_reads, s_writes, s_syncs, s_under_way, s_under_way_most;
static u64 s_claims;			/* how long it says that files are; 0: the truth */

static void s_resize(struct s_file *f, u64 size)
{
	if (size > f->room) {
		f->room = size * 2;
		f->data = realloc(f->data, f->room);
	}
	if (size > f->size)
		memset(f->data + f->size, 0, size - f->size);
	f->size = size;
}

static struct s_file *s_find(le32 fs, le32 gen, le64 ino)
{
	u64 i = le64_get(ino);

	if (le32_get(fs) != 1 || le32_get(gen) != 7 || i == 0 || i > S_FILES)
		return NULL;
	return &s_file[i - 1];
}

static int s_serve(unsigned op, const void *req, const struct rpc_seg *seg, unsigned nr_segs, void *rep, u32 *rep_len)
{
	int fail = s_fail;

	*rep_len = 0;
	switch (op) {
	case RPC_storage_hold: {
		const struct rpc_storage_hold_req *q = req;
		struct rpc_storage_hold_rep *r = rep;
		struct s_file *f = s_find(q->fs, q->gen, q->ino);

		if (f == NULL)
			return -ESTALE;
		f->holds++;
		memset(r, 0, sizeof(*r));
		r->attr.size = le64_of(s_claims != 0 ? s_claims : f->size);
		r->attr.mode = le32_of(0100755);
		*rep_len = sizeof(*r);
		return 0;
	}
	case RPC_storage_release: {
		const struct rpc_storage_release_req *q = req;
		struct s_file *f = s_find(q->fs, q->gen, q->ino);

		assert_non_null(f);
		assert_true(f->holds > 0);
		f->holds--;
		return 0;
	}
	case RPC_storage_read: {
		const struct rpc_storage_read_req *q = req;
		struct s_file *f = s_find(q->fs, q->gen, q->ino);
		u64 off = le64_get(q->off);

		if (fail != 0)
			return -fail;
		if (f == NULL)
			return -ESTALE;
		s_reads++;
		*rep_len = off >= f->size ? 0 : MIN((u64)le32_get(q->len), f->size - off);
		memcpy(rep, f->data + off, *rep_len);
		return 0;
	}
	case RPC_storage_write: {
		const struct rpc_storage_write_req *q = req;
		struct rpc_storage_write_rep *r = rep;
		struct s_file *f = s_find(q->fs, q->gen, q->ino);
		u64 off = le64_get(q->off);

		if (fail != 0)
			return -fail;
		if (f == NULL)
			return -ESTALE;
		if (off > S_MAX)
			return -EFBIG;
		s_writes++;
		for (unsigned i = 0; i < nr_segs; i++) {
			if (off + seg[i].len > f->size)
				s_resize(f, off + seg[i].len);
			memcpy(f->data + off, seg[i].ptr, seg[i].len);
			off += seg[i].len;
		}
		r->size = le64_of(s_claims != 0 ? s_claims : f->size);
		*rep_len = sizeof(*r);
		return 0;
	}
	case RPC_storage_truncate: {
		const struct rpc_storage_truncate_req *q = req;
		struct s_file *f = s_find(q->fs, q->gen, q->ino);

		if (f == NULL)
			return -ESTALE;
		if (le64_get(q->size) > S_MAX)
			return -EFBIG;
		s_resize(f, le64_get(q->size));
		return 0;
	}
	case RPC_storage_range: {		/* of files whose only hole is behind their end */
		const struct rpc_storage_range_req *q = req;
		struct rpc_storage_range_rep *r = rep;
		struct s_file *f = s_find(q->fs, q->gen, q->ino);
		u64 off = le64_get(q->off), len = le64_get(q->len);

		if (fail != 0)
			return -fail;
		if (f == NULL)
			return -ESTALE;
		if (le32_get(q->what) <= WIRE_RANGE_HOLE && off >= f->size)
			return -ENXIO;
		if (le32_get(q->what) == WIRE_RANGE_PUNCH && off < f->size)
			memset(f->data + off, 0, MIN(len, f->size - off));
		r->off = le64_of(s_claims != 0 ? s_claims : le32_get(q->what) == WIRE_RANGE_HOLE ? f->size : off);
		*rep_len = sizeof(*r);
		return 0;
	}
	case RPC_storage_sync:
		s_syncs++;
		return 0;
	}
	return -ENOSYS;
}

int rpc_start(struct rpc *call)
{
	void (*on_read)(u64 off) = on_storage_read;
	unsigned under_way, delay = s_delay_us;

#ifdef TANGRAM_FUZZ
	if (call->node != S_NODE)	/* whatever a processor node says */
		return -EHOSTDOWN;
#endif
	assert_int_equal(call->node, S_NODE);
	assert_false(receiving);
	might_sleep();
	if (delay != 0)
		usleep(random() % delay);
	if (on_read != NULL && call->op == RPC_storage_read)
		on_read(le64_get(((const struct rpc_storage_read_req *)call->req)->off));
	if (on_storage_hold != NULL && call->op == RPC_storage_hold)
		on_storage_hold();
	pthread_mutex_lock(&s_lock);
	call->status = s_serve(call->op, call->req, call->seg, call->nr_segs, call->rep, &call->rep_len);
	pthread_mutex_unlock(&s_lock);
	assert_true(call->rep_len <= call->rep_size);
	under_way = ++s_under_way;
	if (under_way > s_under_way_most)
		s_under_way_most = under_way;
	return 0;
}

int rpc_wait(struct rpc *call)
{
	s_under_way--;
	return call->status;
}

int rpc_call_bulk(unsigned node, unsigned op, const void *req, const void *bulk, u32 bulk_len, void *rep, u32 rep_size, u32 *rep_len)
{
	struct rpc call = { .node = node, .op = op, .nr_segs = bulk_len > 0, .req = req, .seg = { { bulk, bulk_len } }, .rep = rep, .rep_size = rep_size };
	int rc = rpc_start(&call) < 0 ? -EHOSTDOWN : rpc_wait(&call);

	if (rep_len != NULL)
		*rep_len = call.rep_len;
	return rc;
}

int rpc_call_sure(unsigned node, unsigned op, const void *req, void *rep, u32 rep_size)
{
	return rpc_call(node, op, req, rep, rep_size);
}

static void memory_start(void)
{
	commit_init();
	cache_init();
	objects_init();
	spaces_init();
	changes_init();
}

/* What the processor node has reserved and does not use. */
static inline void memory_give_back(void)
{
	s64 moved;

	assert_int_equal(commit_reserve(P_NODE, -(s64)commit_limit(), &moved), 0);
}

/* Nothing is left but cached pages; then those go too. */
static void memory_check_empty(void)
{
	objects_close_wait();
	assert_int_equal(spaces_live(), 0);
	assert_int_equal(spaces_vmas(), 0);
	assert_int_equal(objects_active(), 0);
	assert_int_equal(pages_private(), 0);
	assert_int_equal(cache_dirty_pages(), 0);
	objects_drop_idle();
	for (int i = 0; i < 1000 && objects_cached() != 0; i++) {	/* read-ahead under way */
		usleep(1000);
		objects_drop_idle();
	}
	assert_int_equal(objects_cached(), 0);
	assert_int_equal(pages_cached(), 0);
	assert_int_equal(shim_frames_live(), 0);
	memory_give_back();
	assert_int_equal(commit_total(), 0);	/* nothing is charged any more */
	for (int i = 0; i < S_FILES; i++)
		assert_int_equal(s_file[i].holds, 0);
}

#endif
