/* SPDX-License-Identifier: MIT */
/* Who forks space 0 into space 1: space/fork.c. For models that include page.pml and map_actor.pml; FORKER: its thread. */
proctype Forker()
{
	bit z_again;

	/* the pass */
	atomic {
		!map_lock ->
		map_lock = 1;
		seq[0]++;
#ifndef BREAK_PARENTWAIT
		closed[0] = 1;
#endif
		held[1] = 1
	};
	do
#ifndef BREAK_FORKWAIT
	:: atomic { pte_busy[0] -> sleep_pte(FORKER, 0) }
	:: atomic { !pte_busy[0] ->
#else
	:: atomic { true ->
#endif
		line_of(0);
		victim_of(0);
		if
#ifndef BREAK_FORKWAIT
		:: l < NL && line_state[l] == LINE_MAPPED && line_pins[l] != 0 -> z_again = 1; sleep_set(FORKER)
		:: l < NL && line_state[l] == LINE_CLEANING -> z_again = 1; sleep_set(FORKER)
		:: l < NL && line_state[l] == LINE_MAPPED && line_pins[l] == 0 ->
#else
		:: l < NL && line_state[l] == LINE_MAPPED ->
#endif
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
		:: !(l < NL && (line_state[l] == LINE_MAPPED || line_state[l] == LINE_CLEANING)) && !(l == NL && v < NV && victim_state[v] == VICTIM_HELD)
#else
		:: !(l < NL && line_state[l] == LINE_MAPPED)
#endif
		fi;
		if
		:: !z_again -> pte_private[1] = pte_private[0] || pte_present[0]; vma[1] = vma[0]; break
		:: else -> z_again = 0
		fi
	   }
	od;
#ifndef BREAK_FORKSHOOT
	atomic { shootdown(1); want[1] = want[0] };
#else
	want[1] = want[0];
#endif
	/* M's consent */
	atomic { change[0]++; message[change[0]] = FORK; last = FORK; pushed[0] = change[0] };	/* behind what is queued */
	forked;
	atomic { held[1] = 0; closed[0] = 0; map_lock = 0 };
	run User(2, 1, CHILD_ACCESSES)
}
