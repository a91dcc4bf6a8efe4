/* SPDX-License-Identifier: MIT */
/*
 * Which pages a thread will want next, from those that it wanted: a stride that most of its last faults in the mapping agree
 * on. Of 4 distances 3 must agree, else 5 of the last 8; the distance 1 twice in a row is enough.
 *
 * The window is how far ahead is asked. It begins small, doubles whenever the thread comes to the marked page of what was
 * fetched for it and nothing was wasted since, and halves when something was; when it has nothing left the stream is forgotten.
 * Prefetched pages are mapped, so faults are seen at marks and at misses alone: a fault between the last one and the front is
 * the same stream going on.
 */
#include "managers/processor/pcache/stream.h"

static s64 delta_back(const struct stream *s, u32 back) { return s->delta[(s->nr_deltas - 1 - back) % STREAM_DELTAS]; }

/* The distance that at least `need` of the last nr have; 0: there is none. */
static s64 majority(const struct stream *s, u32 nr, u32 need)
{
	s64 cand = 0;
	u32 lead = 0, have = 0;

	if (s->nr_deltas < nr)
		return 0;
	for (u32 i = 0; i < nr; i++) {		/* who outweighs all others is left over */
		s64 d = delta_back(s, i);

		if (lead == 0)
			cand = d;
		if (d == cand)
			lead++;
		else
			lead--;
	}
	for (u32 i = 0; i < nr; i++)
		have += delta_back(s, i) == cand;
	return have >= need ? cand : 0;
}

static s64 stride_of(const struct stream *s)
{
	s64 d;

	if (s->nr_deltas >= 2 && delta_back(s, 0) == 1 && delta_back(s, 1) == 1)
		return 1;
	d = majority(s, 4, 3);
	if (d == 0)
		d = majority(s, STREAM_DELTAS, 5);
	return d >= -STREAM_STRIDE_MAX && d <= STREAM_STRIDE_MAX ? d : 0;
}

/* Is vpn where the stream was expected: behind the last fault, not beyond the front? */
static bool on_track(const struct stream *s, u64 vpn)
{
	s64 way = (s64)(vpn - s->last), front = (s64)(s->next - s->last);

	if (!s->begun || s->stride == 0 || way == 0 || way % s->stride != 0)
		return false;
	return s->stride > 0 ? way > 0 && way <= front : way < 0 && way >= front;
}

static void window_follow(struct stream *s, enum prefetch_mode mode, u32 max)
{
	u32 wasted = __atomic_load_n(&s->wasted, __ATOMIC_RELAXED);

	if (mode == PREFETCH_FIXED)
		s->window = max;
	else if (wasted != s->wasted_seen)
		s->window /= 2;
	else
		s->window = MIN(s->window * 2, max);
	s->wasted_seen = wasted;
	if (s->window < 2) {
		s->stride = 0;
		s->nr_deltas = 0;
	}
}

static void look_anew(struct stream *s, u64 vpn, enum prefetch_mode mode, enum stream_advice advice, u32 max)
{
	bool known = mode == PREFETCH_FIXED || advice == ADVICE_SEQUENTIAL;

	if (s->begun)
		s->delta[s->nr_deltas++ % STREAM_DELTAS] = (s64)(vpn - s->last);
	s->stride = known ? 1 : stride_of(s);
	s->window = known ? max : MIN((u32)STREAM_WINDOW_FIRST, max);
	s->next = vpn + s->stride;
	s->wasted_seen = __atomic_load_n(&s->wasted, __ATOMIC_RELAXED);
}

struct stream_plan stream_fault(struct stream *s, u64 vpn, bool ahead, enum prefetch_mode mode, enum stream_advice advice, u32 max)
{
	struct stream_plan plan = { 0 };
	s64 out;

	if (mode == PREFETCH_OFF || advice == ADVICE_RANDOM || max < 2)
		return plan;
	if (on_track(s, vpn)) {
		if (ahead)
			window_follow(s, mode, max);
	} else if (!ahead) {
		look_anew(s, vpn, mode, advice, max);
	} else {
		return plan;		/* another round's page: if the stream went there, all pages up to it would pass for asked for */
	}
	s->last = vpn;
	s->begun = true;
	if (s->stride == 0)
		return plan;
	out = (s64)(s->next - vpn) / s->stride - 1;	/* pages asked for and not yet reached */
	if (out < 0) {
		s->next = vpn + s->stride;
		out = 0;
	}
	if (out > (s64)(s->window / 2))
		return plan;
	plan = (struct stream_plan){ .first = s->next, .stride = s->stride, .nr = s->window - (u32)out };
	plan.mark = plan.nr > s->window / 2 ? plan.nr - s->window / 2 - 1 : 0;	/* there, half a window is left */
	s->next += plan.stride * (s64)plan.nr;
	return plan;
}

struct stream_plan stream_around(struct stream *s, u64 vpn, bool small, u32 max)
{
	u32 nr = MIN(small ? (u32)STREAM_AROUND_SMALL : (u32)STREAM_AROUND, max);

	if (s->stride != 0 || nr < 2 || __atomic_load_n(&s->wasted, __ATOMIC_RELAXED) > s->around / 2)
		return (struct stream_plan){ 0 };
	s->around += nr - 1;
	s->last = vpn - vpn % nr + nr - 1;		/* who goes on in order misses the page behind it next */
	return (struct stream_plan){ .first = vpn - vpn % nr, .stride = 1, .nr = nr, .mark = nr };
}

void stream_rewind(struct stream *s, u64 vpn)
{
	if (on_track(s, vpn))
		s->next = vpn;
}
