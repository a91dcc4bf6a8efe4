/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/memory/ops.c managers/memory/node_ops.c managers/memory/space.c managers/memory/change.c managers/memory/map_ops.c managers/memory/fork.c managers/memory/fill.c managers/memory/flush.c managers/memory/place.c managers/memory/page.c managers/memory/page_tree.c managers/memory/commit.c managers/memory/elf.c managers/memory/exec.c managers/memory/object.c managers/memory/cache.c managers/memory/writeback.c managers/memory/file_ops.c */
/* PARSERS: managers/memory/ops.c managers/memory/map_ops.c managers/memory/flush.c managers/memory/place.c managers/memory/fill.c managers/memory/file_ops.c */
/*
 * Every op that a memory node answers, from the definition of the protocol, of processor nodes that
 * exist and that do not: requests that make sense, with some of their bytes changed. Each call ends exactly once, and nothing is
 * left when the callers are dead.
 */
#include "managers/memory/test_fit.h"

#define MAX_CALLS 256

static const u8 *in;
static size_t in_left;

static u8 next_byte(void) { return in_left == 0 ? 0 : (in_left--, *in++); }

static u64 space[4], object[4], change[4];		/* spaces and objects that there are, the last change number of each space */

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
	case RPC_memory_commit:
	case RPC_memory_shm_create:
		*(le64 *)body = le64_of((u64)(s64)(s8)z);
		break;
	default:				/* an object first, or nothing */
		*(struct rpc_memory_sync_req *)body = (struct rpc_memory_sync_req){ o, le32_of(z & 1) };
	}
	return 0;
}

/* One of those; then up to three of its bytes are another's, and its bulk may be longer or shorter. */
static struct fake *one_call(void)
{
	static u8 bulk[RPC_MAX_BULK_OUT];
	unsigned at = next_byte() % 32;		/* not of as many as there are: who appends an op does not change what kept inputs do */
	const struct rpc_op *op = &memory_ops[at];
	u8 body[RPC_MAX_REQ] = { 0 }, spoil;
	struct fake *f;
	u32 len;

	if (at >= nr_memory_ops || op->run == NULL || op->op == RPC_memory_shutdown)
		return NULL;
	memset(bulk, 0, 1024);
	len = make(op->op, body, bulk);
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
	return f;
}

/* What an answer says is used by the calls to come. */
static void learn(const struct fake *f)
{
	u64 id;

	if (!f->replied || f->status < 0)
		return;
	memcpy(&id, f->rep, 8);
	if (f->call.op == RPC_memory_space_create || f->call.op == RPC_memory_fork) {
		space[id % 4] = id;
		change[id % 4] = 0;
	}
	if (f->call.op == RPC_memory_open || f->call.op == RPC_memory_shm_create)
		object[id % 4] = id;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct fake *call[MAX_CALLS];
	static bool once;
	unsigned nr = 0;

	if (!once) {
		memory_start();
		for (unsigned i = 0; i < S_FILES; i++)
			s_resize(&s_file[i], 10000 * i);
		once = true;
	}
	memset(space, 0, sizeof(space));
	memset(object, 0, sizeof(object));
	memset(change, 0, sizeof(change));
	in = data;
	in_left = size;
	while (in_left > 0 && nr < MAX_CALLS) {
		struct fake *f = one_call();

		if (f == NULL)
			continue;
		call[nr++] = f;
		fake_deliver(f);
		learn(f);
	}
	for (unsigned i = 0; i < nr; i++)
		call[i]->obsolete = true;
	memory_node_changed(P_NODE, ROLE_PROCESSOR, false);
	memory_node_changed(9, ROLE_PROCESSOR, false);
	for (unsigned i = 0; i < nr; i++) {
		for (unsigned spin = 0; !load_acquire(&call[i]->replied); spin++) {
			if (spin > 100000)
				abort();		/* a call that does not end */
			usleep(20);
		}
		fake_done(call[i]);
	}
	objects_close_wait();
	if (spaces_live() != 0 || spaces_vmas() != 0 || objects_active() != 0 || pages_private() != 0)
		abort();
	return 0;
}
