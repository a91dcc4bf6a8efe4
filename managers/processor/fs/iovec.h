/* SPDX-License-Identifier: MIT */
/* A program's memory in pieces (readv(2), sendmsg(2)), gone through from front to end. */
#ifndef MANAGERS_PROCESSOR_FS_IOVEC_H
#define MANAGERS_PROCESSOR_FS_IOVEC_H

#include "managers/processor/fs/fs_abi.h"

struct iovec_place {			/* the next byte */
	const struct iovec_abi *vec;	/* in the kernel; the caller's */
	u64 at;				/* which piece */
	size_t done;			/* how far in it */
};

/*
 * The next n bytes, of which there must be as many, to the pieces (out) or from them: how many went before a fault. May
 * wait for pages of the program.
 */
size_t iovec_copy(struct iovec_place *p, void *buf, size_t n, bool out);

#endif
