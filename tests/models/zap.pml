/* SPDX-License-Identifier: MIT */
/*
 * One thread changes the map (munmap, mmap at the same place, MADV_DONTNEED) while another of the same space faults there and
 * the page is evicted and flushed; M hears of the changes late and in any order (space/map.c, zap.c, close.c, fault.c;
 * managers/memory/change.c).
 *
 * RULE SEQ wrong         a fault compares the sequence number before it sets any PTE
 * RULE NUMBERED wrong    map changes are numbered: fills and flushes wait at M for those that they name
 * RULE CLOSED wrong      the range stays closed until the message is queued
 * RULE ZAPBUSY wrong     the pass waits for what is BUSY
 * RULE ZAPVICTIM wrong   contents that go are dropped from the victim cache, too
 */
#define NT 2
#define NS 1
#define NL 2
#define NV 1
#define SPACE(c) 0
#ifndef CHANGES
#define CHANGES 2
#endif
#ifndef EVICTIONS
#define EVICTIONS 1
#endif
#include "page.pml"

#define UNMAP	1
#define MAP	2
#define ZAP	3
byte message[CHANGES + 3];	/* by change number: on the way to M, or parked there */

proctype User()
{
	FAULT_VARS;
	byte k;

	do
	:: k < 2 -> k++; if :: access(0, 0, 0) :: access(0, 0, 1) fi
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

/* One PTE, one pass: zap.c */
inline zap()
{
	do
	:: atomic { pte_busy[0] -> sleep_pte(1, 0) }
#ifdef BREAK_ZAPBUSY
	:: atomic { true ->
#else
	:: atomic { !pte_busy[0] ->
#endif
		line_of(0);
		victim_of(0);
		z_line = NONE;
		if
		:: l < NL && line_state[l] == LINE_MAPPED ->
			line_owners[l] = 0;
			if
			:: pte_present[0] -> line_pins[l]++; z_line = l; pte_clear(0, l)
			:: else
			fi;
			line_step(l, LINE_EV_LEAVE);
			if :: z_line == NONE -> line_release(l, LINE_EV_LEFT) :: else fi
		:: l < NL && line_state[l] != LINE_MAPPED	/* only without ZAPBUSY */
#ifndef BREAK_ZAPVICTIM
		:: l == NL && v < NV && victim_state[v] == VICTIM_HELD -> victim_owners[v] = 0; victim_step(v, VICTIM_EV_DROP)
		:: l == NL && !(v < NV && victim_state[v] == VICTIM_HELD)
#else
		:: l == NL
#endif
		fi;
#ifdef BREAK_ZAPBUSY
		if :: pte_busy[0] :: else -> pte_private[0] = 0 fi;
#else
		pte_private[0] = 0;
#endif
		break
	   }
	od;
	if
	:: z_line != NONE -> atomic { shootdown(1); unpin(z_line); z_line = NONE }
	:: else
	fi
}

inline queue(kind)
{
	atomic { change[0]++; message[change[0]] = kind }
}

proctype Mapper()
{
	byte k, z_line = NONE, map_to = 1;

	do
	:: k == CHANGES -> break
	:: k < CHANGES && vma[0] != 0 ->			/* munmap */
		k++;
		changing[0] = 1;
		closed[0] = 1;
		vma[0] = 0;
		seq[0]++;
		zap();
#ifdef BREAK_CLOSED
		closed[0] = 0;
		queue(UNMAP);
#else
		queue(UNMAP);
		closed[0] = 0;
#endif
		atomic { want[0] = ZERO; changing[0] = 0 }
	:: k < CHANGES && vma[0] == 0 ->			/* mmap there: its number before any fault */
		k++;
		closed[0] = 1;
		atomic { map_to++; vma[0] = map_to };
#ifdef BREAK_CLOSED
		closed[0] = 0;
		queue(MAP)
#else
		queue(MAP);
		closed[0] = 0
#endif
	:: k < CHANGES && vma[0] != 0 ->			/* MADV_DONTNEED */
		k++;
		changing[0] = 1;
		closed[0] = 1;
		seq[0]++;
		zap();
		atomic { want[0] = ZERO; changing[0] = 0 };	/* what is written from now on, stays */
#ifdef BREAK_CLOSED
		closed[0] = 0;
		queue(ZAP)
#else
		queue(ZAP);
		closed[0] = 0
#endif
	od
}

#ifdef BREAK_NUMBERED
#define TURN(nr)	true
#else
#define TURN(nr)	(m_applied[0] + 1 == nr)
#endif
#define APPLY(nr) atomic { message[nr] != 0 && TURN(nr) ->		\
	if								\
	:: message[nr] == UNMAP -> m_vma[0] = 0; m_has[0] = 0; m_val[0] = 0	\
	:: message[nr] == MAP -> m_vma[0] = 1; m_has[0] = 0		\
	:: message[nr] == ZAP -> m_has[0] = 0; m_val[0] = 0		\
	fi;								\
	message[nr] = 0;						\
	m_applied[0] = nr }

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
