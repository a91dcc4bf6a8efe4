/* SPDX-License-Identifier: MIT */
/* Calls of the contract in space.h that are not there yet. */
#include "managers/processor/space/space_impl.h"
int space_fork(struct space *parent, struct space **child) { return -ENOSYS; }
s64 space_mremap(struct space *s, u64 old, u64 old_len, u64 new_len, u32 flags, u64 new_addr) { return -ENOSYS; }
s64 space_madvise(struct space *s, u64 addr, u64 len, int advice) { return -ENOSYS; }
s64 space_msync(struct space *s, u64 addr, u64 len, int flags) { return -ENOSYS; }
s64 space_mincore(struct space *s, u64 addr, u64 len, u64 vec) { return -ENOSYS; }
s64 space_mlock(struct space *s, u64 addr, u64 len, bool lock) { return -ENOSYS; }
