/* SPDX-License-Identifier: MIT */
/* What a memory node answers, and whom it asks: the table for FIT, made from managers/protocol. */
#include "lib/base/errno.h"
#include "managers/memory/memory.h"
#include "managers/memory/ops.h"

RPC_MEMORY_OPS(RPC_GEN_RUN)

const struct rpc_op memory_ops[] = { RPC_MEMORY_OPS(RPC_GEN_ROW_SERVED) RPC_STORAGE_OPS(RPC_GEN_ROW_CALLED) };
const unsigned nr_memory_ops = ARRAY_SIZE(memory_ops);

int memory_serve(struct rpc_call *c)
{
	for (unsigned i = 0; i < nr_memory_ops; i++)
		if (memory_ops[i].op == c->op)
			return memory_ops[i].run(c, c->req, c->rep);
	return -ENOSYS;
}
