/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/memory/ops.c managers/memory/node_ops.c managers/memory/space.c managers/memory/change.c managers/memory/map_ops.c managers/memory/fork.c managers/memory/fill.c managers/memory/flush.c managers/memory/place.c managers/memory/page.c managers/memory/page_tree.c managers/memory/commit.c managers/memory/elf.c managers/memory/exec.c managers/memory/object.c managers/memory/cache.c managers/memory/writeback.c managers/memory/file_ops.c */
/* The table of objects: who walks over it misses none that was there, whatever comes and goes meanwhile, and without memory. */
#include "managers/memory/test_fit.h"

#define LE(x) le64_of(x)

static u64 file_open(int i)
{
	struct rpc_memory_open_rep r;

	assert_int_equal(CALL(memory_open, &r, .storage_node = le32_of(S_NODE), .fs = le32_of(1), .gen = le32_of(7), .ino = LE(i + 1)), 0);
	return le64_get(r.object);
}
static void object_end(u64 o) { assert_int_equal(CALL(memory_close, NULL, .object = LE(o), .count = le32_of(1)), 0); }

static u8 first_byte(u64 o)
{
	struct rpc_memory_read_req q = { LE(o), LE(0), le32_of(1) };
	u8 byte;
	u32 len;

	assert_int_equal(fake_now(P_NODE, RPC_memory_read, &q, sizeof(q), NULL, 0, NULL, 0, &byte, &len), 0);
	assert_int_equal(len, 1);
	return byte;
}

/* It is as if it were another storage node, with other files: what it held is asked for again, what it said is forgotten. */
static void death_of_storage_needs_no_memory(void **state)
{
	u64 used, idle;

	for (int i = 0; i < 2; i++) {
		pthread_mutex_lock(&s_lock);
		s_resize(&s_file[i], PAGE_SIZE);
		s_file[i].data[0] = 'a';
		pthread_mutex_unlock(&s_lock);
	}
	used = file_open(0);
	idle = file_open(1);
	assert_int_equal(first_byte(idle), 'a');
	object_end(idle);
	assert_int_equal(s_file[0].holds, 1);
	shim_fail_alloc(1);
	memory_node_changed(S_NODE, ROLE_STORAGE, false);
	shim_fail_alloc(0);
	s_file[0].holds = 0;
	s_file[1].data[0] = 'b';
	assert_int_equal(file_open(0), used);
	assert_int_equal(s_file[0].holds, 1);
	idle = file_open(1);
	assert_int_equal(first_byte(idle), 'b');
	object_end(idle);
	object_end(used);
	object_end(used);
	memory_check_empty();
}

#define NR_AT_FIRST	1500		/* some of them share a bucket */
#define NR_EVER		(4 * NR_AT_FIRST)
static struct { u64 id; unsigned seen; bool ended; } shm[NR_EVER];
static unsigned nr_shm;
static u64 open_file[S_FILES];		/* 0: it is not */
static unsigned files_seen;

static void shm_make(void)
{
	struct rpc_memory_shm_create_rep r;

	assert_int_equal(CALL(memory_shm_create, &r, .size = LE(PAGE_SIZE)), 0);
	shm[nr_shm++].id = le64_get(r.object);
}

static void shm_end(unsigned i)
{
	if (!shm[i].ended)
		object_end(shm[i].id);
	shm[i].ended = true;
}

static void file_switch(unsigned i)
{
	if (open_file[i] != 0)
		object_end(open_file[i]);
	open_file[i] = open_file[i] != 0 ? 0 : file_open(i);
}

static void count_it(struct object *o, void *arg)
{
	for (unsigned i = 0; i < nr_shm; i++)
		shm[i].seen += shm[i].id == o->id;
	files_seen += !object_is_shm(o);
}

/* What comes now is not walked over: it would not end. What goes may be the one, those in front of it or behind it. */
static void disturb(struct object *o, void *arg)
{
	bool end_it = random() % 2;
	unsigned *nr = arg;

	count_it(o, NULL);
	if (nr_shm < NR_EVER)
		shm_make();
	for (unsigned i = 0; i < nr_shm; i++)
		if (end_it && shm[i].id == o->id)
			shm_end(i);
	if (random() % 2)
		shm_end(random() % nr_shm);
	file_switch(random() % S_FILES);
	if (++*nr % 256 == 0)
		objects_drop_idle();		/* a walk in the walk, and files are others when they are opened again */
}

static void none_is_missed_by_a_walk(void **state)
{
	for (unsigned round = 0; round < 4; round++) {
		unsigned nr = 0;

		srandom(round);
		memset(shm, 0, sizeof(shm));
		nr_shm = files_seen = 0;
		for (unsigned i = 0; i < NR_AT_FIRST; i++)
			shm_make();
		open_file[0] = file_open(0);
		objects_for_each(disturb, &nr);
		for (unsigned i = 0; i < nr_shm; i++) {
			assert_true(shm[i].seen <= 1);
			assert_true(shm[i].seen == (i < NR_AT_FIRST) || shm[i].ended);
			assert_true(i < NR_AT_FIRST || shm[i].seen == 0);
		}
		assert_true(nr <= NR_AT_FIRST + 1 && files_seen <= 1);
		files_seen = 0;
		for (unsigned i = 0; i < nr_shm; i++)
			shm[i].seen = 0;
		objects_for_each(count_it, NULL);	/* undisturbed: all that there are */
		for (unsigned i = 0; i < nr_shm; i++) {
			assert_int_equal(shm[i].seen, !shm[i].ended);
			shm_end(i);
		}
		for (unsigned i = 0; i < S_FILES; i++)
			if (open_file[i] != 0)
				file_switch(i);
		memory_check_empty();
	}
}

static int setup(void **state)
{
	memory_start();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(death_of_storage_needs_no_memory), cmocka_unit_test(none_is_missed_by_a_walk),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
