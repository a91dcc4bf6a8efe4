/* SPDX-License-Identifier: MIT */
/* Who cleans lines in place: pcache/clean.c. For models that include page.pml; CLEANINGS: how many. */
#define ALL_SPACES (BIT(NS) - 1)

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
	:: line_dirty[lin] && !HELD_BACK(line_owners[lin]) -> flush_send(NV + lin, line_owners[lin], line_frame[lin])
	:: else -> line_step(lin, LINE_EV_CLEANED); c_on = 0
	fi
}

proctype Cleaner()
{
	byte k, c_line;
	bit c_on;

end:	do
	:: atomic {
		k < CLEANINGS && (CAN_CLEAN(0) || CAN_CLEAN(1)) ->
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
			write_protect(0, c_line);
#if NS > 1
			write_protect(1, c_line);
#endif
			skip
		fi
	   };
	   if
	   :: c_on ->
#ifdef BREAK_CLEANSHOOT
		atomic { send(c_line) };
		atomic { shootdown(ALL_SPACES) };
#else
		atomic { shootdown(ALL_SPACES) };
#ifdef BREAK_ONEFLUSH
		atomic { if :: line_state[c_line] == LINE_CLEANING -> send(c_line) :: else -> c_on = 0 fi };
#else
		atomic { send(c_line) };
#endif
#endif
		if
		:: c_on -> FLUSH_GO(NV + c_line); atomic {
			flush_state[NV + c_line] == DONE ->
			flush_state[NV + c_line] = 0; flush_val[NV + c_line] = 0; flush_owners[NV + c_line] = 0;
#ifdef BREAK_ONEFLUSH
			if
			:: line_state[c_line] == LINE_CLEANING ->
#endif
#if defined(REFUSES) && !defined(BREAK_CLEANREFUSED)
			if
			:: flush_how[NV + c_line] == TAKEN -> line_dirty[c_line] = 0; line_zero[c_line] = 0
			:: else -> flush_how[NV + c_line] = TAKEN
			fi;
#else
			line_dirty[c_line] = 0;
			line_zero[c_line] = 0;
#endif
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
