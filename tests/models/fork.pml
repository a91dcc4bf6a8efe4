/* SPDX-License-Identifier: MIT */
/*
 * fork: the parent's page becomes the child's too, while another thread of the parent uses it and it is evicted and flushed
 * (design: section 5). The child is to see what the page held when the parent's TLBs were flushed.
 *
 * RULE FORKWAIT wrong     the pass waits for LEAVING and FLUSHING
 * RULE PARENTWAIT wrong   the parent's faults wait from the start of the pass until M has answered
 * RULE HOLD wrong         no flush that names the child is sent until M has answered
 * RULE FORKSHOOT wrong    the parent's TLBs are flushed before the child can run
 * RULE FORKVICTIM wrong   the child becomes owner of victim entries, too
 * RULE FLUSHOWNERS wrong  a flush names all owners
 */
#define NT 3
#define NS 2
#define NL 2
#define NV 1
#define SPACE(c) ((c) == 2)		/* threads 0 and 1: the parent's, 2: the child's */
#ifndef EVICTIONS
#define EVICTIONS 1
#endif
#include "page.pml"

byte forked;				/* 1: the request is at M, 2: answered */

proctype User(byte me; byte sp; byte n_access)
{
	FAULT_VARS;
	byte k;

	do
	:: k < n_access -> k++; if :: access(me, sp, 0) :: access(me, sp, 1) fi
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

proctype Forker()
{
	/* the pass */
	atomic {
		seq[0]++;
#ifndef BREAK_PARENTWAIT
		closed[0] = 1;
#endif
		held[1] = 1
	};
	do
#ifndef BREAK_FORKWAIT
	:: atomic { pte_busy[0] -> sleep_pte(0, 0) }
	:: atomic { !pte_busy[0] ->
#else
	:: atomic { true ->
#endif
		line_of(0);
		victim_of(0);
		if
		:: l < NL && line_state[l] == LINE_MAPPED ->
			if
			:: pte_present[0] && pte_d[0] -> line_dirty[l] = 1
			:: else
			fi;
			pte_w[0] = 0;
			pte_d[0] = 0;
			/* clean: M has it. May a TLB be writable still, then D was set, and is folded */
			if :: line_dirty[l] -> line_owners[l] = line_owners[l] | 2 :: else fi
#ifndef BREAK_FORKVICTIM
		:: l == NL && v < NV && victim_state[v] == VICTIM_HELD -> victim_owners[v] = victim_owners[v] | 2
		:: !(l < NL && line_state[l] == LINE_MAPPED) && !(l == NL && v < NV && victim_state[v] == VICTIM_HELD)
#else
		:: !(l < NL && line_state[l] == LINE_MAPPED)
#endif
		fi;
		pte_private[1] = 1;
		vma[1] = 1;
		break
	   }
	od;
#ifndef BREAK_FORKSHOOT
	atomic { shootdown(1); want[1] = want[0] };
#else
	want[1] = want[0];
#endif
	/* M's consent */
	atomic { change[0]++; forked = 1 };
	forked == 2;
	atomic { held[1] = 0; closed[0] = 0; change[1] = 0 };
	run User(2, 1, 2)
}

proctype Memory()
{
end:	do
	:: M_FILL(1)
	:: M_FILL(2)
	:: M_FLUSH(0)
	:: atomic { forked == 1 ->
		m_applied[0] = change[0];
		m_vma[1] = 1; m_known[1] = 1;
		m_val[1] = m_val[0]; m_has[1] = m_has[0];
		forked = 2
	   }
	od
}

init {
	atomic {
		PAGE_INIT;
		vma[1] = 0; m_vma[1] = 0; m_known[1] = 0;
		want[0] = 5; m_val[0] = 5; m_has[0] = 1; pte_private[0] = 1;
		run User(1, 0, 2); run Forker(); run Evictor(); run Flusher(); run Memory()
	}
}
