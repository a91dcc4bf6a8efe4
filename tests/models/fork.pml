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

#define CHANGES 0
#define MAPPER 3
#include "map_actor.pml"
#define FORKER 0
#define CHILD_ACCESSES 2
#include "fork_actor.pml"

proctype Memory()
{
end:	do
	:: M_FILL(1)
	:: M_FILL(2)
	:: M_FLUSH(0)
	:: APPLY(1)
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
