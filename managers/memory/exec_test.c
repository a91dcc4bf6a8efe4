/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/memory/ops.c managers/memory/node_ops.c managers/memory/space.c managers/memory/change.c managers/memory/map_ops.c managers/memory/fork.c managers/memory/fill.c managers/memory/flush.c managers/memory/place.c managers/memory/page.c managers/memory/page_tree.c managers/memory/commit.c managers/memory/elf.c managers/memory/exec.c managers/memory/object.c managers/memory/cache.c managers/memory/writeback.c managers/memory/file_ops.c */
/*
 * Programs loaded into spaces: every page that M would answer is compared with what the headers of the file say.
 * lesson: L3
 */
#include <fcntl.h>

#include "managers/memory/elf.h"
#include "managers/memory/test_fit.h"

#define LE(x) le64_of(x)
struct reply {
	struct rpc_memory_exec_rep r;
	u8 bulk[RPC_MAX_BULK_IN];
};
static struct reply rep;

static void file_set(int i, const void *data, u64 size)
{
	s_resize(&s_file[i], size);
	memcpy(s_file[i].data, data, size);
}

static void file_load(int i, const char *name)
{
	int fd = open(name, O_RDONLY);
	u64 size;

	assert_true(fd >= 0);
	size = lseek(fd, 0, SEEK_END);
	s_resize(&s_file[i], size);
	assert_int_equal(pread(fd, s_file[i].data, size, 0), size);
	close(fd);
}

static u64 file_open(int i)
{
	struct rpc_memory_open_rep r;

	assert_int_equal(CALL(memory_open, &r, .storage_node = le32_of(S_NODE), .fs = le32_of(1), .gen = le32_of(7), .ino = LE(i + 1)), 0);
	assert_int_equal(le64_get(r.size), s_file[i].size);
	return le64_get(r.object);
}

static void file_close(u64 object) { assert_int_equal(CALL(memory_close, NULL, .object = LE(object), .count = le32_of(1)), 0); }

static int do_exec(u64 space, u64 change, u64 program, u64 interp, bool random)
{
	struct rpc_memory_exec_req q = {
		.space = LE(space), .change = LE(change), .object = LE(program), .interp = LE(interp), .stack_limit = LE(MIB(8)),
		.random_seed = LE(12345 + space), .flags = le32_of(random ? WIRE_EXEC_RANDOM : 0),
	};

	return fake_now(P_NODE, RPC_memory_exec, &q, sizeof(q), NULL, 0, &rep.r, sizeof(rep.r), rep.bulk, NULL);
}

static u64 new_space(void)
{
	struct rpc_memory_space_create_rep r;

	assert_int_equal(CALL(memory_space_create, &r), 0);
	return le64_get(r.space);
}

/* What the page at va of the space holds, as the processor node would come to see it. */
static void page_at(u64 space, u64 va, u8 *page)
{
	struct rpc_memory_fill_req q = { LE(space), LE(va >> 12), LE(1) };
	u32 len;
	int rc = fake_now(P_NODE, RPC_memory_fill, &q, sizeof(q), NULL, 0, NULL, 0, page, &len);

	assert_true(rc == FILL_DATA || rc == FILL_ZERO);
	if (rc == FILL_ZERO)
		memset(page, 0, PAGE_SIZE);
	else
		assert_int_equal(len, PAGE_SIZE);
}

static s64 read_s_file(void *arg, u64 off, void *buf, u64 len)
{
	struct s_file *f = arg;

	len = off >= f->size ? 0 : MIN(len, f->size - off);
	memcpy(buf, f->data + off, len);
	return len;
}

/* All of the image's segments, byte for byte; behind a segment's file bytes, zeros. */
static void check_image(u64 space, struct s_file *f, u64 bias)
{
	struct elf_source src = { read_s_file, f, f->size };
	struct elf_image im;
	const char *why;
	u8 page[PAGE_SIZE];

	assert_int_equal(elf_parse(&src, &im, &why), 0);
	for (unsigned i = 0; i < im.nr_segments; i++) {
		struct elf_segment *s = &im.segment[i];

		for (u64 at = 0; at < s->memsz; at++) {
			u64 va = s->vaddr + at;

			if (at == 0 || va % PAGE_SIZE == 0)
				page_at(space, va + bias, page);
			assert_int_equal(page[va % PAGE_SIZE], at < s->filesz ? f->data[s->off + at] : 0);
		}
		/* to the end of the page of .bss: zeros too */
		for (u64 va = s->vaddr + s->memsz; s->memsz > s->filesz && va % PAGE_SIZE != 0; va++)
			assert_int_equal(page[va % PAGE_SIZE], 0);
	}
}

static void check_reply(bool random)
{
	const struct wire_vma *v = (void *)rep.bulk;
	u32 nr = le32_get(rep.r.nr_vmas);
	bool stack = false;

	for (u32 i = 0; i < nr; i++) {
		if (i > 0)
			assert_true(le64_get(v[i].start) >= le64_get(v[i - 1].end));
		if (le32_get(v[i].flags) & VMA_STACK) {
			stack = true;
			assert_int_equal(le64_get(v[i].end), le64_get(rep.r.stack_top));
			assert_int_equal(le64_get(v[i].end) - le64_get(v[i].start), KIB(132));
			assert_int_equal(le32_get(v[i].prot), PROT_READ | PROT_WRITE);
		}
	}
	assert_true(stack);
	if (!random) {
		assert_int_equal(le64_get(rep.r.stack_top), USER_END);
		assert_int_equal(le64_get(rep.r.mmap_top), 0x7ffff7fff000ULL);
	} else {
		assert_true(le64_get(rep.r.mmap_top) + MIB(8) < le64_get(rep.r.stack_top));
	}
	assert_true(le64_get(rep.r.code_start) < le64_get(rep.r.code_end));
	assert_true(page_aligned(le64_get(rep.r.brk)));
}

static void dynamic_program(void **state)
{
	for (int random = 0; random < 20; random++) {
		u64 program, interp, space = new_space();
		struct { struct rpc_memory_exec_probe_rep r; char text[256]; } probe = { 0 };
		struct rpc_memory_exec_probe_req pq;
		u32 len;

		if (random == 0) {
			file_load(0, "/bin/sh");
			file_load(1, "/lib64/ld-linux-x86-64.so.2");
		}
		program = file_open(0);
		interp = file_open(1);
		pq.object = LE(program);
		assert_int_equal(fake_now(P_NODE, RPC_memory_exec_probe, &pq, sizeof(pq), NULL, 0, &probe.r, sizeof(probe.r), probe.text,
					  &len), 0);
		assert_int_equal(le32_get(probe.r.kind), EXEC_INTERP);
		assert_string_equal(probe.text, "/lib64/ld-linux-x86-64.so.2");
		assert_int_equal(do_exec(space, 1, program, interp, random > 0), 0);
		check_reply(random > 0);
		if (random == 0)
			assert_int_equal(le64_get(rep.r.at_entry) >> 12 << 12 >> 28, 0x555555554000ULL >> 28);
		if (random < 2) {
			check_image(space, &s_file[0], le64_get(rep.r.at_phdr) - 64);
			check_image(space, &s_file[1], le64_get(rep.r.at_base));
		}
		/* closed: the mappings keep the objects */
		file_close(program);
		file_close(interp);
		assert_int_equal(objects_active(), 2);
		assert_int_equal(CALL(memory_space_exit, NULL, LE(space), LE(2)), 0);
	}
	memory_check_empty();
}

/* An ET_EXEC whose data ends, and whose .bss begins, in the middle of a page; behind it in the file comes other text. */
static void bss_begins_mid_page(void **state)
{
	static u8 file[3 * PAGE_SIZE];
	u64 program, space = new_space();
	u64 *ph;

	memset(file, 0xee, sizeof(file));
	memset(file, 0, 64 + 2 * 56);
	memcpy(file, "\177ELF\2\1\1", 7);
	file[16] = 2, file[18] = 62, file[20] = 1, file[54] = 56, file[56] = 2;
	*(u64 *)(file + 24) = 0x400100;
	*(u64 *)(file + 32) = 64;
	ph = (u64 *)(file + 64);
	ph[0] = 1 | 5ULL << 32, ph[1] = 0, ph[2] = 0x400000, ph[4] = ph[5] = 0x1000, ph[6] = 0x1000;
	ph += 7;
	ph[0] = 1 | 6ULL << 32, ph[1] = 0x1200, ph[2] = 0x402200, ph[4] = 0x345, ph[5] = 0x5000, ph[6] = 0x1000;
	file_set(2, file, sizeof(file));
	program = file_open(2);
	assert_int_equal(do_exec(space, 1, program, 0, false), 0);
	check_reply(false);
	assert_int_equal(le32_get(rep.r.nr_private), 1);
	assert_int_equal(le64_get(*(le64 *)(rep.bulk + le32_get(rep.r.nr_vmas) * sizeof(struct wire_vma))), 0x402);
	assert_int_equal(le64_get(rep.r.entry), 0x400100);
	assert_int_equal(le64_get(rep.r.at_phdr), 0x400040);
	assert_int_equal(le64_get(rep.r.brk), 0x408000);
	assert_int_equal(le64_get(rep.r.commit), 6 + 33);
	check_image(space, &s_file[2], 0);
	assert_int_equal(do_exec(space, 2, program, 0, false), -EINVAL);	/* not fresh any more */
	assert_int_equal(CALL(memory_space_exit, NULL, LE(space), LE(3)), 0);
	file_close(program);
	memory_check_empty();
}

static void refused(void **state)
{
	struct { struct rpc_memory_exec_probe_rep r; char text[256]; } probe = { 0 };
	struct rpc_memory_exec_probe_req pq;
	u64 object, space = new_space();
	u32 len;

	file_set(3, "#! /bin/sh -e\necho\n", 19);
	object = file_open(3);
	pq.object = LE(object);
	assert_int_equal(fake_now(P_NODE, RPC_memory_exec_probe, &pq, sizeof(pq), NULL, 0, &probe.r, sizeof(probe.r), probe.text, &len), 0);
	assert_int_equal(le32_get(probe.r.kind), EXEC_SCRIPT);
	assert_int_equal(le32_get(probe.r.len), 11);
	assert_memory_equal(probe.text, " /bin/sh -e", 11);
	assert_int_equal(do_exec(space, 1, object, 0, false), -ENOEXEC);
	file_close(object);
	objects_close_wait();
	objects_drop_idle();

	file_load(3, "/bin/sh");
	s_resize(&s_file[3], s_file[3].size / 2);	/* truncated */
	object = file_open(3);
	pq.object = LE(object);
	assert_int_equal(fake_now(P_NODE, RPC_memory_exec_probe, &pq, sizeof(pq), NULL, 0, NULL, 0, NULL, NULL), -ENOEXEC);
	assert_int_equal(do_exec(space, 2, object, 0, false), -ENOEXEC);
	file_close(object);
	objects_close_wait();
	objects_drop_idle();

	file_load(3, "/bin/sh");
	object = file_open(3);
	s_fail = EIO;
	assert_int_equal(do_exec(space, 3, object, 0, false), -EIO);
	s_fail = 0;
	assert_int_equal(do_exec(space, 4, object, 0, false), -ENOEXEC);	/* its interpreter was not given */
	assert_int_equal(do_exec(space, 5, object + 1000, 0, false), -ESRCH);
	file_close(object);
	assert_int_equal(CALL(memory_space_exit, NULL, LE(space), LE(6)), 0);
	memory_check_empty();
}

static int setup(void **state)
{
	memory_start();
	return 0;
}

/* An exec that came before its turn runs in a worker, though what it waited for is applied in the receive path. */
static void parked_exec(void **state)
{
	u64 space, program;
	struct rpc_memory_exec_req q = { .change = LE(2), .stack_limit = LE(MIB(8)) };
	struct rpc_memory_space_exit_req e = { .change = LE(3) };
	struct rpc_memory_changes_req zap;
	struct fake *f;

	file_load(0, "/proc/self/exe");
	program = file_open(0);
	space = new_space();
	q.space = e.space = LE(space);
	q.object = LE(program);
	f = fake_call(P_NODE, RPC_memory_exec, &q, sizeof(q), NULL, 0);
	fake_deliver(f);
	assert_false(f->replied);
	zap = one_change(space, 1, WIRE_CHANGE_ZAP, MIB(1), PAGE_SIZE, 0);
	assert_int_equal(changes_now(&zap), 0);
	while (!load_acquire(&f->replied))
		usleep(100);
	assert_true(f->status == 0 || f->status == -ENOEXEC || f->status == -EINVAL);
	fake_done(f);
	assert_int_equal(fake_now(P_NODE, RPC_memory_space_exit, &e, sizeof(e), NULL, 0, NULL, 0, NULL, NULL), 0);
	file_close(program);
	memory_check_empty();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bss_begins_mid_page), cmocka_unit_test(refused), cmocka_unit_test(dynamic_program),
		cmocka_unit_test(parked_exec),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
