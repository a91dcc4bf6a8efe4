/* SPDX-License-Identifier: MIT */
/*
 * Cleaning in place (msync, fsync, fork of a page with many owners; pcache/clean.c) against a program's writes and eviction.
 *
 * RULE CLEANWAIT wrong   write faults and changes of rights on a CLEANING line wait for the acknowledgement
 * RULE FOLD wrong        whoever write-protects a PTE folds its D bit into the line
 * RULE ONEFLUSH wrong    one flush of a page in flight: a CLEANING line is not evicted
 * RULE CLEANSHOOT wrong  the frame is read for the flush only after the shootdown
 */
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

	do
	:: k < 3 -> k++; if :: access(0, 0, 0) :: access(0, 0, 1) fi
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

/* pte_clear() of owner_write_protect(): D folded, the PTE stays */
inline write_protect(s, lin)
{
	if
	:: pte_present[s] && (line_owners[lin] & BIT(s)) ->
#ifndef BREAK_FOLD
		if :: pte_d[s] -> line_dirty[lin] = 1 :: else fi;
#endif
		pte_w[s] = 0;
		pte_d[s] = 0
	:: else
	fi
}

#define CAN_CLEAN(lin)	(line_state[lin] == LINE_MAPPED && line_pins[lin] == 0)

inline send(lin)
{
	if
	:: line_dirty[lin] -> flush_send(NV + lin, line_owners[lin], line_frame[lin])
	:: else -> line_step(lin, LINE_EV_CLEANED); c_on = 0
	fi
}

proctype Cleaner()
{
	byte k, c_line;
	bit c_on;

end:	do
	:: atomic {
		k < 2 && (CAN_CLEAN(0) || CAN_CLEAN(1)) ->
		k++;
		c_on = 1;
		if
		:: CAN_CLEAN(0) -> c_line = 0
		:: else -> c_line = 1
		fi;
		may_be_dirty(c_line);
		if
		:: !b -> c_on = 0
		:: b ->
			line_step(c_line, LINE_EV_CLEAN);
			write_protect(0, c_line)
		fi
	   };
	   if
	   :: c_on ->
#ifdef BREAK_CLEANSHOOT
		atomic { send(c_line) };
		atomic { shootdown(1) };
#else
		atomic { shootdown(1) };
#ifdef BREAK_ONEFLUSH
		atomic { if :: line_state[c_line] == LINE_CLEANING -> send(c_line) :: else -> c_on = 0 fi };
#else
		atomic { send(c_line) };
#endif
#endif
		if
		:: c_on -> atomic {
			flush_state[NV + c_line] == DONE ->
			flush_state[NV + c_line] = 0; flush_val[NV + c_line] = 0; flush_owners[NV + c_line] = 0;
#ifdef BREAK_ONEFLUSH
			if
			:: line_state[c_line] == LINE_CLEANING ->
#endif
			line_dirty[c_line] = 0;
			line_zero[c_line] = 0;
			line_step(c_line, LINE_EV_CLEANED)
#ifdef BREAK_ONEFLUSH
			:: else		/* it has gone */
			fi
#endif
		   }
		:: else
		fi
	   :: else
	   fi;
	   c_on = 0; c_line = 0
	od
}

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
