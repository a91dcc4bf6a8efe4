/* SPDX-License-Identifier: MIT */
/*
 * Two processes share a page by copy-on-write; both read and write it while it is evicted, flushed, taken back and fetched
 * again. At the start it is in a dirty line with both as owners, and M has something older.
 *
 * RULE ALLOWNERS wrong    an eviction unmaps all owners
 * RULE BORNDIRTY wrong    a COW copy is born dirty
 * RULE FLUSHOWNERS wrong  a flush names all owners
 * RULE FOLD wrong         whoever removes a PTE folds its D bit into the line
 * RULE TAKEFLUSHING wrong what is FLUSHING is not taken back
 * RULE REFETCH wrong      a refetch waits for the flush of the same page
 * RULE SHOOTFIRST wrong   a frame is let go only after its shootdown
 * RULE REUSEOWNERS wrong  whether the only user's frame is written counts owners, not PTEs
 * RULE COWSHOOT wrong     the old frame is pinned until the copier's translations of it are gone
 * RULE INPLACE wrong      M gives the new contents to those that are named and leaves the others what they had
 */
#define NT 2
#define NS 2
#define NL 2
#define NV 2
#define SPACE(c) (c)
#ifndef ACCESSES
#define ACCESSES 2
#endif
#ifndef EVICTIONS
#define EVICTIONS 2
#endif
#include "page.pml"

proctype User(byte me)
{
	FAULT_VARS;
	byte k;
	bit writes;

	do
	:: k < ACCESSES -> k++; if :: writes = 0 :: writes = 1 fi; access(me, me, writes); writes = 0
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
	od
}

init {
	atomic {
		PAGE_INIT;
		frame_val[0] = 7; want[0] = 7; want[1] = 7;
		m_val[0] = 6; m_val[1] = 6; m_has[0] = 1; m_has[1] = 1;
		line_state[0] = LINE_MAPPED; line_owners[0] = 3; line_dirty[0] = 1;
		pte_private[0] = 1; pte_private[1] = 1;
		run User(0); run User(1); run Evictor(); run Flusher(); run Memory()
	}
}
