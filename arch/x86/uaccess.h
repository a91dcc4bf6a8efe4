/* SPDX-License-Identifier: MIT */
/*
 * User memory, only through here (L19): SMAP is lifted around the copy, a fault takes the same path as the program's
 * own would (L30) and may sleep; no spinlock may be held. Each returns 0 or -EFAULT.
 */
#ifndef ARCH_X86_UACCESS_H
#define ARCH_X86_UACCESS_H

#include "lib/base/types.h"

int __must_check copy_from_user(void *dst, u64 src, size_t n);
int __must_check copy_to_user(u64 dst, const void *src, size_t n);
int __must_check clear_user(u64 dst, size_t n);
/* bytes before the NUL, < max; -EFAULT; -ENAMETOOLONG when there is no NUL in max bytes */
s64 __must_check strncpy_from_user(char *dst, u64 src, size_t max);
/* how many bytes were copied before a fault: for read() and write() that end short */
size_t copy_from_user_partial(void *dst, u64 src, size_t n);
size_t copy_to_user_partial(u64 dst, const void *src, size_t n);
/* 4 and 8 byte words, one access each, naturally aligned */
int __must_check get_user32(u32 *dst, u64 src);
int __must_check get_user64(u64 *dst, u64 src);
int __must_check put_user32(u64 dst, u32 v);
int __must_check put_user64(u64 dst, u64 v);
/* 0: stored new where old was; *seen is what was there; for futexes */
int __must_check cmpxchg_user32(u64 dst, u32 old, u32 new, u32 *seen);

#define USER_ADDRESS_END	0x00007ffffffff000ULL	/* paging.h's USER_END */
static inline bool user_range_ok(u64 addr, u64 len)
{
	return addr < USER_ADDRESS_END && len <= USER_ADDRESS_END - addr;
}

#endif
