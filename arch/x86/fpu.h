/* SPDX-License-Identifier: MIT */
/* Extended state of user threads: its own cache, size from CPUID leaf 0xD, 64-byte aligned (L1). The kernel itself uses none. */
#ifndef ARCH_X86_FPU_H
#define ARCH_X86_FPU_H

#include "lib/base/types.h"

struct fpu_state;
void fpu_init_cpu(void);
struct fpu_state *fpu_alloc(void);			/* in the initial state (FCW 0x37F, MXCSR 0x1F80); NULL */
void fpu_free(struct fpu_state *f);
void fpu_reset(struct fpu_state *f);			/* execve; of the current thread: loads it too */
void fpu_clone(struct fpu_state *dst);			/* current thread's live state into dst */
u32 fpu_user_size(void);				/* bytes of the image in a signal frame, FP_XSTATE_MAGIC2 included */
/* Signal frames, bit-compatible with Linux (fxsave/xsave image with sw_reserved); current thread. 0 or -EFAULT, -EINVAL. */
int __must_check fpu_to_user(u64 dst);
int __must_check fpu_from_user(u64 src);		/* bad contents are refused, never a #GP */

/*
 * The image as XSAVE writes it (without XSAVE: FXSAVE), of fpu_image_size() bytes: the current thread's into a buffer and back. What
 * is loaded has passed fpu_check(); legacy: only its first FXSAVE_SIZE bytes count, else all. -EINVAL: a CPU would not take it.
 */
u32 fpu_image_size(void);
u64 fpu_components(void);			/* XCR0; 0 without XSAVE */
void fpu_save(void *image);
void fpu_load(const void *image);
int __must_check fpu_check(const void *image, bool legacy);
/* The first FXSAVE_SIZE bytes of an image become those of another. */
void fpu_set_legacy(void *image, const void *legacy);

/* The current thread's x87 or SSE exceptions that are raised and not masked: bit 0 invalid, 1 denormal, 2 divide, 3 overflow,
 * 4 underflow, 5 inexact. */
u32 fpu_exceptions(bool simd);

#endif
