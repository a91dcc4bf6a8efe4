/* SPDX-License-Identifier: MIT */
/* The XSAVE image as it stands in a signal frame: what surrounds it and what makes it acceptable. Pure. */
#ifndef ARCH_X86_FPU_IMAGE_H
#define ARCH_X86_FPU_IMAGE_H

#include "lib/base/types.h"

#define FXSAVE_SIZE	512
#define XSAVE_HEADER	64
#define FP_MAGIC1	0x46505853U
#define FP_MAGIC2	0x46505845U

struct fxsave_image {
	u16 fcw, fsw;
	u8 ftw, reserved;
	u16 fop;
	u64 rip, rdp;
	u32 mxcsr, mxcsr_mask;
	u8 st[128], xmm[256], padding[48];
	struct fpu_sw_reserved {	/* 48 bytes that the hardware leaves to software */
		u32 magic1;
		u32 extended_size;	/* of all that is in the frame, FP_MAGIC2 included */
		u64 xfeatures;
		u32 xstate_size;
		u32 reserved[7];
	} sw;
};
struct xsave_header { u64 xstate_bv, xcomp_bv, reserved[6]; };

/* Marks an image of size bytes in XSAVE format as Linux does; in the frame FP_MAGIC2 follows those bytes. */
void fpu_image_mark(struct fxsave_image *fx, u32 size, u64 xfeatures);
/* Does the frame at image claim an extended image that this CPU's size and features can hold? Else it is FXSAVE's only. */
bool fpu_image_extended(const struct fxsave_image *fx, u32 size, u64 xfeatures);
/* 0, or -EINVAL when XRSTOR would fault on it (or FXRSTOR, not extended). */
int fpu_image_check(const void *image, bool extended, u64 xcr0, u32 mxcsr_mask);

#endif
