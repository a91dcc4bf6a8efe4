/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/memory/ops.c managers/memory/node_ops.c managers/memory/space.c managers/memory/change.c managers/memory/map_ops.c managers/memory/fork.c managers/memory/fill.c managers/memory/flush.c managers/memory/place.c managers/memory/page.c managers/memory/page_tree.c managers/memory/commit.c managers/memory/elf.c managers/memory/exec.c managers/memory/object.c managers/memory/cache.c managers/memory/writeback.c managers/memory/file_ops.c */
/* PARSERS: managers/memory/ops.c managers/memory/map_ops.c managers/memory/flush.c managers/memory/place.c managers/memory/fill.c managers/memory/file_ops.c managers/memory/exec.c managers/memory/fork.c managers/memory/node_ops.c managers/memory/change.c managers/memory/commit.c managers/memory/object.c managers/memory/cache.c managers/memory/writeback.c */
/*
 * Every op that a memory node answers, from the definition of the protocol, of processor nodes that
 * exist and that do not: requests that make sense, with some of their bytes changed, changes that overtake each other, storage that fails or
 * says what cannot be, files that are programs, or nearly so; nodes that die, between two calls or while one waits for storage, and memory that is full. Each
 * call ends exactly once, and nothing is left when the callers are dead.
 *
 * There is one thread. What the node's work queues are given is done when the input says so, or somebody would sleep: the same input
 * does the same, and comes to the same lines. (Threads that meet anywhere are stress_test.c's.)
 */
#include <elf.h>

#include "kernel/power.h"
#include "kernel/sched.h"
#include "kernel/work.h"
#include "lib/base/printk.h"
#include "managers/memory/test_fit.h"

#define MAX_CALLS 256
#define MAX_OPS 24			/* of 32: the others are what happens, not calls */

static const u8 *in;
static size_t in_left;

static u8 next_byte(void) { return in_left == 0 ? 0 : (in_left--, *in++); }

static struct fake *call[MAX_CALLS];		/* all that there were */
static unsigned nr_calls;

/* --- one thread, one clock: in place of kernel/work.c, the host's scheduler and its time --- */

struct work_queue *system_work;
static struct list pending = LIST_INIT(pending);	/* of all queues, in their order */

void work_init(struct work *w, void (*fn)(struct work *w))
{
	list_init(&w->link);
	w->fn = fn;
	w->queued = false;
}

struct work_queue *work_queue_create(const char *name, unsigned nr_threads, int prio) { return (struct work_queue *)&pending; }

bool work_queue_add(struct work_queue *q, struct work *w)
{
	bool fresh = !w->queued;

	if (fresh)
		list_add_tail(&pending, &w->link);
	w->queued = true;
	return fresh;
}

static bool work_one(void)
{
	struct work *w = list_first(&pending, struct work, link);

	if (w == NULL)
		return false;
	list_del(&w->link);
	w->queued = false;
	w->fn(w);
	return true;
}

static void work_all(void)
{
	while (work_one())
		;
}

/* Whoever would sleep waits for what is queued, or for ever. */
void schedule(void)
{
	if (!work_one())
		panic("a wait that nothing ends");
}

u64 time_wall_ns(void) { return NSEC_PER_SEC; }
u64 time_mono_ns(void) { return NSEC_PER_SEC; }

/* --- requests --- */

static u64 space[4], object[4], change[4];		/* spaces and objects that there are, the last change number of each space */
static unsigned nr_spaces, nr_objects;			/* that answers named */
static u64 left_out[4], after;		/* numbers of changes that are still to come; what follows when that of space after_of has come */
static unsigned after_of;

static u64 page(u8 x) { return 0x400 + x % 32; }

/* A request as a processor node would make it: of small numbers, to spaces and objects that there are. */
static u32 make(unsigned op, void *body, u8 *bulk)
{
	u8 x = next_byte(), y = next_byte(), z = next_byte();
	unsigned i = x % 4;
	le64 id = le64_of(space[i]), o = le64_of(y % 8 == 7 ? 0 : object[y % 4]);
	u32 at = 0;

	switch (op) {
	case RPC_memory_fill:
		*(struct rpc_memory_fill_req *)body = (struct rpc_memory_fill_req){
			z & 1 ? o : id, le64_of(z & 1 ? y % 8 : page(y)), le64_of(z & 1 ? 0 : change[i]), le32_of(z >> 1 & 3) };
		break;
	case RPC_memory_fill_ahead:
		*(struct rpc_memory_fill_ahead_req *)body = (struct rpc_memory_fill_ahead_req){
			z & 1 ? o : id, le64_of(z & 1 ? 0 : change[i]), .nr = le32_of(1 + (z >> 1) % 8) };
		for (unsigned k = 0; k < FILL_MANY; k++)
			((struct rpc_memory_fill_ahead_req *)body)->pages.index[k] = le64_of(z & 1 ? (y + k) % 16 : page(y + k * (1 + z / 64)));
		break;
	case RPC_memory_flush:
		*(struct rpc_memory_flush_req *)body = (struct rpc_memory_flush_req){ le16_of(1 + z % 3) };
		for (unsigned p = 0; p < 1U + z % 3; p++) {
			unsigned owners = z & 64 ? 1 : 1 + (x >> 2) % 2;
			struct wire_flush_page h = { le16_of(owners) };

			memcpy(bulk + at, &h, sizeof(h));
			at += sizeof(h);
			for (unsigned k = 0; k < owners; k++, at += sizeof(struct wire_owner)) {
				unsigned of = (i + k) % 4;
				struct wire_owner own = { le64_of(space[of]), le64_of(page(y + p)), le64_of(change[of]) };

				if (z & 64)
					own = (struct wire_owner){ o, le64_of(y % 8 + p) };
				memcpy(bulk + at, &own, sizeof(own));
			}
		}
		((struct rpc_memory_flush_req *)body)->meta_len = le32_of(at);
		return at + (1 + z % 3) * PAGE_SIZE;
	case RPC_memory_place:
		*(struct rpc_memory_place_req *)body = (struct rpc_memory_place_req){
			id, le64_of(change[i]), le64_of(page(y)), o, le64_of(z * 300), le32_of(1 + z % 7) };
		break;
	case RPC_memory_space_exit:
	case RPC_memory_fork:
		*(struct rpc_memory_fork_req *)body = (struct rpc_memory_fork_req){ id, le64_of(++change[i]) };
		break;
	case RPC_memory_exec:
		*(struct rpc_memory_exec_req *)body = (struct rpc_memory_exec_req){
			id, le64_of(++change[i]), o, le64_of(z & 1 ? object[z % 4] : 0), le64_of(1 << 20), le64_of(5), le32_of(z >> 1 & 1) };
		break;
	case RPC_memory_map:
		*(struct rpc_memory_map_req *)body = (struct rpc_memory_map_req){
			id, le64_of(++change[i]), le64_of(page(y) << 12), le64_of((1 + z % 8) << 12), z & 8 ? o : le64_of(0),
			le64_of(z & 8 ? 0 : page(y)), le32_of(z >> 5), le32_of((z & 8 ? VMA_SHARED : 0) | (z & 16 ? VMA_ACCOUNTED : 0)) };
		break;
	case RPC_memory_changes: {
		struct rpc_memory_changes_req *q = body;
		u32 nr = 1 + (x >> 2) % 3;

		*q = (struct rpc_memory_changes_req){ id, le64_of(change[i] + 1), le32_of(nr) };
		for (u32 k = 0; k < nr; k++)
			q->list.of[k] = (struct wire_change){
				le64_of(page(y + k * z) << 12), le64_of((1 + z % (x & 128 ? 80 : 8)) << 12), le64_of(page(y)),
				le32_of(z & 16 ? VMA_ACCOUNTED : 0), le16_of(z >> 5), le16_of((y + k) % 6) };
		change[i] += nr;
		break;
	}
	case RPC_memory_remap:
		*(struct rpc_memory_remap_req *)body = (struct rpc_memory_remap_req){
			id, le64_of(++change[i]), le64_of(page(y) << 12), le64_of((1 + z % 8) << 12), le64_of((page(y) + 40) << 12),
			le64_of((1 + (z >> 3) % 8) << 12), le32_of(x >> 7) };
		break;
	case RPC_memory_open:
		*(struct rpc_memory_open_req *)body = (struct rpc_memory_open_req){
			le32_of(S_NODE), le32_of(1), le32_of(7), le32_of(z % 4), le64_of(1 + y % S_FILES) };
		break;
	case RPC_memory_read:
		*(struct rpc_memory_read_req *)body = (struct rpc_memory_read_req){ o, le64_of(z * 300), le32_of(x * 200) };
		break;
	case RPC_memory_write:
		*(struct rpc_memory_write_req *)body = (struct rpc_memory_write_req){ o, le64_of(z * 300), le32_of(x & 1), le64_of(5) };
		return x * 100;
	case RPC_memory_close:
		*(struct rpc_memory_close_req *)body = (struct rpc_memory_close_req){ o, le32_of(1) };
		break;
	case RPC_memory_truncate:
		*(struct rpc_memory_truncate_req *)body = (struct rpc_memory_truncate_req){ o, le64_of(z * 300), le64_of(5) };
		break;
	case RPC_memory_range:
		*(struct rpc_memory_range_req *)body = (struct rpc_memory_range_req){
			o, le64_of((u64)(z % 16) << (x & 128 ? 11 : 12)), le64_of((u64)((x >> 2) % 8) << 12), le32_of((z >> 4) % 6), le64_of(5) };
		break;
	case RPC_memory_commit:
	case RPC_memory_shm_create:
		*(le64 *)body = le64_of((u64)(s64)(s8)z);
		break;
	default:				/* an object first, or nothing */
		*(struct rpc_memory_sync_req *)body = (struct rpc_memory_sync_req){ o, le32_of(z & 1) };
	}
	return 0;
}

/* --- what happens --- */

/* All that it has asked is of its earlier life. */
static void caller_dies(void)
{
	for (unsigned i = 0; i < nr_calls; i++)
		if (call[i]->call.node == P_NODE)
			call[i]->obsolete = true;
	memory_node_changed(P_NODE, ROLE_PROCESSOR, false);
	memory_node_changed(P_NODE, ROLE_PROCESSOR, true);
}

static void storage_dies(void)
{
	for (unsigned i = 0; i < S_FILES; i++)
		s_file[i].holds = 0;
	shim_fail_alloc(0);		/* to go through all objects takes memory, and who is left out keeps its hold */
	memory_node_changed(S_NODE, ROLE_STORAGE, false);
	memory_node_changed(S_NODE, ROLE_STORAGE, true);
}

static unsigned dies_in;		/* reads of storage; 0: it lives */

static void storage_reads(u64 off)
{
	if (dies_in > 0 && --dies_in == 0)
		caller_dies();
}

/* All but a few pages of commit are taken. */
static void commit_fills(u8 left)
{
	s64 moved;

	(void)!commit_reserve(9, commit_limit() - MIN(commit_limit(), commit_total() + left), &moved);
}

/* A file becomes a program or a script, or what is neither because of some bytes. */
static void make_program(void)
{
	u8 kind = next_byte(), nr = 1 + next_byte() % 4, spoil = next_byte();
	bool interp = kind & 4, stack = kind & 8;
	struct s_file *f = &s_file[kind % 4];
	Elf64_Ehdr *h;
	Elf64_Phdr *p;

	s_resize(f, 0);
	s_resize(f, 6 * PAGE_SIZE);
	h = (void *)f->data;
	p = (void *)(h + 1);
	*h = (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, .e_type = kind & 16 ? ET_DYN : ET_EXEC,
		.e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_entry = 0x400100, .e_phoff = sizeof(*h), .e_phentsize = sizeof(*p),
		.e_phnum = nr + interp + stack,
	};
	if (interp) {
		*p++ = (Elf64_Phdr){ .p_type = PT_INTERP, .p_offset = 1000, .p_filesz = 7 };
		memcpy(f->data + 1000, "/ld.so", 7);
	}
	if (stack)
		*p++ = (Elf64_Phdr){ .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W | (kind & 32 ? PF_X : 0) };
	for (unsigned i = 0; i < nr; i++) {
		u8 x = next_byte();
		u64 off = i * PAGE_SIZE + (i == 0 ? 0 : x % 8 * 0x100), len = (x >> 3) % 8 * 0x200;

		p[i] = (Elf64_Phdr){
			.p_type = PT_LOAD, .p_flags = i == 0 ? PF_R | PF_X : PF_R | PF_W, .p_offset = off, .p_vaddr = 0x400000 + i * 0x10000 + off,
			.p_filesz = len, .p_memsz = len + (x >> 6) * 0x1800, .p_align = PAGE_SIZE << x % 4,
		};
	}
	for (unsigned i = 0; i < (spoil < 128 ? 0U : spoil % 4); i++) {
		u8 where = next_byte();

		f->data[where + 256 * (i & 1)] = next_byte();
	}
	if (kind >= 192)
		memcpy(f->data, "#! /bin/sh -e\n", 15);
	if (kind >= 240)
		s_resize(f, kind % 16);
}

/* A change is on its way for longer than those behind it: they are parked. */
static void change_left_out(unsigned of)
{
	if (left_out[of] == 0)
		left_out[of] = ++change[of];
}

/* It arrives, or the last one once more: it is the next call, if that is a change of this space. */
static void change_comes(unsigned of)
{
	u64 nr = left_out[of] != 0 ? left_out[of] : change[of];

	if (nr == 0 || after != 0)
		return;
	after = change[of];
	after_of = of;
	change[of] = nr - 1;
}

static void happen(unsigned what)
{
	switch (what) {
	case 0: caller_dies(); break;
	case 1: storage_dies(); break;
	case 2: shim_fail_alloc(1 + next_byte() % 64); break;
	case 3: make_program(); break;
	case 4: dies_in = 1 + next_byte() % 8; break;
	case 5: commit_fills(next_byte()); break;
	case 6: change_left_out(next_byte() % 4); break;
	case 7: change_comes(next_byte() % 4); break;
	}
}

/* One of those; then up to three of its bytes are another's, and its bulk may be longer or shorter. */
static struct fake *one_call(void)
{
	static u8 bulk[RPC_MAX_BULK_OUT];
	u8 body[RPC_MAX_REQ] = { 0 }, spoil, first = next_byte();
	unsigned at = first % 32;		/* not of as many as there are: who appends an op does not change what kept inputs do */
	const struct rpc_op *op = &memory_ops[at];
	struct fake *f;
	u32 len;

	if (first < 192)
		work_all();
	if (at >= MAX_OPS)
		happen(at - MAX_OPS);
	if (at >= nr_memory_ops || op->run == NULL)
		return NULL;
	memset(bulk, 0, 1024);
	len = make(op->op, body, bulk);
	if (after != 0) {
		if (change[after_of] >= left_out[after_of])
			left_out[after_of] = 0;
		change[after_of] = MAX(change[after_of], after);
		after = 0;
	}
	spoil = next_byte();
	for (unsigned i = 0; i < (spoil < 128 ? 0U : spoil % 4) && op->req_size != 0; i++) {
		u8 where = next_byte();

		body[where % op->req_size] = next_byte();
	}
	if ((spoil & 144) == 144)
		bulk[next_byte()] = next_byte();
	if ((spoil & 224) == 224)
		len = MIN(len + (s8)next_byte(), (u32)sizeof(bulk));
	f = fake_call(spoil == 255 ? 9 : P_NODE, spoil == 254 ? 0x999 : op->op, body, op->req_size, bulk, len);
	f->obsolete = spoil == 253;	/* its caller died before it is done */
	f->call.rep_room = (spoil & 140) == 140 ? 0 : RPC_MAX_BULK_IN;
	s_fail = spoil == 252 ? EIO : 0;
	s_claims = spoil == 251 ? WIRE_SIZE_MAX + 1 : 0;
	return f;
}

/* Where an id of an answer is kept. */
static unsigned slot(u64 *ids, unsigned *nr, u64 id)
{
	for (unsigned i = 0; i < 4; i++)
		if (ids[i] == id)
			return i;
	ids[*nr % 4] = id;
	return (*nr)++ % 4;
}

/* What an answer says is used by the calls to come. */
static void learn(const struct fake *f)
{
	u64 id;

	if (!f->replied || f->status < 0)
		return;
	memcpy(&id, f->rep, 8);
	if (f->call.op == RPC_memory_space_create || f->call.op == RPC_memory_fork) {
		unsigned at = slot(space, &nr_spaces, id);

		change[at] = left_out[at] = 0;
	}
	if (f->call.op == RPC_memory_open || f->call.op == RPC_memory_shm_create)
		(void)slot(object, &nr_objects, id);
}

static jmp_buf is_off;

void power_off(void) { longjmp(is_off, 1); }

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static bool once;

	if (!once)
		memory_start();
	once = true;
	on_storage_read = storage_reads;
	dies_in = nr_calls = 0;
	for (unsigned i = 0; i < S_FILES; i++) {
		s_resize(&s_file[i], 0);
		s_resize(&s_file[i], 10000 * i);
	}
	memset(space, 0, sizeof(space));
	memset(object, 0, sizeof(object));
	memset(change, 0, sizeof(change));
	memset(left_out, 0, sizeof(left_out));
	after = 0;
	nr_spaces = nr_objects = 0;
	in = data;
	in_left = size;
	while (in_left > 0 && nr_calls < MAX_CALLS) {
		struct fake *f = one_call();

		if (f == NULL)
			continue;
		call[nr_calls++] = f;
		fake_deliver(f);
		if (s_fail != 0 || s_claims != 0)
			work_all();
		learn(f);
	}
	s_fail = s_claims = 0;
	dies_in = 0;
	shim_fail_alloc(0);
	for (unsigned i = 0; i < nr_calls; i++)
		call[i]->obsolete = true;
	memory_node_changed(P_NODE, ROLE_PROCESSOR, false);
	memory_node_changed(9, ROLE_PROCESSOR, false);
	work_all();
	for (unsigned i = 0; i < nr_calls; i++)
		fake_done(call[i]);		/* each has ended */
	if (setjmp(is_off) == 0)
		work_all();			/* it was told to go off when that answer had arrived */
	objects_close_wait();
	if (spaces_live() != 0 || spaces_vmas() != 0 || objects_active() != 0 || pages_private() != 0)
		abort();
	if (objects_sync_all(false) < 0)	/* a flush to a file that nobody has open stays in memory until then */
		abort();
	objects_drop_idle();
	if (objects_cached() != 0 || pages_cached() != 0 || cache_dirty_pages() != 0 || shim_frames_live() != 0 || commit_total() != 0)
		abort();
	for (unsigned i = 0; i < S_FILES; i++)
		if (s_file[i].holds != 0)
			abort();
	return 0;
}
