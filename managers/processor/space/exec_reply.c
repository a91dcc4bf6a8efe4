/* SPDX-License-Identifier: MIT */
#include "managers/processor/space/exec_reply.h"

#include "arch/x86/paging.h"
#include "lib/vma.h"

#define FLAGS_LOADED	(VMA_STACK | VMA_GROWSDOWN | VMA_ACCOUNTED)

static bool complete(const struct exec_reply *rep, u32 len)
{
	u64 want = sizeof(rep->r);

	if (len < want)
		return false;
	want += (u64)le32_get(rep->r.nr_vmas) * sizeof(struct wire_vma) + (u64)le32_get(rep->r.nr_private) * sizeof(le64);
	return len >= want;
}

/* Where the program starts is its own affair, as long as it is an address that it could start at. */
static bool numbers_ok(const struct rpc_memory_exec_rep *r)
{
	u64 stack = le64_get(r->stack_top), top = le64_get(r->mmap_top);

	return le64_get(r->entry) < USER_END && le64_get(r->brk) <= USER_END && le64_get(r->code_end) <= USER_END &&
	       page_aligned(stack) && stack <= USER_END && page_aligned(top) && top != 0 && top <= USER_END;
}

static bool vma_ok(const struct wire_vma *w, u64 floor)
{
	u64 start = le64_get(w->start), end = le64_get(w->end);
	u32 prot = le32_get(w->prot), flags = le32_get(w->flags);

	if (!page_aligned(start | end) || start < floor || start >= end || end > USER_END)
		return false;
	if (le64_get(w->object) != 0 && !wire_is_object(le64_get(w->object)))
		return false;
	return (prot & ~PROT_MASK) == 0 && (flags & ~FLAGS_LOADED) == 0 && le64_get(w->index) < WIRE_SIZE_MAX >> PAGE_SHIFT &&
	       vma_accountable(prot, flags) == ((flags & VMA_ACCOUNTED) != 0);
}

static bool in_a_vma(const struct exec_reply *rep, u64 addr)
{
	const struct wire_vma *w = exec_reply_vmas(rep);

	for (u32 i = 0; i < le32_get(rep->r.nr_vmas); i++)
		if (addr >= le64_get(w[i].start) && addr < le64_get(w[i].end))
			return true;
	return false;
}

bool exec_reply_ok(const struct exec_reply *rep, u32 len)
{
	u64 floor = PAGE_SIZE, accounted = 0;
	const struct wire_vma *w;
	const le64 *private;

	if (!complete(rep, len) || !numbers_ok(&rep->r))
		return false;
	w = exec_reply_vmas(rep);
	for (u32 i = 0; i < le32_get(rep->r.nr_vmas); i++) {
		if (!vma_ok(&w[i], floor))
			return false;
		floor = le64_get(w[i].end);
		if (le32_get(w[i].flags) & VMA_ACCOUNTED)
			accounted += (floor - le64_get(w[i].start)) >> PAGE_SHIFT;
	}
	if (accounted != le64_get(rep->r.commit) || !in_a_vma(rep, le64_get(rep->r.stack_top) - 1))
		return false;
	private = exec_reply_private(rep);
	for (u32 i = 0; i < le32_get(rep->r.nr_private); i++)
		if (le64_get(private[i]) >= USER_END >> PAGE_SHIFT || !in_a_vma(rep, le64_get(private[i]) << PAGE_SHIFT))
			return false;
	return true;
}
