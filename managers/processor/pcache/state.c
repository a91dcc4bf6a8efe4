/* SPDX-License-Identifier: MIT */
/*
 * The states of lines and victim entries: the legal steps, and the one writer of each state. Documentation/pcache.md shows
 * the same tables; the model in tests/models is compared with them.
 */
#include "managers/processor/pcache/pcache.h"

#include "kernel/trace.h"
#include "lib/base/printk.h"

#define LINE_NAME(s)	#s,
const char *const line_state_name[] = { LINE_STATES(LINE_NAME) };
const char *const victim_state_name[] = { VICTIM_STATES(LINE_NAME) };
static const char *const line_event_name[] = { LINE_EVENTS(LINE_NAME) };
static const char *const victim_event_name[] = { VICTIM_EVENTS(LINE_NAME) };

static const u8 line_next[NR_LINE_STATES][NR_LINE_EVENTS] = {
	[LINE_FREE]	= { [LINE_EV_FILL] = LINE_FILLING },
	[LINE_FILLING]	= { [LINE_EV_INSTALL] = LINE_MAPPED, [LINE_EV_VOID] = LINE_FREE },
	[LINE_MAPPED]	= { [LINE_EV_LAST_UNMAP] = LINE_IDLE, [LINE_EV_CLEAN] = LINE_CLEANING, [LINE_EV_LEAVE] = LINE_LEAVING },
	[LINE_IDLE]	= { [LINE_EV_FIRST_MAP] = LINE_MAPPED, [LINE_EV_CLEAN] = LINE_CLEANING, [LINE_EV_LEAVE] = LINE_LEAVING },
	[LINE_CLEANING]	= { [LINE_EV_CLEANED] = LINE_MAPPED, [LINE_EV_CLEANED_IDLE] = LINE_IDLE },
	[LINE_LEAVING]	= { [LINE_EV_LEFT] = LINE_FREE },
};

static const u8 victim_next[NR_VICTIM_STATES][NR_VICTIM_EVENTS] = {
	[VICTIM_FREE]	  = { [VICTIM_EV_HOLD] = VICTIM_HELD },
	[VICTIM_HELD]	  = { [VICTIM_EV_TAKE] = VICTIM_FREE, [VICTIM_EV_DROP] = VICTIM_FREE, [VICTIM_EV_FLUSH] = VICTIM_FLUSHING },
	[VICTIM_FLUSHING] = { [VICTIM_EV_ACKED] = VICTIM_FREE, [VICTIM_EV_REFUSED] = VICTIM_HELD },
};

/* What is true of a line in its state; the sentences beside LINE_STATES as assertions. */
static void line_check(const struct pcache_line *line)
{
	const struct pcache_page *p = &line->page;

	switch (line->state) {
	case LINE_FREE:
		DEBUG_BUG_ON(p->nr_owners != 0 || line->pins != 0 || p->dirty || line->victim != NULL);
		break;
	case LINE_MAPPED:
		DEBUG_BUG_ON(p->nr_owners == 0);
		break;
	case LINE_IDLE:
		DEBUG_BUG_ON(p->nr_owners != 0 || p->object == NULL);
		break;
	}
}

/* Frames that hold, or are about to hold, a page of a program: how many there are, and were at the most. */
static void count_frames(bool was_free, bool is_free)
{
	u32 now, max;

	if (is_free && !was_free)
		__atomic_sub_fetch(&pcache.frames_used, 1, __ATOMIC_RELAXED);
	if (is_free || !was_free)
		return;
	now = __atomic_add_fetch(&pcache.frames_used, 1, __ATOMIC_RELAXED);
	max = __atomic_load_n(&pcache.frames_used_max, __ATOMIC_RELAXED);
	while (now > max && !__atomic_compare_exchange_n(&pcache.frames_used_max, &max, now, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

void line_step(struct pcache_line *line, enum line_event ev)
{
	u8 to = line_next[line->state][ev];

	assert_held(&line->page.set->lock);
	if (to == LINE_ILLEGAL)
		panic("pcache: %s of a line that is %s", line_event_name[ev], line_state_name[line->state]);
	count_frames(line->state == LINE_FREE, to == LINE_FREE);
	line->page.set->nr_leaving += to == LINE_LEAVING;
	line->page.set->nr_leaving -= line->state == LINE_LEAVING;
	line->state = to;
	trace(TRACE_PCACHE_LINE, (u64)line->page.id.space, line->page.id.index, (u64)line_event_name[ev], (u64)line_state_name[to]);
	line_check(line);
	set_changed(line->page.set);
}

void victim_step(struct pcache_victim *v, enum victim_event ev)
{
	u8 to = victim_next[v->state][ev];

	assert_held(&v->page.set->lock);
	if (to == VICTIM_ILLEGAL)
		panic("pcache: %s of a victim entry that is %s", victim_event_name[ev], victim_state_name[v->state]);
	count_frames(v->state == VICTIM_FREE, to == VICTIM_FREE);
	v->state = to;
	trace(TRACE_PCACHE_VICTIM, (u64)v->page.id.space, v->page.id.index, (u64)victim_event_name[ev], (u64)victim_state_name[to]);
	set_changed(v->page.set);
}
