/* SPDX-License-Identifier: MIT */
#include "managers/processor/fs/iovec.h"

#include "arch/x86/uaccess.h"

size_t iovec_copy(struct iovec_place *p, void *buf, size_t n, bool out)
{
	size_t done = 0;

	while (done < n) {
		const struct iovec_abi *v = &p->vec[p->at];
		size_t part = MIN(n - done, (size_t)(v->len - p->done)), got;

		if (part == 0) {
			p->at++;
			p->done = 0;
			continue;
		}
		got = out ? copy_to_user_partial(v->base + p->done, (u8 *)buf + done, part) :
			    copy_from_user_partial((u8 *)buf + done, v->base + p->done, part);
		done += got;
		p->done += got;
		if (got < part)
			break;
	}
	return done;
}
