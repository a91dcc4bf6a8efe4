/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/memory/ops.c managers/memory/node_ops.c managers/memory/space.c managers/memory/change.c managers/memory/map_ops.c managers/memory/fork.c managers/memory/fill.c managers/memory/flush.c managers/memory/place.c managers/memory/page.c managers/memory/page_tree.c managers/memory/commit.c managers/memory/elf.c managers/memory/exec.c managers/memory/object.c managers/memory/cache.c managers/memory/writeback.c managers/memory/file_ops.c */
/*
 * Several receivers deliver calls of several programs at once, in any order, while the cache is being reclaimed.
 * `make check-tsan` runs it with the thread sanitizer, which sees races.
 */
#include "managers/memory/test_fit.h"

#define LE(x) le64_of(x)
#define PROGRAMS 4
#define RECEIVERS 3
#define NV 80			/* more than INLINE_PAGES: unmap and exit go to a worker */
#define BASE 0x400ULL

static struct fake *queue[1024];
static unsigned nr_queued;
static bool stop;
static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;

static void send(struct fake *f)
{
	pthread_mutex_lock(&queue_lock);
	if (nr_queued == ARRAY_SIZE(queue))
		abort();
	queue[nr_queued++] = f;
	pthread_mutex_unlock(&queue_lock);
}

static void *receiver(void *arg)
{
	unsigned seed = (uintptr_t)arg;

	while (!load_acquire(&stop)) {
		struct fake *f = NULL;

		pthread_mutex_lock(&queue_lock);
		if (nr_queued > 0) {
			unsigned i = rand_r(&seed) % nr_queued;

			f = queue[i];
			queue[i] = queue[--nr_queued];
		}
		pthread_mutex_unlock(&queue_lock);
		if (f != NULL)
			fake_deliver(f);
		else
			usleep(20);
		if (rand_r(&seed) % 64 == 0)
			cache_reclaim(4);
	}
	return NULL;
}

struct program {
	unsigned node, seed;
	u64 id, change, val[NV];
	bool there[NV];
	struct fake *told[64];
	unsigned nr_told;
};

static struct fake *ask(struct program *p, unsigned op, const void *q, u32 size, const void *bulk, u32 len)
{
	struct fake *f = fake_call(p->node, op, q, size, bulk, len);

	send(f);
	return f;
}

static int wait_done(struct fake *f, void *rep, u32 size, u8 *data)
{
	int status;

	while (!load_acquire(&f->replied))
		usleep(20);
	status = f->status;
	if (rep != NULL)
		memcpy(rep, f->rep, size);
	if (data != NULL && f->data_len > 0)
		memcpy(data, f->data, f->data_len);
	fake_done(f);
	return status;
}

static void settle(struct program *p)
{
	while (p->nr_told > 0)
		if (wait_done(p->told[--p->nr_told], NULL, 0, NULL) != 0)
			abort();
}

static void start(struct program *p, unsigned op, const void *q, u32 size)
{
	if (p->nr_told == ARRAY_SIZE(p->told))
		settle(p);
	p->told[p->nr_told++] = ask(p, op, q, size, NULL, 0);
}

static void tell(struct program *p, u16 what, u64 first, u64 nr)
{
	struct rpc_memory_changes_req q = one_change(p->id, ++p->change, what, (BASE + first) << 12, nr << 12, 3);

	q.list.of[0].flags = le32_of(what == WIRE_CHANGE_MAP ? VMA_ACCOUNTED : 0);
	start(p, RPC_memory_changes, &q, sizeof(q));
}

static void leave(struct program *p)
{
	struct rpc_memory_space_exit_req q = { LE(p->id), LE(++p->change) };

	start(p, RPC_memory_space_exit, &q, sizeof(q));
}

static void flush(struct program *p, struct program *sharer, unsigned v)
{
	u8 bulk[sizeof(struct wire_flush_page) + 2 * sizeof(struct wire_owner) + PAGE_SIZE];
	struct wire_flush_page h = { le16_of(sharer == NULL ? 1 : 2) };
	struct wire_owner o[2] = { { LE(p->id), LE(BASE + v), LE(p->change) } };
	struct rpc_memory_flush_req q = { le16_of(1), le16_of(0), le32_of(sizeof(h) + (sharer == NULL ? 1 : 2) * sizeof(o[0])) };
	struct rpc_memory_flush_rep r;
	u32 meta = le32_get(q.meta_len);

	p->val[v] = rand_r(&p->seed);
	p->there[v] = true;
	if (sharer != NULL) {
		o[1] = (struct wire_owner){ LE(sharer->id), LE(BASE + v), LE(sharer->change) };
		sharer->val[v] = p->val[v];
		sharer->there[v] = true;
	}
	memcpy(bulk, &h, sizeof(h));
	memcpy(bulk + sizeof(h), o, meta - sizeof(h));
	for (unsigned i = 0; i < PAGE_SIZE; i += 8)
		memcpy(bulk + meta + i, &p->val[v], 8);
	if (wait_done(ask(p, RPC_memory_flush, &q, sizeof(q), bulk, meta + PAGE_SIZE), &r, sizeof(r), NULL) != 0 ||
	    le64_get(r.failed) != 0)
		abort();
}

static void check(struct program *p, unsigned v)
{
	struct rpc_memory_fill_req q = { LE(p->id), LE(BASE + v), LE(p->change) };
	u8 page[PAGE_SIZE];
	int rc = wait_done(ask(p, RPC_memory_fill, &q, sizeof(q), NULL, 0), NULL, 0, page);

	if (rc != (p->there[v] ? FILL_DATA : FILL_ZERO) || (rc == FILL_DATA && memcmp(page, &p->val[v], 8) != 0) ||
	    (rc == FILL_DATA && memcmp(page + PAGE_SIZE - 8, &p->val[v], 8) != 0)) {
		fprintf(stderr, "page %u of %lu: %d\n", v, (unsigned long)p->id, rc);
		abort();
	}
}

static void forget(struct program *p, unsigned first, unsigned nr)
{
	memset(p->there + first, 0, nr);
}

static void fork_once(struct program *p)
{
	struct rpc_memory_fork_req q = { LE(p->id), LE(++p->change) };
	struct rpc_memory_fork_rep r;
	struct program child = *p;
	unsigned v = rand_r(&p->seed) % NV;

	if (wait_done(ask(p, RPC_memory_fork, &q, sizeof(q), NULL, 0), &r, sizeof(r), NULL) != 0)
		abort();
	child.id = le64_get(r.child);
	child.change = child.nr_told = 0;
	for (unsigned i = 0; i < 10; i++) {
		flush(p, i % 2 ? &child : NULL, v);
		check(&child, v);
		v = rand_r(&p->seed) % NV;
		flush(&child, NULL, v);
		check(p, v);
	}
	for (unsigned i = 0; i < NV; i += 3)
		check(&child, i);
	leave(&child);
	settle(&child);
}

static void file_once(struct program *p, u64 object)
{
	u64 index = rand_r(&p->seed) % 200, got;
	struct rpc_memory_fill_req q = { LE(object), LE(index) };
	u8 page[PAGE_SIZE];

	if (wait_done(ask(p, RPC_memory_fill, &q, sizeof(q), NULL, 0), NULL, 0, page) != FILL_DATA)
		abort();
	memcpy(&got, page, 8);
	if (got != index + 5)
		abort();
}

static void *program(void *arg)
{
	struct program p = { .node = P_NODE, .seed = (uintptr_t)arg };

	for (int life = 0; life < 6; life++) {
		struct rpc_memory_open_req oq = { le32_of(S_NODE), le32_of(1), le32_of(7), le32_of(0), LE(1) };
		struct rpc_memory_space_create_req cq;
		struct rpc_memory_space_create_rep cr;
		struct rpc_memory_close_req xq;
		struct rpc_memory_open_rep or;

		if (wait_done(ask(&p, RPC_memory_space_create, &cq, 0, NULL, 0), &cr, sizeof(cr), NULL) != 0 ||
		    wait_done(ask(&p, RPC_memory_open, &oq, sizeof(oq), NULL, 0), &or, sizeof(or), NULL) != 0)
			abort();
		p.id = le64_get(cr.space);
		p.change = 0;
		forget(&p, 0, NV);
		tell(&p, WIRE_CHANGE_MAP, 0, NV);
		for (int i = 0; i < 150; i++) {
			unsigned v = rand_r(&p.seed) % NV;

			switch (rand_r(&p.seed) % 16) {
			case 0:
				tell(&p, WIRE_CHANGE_UNMAP, v, NV - v);
				tell(&p, WIRE_CHANGE_MAP, v, NV - v);
				forget(&p, v, NV - v);
				break;
			case 1:
				tell(&p, WIRE_CHANGE_ZAP, 0, v + 1);
				forget(&p, 0, v + 1);
				break;
			case 2: fork_once(&p); break;
			case 3: case 4: case 5: file_once(&p, le64_get(or.object)); break;
			case 6: case 7: case 8: case 9: case 10: check(&p, v); break;
			default: flush(&p, NULL, v);
			}
		}
		leave(&p);
		settle(&p);
		xq = (struct rpc_memory_close_req){ or.object, le32_of(1) };
		if (wait_done(ask(&p, RPC_memory_close, &xq, sizeof(xq), NULL, 0), NULL, 0, NULL) != 0)
			abort();
	}
	return NULL;
}

static void many_at_once(void **state)
{
	pthread_t r[RECEIVERS], p[PROGRAMS];

	s_resize(&s_file[0], 200 * PAGE_SIZE);
	for (u64 i = 0; i < 200; i++)
		*(u64 *)(s_file[0].data + i * PAGE_SIZE) = i + 5;
	s_delay_us = 200;
	for (uintptr_t i = 0; i < RECEIVERS; i++)
		pthread_create(&r[i], NULL, receiver, (void *)(i + 100));
	for (uintptr_t i = 0; i < PROGRAMS; i++)
		pthread_create(&p[i], NULL, program, (void *)(i + 1));
	for (unsigned i = 0; i < PROGRAMS; i++)
		pthread_join(p[i], NULL);
	store_release(&stop, true);
	for (unsigned i = 0; i < RECEIVERS; i++)
		pthread_join(r[i], NULL);
	memory_check_empty();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(many_at_once) };

	memory_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
