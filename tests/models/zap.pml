/* SPDX-License-Identifier: MIT */
/*
 * One thread changes the map (munmap, mmap at the same place, MADV_DONTNEED) while another of the same space faults there and
 * the page is evicted and flushed; M hears of the changes late and in any order (space/map.c, zap.c, close.c, fault.c, change.c,
 * merge.c; managers/memory/change.c).
 *
 * RULE SEQ wrong         a fault compares the sequence number before it sets any PTE
 * RULE NUMBERED wrong    map changes are numbered: fills and flushes wait at M for those that they name
 * RULE PUSH hang         a fill or flush takes along the queued changes that it names
 * RULE QUEUED wrong      what is on its way to M is not merged with any more
 * RULE CLOSED wrong      the range stays closed until the change is queued
 * RULE ZAPBUSY wrong     the pass waits for what is BUSY
 * RULE BUMPLAST wrong    the range is closed, and the map changed, before the sequence number says so
 * RULE UNDO hang         a fill in a closed range is undone before the fault waits for the range to open
 * RULE ZAPPIN wrong      a line that loses a PTE is not used before the shootdown
 * RULE ZAPVICTIM wrong   contents that go are dropped from the victim cache, too
 */
#define NT 2
#define NS 1
#define NL 2
#define NV 1
#define SPACE(c) 0
#ifndef CHANGES
#define CHANGES 3
#endif
#ifndef EVICTIONS
#define EVICTIONS 1
#endif
#include "page.pml"

proctype User()
{
	FAULT_VARS;
	byte k;
	bit writes;

	do
	:: k < 2 -> k++; if :: writes = 0 :: writes = 1 fi; access(0, 0, writes); writes = 0
	:: else -> break
	od
}

proctype Evictor()
{
	byte k, e_line, e_who;
	bit e_ok;

end:	do
	:: atomic { k < EVICTIONS && (EVICTABLE(0) || EVICTABLE(1)) -> k++ }; evict_any()
	od
}

#define MAPPER 1
#include "map_actor.pml"

proctype Memory()
{
end:	do
	:: M_FILL(0)
	:: M_FLUSH(0)
	:: APPLY(1)
	:: APPLY(2)
	:: APPLY(3)
	od
}

init {
	atomic {
		PAGE_INIT;
		want[0] = 5; m_val[0] = 5; m_has[0] = 1; pte_private[0] = 1;
		run User(); run Mapper(); run Evictor(); run Flusher(); run Memory()
	}
}
