/* SPDX-License-Identifier: MIT */
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/bootmem.h"
#include "mm/frame.h"

#define MAX_RANGES 128

struct range { paddr_t start, end; };
struct ranges {
	unsigned nr;
	struct range r[MAX_RANGES];		/* ascending, apart from each other */
};

static struct ranges ram, used;
static bool closed;

/* Add [start, end), joined with what it touches. */
static void ranges_add(struct ranges *s, paddr_t start, paddr_t end)
{
	unsigned i = 0, n;

	if (start >= end)
		return;
	while (i < s->nr && s->r[i].end < start)
		i++;
	for (n = i; n < s->nr && s->r[n].start <= end; n++) {
		start = MIN(start, s->r[n].start);
		end = MAX(end, s->r[n].end);
	}
	if (n == i && s->nr == MAX_RANGES)
		panic("boot memory: more than %u ranges", MAX_RANGES);
	memmove(&s->r[i + 1], &s->r[n], (s->nr - n) * sizeof(s->r[0]));
	s->nr += 1 - (n - i);
	s->r[i] = (struct range){ start, end };
}

/* Only whole pages of RAM count; every page that a reservation touches is reserved. */
void frames_add_ram(paddr_t start, paddr_t end)
{
	BUG_ON(closed);
	ranges_add(&ram, page_up(start), page_down(end));
}

void frames_reserve(paddr_t start, paddr_t end)
{
	BUG_ON(closed);
	ranges_add(&used, page_down(start), page_up(end));
}

/* Calls fn for the parts of RAM that are not used until it returns true. */
static bool each_free(bool (*fn)(paddr_t start, paddr_t end, void *arg), void *arg)
{
	unsigned u = 0;

	for (unsigned i = 0; i < ram.nr; i++) {
		paddr_t at = ram.r[i].start, end = ram.r[i].end;

		while (u < used.nr && used.r[u].end <= at)
			u++;
		for (unsigned k = u; at < end; k++) {
			paddr_t stop = k < used.nr ? MIN(MAX(used.r[k].start, at), end) : end;

			if (stop > at && fn(at, stop, arg))
				return true;
			at = k < used.nr ? MAX(used.r[k].end, at) : end;
		}
	}
	return false;
}

struct want { u64 bytes; paddr_t got; };
static bool fits(paddr_t start, paddr_t end, void *arg)
{
	struct want *w = arg;

	start = MAX(start, MIB(1));		/* below lies what firmware and the start of other CPUs need */
	if (start >= end || end - start < w->bytes)
		return false;
	w->got = start;
	return true;
}

paddr_t bootmem_alloc(u64 bytes)
{
	struct want w = { bytes, 0 };

	BUG_ON(closed);
	if (!each_free(fits, &w))
		panic("boot memory: no %llu KiB in one piece", (unsigned long long)bytes >> 10);
	frames_reserve(w.got, w.got + bytes);
	return w.got;
}

paddr_t boot_frame_alloc(void)
{
	paddr_t pa = bootmem_alloc(PAGE_SIZE);

	page_zero(phys_to_virt(pa));
	return pa;
}

u64 bootmem_extent(paddr_t *start, paddr_t *end)
{
	u64 bytes = 0;

	if (ram.nr == 0)
		panic("boot memory: the loader named no RAM");
	*start = ram.r[0].start;
	*end = ram.r[ram.nr - 1].end;
	for (unsigned i = 0; i < ram.nr; i++)
		bytes += ram.r[i].end - ram.r[i].start;
	return bytes;
}

struct visit { void (*fn)(paddr_t, paddr_t, void *); void *arg; };
static bool visit(paddr_t start, paddr_t end, void *arg)
{
	struct visit *v = arg;

	v->fn(start, end, v->arg);
	return false;
}

void bootmem_for_each_free(void (*fn)(paddr_t start, paddr_t end, void *arg), void *arg)
{
	struct visit v = { fn, arg };

	closed = true;
	each_free(visit, &v);
}
