/* SPDX-License-Identifier: MIT */
/*
 * All actors at once: two threads of a parent, one of which forks; the child, which exits; a thread that changes the parent's map
 * (munmap, mmap, MADV_DONTNEED, mremap); eviction, be it the sweep daemon's or a fault's; flush, cleaning; M. Too large to be
 * exhausted: searched by hashing states to bits.
 *
 * SEARCH bitstate
 * LONG
 */
#define NT 4
#define NS 2
#define NL 3
#define NV 2
#define SPACE(c) ((c) == 2)		/* threads 0, 1, 3: the parent's (forks, uses, changes the map); 2: the child's */
#define CHANGES 2
#define EVICTIONS 2
#define CLEANINGS 1
#define MAPPER 3
#define FORKER 0
#define CHILD_ACCESSES 2
#define MOVES
#include "page.pml"
#include "map_actor.pml"
#include "clean_actor.pml"

byte child_exit;		/* IDLE, SENT, DONE */

proctype User(byte me; byte sp; byte n_access)
{
	FAULT_VARS;
	byte k, z_line = NONE;
	bit writes, z_again;

	do
	:: k < n_access -> k++; if :: writes = 0 :: writes = 1 fi; access(me, sp, writes); writes = 0
	:: else -> break
	od;
	if
	:: me == 2 ->
		closed[1] = 1;
		atomic { vma[1] = 0; seq[1]++ };
		zap(1, 2);
		child_exit = SENT;
		child_exit == DONE
	:: else
	fi
}

#include "fork_actor.pml"

proctype Evictor()
{
	byte k, e_line, e_who;
	bit e_ok;

end:	do
	:: atomic { k < EVICTIONS && (EVICTABLE(0) || EVICTABLE(1) || EVICTABLE(2)) -> k++ }; evict_any()
	od
}

proctype Memory()
{
end:	do
	:: M_FILL(1)
	:: M_FILL(2)
	:: M_FLUSH(0)
	:: M_FLUSH(1)
	:: M_FLUSH(2)
	:: M_FLUSH(3)
	:: M_FLUSH(4)
	:: APPLY(1)
	:: APPLY(2)
	:: APPLY(3)
	:: atomic { child_exit == SENT -> m_vma[1] = 0; m_known[1] = 0; m_has[1] = 0; child_exit = DONE }
	od
}

init {
	atomic {
		PAGE_INIT;
		vma[1] = 0; m_vma[1] = 0; m_known[1] = 0;
		want[0] = 5; m_val[0] = 5; m_has[0] = 1; pte_private[0] = 1;
		run User(1, 0, 2); run Forker(); run Mapper(); run Evictor(); run Flusher(); run Cleaner(); run Memory()
	}
}
