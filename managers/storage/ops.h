/* SPDX-License-Identifier: MIT */
#ifndef MANAGERS_STORAGE_OPS_H
#define MANAGERS_STORAGE_OPS_H

#include "net/fit/rpc.h"

extern const struct rpc_op storage_ops[];
extern const unsigned nr_storage_ops;

#endif
