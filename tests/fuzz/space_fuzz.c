/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/pcache/clean.c managers/processor/pcache/cow.c managers/processor/pcache/evict.c managers/processor/pcache/fill.c managers/processor/pcache/flush.c managers/processor/pcache/frame.c managers/processor/pcache/owner.c managers/processor/pcache/param.c managers/processor/pcache/prefetch.c managers/processor/pcache/stream.c managers/processor/pcache/set.c managers/processor/pcache/shadow.c managers/processor/pcache/shadow_feed.c managers/processor/pcache/state.c managers/processor/pcache/sweep.c managers/processor/pcache/token.c managers/processor/pcache/turn.c managers/processor/pcache/victim.c managers/processor/pcache/check.c */
/* SOURCES: managers/processor/pcache/policy_lru.c managers/processor/pcache/policy_fifo.c managers/processor/pcache/policy_clock.c managers/processor/pcache/policy_random.c managers/processor/space/access.c managers/processor/space/advise.c managers/processor/space/change.c managers/processor/space/close.c managers/processor/space/commit.c managers/processor/space/lock.c managers/processor/space/merge.c */
/* SOURCES: managers/processor/fs/attr_cache.c managers/processor/space/fault.c managers/processor/space/fork.c managers/processor/space/init.c managers/processor/space/map.c managers/processor/space/object.c managers/processor/space/object_io.c managers/processor/space/object_range.c managers/processor/space/pass.c managers/processor/space/place.c managers/processor/space/remap.c managers/processor/space/space.c managers/processor/space/vdso.c managers/processor/space/zap.c */
/* SOURCES: managers/processor/space/exec.c managers/processor/space/exec_reply.c */
/* PARSERS: managers/processor/space/commit.c managers/processor/space/exec.c managers/processor/space/exec_reply.c managers/processor/space/object_io.c managers/processor/space/object_range.c managers/processor/space/place.c managers/processor/space/object.c managers/processor/space/change.c managers/processor/pcache/fill.c managers/processor/pcache/flush.c managers/processor/pcache/prefetch.c */
/*
 * What a processor node is told by the memory node of address spaces, pages and the data of files: each op's answer, as it would be or
 * with an error, a status that means nothing, any length that FIT lets pass, bytes that are others; a memory node that dies, and memory
 * that is short here. Programs do what makes the node ask. Nothing of it brings the node down, no program sees what came with a refusal,
 * each call ends, and in the end nothing is left.
 *
 * The kernel's threads are fibers, chosen by a seed: the same input does the same.
 */
#include "managers/processor/pcache/sim.c"
#include "managers/processor/pcache/sim_mmu.c"

#include "managers/processor/fs/file.h"
#include "managers/processor/pcache/shadow.h"
#include "managers/processor/pcache/stream.h"
#include "managers/processor/space/abi.h"
#include "shim.h"

#define M_NODE	2
#define SPACES	4
#define FILES	3
#define PAGES	24
#define BUF	(PLACE_MAX_PAGES * PAGE_SIZE)
#define GOOD	0x600d600d600d600dULL	/* a word of a page as it is */
#define BAD	0x0bad0bad0bad0badULL	/* one of what nobody may take for a page */
#define STEPS	2000000

static const u8 *in;
static size_t in_left;

static u8 next_byte(void) { return in_left == 0 ? 0 : (in_left--, *in++); }

void file_get(struct file *f) { ref_get(&f->refs); }
void file_put(struct file *f)
{
	if (ref_put(&f->refs))
		abort();
}
int copy_to_user(u64 dst, const void *src, size_t n) { return -EFAULT; }
u64 arch_random(void) { return 5; }

#if !__has_feature(address_sanitizer)		/* to measure lines */
void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t size) { }
void __sanitizer_finish_switch_fiber(void *save, const void **bottom, size_t *size) { }
#endif

/* --- the memory node --- */

static bool dead;
static u64 last_space, last_object, accounted;		/* accounted: what a fork's parent is charged for */
static u64 size_of[FILES];

/* No network, and whatever is asked is answered at once. */
void sim_memory_reset(void) { }
bool sim_memory_event(void) { return false; }
unsigned sim_memory_waiting(void) { return 0; }
int fit_wait_role(enum node_role role, u64 timeout_ns) { return dead ? -ETIMEDOUT : M_NODE; }
enum node_role fit_node_role(unsigned node) { return node == M_NODE ? ROLE_MEMORY : ROLE_NONE; }
bool fit_node_up(unsigned node) { return node == M_NODE && !dead; }
const char *fit_node_name(unsigned node) { return "memory-2"; }

static u32 fixed_size(unsigned op)
{
#define REP_SIZE(nr, name, class) case nr: return sizeof(struct rpc_##name##_rep);
	switch (op) {
	RPC_MEMORY_OPS(REP_SIZE)
	}
	panic("no such call: %u", op);
}

static void words(void *to, u32 len, u64 word)
{
	for (u32 at = 0; at + 8 <= len; at += 8)
		memcpy((u8 *)to + at, &word, 8);
}

static u64 *size_named(le64 object) { return &size_of[le64_get(object) % FILES]; }

static u32 exec_answer(const struct rpc_memory_exec_req *q, struct rpc_memory_exec_rep *r)
{
	u64 interp = le64_get(q->interp);
	struct wire_vma vma[3] = {
		{ .start = { 0x400000 }, .end = { 0x402000 }, .object = q->object, .prot = { PROT_READ | PROT_EXEC } },
		{ .start = { 0x7f0000 }, .end = { 0x7f4000 }, .object = q->interp, .prot = { PROT_READ } },
		{ .start = { 0x900000 }, .end = { 0x910000 }, .prot = { PROT_READ | PROT_WRITE }, .flags = { VMA_STACK | VMA_GROWSDOWN | VMA_ACCOUNTED } },
	};
	const le64 private = { 0x401 };
	u32 nr = interp == 0 ? 2 : 3;

	if (interp == 0)
		vma[1] = vma[2];
	*r = (struct rpc_memory_exec_rep){
		.entry = le64_of(0x400100), .brk = le64_of(0x500000), .stack_top = le64_of(0x910000), .mmap_top = le64_of(0x70000000),
		.code_start = le64_of(0x400000), .code_end = le64_of(0x402000), .commit = le64_of(0x10), .nr_vmas = le32_of(nr),
		.nr_private = le32_of(1),
	};
	memcpy(r + 1, vma, nr * sizeof(vma[0]));
	memcpy((u8 *)(r + 1) + nr * sizeof(vma[0]), &private, sizeof(private));
	return nr * sizeof(vma[0]) + sizeof(private);
}

/* The answer of a sound node; the bytes behind the fixed reply, the status in *status. */
static u32 answer(unsigned op, const void *req, u32 bulk_len, void *rep, u32 room, int *status)
{
	switch (op) {
	case RPC_memory_fill:
		*status = le64_get(((const struct rpc_memory_fill_req *)req)->index) % 2 == 0 ? FILL_DATA : FILL_ZERO;
		words(rep, PAGE_SIZE, *status == FILL_DATA ? GOOD : BAD);
		return *status == FILL_DATA ? PAGE_SIZE : 0;
	case RPC_memory_fill_ahead:
		*status = (1 << room / PAGE_SIZE) - 1;
		return room;
	case RPC_memory_space_create:
		((struct rpc_memory_space_create_rep *)rep)->space = le64_of(++last_space);
		return 0;
	case RPC_memory_fork:
		*(struct rpc_memory_fork_rep *)rep = (struct rpc_memory_fork_rep){ le64_of(++last_space), le64_of(accounted) };
		return 0;
	case RPC_memory_exec:
		return exec_answer(req, rep);
	case RPC_memory_exec_probe:
		*(struct rpc_memory_exec_probe_rep *)rep = (struct rpc_memory_exec_probe_rep){ le32_of(EXEC_INTERP), le32_of(6) };
		memcpy((struct rpc_memory_exec_probe_rep *)rep + 1, "/ld.so", 6);
		return 6;
	case RPC_memory_commit:
		((struct rpc_memory_commit_rep *)rep)->moved = ((const struct rpc_memory_commit_req *)req)->pages;
		return 0;
	case RPC_memory_open: {
		le64 ino = ((const struct rpc_memory_open_req *)req)->ino;

		*(struct rpc_memory_open_rep *)rep = (struct rpc_memory_open_rep){
			le64_of(WIRE_OBJECT_FIRST + le64_get(ino)), le64_of(1), le64_of(*size_named(ino)) };
		return 0;
	}
	case RPC_memory_shm_create:
		((struct rpc_memory_shm_create_rep *)rep)->object = le64_of(WIRE_OBJECT_FIRST + (1 << 20) + ++last_object);
		return 0;
	case RPC_memory_read: {
		const struct rpc_memory_read_req *q = req;
		u64 size = *size_named(q->object), off = le64_get(q->off);
		u32 len = off >= size ? 0 : MIN((u64)le32_get(q->len), size - off);

		words(rep, len, GOOD);
		return len;
	}
	case RPC_memory_write: {
		const struct rpc_memory_write_req *q = req;
		u64 *size = size_named(q->object), off = le32_get(q->flags) & WIRE_WRITE_APPEND ? *size : le64_get(q->off);

		*size = MAX(*size, off + bulk_len);
		*(struct rpc_memory_write_rep *)rep = (struct rpc_memory_write_rep){ le64_of(off), le64_of(*size) };
		return 0;
	}
	case RPC_memory_truncate:
		*size_named(((const struct rpc_memory_truncate_req *)req)->object) = le64_get(((const struct rpc_memory_truncate_req *)req)->size);
		return 0;
	case RPC_memory_range:
		((struct rpc_memory_range_rep *)rep)->off = ((const struct rpc_memory_range_req *)req)->off;
		return 0;
	case RPC_memory_place:
		*status = le32_get(((const struct rpc_memory_place_req *)req)->nr);
		return 0;
	}
	return 0;
}

/* A number of the answer, or a byte of it, is another. */
static void spoil(u8 *rep, u32 len)
{
	static const u64 numbers[] = { 0, 1, ~0ULL, WIRE_OBJECT_FIRST, WIRE_OBJECT_FIRST + 1, WIRE_SIZE_MAX + 1, 1ULL << 63, USER_END, 1 << 20 };
	u8 where = next_byte(), what = next_byte();

	if (len == 0)
		return;
	if (what < 128 && len >= 8)
		memcpy(rep + where * 4 % (len - 7), &numbers[what % ARRAY_SIZE(numbers)], 8);
	else
		rep[where % len] = what;
}

/* Length and status as they arrive, as FIT passes them on. */
static int reply(unsigned op, const void *req, u32 bulk_len, void *rep, u32 room, u32 *len)
{
	u32 fixed = fixed_size(op);
	u8 how = next_byte();
	int status = 0;

	if (fixed > 0)
		memset(rep, 0, fixed);
	*len = fixed + answer(op, req, bulk_len, rep, room, &status);
	if (how < 160)
		return status;
	switch (how % 8) {
	case 0: status = -(int)(1 + next_byte() % ERRNO_LAST); break;
	case 1: status = -EHOSTDOWN; break;
	case 2: status = next_byte() * (how & 8 ? 128 : 1); break;
	case 3: *len = MIN(room, fixed + next_byte() * (how & 8 ? 256U : 1U)); break;
	default:
		for (unsigned n = how % 8 - 3; n > 0; n--)
			spoil(rep, MIN(*len, 512U));
	}
	/* of a page that is refused or not whole, what came is no page */
	if (op == RPC_memory_fill && (status != FILL_DATA || *len < PAGE_SIZE))
		words(rep, PAGE_SIZE, BAD);
	return status;
}

/* The pages of a fill ahead, whole: those that did not come have what nobody may see. */
static int reply_pages(struct rpc *call)
{
	int status = reply(call->op, call->req, 0, call->page[0], call->rep_size, &call->rep_len);

	for (unsigned i = 0; i < call->nr_pages; i++)
		words(call->page[i], PAGE_SIZE, status >= 0 && (status >> i & 1) && call->rep_len >= (i + 1) * PAGE_SIZE ? GOOD : BAD);
	return status;
}

int rpc_start(struct rpc *call)
{
	u32 bulk = 0;

	might_sleep();
	sim_point();
	if (dead)
		return -EHOSTDOWN;
	for (unsigned i = 0; i < call->nr_segs; i++)
		bulk += call->seg[i].len;
	if (call->nr_pages != 0)
		call->status = reply_pages(call);
	else
		call->status = reply(call->op, call->req, bulk, call->rep, call->rep_size, &call->rep_len);
	call->arrived = true;
	if (call->done != NULL)
		sim_completion(call);
	call->finished = true;
	return 0;
}

int rpc_try_start(struct rpc *call) { return next_byte() > 240 ? -EAGAIN : rpc_start(call); }

int rpc_wait(struct rpc *call)
{
	sim_point();
	return call->status;
}

int rpc_call_bulk(unsigned node, unsigned op, const void *req, const void *bulk, u32 bulk_len, void *rep, u32 rep_size, u32 *rep_len)
{
	u32 len = 0;
	int rc;

	might_sleep();
	sim_point();
	rc = dead ? -EHOSTDOWN : reply(op, req, bulk_len, rep, rep_size, &len);
	if (rep_len != NULL)
		*rep_len = len;
	return rc;
}

int rpc_call_sure(unsigned node, unsigned op, const void *req, void *rep, u32 rep_size)
{
	return rpc_call(node, op, req, rep, rep_size);
}

/* --- programs --- */

static struct space *space[SPACES];
static struct file file[FILES];
static u8 buf[BUF];

static u64 va_of(u8 i) { return 0x10000000ULL + (512 - PAGES / 2 + i % PAGES) * PAGE_SIZE; }

static void at_access(void *arg, u64 *word)
{
	if (*word == BAD)
		panic("a program sees a page that was refused");
	if (*(bool *)arg)
		*word = GOOD;
}

/* As a system call ends: an error that there is, or at most so much. */
static s64 sane(s64 rc, s64 most)
{
	if (rc < -ERRNO_LAST || rc > most)
		panic("a result of %lld", (long long)rc);
	return rc;
}

/* Once more, if it is. */
static void open_file(struct file *f, unsigned ino)
{
	struct object *o;

	if (sane(object_open(3, 1, 0, ino, &o), 0) < 0)
		return;
	if (object_size(o) > WIRE_SIZE_MAX)
		panic("a file of %llu bytes", (unsigned long long)object_size(o));
	if (f->object != NULL) {
		object_put(o);
		return;
	}
	f->object = o;
	ref_init(&f->refs, 1);
	f->flags = ABI_O_RDWR;
	f->writes = object_writer_get(o, false) == 0;
}

static void close_file(struct file *f)
{
	if (f->object == NULL || ref_read(&f->refs) != 1)	/* mapped */
		return;
	if (f->writes)
		object_writer_put(f->object, false);
	object_put(f->object);
	f->object = NULL;
}

static void data(struct object *o, u8 what, u8 y, u8 z)
{
	u64 off = (u64)(y % 16) * (z & 1 ? PAGE_SIZE : 700), nr, to;
	s64 n;

	switch (what % 10) {
	case 0:
		if (object_here(o, off, z * 300) > z * 300U)
			panic("more is here than was asked for");
		n = sane(object_read(o, off, buf, z * 300), z * 300);
		if (n > 0 && off % 8 == 0 && n >= 8 && *(u64 *)buf == BAD)
			panic("a read sees a page that was refused");
		break;
	case 1:
		words(buf, z * 100, GOOD);
		(void)sane(object_write(o, &off, buf, z * 100, z & 2), z * 100);
		break;
	case 2: (void)sane(object_truncate(o, off), 0); break;
	case 3: (void)sane(object_grow(o, off), 0); break;
	case 4:
		n = sane(object_seek(o, off, z & 2), WIRE_SIZE_MAX);
		if (n >= 0 && (u64)n < off)
			panic("looked for at %llu, found at %lld", (unsigned long long)off, (long long)n);
		break;
	case 5: (void)sane(object_hole(o, off, off + z * 100), 0); break;
	case 6: (void)sane(object_allocate(o, off >> PAGE_SHIFT, (off >> PAGE_SHIFT) + 1 + z % 4), 0); break;
	case 7:
		if (sane(object_count_pages(o, &nr), 0) == 0 && nr > WIRE_SIZE_MAX >> PAGE_SHIFT)
			panic("%llu pages", (unsigned long long)nr);
		break;
	case 8:
		(void)sane(object_sync(o, z & 1), 0);
		break;
	default:
		to = off + z * 100;
		(void)sane(object_punch(o, page_down(off), &to), 0);
	}
}

static void exec(struct space **s, u8 y)
{
	struct file *program = &file[y % FILES], *interp = y & 128 ? &file[(y + 1) % FILES] : NULL;
	struct exec_image image;
	char text[256];
	u32 kind;

	if (program->object == NULL || (interp != NULL && interp->object == NULL))
		return;
	if (sane(space_exec_probe(program, &kind, text), 0) == 0 && memchr(text, '\0', sizeof(text)) == NULL)
		panic("a path without an end");
	if (*s != NULL)
		space_put(*s);
	*s = space_create();
	if (*s == NULL || sane(space_exec(*s, program, interp, y & 64, MIB(8), &image), 0) < 0)
		return;
	if (image.entry >= USER_END || image.stack_top > USER_END || !space_mapped(*s, image.stack_top - 1))
		panic("a program that cannot be");
}

static void map(struct space *s, u8 x, u8 y, u8 z)
{
	struct file *f = z & 1 ? &file[z / 4 % FILES] : NULL;
	u32 prot = z & 64 ? PROT_READ : PROT_READ | PROT_WRITE;

	if (f != NULL && f->object == NULL)
		return;
	(void)sane(space_mmap(s, x & 64 ? 0 : va_of(y), (1 + z % 8) * PAGE_SIZE << (x & 128 ? 14 : 0), prot,
			      (x & 64 ? 0 : ABI_MAP_FIXED) | (f != NULL ? 0 : ABI_MAP_ANONYMOUS) | (z & 2 ? ABI_MAP_SHARED : ABI_MAP_PRIVATE),
			      f, 0), USER_END);
}

static void memory_dies(void)
{
	dead = true;
	space_memory_lost(M_NODE);
}

static void one_op(void)
{
	u8 op = next_byte(), x = next_byte(), y = next_byte(), z = next_byte();
	struct space **at = &space[x % SPACES], *s = *at;
	struct object *o = file[x % FILES].object;
	bool write = z & 1;
	size_t piece;

	sim_set_rip(op * 64 + x);
	switch (op % 32) {
	case 0: open_file(&file[x % FILES], x % FILES); return;
	case 1: close_file(&file[x % FILES]); return;
	case 2: case 3: case 4:
		if (o != NULL)
			data(o, y, z, next_byte());
		return;
	case 5:
		if (sane(object_create_shm(z * 1000, &o), 0) == 0) {
			data(o, y, z, x);
			object_put(o);
		}
		return;
	case 6: exec(at, y); return;
	case 7: space_sync_all(); return;
	case 8: objects_drop_cached(); return;
	case 26: shim_fail_alloc(1 + y % 32); return;
	case 9:
		if (z == 255)
			memory_dies();
		else
			dead = false;
		return;
	}
	if (s == NULL) {
		*at = space_create();
		if (*at != NULL)
			(*at)->mmap_top = 0x70000000;
		return;
	}
	switch (op % 32) {
	case 10: case 11: map(s, x, y, z); break;
	case 12: (void)sane(space_munmap(s, va_of(y), (1 + z % 8) * PAGE_SIZE), 0); break;
	case 13: (void)sane(space_mprotect(s, va_of(y), (1 + z % 8) * PAGE_SIZE, z >> 6), 0); break;
	case 14:
		(void)sane(space_mremap(s, va_of(y), (1 + z % 8) * PAGE_SIZE, (1 + z / 8 % 8) * PAGE_SIZE, ABI_MREMAP_MAYMOVE, 0), USER_END);
		break;
	case 15: {
		static const int advice[] = { ABI_MADV_DONTNEED, ABI_MADV_WILLNEED, ABI_MADV_PAGEOUT, ABI_MADV_COLD, ABI_MADV_SEQUENTIAL,
						      ABI_MADV_DONTFORK, ABI_MADV_WIPEONFORK };

		(void)sane(space_madvise(s, va_of(y), (1 + z % 8) * PAGE_SIZE, advice[z / 8 % ARRAY_SIZE(advice)]), 0);
		break;
	}
	case 16:
		accounted = s->map.nr_accounted;
		if (space[y % SPACES] == NULL)
			(void)sane(space_fork(s, &space[y % SPACES]), 0);
		break;
	case 17:
		space_put(s);
		*at = NULL;
		break;
	case 18: (void)sane(space_msync(s, va_of(y), (1 + z % 8) * PAGE_SIZE, ABI_MS_SYNC), 0); break;
	case 19: (void)sane(space_brk(s, s->brk + z * 1000), USER_END); break;
	case 20:
		o = file[y % FILES].object;
		if (o != NULL)
			(void)space_place(s, va_of(z), 1 + z / 32, 1, 1 + y / 64, o, (u64)(y / 4 % 8) * 4096);
		break;
	case 21:
		o = file[y % FILES].object;
		piece = BUF;
		if (o != NULL && space_read_is_large(o, BUF))
			(void)space_read_placed(s, va_of(z), BUF, o, 0, &piece);
		break;
	case 22: (void)sane(space_mlock(s, va_of(y), (1 + z % 8) * PAGE_SIZE, SPACE_LOCK | SPACE_LOCK_FETCH, ~0ULL), 0); break;
	case 23: (void)sane(space_poke(s, va_of(y), "12345678", 8), 0); break;
	case 24:			/* many, one behind the other */
		for (unsigned i = 0; i < 8; i++)
			(void)sane(sim_access(s, va_of(y + i), write, at_access, &write), 0);
		break;
	default:
		(void)sane(sim_access(s, va_of(y), write, at_access, &write), 0);
	}
}

static void program(void *arg)
{
	while (in_left > 0)
		one_op();
	dead = false;
	shim_fail_alloc(0);
	for (unsigned i = 0; i < SPACES; i++) {
		if (space[i] != NULL)
			space_put(space[i]);
		space[i] = NULL;
	}
	vma_files_reap();
	for (unsigned i = 0; i < FILES; i++)
		close_file(&file[i]);
	pcache_token_release();
	objects_drop_cached();
	objects_close_wait();
	commit_drain();
}

static void cache_up(u8 shape)
{
	static const struct pcache_policy *const policies[] = { &policy_lru, &policy_fifo, &policy_clock, &policy_random };
	u32 ways = 1 + shape % 4, sets = 2 + shape / 4 % 4;

	memset(&pcache, 0, sizeof(pcache));
	pcache.p = (struct pcache_params){
		.nr_lines = (u64)ways * sets, .ways = ways, .nr_sets = sets, .nr_victims = 1 + shape / 16 % 4, .victim_hits = shape & 64,
		.policy = policies[shape % 4], .prefetch = shape % 3, .prefetch_max = 8,
	};
	prefetch_init();
	token_reset();
	turn_reset();
	spaces_reset_salts();
	objects_init();
	commit_init();
	if (pcache_alloc() < 0 || owner_init() < 0 || shadow_init() < 0 || flush_start() < 0 || sweep_start() < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const u8 *input, size_t size)
{
	u8 shape;

	in = input;
	in_left = size;
	shape = next_byte();
	sim_begin(1 + shape);
	dead = false;
	last_space = last_object = 0;
	for (unsigned i = 0; i < FILES; i++)
		size_of[i] = (4 + 4 * i) * PAGE_SIZE + i * 100;
	cache_up(shape);
	sim_go(program, NULL, true, "program");
	if (!sim_run(STEPS) || !sim_drain() || pcache_check() != 0)
		abort();
	if (pcache_lines_live() + pcache_lines_cached() + pcache_victims_live() + owners_live() + pcache_reserve_out() != 0 ||
	    spaces_live() + objects_live() + objects_parked() + commit_held() != 0)
		panic("left over: %llu lines, %llu victims, %llu owners, %llu spaces, %llu objects, %llu pages of commit",
		      (unsigned long long)pcache_lines_live(), (unsigned long long)pcache_victims_live(), (unsigned long long)owners_live(),
		      (unsigned long long)spaces_live(), (unsigned long long)objects_live(), (unsigned long long)commit_held());
	space_memory_lost(M_NODE);
	token_reset();
	pcache_free_all();
	sim_end();
	return 0;
}
