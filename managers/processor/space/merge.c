/* SPDX-License-Identifier: MIT */
/*
 * Merging of queued map changes. A number that was given stays given, so an entry that comes to nothing remains as
 * WIRE_CHANGE_NONE until another takes its place; such entries are at the end of the list only.
 *
 *	last \ next	MAP		PROTECT			UNMAP			ZAP
 *	MAP		behind or	the same range:		at one end of it:	within it: nothing
 *			before it: one	mapped so		that much less		is there yet
 *	PROTECT		-		the same range, or the	within it: it was	-
 *					same rights and a	for nothing, look at
 *					border: one		the one before it
 */
#include "managers/processor/space/merge.h"

#include "lib/vma.h"

static u64 start_of(const struct wire_change *c) { return le64_get(c->start); }
static u64 end_of(const struct wire_change *c) { return le64_get(c->start) + le64_get(c->len); }
static unsigned what_of(const struct wire_change *c) { return le16_get(c->what); }
static u32 prot_of(const struct wire_change *c) { return le16_get(c->prot); }

static bool same_range(const struct wire_change *a, const struct wire_change *b)
{
	return start_of(a) == start_of(b) && end_of(a) == end_of(b);
}

static bool within(const struct wire_change *in, const struct wire_change *out)
{
	return start_of(in) >= start_of(out) && end_of(in) <= end_of(out);
}

static void set_range(struct wire_change *c, u64 start, u64 end)
{
	c->start = le64_of(start);
	c->len = le64_of(end - start);
}

static void forget(struct wire_change *c) { *c = (struct wire_change){ .what = le16_of(WIRE_CHANGE_NONE) }; }

/* One mapping behind the other, by address and by index. */
static bool follows(const struct wire_change *a, const struct wire_change *b)
{
	return end_of(a) == start_of(b) && le64_get(a->index) + (le64_get(a->len) >> PAGE_SHIFT) == le64_get(b->index);
}

static bool merge_map(struct wire_change *last, const struct wire_change *w)
{
	if (what_of(last) != WIRE_CHANGE_MAP || prot_of(last) != prot_of(w) || le32_get(last->flags) != le32_get(w->flags))
		return false;
	if (follows(last, w)) {
		set_range(last, start_of(last), end_of(w));
	} else if (follows(w, last)) {
		set_range(last, start_of(w), end_of(last));
		last->index = w->index;
	} else {
		return false;
	}
	return true;
}

/* prev: the one before last, or NULL */
static bool merge_protect(struct wire_change *last, struct wire_change *prev, const struct wire_change *w)
{
	u32 flags = le32_get(last->flags);

	if (what_of(last) == WIRE_CHANGE_MAP && same_range(last, w)) {
		last->prot = w->prot;
		if (vma_accountable(prot_of(w), flags))
			last->flags = le32_of(flags | VMA_ACCOUNTED);
		return true;
	}
	if (what_of(last) != WIRE_CHANGE_PROTECT)
		return false;
	if (prot_of(last) == prot_of(w) && start_of(w) <= end_of(last) && start_of(last) <= end_of(w)) {
		set_range(last, MIN(start_of(last), start_of(w)), MAX(end_of(last), end_of(w)));
		return true;
	}
	/* what was writable once is charged for ever: that must not be left out */
	if (!same_range(last, w) || ((prot_of(last) & PROT_WRITE) && !(prot_of(w) & PROT_WRITE)))
		return false;
	last->prot = w->prot;
	if (prev != NULL && what_of(prev) == WIRE_CHANGE_PROTECT && same_range(prev, last) && prot_of(prev) == prot_of(last))
		forget(last);
	return true;
}

static bool merge_unmap(struct wire_change *last, const struct wire_change *w)
{
	if (what_of(last) != WIRE_CHANGE_MAP || !within(w, last))
		return false;
	if (same_range(last, w)) {
		forget(last);
	} else if (start_of(w) == start_of(last)) {
		last->index = le64_of(le64_get(last->index) + (le64_get(w->len) >> PAGE_SHIFT));
		set_range(last, end_of(w), end_of(last));
	} else if (end_of(w) == end_of(last)) {
		set_range(last, start_of(last), start_of(w));
	} else {
		return false;
	}
	return true;
}

bool changes_merge(struct wire_change *list, u32 nr, const struct wire_change *w)
{
	u32 n = nr;

	while (n > 0 && (what_of(&list[n - 1]) == WIRE_CHANGE_NONE ||
			 (what_of(w) == WIRE_CHANGE_UNMAP && what_of(&list[n - 1]) == WIRE_CHANGE_PROTECT && within(&list[n - 1], w))))
		forget(&list[--n]);
	if (n > 0) {
		struct wire_change *last = &list[n - 1];

		switch (what_of(w)) {
		case WIRE_CHANGE_MAP:
			if (merge_map(last, w))
				return true;
			break;
		case WIRE_CHANGE_PROTECT:
			if (merge_protect(last, n > 1 ? last - 1 : NULL, w))
				return true;
			break;
		case WIRE_CHANGE_UNMAP:
			if (merge_unmap(last, w))
				return true;
			break;
		case WIRE_CHANGE_ZAP:
			if (what_of(last) == WIRE_CHANGE_MAP && within(w, last))
				return true;
			break;
		}
	}
	if (n == nr)
		return false;
	list[n] = *w;
	return true;
}

bool changes_free(const struct wire_change *list, u32 nr)
{
	for (u32 i = 0; i < nr; i++)
		if (what_of(&list[i]) == WIRE_CHANGE_UNMAP || what_of(&list[i]) == WIRE_CHANGE_ZAP)
			return true;
	return false;
}
