/* SPDX-License-Identifier: MIT */
/* What the kernel core itself accounts for; the roles register theirs beside it. */
#include "kernel/counter.h"
#include "kernel/thread.h"
#include "mm/frame.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

static void count_one(struct thread *t, void *arg) { (*(u64 *)arg)++; }

static u64 nr_threads(void)
{
	u64 n = 0;

	thread_for_each(count_one, &n);
	return n;
}

static u64 total_frames(void) { return frames_total(); }
static u64 free_frames(void) { return frames_free_count(); }

void acct_init(void)
{
	acct_register("total_frames", total_frames);
	acct_register("free_frames", free_frames);
	acct_register("threads", nr_threads);
	acct_register("vmalloc_pages", vmalloc_pages);
	acct_register("kmalloc_large_frames", kmalloc_large_frames);
	acct_register("slab_objects", kmem_cache_total_live);
	acct_register("slab_frames", kmem_cache_total_frames);
}
