/* SPDX-License-Identifier: MIT */
/* What a storage node answers: the table for FIT, made from managers/protocol. */
#include "managers/protocol/protocol.h"
#include "managers/storage/ops.h"

RPC_STORAGE_OPS(RPC_GEN_RUN)

const struct rpc_op storage_ops[] = { RPC_MEMORY_OPS(RPC_GEN_ROW_CALLED) RPC_STORAGE_OPS(RPC_GEN_ROW_SERVED) };
const unsigned nr_storage_ops = ARRAY_SIZE(storage_ops);
