/* SPDX-License-Identifier: MIT */
/*
 * Cleaning in place (msync, fsync, fork of a page with many owners; pcache/clean.c) against a program's writes and eviction.
 *
 * RULE CLEANWAIT wrong   write faults and changes of rights on a CLEANING line wait for the acknowledgement
 * RULE FOLD wrong        whoever write-protects a PTE folds its D bit into the line
 * RULE ONEFLUSH wrong    one flush of a page in flight: a CLEANING line is not evicted
 * RULE CLEANSHOOT wrong  the frame is read for the flush only after the shootdown
 * RULE CLEANREFUSED wrong a line that M did not take is as dirty as before
 */
#define REFUSES 1			/* M refuses one request */
#define NT 1
#define NS 1
#define NL 2
#define NV 1
#define SPACE(c) 0
#include "page.pml"

proctype User()
{
	FAULT_VARS;
	byte k;
	bit writes;

	do
	:: k < 3 -> k++; if :: writes = 0 :: writes = 1 fi; access(0, 0, writes); writes = 0
	:: else -> break
	od
}

proctype Evictor()
{
	byte k, e_line, e_who;
	bit e_ok;

end:	do
	:: atomic { k < 2 && (EVICTABLE(0) || EVICTABLE(1)) -> k++ }; evict_any()
	od
}

#define CLEANINGS 2
#include "clean_actor.pml"

/* mprotect to read-only, and back at once: D is folded */
proctype Protector()
{
end:	atomic {
#ifdef BREAK_CLEANWAIT
		pte_present[0] ->
#else
		pte_present[0] && (line_owners[0] == 0 || line_state[0] != LINE_CLEANING) &&
		(line_owners[1] == 0 || line_state[1] != LINE_CLEANING) ->
#endif
		line_of(0);
		write_protect(0, l)
	};
	atomic { shootdown(1) }
}

proctype Memory()
{
end:	do
	:: M_FILL(0)
	:: M_FLUSH(0)
	:: M_FLUSH(1)
	:: M_FLUSH(2)
	od
}

init {
	atomic {
		PAGE_INIT;
		run User(); run Evictor(); run Flusher(); run Cleaner(); run Protector(); run Memory()
	}
}
