/* SPDX-License-Identifier: MIT */
/*
 * One of two processes that share a page by copy-on-write exits while the page is evicted and flushed and the other goes on with it
 * (space/space.c, zap.c, change.c). M takes a flush that names a space that it does not know for an error of all that are named.
 *
 * RULE ZAPBUSY wrong     the pass waits for what is BUSY: what is in flight has been answered before M hears of the exit
 * RULE ZAPVICTIM wrong   its ownerships of victim entries go, too
 * RULE EXITLAST wrong    M hears of it after the pass
 * RULE EXITNUMBER hang   what is still queued is dropped, and the exit has the first number of it
 */
#define NT 2
#define NS 2
#define NL 2
#define NV 2
#define SPACE(c) (c)
#ifndef EVICTIONS
#define EVICTIONS 1
#endif
#include "page.pml"
#define CHANGES 1
#define MAPPER 0
#include "map_actor.pml"

/* space_exit()'s message */
inline tell_exit()
{
	atomic {
		if
		:: pushed[0] < change[0] ->
			message[change[0]] = 0;
#ifndef BREAK_EXITNUMBER
			change[0]--
#endif
		:: else
		fi;
		change[0]++; message[change[0]] = EXIT; pushed[0] = change[0]
	}
}

proctype Leaver()
{
	FAULT_VARS;
	byte k, z_line = NONE;
	bit writes, z_again;

	do
	:: k == 0 -> k++; if :: writes = 0 :: writes = 1 fi; access(0, 0, writes); writes = 0
	:: k == 0 && change[0] == 0 -> queue(NOTHING)	/* a change of something else in its map */
	:: k == 1 -> break
	od;
	closed[0] = 1;
	atomic { vma[0] = 0; seq[0]++ };
#ifdef BREAK_EXITLAST
	tell_exit();
	zap(0, 0);
#else
	zap(0, 0);
	tell_exit();
#endif
	atomic {
		gone;
		assert(!(line_owners[0] & 1) && !(line_owners[1] & 1) && !(victim_owners[0] & 1) && !(victim_owners[1] & 1))
	}
}

proctype User()
{
	FAULT_VARS;
	byte k;
	bit writes;

	do
	:: k < 2 -> k++; if :: writes = 0 :: writes = 1 fi; access(1, 1, writes); writes = 0
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

proctype Memory()
{
end:	do
	:: M_FILL(0)
	:: M_FILL(1)
	:: M_FLUSH(0)
	:: M_FLUSH(1)
	:: APPLY(1)
	:: APPLY(2)
	od
}

init {
	atomic {
		PAGE_INIT;
		frame_val[0] = 7; want[0] = 7; want[1] = 7;
		m_val[0] = 6; m_val[1] = 6; m_has[0] = 1; m_has[1] = 1;
		line_state[0] = LINE_MAPPED; line_owners[0] = 3; line_dirty[0] = 1;
		pte_private[0] = 1; pte_private[1] = 1;
		run Leaver(); run User(); run Evictor(); run Flusher(); run Memory()
	}
}
