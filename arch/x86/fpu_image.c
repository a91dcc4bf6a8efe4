/* SPDX-License-Identifier: MIT */
#include "arch/x86/fpu_image.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"

_Static_assert(sizeof(struct fxsave_image) == FXSAVE_SIZE, "FXSAVE");
_Static_assert(offsetof(struct fxsave_image, sw) == 464, "the software's bytes");
_Static_assert(sizeof(struct xsave_header) == XSAVE_HEADER, "XSAVE header");

void fpu_image_mark(struct fxsave_image *fx, u32 size, u64 xfeatures)
{
	memset(&fx->sw, 0, sizeof(fx->sw));
	fx->sw.magic1 = FP_MAGIC1;
	fx->sw.extended_size = size + sizeof(u32);
	fx->sw.xfeatures = xfeatures;
	fx->sw.xstate_size = size;
}

bool fpu_image_extended(const struct fxsave_image *fx, u32 size, u64 xfeatures)
{
	return fx->sw.magic1 == FP_MAGIC1 && fx->sw.xstate_size == size && fx->sw.extended_size == size + 4 &&
	       (fx->sw.xfeatures & ~xfeatures) == 0;
}

int fpu_image_check(const void *image, bool extended, u64 xcr0, u32 mxcsr_mask)
{
	const struct fxsave_image *fx = image;
	const struct xsave_header *h = (const void *)((const char *)image + FXSAVE_SIZE);

	if (fx->mxcsr & ~mxcsr_mask)
		return -EINVAL;
	if (!extended)
		return 0;
	if ((h->xstate_bv & ~xcr0) || h->xcomp_bv != 0)
		return -EINVAL;
	for (unsigned i = 0; i < ARRAY_SIZE(h->reserved); i++)
		if (h->reserved[i] != 0)
			return -EINVAL;
	return 0;
}
