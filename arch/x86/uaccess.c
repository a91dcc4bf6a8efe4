/* SPDX-License-Identifier: MIT */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/lock.h"
#include "lib/base/string.h"

/* uaccess_copy.S */
u64 user_copy(void *dst, const void *src, u64 n);
u64 user_clear(void *dst, u64 n);
int user_get32(u32 *dst, u64 src);
int user_get64(u64 *dst, u64 src);
int user_put32(u64 dst, u32 v);
int user_put64(u64 dst, u64 v);
int user_cmpxchg32(u64 dst, u32 old, u32 new, u32 *seen);

static bool access_ok(u64 addr, u64 len)
{
	might_sleep();
	return user_range_ok(addr, len);
}

/* The part of [addr, addr + n) that is a user's: a longer copy goes as far as that. */
static size_t user_part(u64 addr, size_t n)
{
	might_sleep();
	return addr >= USER_ADDRESS_END ? 0 : MIN(n, USER_ADDRESS_END - addr);
}

int copy_from_user(void *dst, u64 src, size_t n)
{
	return access_ok(src, n) && user_copy(dst, (const void *)src, n) == 0 ? 0 : -EFAULT;
}

int copy_to_user(u64 dst, const void *src, size_t n)
{
	return access_ok(dst, n) && user_copy((void *)dst, src, n) == 0 ? 0 : -EFAULT;
}

int clear_user(u64 dst, size_t n)
{
	return access_ok(dst, n) && user_clear((void *)dst, n) == 0 ? 0 : -EFAULT;
}

size_t copy_from_user_partial(void *dst, u64 src, size_t n)
{
	n = user_part(src, n);
	return n - user_copy(dst, (const void *)src, n);
}

size_t copy_to_user_partial(u64 dst, const void *src, size_t n)
{
	n = user_part(dst, n);
	return n - user_copy((void *)dst, src, n);
}

s64 strncpy_from_user(char *dst, u64 src, size_t max)
{
	size_t done = 0;

	while (done < max) {
		/* never beyond a page that may be the string's last */
		size_t want = MIN(MIN(max - done, (size_t)256), PAGE_SIZE - ((src + done) & (PAGE_SIZE - 1)));
		size_t got = copy_from_user_partial(dst + done, src + done, want);
		const char *nul = memchr(dst + done, 0, got);

		if (nul != NULL)
			return nul - dst;
		if (got < want)
			return -EFAULT;
		done += got;
	}
	return -ENAMETOOLONG;
}

int get_user32(u32 *dst, u64 src)
{
	return access_ok(src, sizeof(u32)) && user_get32(dst, src) == 0 ? 0 : -EFAULT;
}

int get_user64(u64 *dst, u64 src)
{
	return access_ok(src, sizeof(u64)) && user_get64(dst, src) == 0 ? 0 : -EFAULT;
}

int put_user32(u64 dst, u32 v)
{
	return access_ok(dst, sizeof(u32)) && user_put32(dst, v) == 0 ? 0 : -EFAULT;
}

int put_user64(u64 dst, u64 v)
{
	return access_ok(dst, sizeof(u64)) && user_put64(dst, v) == 0 ? 0 : -EFAULT;
}

int cmpxchg_user32(u64 dst, u32 old, u32 new, u32 *seen)
{
	return access_ok(dst, sizeof(u32)) && user_cmpxchg32(dst, old, new, seen) == 0 ? 0 : -EFAULT;
}
