/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/memory/ops.c managers/memory/node_ops.c managers/memory/space.c managers/memory/change.c managers/memory/map_ops.c managers/memory/fork.c managers/memory/fill.c managers/memory/flush.c managers/memory/place.c managers/memory/page.c managers/memory/page_tree.c managers/memory/commit.c managers/memory/elf.c managers/memory/exec.c managers/memory/object.c managers/memory/cache.c managers/memory/writeback.c managers/memory/file_ops.c */
/*
 * File data through the page cache against a plain array: reads, writes, appends, truncation, pages flushed from shared
 * mappings, write-back, closing, memory pressure, a storage node that is slow or fails.
 * lesson: L31, lesson: L40
 */
#include "managers/memory/test_fit.h"

#define LE(x) le64_of(x)
#define MAX_SIZE (300 * 1024)

static u8 oracle[MAX_SIZE + 2 * PAGE_SIZE];
static u64 size;
static u64 object;

static u64 file_open(int i)
{
	struct rpc_memory_open_rep r;

	assert_int_equal(CALL(memory_open, &r, .storage_node = le32_of(S_NODE), .fs = le32_of(1), .gen = le32_of(7), .ino = LE(i + 1)), 0);
	return le64_get(r.object);
}
static int file_close(u64 o) { return CALL(memory_close, NULL, .object = LE(o), .count = le32_of(1)); }

static void check_read(u64 off, u32 len)
{
	static u8 buf[RPC_MAX_BULK_IN];
	struct rpc_memory_read_req q = { LE(object), LE(off), le32_of(len) };
	u32 got = 0;
	int rc = fake_now(P_NODE, RPC_memory_read, &q, sizeof(q), NULL, 0, NULL, 0, buf, &got);

	if (rc < 0) {
		assert_int_equal(rc, -EIO);
		assert_int_not_equal(s_fail, 0);
		return;
	}
	if (s_fail == 0)
		assert_int_equal(got, off >= size ? 0 : MIN((u64)len, size - off));
	assert_memory_equal(buf, oracle + off, got);
}

static void do_write(u64 off, u32 len, bool append)
{
	static u8 buf[RPC_MAX_BULK_OUT];
	struct rpc_memory_write_req q = { LE(object), LE(off), le32_of(append ? WIRE_WRITE_APPEND : 0) };
	struct rpc_memory_write_rep r;
	int rc;

	if (append)
		off = size;
	len = MIN(len, MAX_SIZE - off);
	for (u32 i = 0; i < len; i++)
		buf[i] = random();
	rc = fake_now(P_NODE, RPC_memory_write, &q, sizeof(q), buf, len, &r, sizeof(r), NULL, NULL);
	if (rc < 0) {
		assert_int_equal(rc, -EIO);
		assert_int_not_equal(s_fail, 0);
		return;
	}
	memcpy(oracle + off, buf, len);
	if (len > 0)
		size = MAX(size, off + len);
	assert_int_equal(le64_get(r.off), off);
	assert_int_equal(le64_get(r.size), size);
}

static void do_truncate(u64 to)
{
	assert_int_equal(CALL(memory_truncate, NULL, .object = LE(object), .size = LE(to)), 0);
	if (to < size)
		memset(oracle + to, 0, size - to);
	size = to;
}

static void check_fill(u64 index)
{
	u8 page[PAGE_SIZE];
	struct rpc_memory_fill_req q = { LE(object), LE(index) };
	u32 len;
	int rc = fake_now(P_NODE, RPC_memory_fill, &q, sizeof(q), NULL, 0, NULL, 0, page, &len);

	if (rc == -EIO) {
		assert_int_not_equal(s_fail, 0);
	} else if (index >= DIV_ROUND_UP(size, PAGE_SIZE)) {
		assert_int_equal(rc, -EFAULT);
	} else if (rc == FILL_ZERO) {
		memset(page, 0, PAGE_SIZE);
		assert_memory_equal(page, oracle + index * PAGE_SIZE, PAGE_SIZE);
	} else {
		assert_int_equal(rc, FILL_DATA);
		assert_memory_equal(page, oracle + index * PAGE_SIZE, PAGE_SIZE);	/* behind the end: zeros */
	}
}

static void do_flush(u64 index)
{
	u8 bulk[sizeof(struct wire_flush_page) + sizeof(struct wire_owner) + PAGE_SIZE];
	struct wire_flush_page h = { le16_of(1) };
	struct wire_owner o = { LE(object), LE(index) };
	struct rpc_memory_flush_req q = { le16_of(1), le16_of(0), le32_of(sizeof(h) + sizeof(o)) };
	struct rpc_memory_flush_rep r;
	u8 *page = bulk + sizeof(h) + sizeof(o);

	memcpy(bulk, &h, sizeof(h));
	memcpy(bulk + sizeof(h), &o, sizeof(o));
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		page[i] = random();
	assert_int_equal(fake_now(P_NODE, RPC_memory_flush, &q, sizeof(q), bulk, sizeof(bulk), &r, sizeof(r), NULL, NULL), 0);
	assert_int_equal(le64_get(r.failed), 0);
	if (index * PAGE_SIZE < size)
		memcpy(oracle + index * PAGE_SIZE, page, MIN(PAGE_SIZE, size - index * PAGE_SIZE));
}

/* A fill that is not acknowledged for a while: its bytes must stay as they were sent. */
static struct fake *slow[8];
static void slow_fill(u64 index)
{
	struct rpc_memory_fill_req q = { LE(object), LE(index) };
	struct fake **f = &slow[random() % 8];

	if (*f != NULL)
		fake_done(*f);
	*f = fake_call(P_NODE, RPC_memory_fill, &q, sizeof(q), NULL, 0);
	fake_deliver(*f);
}

static void one_step(bool shm)
{
	u64 off = random() % (size + 5000), len = random() % 9000;

	switch (random() % 16) {
	case 0: case 1: case 2: check_read(off, len); break;
	case 3: check_read(off & PAGE_MASK, RPC_MAX_BULK_IN); break;
	case 4: case 5: do_write(MIN(off, (u64)MAX_SIZE), len, false); break;
	case 6: do_write(0, len, true); break;
	case 7: if (random() % 4 == 0) do_truncate(random() % 2 ? random() % (size + 1) : random() % MAX_SIZE); break;
	case 8: case 9: check_fill(off / PAGE_SIZE); break;
	case 10: case 11: do_flush(off / PAGE_SIZE); break;
	case 12: slow_fill(off / PAGE_SIZE); break;
	case 13:
		if (random() % 8 == 0 && s_fail == 0)
			assert_int_equal(CALL(memory_sync, NULL, .object = LE(random() % 2 ? object : 0), .disk = le32_of(1)), 0);
		break;
	case 14:
		if (random() % 4 == 0)
			cache_reclaim(1 + random() % 50);
		break;
	case 15:
		if (!shm && random() % 8 == 0 && s_fail == 0) {
			u64 old = object;

			assert_int_equal(file_close(object), 0);
			assert_int_equal(s_file[0].size, size);
			assert_memory_equal(s_file[0].data, oracle, size);	/* all of it is at S */
			if (random() % 2)
				CALL(memory_drop_caches, NULL);
			object = file_open(0);
			(void)old;
		}
	}
}

static void end(void)
{
	for (int i = 0; i < 8; i++) {
		if (slow[i] != NULL)
			fake_done(slow[i]);
		slow[i] = NULL;
	}
	assert_int_equal(file_close(object), 0);
	memory_check_empty();
	memset(oracle, 0, sizeof(oracle));
	size = 0;
}

static void file_against_array(void **state)
{
	for (int round = 0; round < 10; round++) {
		srandom(round);
		s_resize(&s_file[0], 0);
		object = file_open(0);
		for (int n = 0; n < 4000; n++) {
			s_fail = round % 2 && n % 16 == 7 ? EIO : 0;	/* read-ahead goes on in a thread of its own */
			one_step(false);
		}
		s_fail = 0;
		CALL(memory_sync, NULL, .object = LE(object), .disk = le32_of(0));
		assert_int_equal(s_file[0].size, size);
		if (size > 0)
			assert_memory_equal(s_file[0].data, oracle, size);
		end();
	}
}

static void shm_against_array(void **state)
{
	for (int round = 0; round < 4; round++) {
		struct rpc_memory_shm_create_rep r;

		srandom(100 + round);
		size = random() % 100000;
		assert_int_equal(CALL(memory_shm_create, &r, .size = LE(size)), 0);
		object = le64_get(r.object);
		for (int n = 0; n < 4000; n++)
			one_step(true);
		end();
	}
}

/* lesson: L40: write-back that fails loses nothing: the pages are dirty still */
static void failed_write_back(void **state)
{
	s_resize(&s_file[0], 5 * PAGE_SIZE);
	memset(s_file[0].data, 0, 5 * PAGE_SIZE);
	size = 5 * PAGE_SIZE;
	object = file_open(0);
	do_flush(1);
	do_flush(3);
	s_fail = ENOSPC;
	assert_int_equal(CALL(memory_sync, NULL, .object = LE(object)), -ENOSPC);
	assert_int_equal(cache_dirty_pages(), 2);
	cache_reclaim(100);
	s_fail = 0;
	for (u64 i = 0; i < 5; i++)
		check_fill(i);
	assert_int_equal(CALL(memory_sync, NULL, .object = LE(object)), 0);
	assert_memory_equal(s_file[0].data, oracle, size);
	end();
}

/* --- reading ahead, and one fetch a page --- */

#define BIG_PAGES 1000
static u64 big;

static void check_page(u64 index)
{
	struct rpc_memory_fill_req q = { LE(big), LE(index) };
	u8 page[PAGE_SIZE];
	u64 got;

	assert_int_equal(fake_now(P_NODE, RPC_memory_fill, &q, sizeof(q), NULL, 0, NULL, 0, page, NULL), FILL_DATA);
	memcpy(&got, page + 8 * (index % 512), 8);
	assert_int_equal(got, index * 7 + 1);
}

static void *reader(void *arg)
{
	u64 first = (u64)(uintptr_t)arg;

	for (u64 i = 0; i < BIG_PAGES; i++)
		check_page(first < 4 ? i : (i * 397 + first) % BIG_PAGES);
	return NULL;
}

static void one_fetch_a_page(void **state)
{
	pthread_t t[8];
	u64 before;

	s_resize(&s_file[1], 0);
	s_resize(&s_file[1], BIG_PAGES * PAGE_SIZE);
	for (u64 i = 0; i < BIG_PAGES; i++)
		*(u64 *)(s_file[1].data + i * PAGE_SIZE + 8 * (i % 512)) = i * 7 + 1;
	big = file_open(1);
	s_delay_us = 300;
	before = counter_read(&nr_memory_cache_read);
	for (unsigned i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, reader, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 100 && counter_read(&nr_memory_cache_read) - before < BIG_PAGES; i++)
		usleep(1000);
	s_delay_us = 0;
	assert_int_equal(counter_read(&nr_memory_cache_read) - before, BIG_PAGES);
	assert_int_equal(file_close(big), 0);
	memory_check_empty();
}

static void sequential_reads_come_in_windows(void **state)
{
	unsigned before = s_reads;

	big = file_open(1);
	reader(NULL);
	assert_true(s_reads - before <= BIG_PAGES / READ_WINDOW + 4);
	assert_int_equal(file_close(big), 0);
	memory_check_empty();
}

/* What is absent of a range comes by several reads, all under way before the first is waited for, and nothing twice. */
static void a_range_is_brought_at_once(void **state)
{
	struct object *o;
	unsigned before;

	big = file_open(1);
	o = object_find(big, P_NODE);
	assert_non_null(o);
	check_page(20);
	before = s_reads;
	s_under_way_most = 0;
	cache_bring(o, 8, 4 * READ_WINDOW);
	assert_in_range(s_reads - before, 4, 6);
	assert_in_range(s_under_way_most, 3, 4);
	before = s_reads;
	cache_bring(o, 8, 4 * READ_WINDOW);
	for (unsigned i = 8; i < 8 + 4 * READ_WINDOW; i++)
		check_page(i);
	assert_int_equal(s_reads, before);
	cache_bring(o, BIG_PAGES - 3, 100);
	cache_bring(o, BIG_PAGES + 3, 100);
	check_page(BIG_PAGES - 1);
	assert_int_equal(s_reads, before + 1);
	s_fail = EIO;
	cache_bring(o, 500, 40);			/* whoever reads them is told, and asks again */
	s_fail = 0;
	check_page(500);
	object_put(o);
	assert_int_equal(file_close(big), 0);
	memory_check_empty();
}

static void reclaim_all(void) { cache_reclaim(BIG_PAGES); }
static void forget_all(void) { objects_drop_idle(); }

/* While storage is asked about a file that is opened, what is cached of it may go, or there is nothing: it is not forgotten. */
static void nothing_cached_while_it_is_opened(void **state)
{
	big = file_open(1);
	check_page(20);
	assert_int_equal(file_close(big), 0);
	on_storage_hold = reclaim_all;
	big = file_open(1);
	check_page(20);
	assert_int_equal(file_close(big), 0);
	memory_check_empty();
	on_storage_hold = forget_all;		/* it has just been made */
	big = file_open(1);
	on_storage_hold = NULL;
	check_page(20);
	assert_int_equal(file_close(big), 0);
	memory_check_empty();
}

static u64 text_map(u64 object, u64 pages, u32 prot)
{
	struct rpc_memory_space_create_rep space;

	assert_int_equal(CALL(memory_space_create, &space), 0);
	assert_int_equal(CALL(memory_map, NULL, space.space, LE(1), LE(PAGE_SIZE), LE(pages * PAGE_SIZE), LE(object), LE(0), le32_of(prot),
			      le32_of(0)), 0);
	return le64_get(space.space);
}

static void text_unmap(u64 space) { assert_int_equal(CALL(memory_space_exit, NULL, LE(space), LE(2)), 0); }

static bool all_read(u64 before, u64 nr)
{
	for (int i = 0; i < 2000 && counter_read(&nr_memory_cache_read) - before < nr; i++)
		usleep(1000);
	return counter_read(&nr_memory_cache_read) - before == nr;
}

/* What is mapped to be run is read whole before anybody asks for it; other files, and large ones, are not. */
static void a_program_is_read_whole(void **state)
{
	u64 before = counter_read(&nr_memory_cache_read), space, large;
	unsigned reads;

	big = file_open(1);
	space = text_map(big, 4, PROT_READ);
	usleep(20000);
	assert_int_equal(counter_read(&nr_memory_cache_read), before);
	text_unmap(space);
	s_under_way_most = 0;
	reads = s_reads;
	space = text_map(big, 4, PROT_READ | PROT_EXEC);
	assert_true(all_read(before, BIG_PAGES));
	assert_int_equal(s_under_way_most, 1);
	assert_in_range(s_reads - reads, BIG_PAGES / READ_WINDOW, BIG_PAGES / READ_WINDOW + 1);
	reads = s_reads;
	reader(NULL);
	text_unmap(space);
	text_unmap(text_map(big, 4, PROT_READ | PROT_EXEC));	/* it is there */
	assert_int_equal(s_reads, reads);
	assert_int_equal(file_close(big), 0);

	s_resize(&s_file[2], MIB(8) + 1);
	before = counter_read(&nr_memory_cache_read);
	large = file_open(2);
	space = text_map(large, 4, PROT_READ | PROT_EXEC);
	usleep(20000);
	assert_int_equal(counter_read(&nr_memory_cache_read), before);
	text_unmap(space);
	assert_int_equal(file_close(large), 0);
	s_resize(&s_file[2], 0);
	memory_check_empty();
}

/* ... and no further once nobody has it any more, nor when storage fails. */
static void a_program_that_ends_is_not_read(void **state)
{
	u64 before = counter_read(&nr_memory_cache_read);
	u64 errors = counter_read(&nr_memory_storage_error);
	u64 space;

	big = file_open(1);
	s_delay_us = 20000;
	text_unmap(text_map(big, 4, PROT_READ | PROT_EXEC));
	assert_int_equal(file_close(big), 0);
	memory_check_empty();
	assert_true(counter_read(&nr_memory_cache_read) - before < BIG_PAGES / 2);
	s_delay_us = 0;
	big = file_open(1);
	s_fail = EIO;
	space = text_map(big, 4, PROT_READ | PROT_EXEC);
	for (int i = 0; i < 2000 && counter_read(&nr_memory_storage_error) == errors; i++)
		usleep(1000);
	usleep(20000);
	assert_in_range(counter_read(&nr_memory_storage_error) - errors, 1, 2);
	s_fail = 0;
	check_page(3);
	text_unmap(space);
	assert_int_equal(file_close(big), 0);
	memory_check_empty();
}

static bool read_begun, file_closed;

static void fails_once_closed(u64 off)
{
	WRITE_ONCE(read_begun, true);
	while (!READ_ONCE(file_closed))
		usleep(100);
	s_fail = EIO;
}

/* What was being read when it was closed, and could not be, is not kept for nothing: it may never be opened again. */
static void a_program_that_cannot_be_read_is_forgotten(void **state)
{
	u64 errors = counter_read(&nr_memory_storage_error), space;

	on_storage_read = fails_once_closed;
	big = file_open(1);
	space = text_map(big, 4, PROT_READ | PROT_EXEC);
	while (!READ_ONCE(read_begun))
		usleep(100);
	text_unmap(space);
	assert_int_equal(file_close(big), 0);
	WRITE_ONCE(file_closed, true);
	for (int i = 0; i < 2000 && (counter_read(&nr_memory_storage_error) == errors || objects_cached() != 0); i++)
		usleep(1000);
	assert_int_equal(counter_read(&nr_memory_storage_error) - errors, 1);
	assert_int_equal(objects_cached(), 0);
	on_storage_read = NULL;
	s_fail = 0;
	memory_check_empty();
}

static struct fake *fill_ahead(const u64 *index, unsigned nr)
{
	struct rpc_memory_fill_ahead_req q = { LE(big), .nr = le32_of(nr) };
	struct fake *f;

	for (unsigned i = 0; i < nr; i++)
		q.pages.index[i] = LE(index[i]);
	f = fake_call(P_NODE, RPC_memory_fill_ahead, &q, sizeof(q), NULL, 0);
	fake_deliver(f);
	return f;
}

static struct fake *one_ahead(u64 index) { return fill_ahead(&index, 1); }

/* Fills ahead of use wait for the read that brings their page, without a worker; beyond the end they are refused. */
static void fills_ahead_wait_for_the_read(void **state)
{
	struct fake *f[6];
	u64 at[ARRAY_SIZE(f)] = { 500, 501, 507, 500, 900, BIG_PAGES };
	unsigned got = 0;

	big = file_open(1);
	s_delay_us = 2000;
	for (unsigned i = 0; i < ARRAY_SIZE(f); i++) {
		f[i] = fill_ahead(&at[i], 1);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(f); i++) {
		for (int n = 0; n < 2000 && !load_acquire(&f[i]->replied); n++)
			usleep(1000);
		assert_true(f[i]->replied);
		assert_true(f[i]->status == 0 || (f[i]->status == 1 && at[i] != BIG_PAGES));
		if (f[i]->status == 1) {
			assert_int_equal(*(u64 *)(f[i]->copy + 8 * (at[i] % 512)), at[i] * 7 + 1);
			got++;
		}
		fake_done(f[i]);
	}
	assert_in_range(got, 3, 5);		/* the window of 4 has two of them; one more read for each of the others, or none */
	s_delay_us = 0;
	assert_int_equal(file_close(big), 0);
	memory_check_empty();
}

static bool reads_may_go;
static void held_read(u64 off)
{
	while (!load_acquire(&reads_may_go))
		usleep(100);
}

/* Several at once: what is here comes at once, also with holes between; if storage has to bring one, all wait for that one's read. */
static void several_ahead(void **state)
{
	u64 at[FILL_MANY] = { 40, 9, 41, BIG_PAGES, 40, 42, BIG_PAGES + 5, 43 };
	u64 cold[3] = { 700, 40, 701 };
	u64 requests;
	struct fake *f;

	big = file_open(1);
	for (u64 i = 40; i < 44; i++) {
		struct rpc_memory_fill_req q = { LE(big), LE(i) };

		assert_int_equal(fake_now(P_NODE, RPC_memory_fill, &q, sizeof(q), NULL, 0, NULL, 0, NULL, NULL), FILL_DATA);
	}
	f = fill_ahead(at + 2, 2);			/* the end is no page, and is no reason to wait */
	assert_true(f->replied);
	assert_int_equal(f->status, 1);
	assert_int_equal(f->nr_pages, 1);
	fake_done(f);
	f = fill_ahead(at + 3, 5);
	assert_true(f->replied);
	assert_int_equal(f->status, 2 | 4 | 16);
	assert_int_equal(f->nr_pages, 5);
	for (unsigned i = 1; i < 5; i++)
		assert_int_equal(*(u64 *)(f->copy + i * PAGE_SIZE + 8 * (at[3 + i] % 512)), i == 3 ? 0 : at[3 + i] * 7 + 1);
	fake_done(f);

	on_storage_read = held_read;
	requests = s_reads;
	f = fill_ahead(cold, 3);
	assert_false(load_acquire(&f->replied));
	store_release(&reads_may_go, true);
	for (int n = 0; n < 2000 && !load_acquire(&f->replied); n++)
		usleep(1000);
	assert_true(f->replied);
	assert_true(f->status & 1);
	assert_true(f->status & 2);
	assert_int_equal(*(u64 *)(f->copy + 8 * (700 % 512)), 700 * 7 + 1);
	assert_int_equal(*(u64 *)(f->copy + PAGE_SIZE + 8 * 40), 40 * 7 + 1);
	assert_true(s_reads > requests);
	fake_done(f);
	on_storage_read = NULL;

	f = fill_ahead(at, 0);
	assert_int_equal(f->status, -EINVAL);
	fake_done(f);
	at[2] = 1ULL << 60;
	f = fill_ahead(at, 3);
	assert_int_equal(f->status, -EINVAL);
	fake_done(f);
	assert_int_equal(file_close(big), 0);
	memory_check_empty();
}

/*
 * Two reads of a file end at the same time: while one answers those that waited for its page, the other ends. Who waited for
 * that one is answered, too.
 */
#define X_PAGE	100
#define Y_PAGE	300
static struct fake *wants_y;
static u32 held, y_may_end, x_may_end, x_has_ended;

static void hold_read(u64 off)
{
	u32 *go = off / PAGE_SIZE < Y_PAGE - READ_WINDOW ? &x_may_end : &y_may_end;

	__atomic_fetch_add(&held, 1, __ATOMIC_SEQ_CST);
	while (!load_acquire(go))
		usleep(100);
}

static void end_x_meanwhile(struct rpc_call *c)
{
	if (c != &wants_y->call)
		return;
	store_release(&x_may_end, 1);
	while (!load_acquire(&x_has_ended))
		usleep(100);
}

static void *fill_one(void *arg)
{
	struct rpc_memory_fill_req q = { LE(big), LE((u64)(uintptr_t)arg) };

	assert_int_equal(fake_now(P_NODE, RPC_memory_fill, &q, sizeof(q), NULL, 0, NULL, 0, NULL, NULL), FILL_DATA);
	if ((u64)(uintptr_t)arg == X_PAGE)
		store_release(&x_has_ended, 1);
	return NULL;
}

static void two_reads_end_at_once(void **state)
{
	struct fake *wants_x;
	pthread_t x, y;

	big = file_open(1);
	on_storage_read = hold_read;
	pthread_create(&x, NULL, fill_one, (void *)(uintptr_t)X_PAGE);
	pthread_create(&y, NULL, fill_one, (void *)(uintptr_t)Y_PAGE);
	while (__atomic_load_n(&held, __ATOMIC_SEQ_CST) < 2)
		usleep(100);
	wants_x = one_ahead(X_PAGE);
	wants_y = one_ahead(Y_PAGE);
	assert_false(wants_x->replied || wants_y->replied);
	on_reply = end_x_meanwhile;
	store_release(&y_may_end, 1);
	pthread_join(y, NULL);
	pthread_join(x, NULL);
	on_reply = NULL;
	on_storage_read = NULL;
	assert_true(load_acquire(&wants_x->replied) && load_acquire(&wants_y->replied));
	fake_done(wants_x);
	fake_done(wants_y);
	assert_int_equal(file_close(big), 0);
	memory_check_empty();
}

/* Who else has the file open gets a new version when it is written; the writer keeps its own. */
static void versions(void **state)
{
	struct rpc_memory_open_req q = { le32_of(S_NODE), le32_of(1), le32_of(7), le32_of(0), LE(1) };
	struct rpc_memory_open_rep mine, other;

	s_resize(&s_file[0], 100);
	size = 100;
	fake_now(P_NODE, RPC_memory_open, &q, sizeof(q), NULL, 0, &mine, sizeof(mine), NULL, NULL);
	fake_now(9, RPC_memory_open, &q, sizeof(q), NULL, 0, &other, sizeof(other), NULL, NULL);
	assert_int_equal(le64_get(mine.object), le64_get(other.object));
	object = le64_get(mine.object);
	do_write(0, 10, false);
	fake_now(9, RPC_memory_open, &q, sizeof(q), NULL, 0, &other, sizeof(other), NULL, NULL);
	assert_true(le64_get(other.version) > le64_get(mine.version));
	do_write(0, 10, false);		/* the other has seen the last one: this is news to it again */
	memory_node_changed(9, ROLE_PROCESSOR, false);
	fake_now(9, RPC_memory_open, &q, sizeof(q), NULL, 0, &mine, sizeof(mine), NULL, NULL);
	assert_true(le64_get(mine.version) > le64_get(other.version));
	memory_node_changed(9, ROLE_PROCESSOR, false);
	end();
}

/* The caller died while its open waited for storage: the file is not held for ever, nor memory kept in reserve for it. */
static void died_while_opening(void **state)
{
	struct rpc_memory_open_rep r;
	struct rpc_memory_shm_create_rep shm;

	p_is_dead = true;
	assert_int_equal(CALL(memory_open, &r, .storage_node = le32_of(S_NODE), .fs = le32_of(1), .gen = le32_of(7),
			      .ino = le64_of(1)), -EHOSTDOWN);
	assert_int_equal(CALL(memory_shm_create, &shm, .size = le64_of(MIB(1))), -EHOSTDOWN);
	p_is_dead = false;
	memory_check_empty();
}

/* The caller died while its open waited, and is there again with an open of the same file: only that one counts. */
static void died_and_came_back_while_opening(void **state)
{
	struct rpc_memory_open_req q = { .storage_node = le32_of(S_NODE), .fs = le32_of(1), .gen = le32_of(7), .ino = LE(1) };
	struct rpc_memory_shm_create_req sq = { .size = LE(MIB(1)) };
	struct fake *old = fake_call(P_NODE, RPC_memory_open, &q, sizeof(q), NULL, 0);
	struct fake *old_shm = fake_call(P_NODE, RPC_memory_shm_create, &sq, sizeof(sq), NULL, 0);
	struct rpc_memory_open_rep r;

	assert_int_equal(CALL(memory_open, &r, .storage_node = le32_of(S_NODE), .fs = le32_of(1), .gen = le32_of(7), .ino = LE(1)), 0);
	old->obsolete = old_shm->obsolete = true;
	fake_deliver(old);
	assert_int_equal(old->status, -EHOSTDOWN);
	fake_deliver(old_shm);
	assert_int_equal(old_shm->status, -EHOSTDOWN);
	assert_int_equal(CALL(memory_close, NULL, .object = r.object, .count = le32_of(2)), -EINVAL);
	assert_int_equal(CALL(memory_close, NULL, .object = r.object, .count = le32_of(1)), 0);
	fake_done(old);
	fake_done(old_shm);
	memory_check_empty();
}

static struct fake *dying;
static const struct spinlock *dies_at;
static void dies_at_unlock(const struct spinlock *l)
{
	if (l != dies_at)
		return;
	shim_on_unlock = NULL;
	dying->obsolete = true;
}

/* The caller of op dies when the lock is released; it has its error, and what it asked for does not happen. */
static void dies_in(const struct spinlock *l, unsigned op, const void *req, u32 req_size, const void *bulk, u32 bulk_len)
{
	dying = fake_call(P_NODE, op, req, req_size, bulk, bulk_len);
	dies_at = l;
	shim_on_unlock = dies_at_unlock;
	fake_deliver(dying);
	assert_null(shim_on_unlock);
	assert_int_equal(dying->status, -EHOSTDOWN);
	fake_done(dying);
}

static void nothing_happens_to(struct object *o)
{
	struct { struct wire_flush_page h; struct wire_owner o; u8 page[PAGE_SIZE]; } bulk = { { le16_of(1) }, { LE(object), LE(0) }, { 1 } };
	struct rpc_memory_write_req write = { LE(object), LE(10), le32_of(0) }, append = { LE(object), LE(0), le32_of(WIRE_WRITE_APPEND) };
	struct rpc_memory_truncate_req cut = { LE(object), LE(5) };
	struct rpc_memory_range_req punch = { LE(object), LE(0), LE(PAGE_SIZE), le32_of(WIRE_RANGE_PUNCH) };
	struct rpc_memory_flush_req flush = { le16_of(1), le16_of(0), le32_of(sizeof(bulk.h) + sizeof(bulk.o)) };
	struct rpc_memory_close_req close = { LE(object), le32_of(1) };
	const struct spinlock *mutex = &o->lock.wait.lock;
	u64 version = o->version;

	dies_in(mutex, RPC_memory_write, &write, sizeof(write), "old", 3);
	dies_in(mutex, RPC_memory_write, &append, sizeof(append), "old", 3);
	dies_in(mutex, RPC_memory_truncate, &cut, sizeof(cut), NULL, 0);
	dies_in(mutex, RPC_memory_range, &punch, sizeof(punch), NULL, 0);
	dies_in(&cache_lock, RPC_memory_flush, &flush, sizeof(flush), &bulk, sizeof(bulk));
	dies_in(&cache_lock, RPC_memory_close, &close, sizeof(close), NULL, 0);
	assert_int_equal(o->version, version);
	check_read(0, 2 * PAGE_SIZE);
}

/* Calls of a node's earlier life that have waited for a lock: it may have opened the file anew, and have written to it since. */
static void died_while_it_waited_to_change(void **state)
{
	struct rpc_memory_shm_create_rep made;
	struct object *o;

	for (unsigned shm = 0; shm < 2; shm++) {
		size = 0;
		memset(oracle, 0, sizeof(oracle));
		s_resize(&s_file[0], 0);
		if (shm) {
			assert_int_equal(CALL(memory_shm_create, &made, .size = LE(0)), 0);
			object = le64_get(made.object);
		} else {
			object = file_open(0);
		}
		do_write(0, PAGE_SIZE + 100, false);
		check_read(0, 2 * PAGE_SIZE);
		o = object_find(object, P_NODE);
		nothing_happens_to(o);
		object_put(o);
		assert_int_equal(file_close(object), 0);
		if (!shm) {
			assert_int_equal(s_file[0].size, size);
			assert_memory_equal(s_file[0].data, oracle, size);
		}
	}
	memory_check_empty();
}

static void reserve_of_the_dead(void **state)
{
	u64 before = commit_total();

	assert_int_equal(commit_charge(P_NODE, 10), 0);
	commit_forget(P_NODE);
	assert_int_equal(commit_total(), before + 10);
	assert_int_equal(commit_charge(P_NODE, 5), 0);		/* by a handler that still runs */
	commit_ungrant(P_NODE, 15);
	assert_int_equal(commit_total(), before);
}

static void bad_requests(void **state)
{
	struct rpc_memory_read_req rq = { 0 };

	s_resize(&s_file[0], 10);
	assert_int_equal(CALL(memory_open, NULL, .storage_node = le32_of(S_NODE), .fs = le32_of(1), .gen = le32_of(8), .ino = LE(1)),
			 -ESTALE);
	assert_int_equal(CALL(memory_open, NULL, .storage_node = le32_of(99), .fs = le32_of(1), .gen = le32_of(7), .ino = LE(1)), -EINVAL);
	for (unsigned node = 0; node < FIT_MAX_NODES; node++)
		if (node != S_NODE)
			assert_int_equal(CALL(memory_open, NULL, .storage_node = le32_of(node), .fs = le32_of(1), .gen = le32_of(7), .ino = LE(1)),
					 node <= 2 || node == 9 ? -EINVAL : -EHOSTDOWN);
	object = file_open(0);
	assert_int_equal(CALL(memory_close, NULL, .object = LE(object), .count = le32_of(2)), -EINVAL);
	assert_int_equal(CALL(memory_close, NULL, .object = LE(object + 1), .count = le32_of(1)), -ESRCH);
	rq = (struct rpc_memory_read_req){ LE(object), LE(0), le32_of(RPC_MAX_BULK_IN + 1) };
	assert_int_equal(fake_now(P_NODE, RPC_memory_read, &rq, sizeof(rq), NULL, 0, NULL, 0, NULL, NULL), -EINVAL);
	assert_int_equal(CALL(memory_truncate, NULL, .object = LE(object), .size = LE(~0ULL)), -EINVAL);
	assert_int_equal(CALL(memory_write, NULL, .object = LE(object), .off = LE(~0ULL)), -EINVAL);
	assert_int_equal(CALL(memory_write, NULL, .object = LE(object), .now_ns = le32_of(NSEC_PER_SEC)), -EINVAL);
	assert_int_equal(CALL(memory_write, NULL, .object = LE(object), .now = LE(~0ULL / NSEC_PER_SEC)), -EINVAL);
	assert_int_equal(CALL(memory_truncate, NULL, .object = LE(object), .now_ns = le32_of(NSEC_PER_SEC)), -EINVAL);
	assert_int_equal(CALL(memory_truncate, NULL, .object = LE(object), .now = LE(~0ULL / NSEC_PER_SEC)), -EINVAL);
	assert_int_equal(CALL(memory_shm_create, NULL, .size = LE(commit_limit() * PAGE_SIZE + 1)), -ENOMEM);
	assert_int_equal(CALL(memory_shm_create, NULL, .size = LE(~0ULL)), -EINVAL);
	end();
}

/* A storage node that names sizes no file can have is not believed: page numbers are made of them. */
static void sizes_that_cannot_be(void **state)
{
	static const u64 claims[] = { ~0ULL, ~0ULL - PAGE_SIZE + 2, 1ULL << 63, WIRE_SIZE_MAX + 1 };
	struct rpc_memory_write_req q;
	struct rpc_memory_write_rep r;
	u8 byte = 1;

	s_resize(&s_file[0], 10);
	for (unsigned i = 0; i < ARRAY_SIZE(claims); i++) {
		s_claims = claims[i];
		assert_int_equal(CALL(memory_open, NULL, .storage_node = le32_of(S_NODE), .fs = le32_of(1), .gen = le32_of(7), .ino = LE(1)),
				 -EIO);
	}
	s_claims = 0;
	object = file_open(0);
	q = (struct rpc_memory_write_req){ .object = LE(object), .off = LE(PAGE_SIZE) };
	for (unsigned i = 0; i <= ARRAY_SIZE(claims); i++) {		/* the last: it ends before what was written */
		s_claims = i < ARRAY_SIZE(claims) ? claims[i] : PAGE_SIZE;
		assert_int_equal(fake_now(P_NODE, RPC_memory_write, &q, sizeof(q), &byte, 1, NULL, 0, NULL, NULL), -EIO);
	}
	s_claims = 0;
	q.off = LE(4);
	assert_int_equal(fake_now(P_NODE, RPC_memory_write, &q, sizeof(q), &byte, 1, &r, sizeof(r), NULL, NULL), 0);
	assert_int_equal(le64_get(r.size), PAGE_SIZE + 1);	/* as storage has it */
	assert_int_equal(CALL(memory_close, NULL, .object = LE(object), .count = le32_of(1)), 0);
	memory_check_empty();
}

/* Who lets many pages go lets others have the lock of the page cache meanwhile. */
static _Atomic unsigned nr_releases;
static void lock_released(const struct spinlock *l) { nr_releases += l == &cache_lock; }

static void many_pages_go(void **state)
{
	enum { NR = 2000 };
	struct rpc_memory_shm_create_rep made;
	struct rpc_memory_range_rep r;
	u64 pages;

	assert_int_equal(CALL(memory_shm_create, &made, .size = LE(NR * PAGE_SIZE)), 0);
	object = le64_get(made.object);
	for (unsigned how = 0; how < 2; how++) {
		assert_int_equal(CALL(memory_range, &r, .object = LE(object), .off = LE(0), .len = LE(NR * PAGE_SIZE),
				      .what = le32_of(WIRE_RANGE_ALLOCATE)), 0);
		pages = pages_cached();
		assert_true(pages >= NR);
		nr_releases = 0;
		shim_on_unlock = lock_released;
		if (how == 0)
			assert_int_equal(CALL(memory_range, &r, .object = LE(object), .off = LE(0), .len = LE(NR * PAGE_SIZE),
					      .what = le32_of(WIRE_RANGE_PUNCH)), 0);
		else
			assert_int_equal(CALL(memory_truncate, NULL, .object = LE(object), .size = LE(0)), 0);
		shim_on_unlock = NULL;
		assert_int_equal(pages_cached(), pages - NR);
		assert_true(nr_releases > NR / 300);
	}
	assert_int_equal(CALL(memory_close, NULL, .object = LE(object), .count = le32_of(1)), 0);
	memory_check_empty();
}

/* Pages that were never written, or given back, take no room and are found. */
static void holes_of_shared_memory(void **state)
{
	struct rpc_memory_shm_create_rep made;
	struct rpc_memory_range_rep r;
	u8 page[PAGE_SIZE];

	memset(page, 7, sizeof(page));
	assert_int_equal(CALL(memory_shm_create, &made, .size = LE(10 * PAGE_SIZE + 5)), 0);
	object = le64_get(made.object);
#define RANGE(w, o, l) CALL(memory_range, &r, .object = LE(object), .off = LE(o), .len = LE(l), .what = le32_of(WIRE_RANGE_##w))
	assert_int_equal(RANGE(DATA, 0, 0), -ENXIO);
	assert_int_equal(RANGE(HOLE, 77, 0), 0);
	assert_int_equal(le64_get(r.off), 77);
	for (u64 i = 2; i < 8; i++) {
		struct rpc_memory_write_req q = { .object = LE(object), .off = LE(i * PAGE_SIZE) };
		struct rpc_memory_write_rep w;

		assert_int_equal(fake_now(P_NODE, RPC_memory_write, &q, sizeof(q), page, sizeof(page), &w, sizeof(w), NULL, NULL), 0);
	}
	assert_int_equal(RANGE(COUNT, 0, 0), 0);
	assert_int_equal(le64_get(r.off), 6);
	assert_int_equal(RANGE(DATA, 5, 0), 0);
	assert_int_equal(le64_get(r.off), 2 * PAGE_SIZE);
	assert_int_equal(RANGE(HOLE, 3 * PAGE_SIZE + 1, 0), 0);
	assert_int_equal(le64_get(r.off), 8 * PAGE_SIZE);
	assert_int_equal(RANGE(PUNCH, 4 * PAGE_SIZE, 2 * PAGE_SIZE), 0);
	assert_int_equal(RANGE(HOLE, 3 * PAGE_SIZE, 0), 0);
	assert_int_equal(le64_get(r.off), 4 * PAGE_SIZE);
	assert_int_equal(RANGE(DATA, 4 * PAGE_SIZE, 0), 0);
	assert_int_equal(le64_get(r.off), 6 * PAGE_SIZE);
	assert_int_equal(RANGE(ALLOCATE, 0, 16 * PAGE_SIZE), 0);		/* as far as it goes */
	assert_int_equal(RANGE(COUNT, 0, 0), 0);
	assert_int_equal(le64_get(r.off), 11);
	assert_int_equal(RANGE(HOLE, 0, 0), 0);
	assert_int_equal(le64_get(r.off), 10 * PAGE_SIZE + 5);
	assert_int_equal(RANGE(DATA, 10 * PAGE_SIZE + 5, 0), -ENXIO);
	assert_int_equal(RANGE(PUNCH, 5, PAGE_SIZE), -EINVAL);
	assert_int_equal(RANGE(PUNCH, 0, ~0ULL & PAGE_MASK), -EINVAL);
	assert_int_equal(CALL(memory_range, &r, .object = LE(object), .what = le32_of(99)), -EINVAL);
	size = 10 * PAGE_SIZE + 5;
	memset(oracle, 0, size);
	memset(oracle + 2 * PAGE_SIZE, 7, 2 * PAGE_SIZE);
	memset(oracle + 6 * PAGE_SIZE, 7, 2 * PAGE_SIZE);
	check_read(0, 10 * PAGE_SIZE);
	end();
}

/* Ids can be guessed: shared memory without a file is its maker's alone, whatever another processor node calls it by. */
static void shared_memory_is_its_makers(void **state)
{
	struct rpc_memory_shm_create_rep r;
	u8 bulk[sizeof(struct wire_flush_page) + sizeof(struct wire_owner) + PAGE_SIZE] = { 1 };
	struct rpc_memory_flush_req fq = { le16_of(1), le16_of(0), le32_of(sizeof(bulk) - PAGE_SIZE) };
	struct rpc_memory_flush_rep fr;
	struct rpc_memory_space_create_rep space;

	assert_int_equal(CALL(memory_shm_create, &r, .size = LE(PAGE_SIZE)), 0);
	object = le64_get(r.object);
	size = PAGE_SIZE;
	memcpy(bulk + sizeof(struct wire_flush_page), &(struct wire_owner){ r.object }, sizeof(struct wire_owner));
#define OTHER(name, ...) ({ struct rpc_##name##_req q_ = { __VA_ARGS__ };							\
	fake_now(9, RPC_##name, &q_, sizeof(q_), NULL, 0, NULL, 0, NULL, NULL); })
	assert_int_equal(OTHER(memory_read, r.object, LE(0), le32_of(8)), -ESRCH);
	assert_int_equal(OTHER(memory_write, r.object), -ESRCH);
	assert_int_equal(OTHER(memory_truncate, r.object), -ESRCH);
	assert_int_equal(OTHER(memory_sync, r.object), -ESRCH);
	assert_int_equal(OTHER(memory_close, r.object), -ESRCH);
	assert_int_equal(OTHER(memory_fill, r.object), -ESRCH);
	assert_int_equal(OTHER(memory_exec_probe, r.object), -ESRCH);
	assert_int_equal(fake_now(9, RPC_memory_flush, &fq, sizeof(fq), bulk, sizeof(bulk), &fr, sizeof(fr), NULL, NULL), 0);
	assert_int_equal(le64_get(fr.failed), 1);
	assert_int_equal(le32_get(fr.error), ESRCH);
	assert_int_equal(fake_now(9, RPC_memory_space_create, &fq, 0, NULL, 0, &space, sizeof(space), NULL, NULL), 0);
	assert_int_equal(OTHER(memory_map, space.space, LE(1), LE(PAGE_SIZE), LE(PAGE_SIZE), r.object, LE(0), le32_of(3), le32_of(VMA_SHARED)),
			 -ESRCH);
	memory_node_changed(9, ROLE_PROCESSOR, false);
	check_read(0, 8);		/* nothing has changed in it */
	assert_int_equal(fake_now(P_NODE, RPC_memory_flush, &fq, sizeof(fq), bulk, sizeof(bulk), &fr, sizeof(fr), NULL, NULL), 0);
	assert_int_equal(le64_get(fr.failed), 0);
	end();
}

static int setup(void **state)
{
	memory_start();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_requests), cmocka_unit_test(sizes_that_cannot_be),
		cmocka_unit_test(holes_of_shared_memory),
		cmocka_unit_test(many_pages_go), cmocka_unit_test(shared_memory_is_its_makers), cmocka_unit_test(failed_write_back), cmocka_unit_test(versions),
		cmocka_unit_test(file_against_array), cmocka_unit_test(shm_against_array),
		cmocka_unit_test(one_fetch_a_page), cmocka_unit_test(sequential_reads_come_in_windows),
		cmocka_unit_test(a_range_is_brought_at_once), cmocka_unit_test(nothing_cached_while_it_is_opened),
		cmocka_unit_test(a_program_is_read_whole),
		cmocka_unit_test(a_program_that_ends_is_not_read), cmocka_unit_test(a_program_that_cannot_be_read_is_forgotten),
		cmocka_unit_test(several_ahead), cmocka_unit_test(fills_ahead_wait_for_the_read), cmocka_unit_test(two_reads_end_at_once),
		cmocka_unit_test(died_while_opening),
		cmocka_unit_test(died_and_came_back_while_opening), cmocka_unit_test(reserve_of_the_dead),
		cmocka_unit_test(died_while_it_waited_to_change),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
