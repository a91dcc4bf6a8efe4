/* SPDX-License-Identifier: MIT */
/* What a map change makes of those that are queued before it. Pure; the caller locks. */
#ifndef MANAGERS_PROCESSOR_SPACE_MERGE_H
#define MANAGERS_PROCESSOR_SPACE_MERGE_H

#include "managers/protocol/memory_ops.h"

/*
 * w comes after list[0..nr), none of which M has heard of. true: the list says it as well now, and has as many entries as
 * before; what they make of a map is the same as what they and w would have made of it, in that order.
 */
bool changes_merge(struct wire_change *list, u32 nr, const struct wire_change *w);
/* Is there one that gives memory of M's back? */
bool changes_free(const struct wire_change *list, u32 nr);

#endif
