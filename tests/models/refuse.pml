/* SPDX-License-Identifier: MIT */
/*
 * An M that refuses flushes and fills, and one that dies at any moment: then every call to it ends by its death, whatever it did. Two threads of
 * a process and one of another, which share a page by copy-on-write, while it is evicted, flushed and fetched again. A page that M does
 * not take is kept and sent again; at last it is given up, and with it the spaces that own it: their faults are answered by an error. At the
 * start the page is in a dirty line, and M has something older, which nobody may see.
 *
 * RULE LOSTVALID wrong    a fault looks under the set's lock whether its space was given up
 * RULE LOSTALL wrong      with a page that is given up all its owners are
 * RULE REFUSEDWAKES hang  a page that M refused is as before its flush: who waits for it looks again
 * RULE FAILEDWAKES hang   a fill that failed is undone: who waits for it looks again
 */
#define NT 3
#define NS 2
#define NL 2
#define NV 1
#define SPACE(c) ((c) == 2)
#define REFUSES 2			/* M refuses so many requests */
#ifndef EVICTIONS
#define EVICTIONS 1
#endif
#include "page.pml"

proctype User(byte me; byte sp; byte n_access)
{
	FAULT_VARS;
	byte k;
	bit writes;

	do
	:: k < n_access -> k++; if :: writes = 0 :: writes = 1 fi; access(me, sp, writes); writes = 0
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
	:: M_FILL(2)
	:: M_FLUSH(0)
	od
}

/* It dies or it does not: a wait that only its death would end is a deadlock in the runs in which it lives. */
proctype Death()
{
	if
	:: skip
	:: m_dead = 1
	fi
}

init {
	atomic {
		PAGE_INIT;
		frame_val[0] = 7; want[0] = 7; want[1] = 7;
		m_val[0] = 6; m_val[1] = 6; m_has[0] = 1; m_has[1] = 1;
		line_state[0] = LINE_MAPPED; line_owners[0] = 3; line_dirty[0] = 1;
		pte_private[0] = 1; pte_private[1] = 1;
		run User(0, 0, 1); run User(1, 0, 1); run User(2, 1, 1);
		run Evictor(); run Flusher(); run Memory(); run Death()
	}
}
