/* SPDX-License-Identifier: MIT */
/*
 * All RPCs of the system. Each role makes its table once, in managers/<role>/ops.c:
 *	RPC_MEMORY_OPS(RPC_GEN_RUN)
 *	static const struct rpc_op ops[] = { RPC_MEMORY_OPS(RPC_GEN_ROW_SERVED) RPC_STORAGE_OPS(RPC_GEN_ROW_CALLED) };
 */
#ifndef MANAGERS_PROTOCOL_PROTOCOL_H
#define MANAGERS_PROTOCOL_PROTOCOL_H

#include "managers/protocol/memory_ops.h"
#include "managers/protocol/storage_ops.h"

#endif
