/* SPDX-License-Identifier: MIT */
#ifndef MANAGERS_MEMORY_NODE_H
#define MANAGERS_MEMORY_NODE_H

#include "net/fit/rpc.h"

/* For fit_on_change(): all of a dead processor node's spaces, opens and reservation are given back; of a dead storage node,
 * what is cached of files that nobody uses is dropped. */
void memory_node_changed(unsigned node, enum node_role role, bool up);

#endif
