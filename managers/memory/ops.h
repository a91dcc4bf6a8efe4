/* SPDX-License-Identifier: MIT */
#ifndef MANAGERS_MEMORY_OPS_H
#define MANAGERS_MEMORY_OPS_H

#include "net/fit/rpc.h"

extern const struct rpc_op memory_ops[];
extern const unsigned nr_memory_ops;

#endif
