/* SPDX-License-Identifier: MIT */
/*
 * x87, SSE, AVX and AVX-512 registers of user threads. The kernel is compiled without them, so they stay in the CPU
 * across the kernel's own work and change hands at a thread switch. A state is saved at each switch away; it is not
 * loaded again when this CPU's registers hold it still (only kernel threads ran in between).
 */
#include "arch/x86/fpu.h"
#include "arch/x86/context.h"
#include "arch/x86/cpu.h"
#include "arch/x86/features.h"
#include "arch/x86/fpu_image.h"
#include "arch/x86/fpu_internal.h"
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/lock.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/slab.h"

struct fpu_state {
	u32 cpu;			/* [o] the CPU whose registers hold it, or NOWHERE */
	u8 image[] __aligned(64);	/* cpu_features.xsave_size bytes */
};
#define NOWHERE	(~0U)

static struct kmem_cache *fpu_cache;
static u32 mxcsr_mask;
static DEFINE_PER_CPU(struct fpu_state *, fpu_loaded);	/* what this CPU's registers hold, if its ->cpu agrees */

static struct fpu_state *fpu_current(void)
{
	return context_of(arch_current_thread())->fpu;
}

static void image_save(void *image, bool whole)
{
	u32 lo = cpu_features.xcr0, hi = cpu_features.xcr0 >> 32;

	if (!cpu_features.xsave)
		__asm__ volatile("fxsave64 (%0)" :: "r"(image) : "memory");
	else if (cpu_features.xsaveopt && !whole)	/* leaves out what is unchanged or in its initial state */
		__asm__ volatile("xsaveopt64 (%0)" :: "r"(image), "a"(lo), "d"(hi) : "memory");
	else
		__asm__ volatile("xsave64 (%0)" :: "r"(image), "a"(lo), "d"(hi) : "memory");
}

static void image_load(const void *image)
{
	u32 lo = cpu_features.xcr0, hi = cpu_features.xcr0 >> 32;

	if (!cpu_features.xsave)
		__asm__ volatile("fxrstor64 (%0)" :: "r"(image) : "memory");
	else
		__asm__ volatile("xrstor64 (%0)" :: "r"(image), "a"(lo), "d"(hi) : "memory");
}

static void image_initial(void *image)
{
	struct fxsave_image *fx = image;

	memset(image, 0, cpu_features.xsave_size);	/* XSTATE_BV 0: XRSTOR sets every component's initial state */
	fx->fcw = 0x37f;
	fx->mxcsr = 0x1f80;
}

void fpu_init(void)
{
	fpu_cache = kmem_cache_create("fpu_state", offsetof(struct fpu_state, image) + cpu_features.xsave_size, 64);
	if (fpu_cache == NULL)
		panic("no memory for the fpu cache");
}

void fpu_init_cpu(void)
{
	if (cpu_features.xsave)
		__asm__ volatile("xsetbv" :: "c"(0), "a"((u32)cpu_features.xcr0), "d"((u32)(cpu_features.xcr0 >> 32)));
	if (mxcsr_mask == 0) {
		static u8 image[FXSAVE_SIZE] __aligned(64);

		__asm__ volatile("fxsave64 (%0)" :: "r"(image) : "memory");
		mxcsr_mask = ((struct fxsave_image *)image)->mxcsr_mask;
		if (mxcsr_mask == 0)
			mxcsr_mask = 0xffbf;	/* the architecture's default */
	}
}

struct fpu_state *fpu_alloc(void)
{
	struct fpu_state *f = kmem_cache_alloc(fpu_cache);

	if (f == NULL)
		return NULL;
	BUG_ON(!IS_ALIGNED((u64)f->image, 64));		/* L1 */
	f->cpu = NOWHERE;
	image_initial(f->image);
	return f;
}

void fpu_free(struct fpu_state *f)
{
	if (f == NULL)
		return;
	f->cpu = NOWHERE;	/* a new state at this address is not taken for it */
	kmem_cache_free(fpu_cache, f);
}

void fpu_switch_out(struct fpu_state *f)
{
	image_save(f->image, false);
}

void fpu_switch_in(struct fpu_state *f)
{
	if (this_cpu(fpu_loaded) == f && f->cpu == cpu_id())
		return;
	image_load(f->image);
	this_cpu(fpu_loaded) = f;
	f->cpu = cpu_id();
}

/* The registers take over what the current thread's image holds. Preemption off. */
static void fpu_reload(struct fpu_state *f)
{
	u64 flags = irq_save();

	image_load(f->image);
	this_cpu(fpu_loaded) = f;
	f->cpu = cpu_id();
	irq_restore(flags);
}

/* XRSTOR sets the initial state of what the header says is in it, whatever else the image holds; but for MXCSR. */
static void image_make_initial(void *image)
{
	struct fxsave_image *fx = image;

	if (!cpu_features.xsave) {
		image_initial(image);
		return;
	}
	fx->mxcsr = 0x1f80;
	memset((u8 *)image + FXSAVE_SIZE, 0, XSAVE_HEADER);
}

void fpu_reset(struct fpu_state *f)
{
	preempt_disable();
	image_make_initial(f->image);
	if (f == fpu_current())
		fpu_reload(f);
	else
		f->cpu = NOWHERE;
	preempt_enable();
}

void fpu_clone(struct fpu_state *dst)
{
	BUG_ON(fpu_current() == NULL);
	preempt_disable();
	image_save(dst->image, true);
	preempt_enable();
}

u32 fpu_user_size(void)
{
	return cpu_features.xsave ? cpu_features.xsave_size + sizeof(u32) : FXSAVE_SIZE;
}

/*
 * From the thread's own image: nothing but these instructions ever wrote to it, so that there is nothing of others in it, and
 * should the copy sleep, what is saved into it again is the same.
 */
int fpu_to_user(u64 dst)
{
	u32 size = cpu_features.xsave_size;
	struct fpu_state *f = fpu_current();
	const u32 magic2 = FP_MAGIC2;
	int rc;

	preempt_disable();
	image_save(f->image, true);
	if (cpu_features.xsave)
		fpu_image_mark((struct fxsave_image *)f->image, size, cpu_features.xcr0);
	preempt_enable();
	rc = copy_to_user(dst, f->image, size);
	if (rc == 0 && cpu_features.xsave)
		rc = copy_to_user(dst + size, &magic2, sizeof(magic2));
	return rc;
}

/* Reads the frame's image into copy, as far as it goes; what is not in the frame is in its initial state. */
static int image_from_user(struct fpu_state *copy, u64 src)
{
	u32 size = cpu_features.xsave_size, magic2;
	bool extended = false;

	if (copy_from_user(copy->image, src, FXSAVE_SIZE) < 0)
		return -EFAULT;
	if (cpu_features.xsave && fpu_image_extended((void *)copy->image, size, cpu_features.xcr0)) {
		if (get_user32(&magic2, src + size) < 0)
			return -EFAULT;
		extended = magic2 == FP_MAGIC2;
	}
	if (extended && copy_from_user(copy->image + FXSAVE_SIZE, src + FXSAVE_SIZE, size - FXSAVE_SIZE) < 0)
		return -EFAULT;
	if (!extended && cpu_features.xsave) {	/* the legacy part says x87 and SSE, all else is initial */
		memset(copy->image + FXSAVE_SIZE, 0, size - FXSAVE_SIZE);
		((struct xsave_header *)(copy->image + FXSAVE_SIZE))->xstate_bv = XFEATURE_X87 | XFEATURE_SSE;
	}
	return fpu_image_check(copy->image, extended, cpu_features.xcr0, mxcsr_mask);
}

/* The new image takes the old one's place. */
int fpu_from_user(u64 src)
{
	struct fpu_state *old = fpu_current(), *f = kmem_cache_alloc(fpu_cache);
	int rc;

	if (f == NULL)
		return -EFAULT;
	f->cpu = NOWHERE;
	rc = image_from_user(f, src);
	if (rc == 0) {
		preempt_disable();
		context_of(arch_current_thread())->fpu = f;
		fpu_reload(f);
		preempt_enable();
		f = old;
	}
	fpu_free(f);
	return rc;
}

u32 fpu_image_size(void)
{
	return cpu_features.xsave_size;
}

u64 fpu_components(void)
{
	return cpu_features.xsave ? cpu_features.xcr0 : 0;
}

void fpu_save(void *image)
{
	struct fpu_state *f = fpu_current();

	preempt_disable();
	image_save(f->image, true);
	memcpy(image, f->image, cpu_features.xsave_size);
	preempt_enable();
}

void fpu_load(const void *image)
{
	struct fpu_state *f = fpu_current();

	preempt_disable();
	memcpy(f->image, image, cpu_features.xsave_size);
	fpu_reload(f);
	preempt_enable();
}

int fpu_check(const void *image, bool legacy)
{
	return fpu_image_check(image, !legacy && cpu_features.xsave, cpu_features.xcr0, mxcsr_mask);
}

void fpu_set_legacy(void *image, const void *legacy)
{
	memcpy(image, legacy, FXSAVE_SIZE);
	if (cpu_features.xsave)
		((struct xsave_header *)((u8 *)image + FXSAVE_SIZE))->xstate_bv |= XFEATURE_X87 | XFEATURE_SSE;
}

u32 fpu_exceptions(bool simd)
{
	u32 mxcsr;
	u16 status, control;

	if (simd) {
		__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
		return mxcsr & ~(mxcsr >> 7) & 0x3f;
	}
	__asm__ volatile("fnstsw %0; fnstcw %1" : "=m"(status), "=m"(control));
	return status & ~control & 0x3f;
}
