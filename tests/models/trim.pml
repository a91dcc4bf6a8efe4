/* SPDX-License-Identifier: MIT */
/*
 * Trimming: two sets of one way, and a reserve whose lines go from one to the other. A fault that has lent its set a line brings the set
 * back to its ways with its own line kept (pcache/evict.c); meanwhile the program may unmap the page, and the line be lent to the other
 * set. One that finds nothing that can go in its set sleeps until the set changes (pcache/frame.c). Everything is clean, so nobody waits
 * for an entry, and nobody sweeps: of the two that bring a set back, the fault alone. Every sleeper must wake, every fault end.
 *
 * RULE KEPTWAKES hang     a line that is kept no more is a change of its set: who waits for room looks again
 * RULE KEPTWHERE hang     that set is the one where it is by then, which need not be the one where it was kept
 * RULE KEPTBEHIND hang    where it is, is read when it is kept no more
 */
#define NS	2
#ifndef NT
#define NT	3
#endif
#ifndef RESERVE
#define RESERVE	1
#endif
#ifndef FAULTS
#define FAULTS	2
#endif
#ifndef UNMAPS
#define UNMAPS	1
#endif
#define NR	(NS + RESERVE)
#define NONE	255
#define FREE	0
#define MAPPED	1
#define LEAVING	2

byte state[NR], home[NR], kept[NR];	/* home: its set; NONE: the reserve */
byte nr[NS], nr_free[NS], leaving[NS], asleep[NS];	/* asleep: by thread */
hidden byte i;
#define BIT(i)		(1 << (i))
#define SURPLUS(s)	(nr[s] > 1 + leaving[s])
#define CAN_GO(x, s)	(home[x] == s && state[x] == MAPPED && kept[x] == 0)

/* A line becomes FREE: its set's, or the reserve's. */
inline release(x)
{
	state[x] = FREE;
	if
	:: nr[home[x]] <= 1 -> nr_free[home[x]]++; asleep[home[x]] = 0
	:: else -> nr[home[x]]--; asleep[home[x]] = 0; home[x] = NONE
	fi
}

/* e: the line that goes, or NONE */
inline evict_begin(s)
{
	i = 0;
	do :: i < NR && !CAN_GO(i, s) -> i++ :: else -> break od;
	if
	:: i < NR -> e = i; state[e] = LEAVING; leaving[s]++; asleep[s] = 0
	:: else -> e = NONE
	fi
}

inline evict_finish()		/* after the shootdown */
{
	atomic { leaving[home[e]]--; release(e); e = NONE }
}

/* A FREE line of the set, else of the reserve; i: NR if there is none */
inline line_find(s)
{
	i = 0;
	if
	:: nr_free[s] > 0 -> do :: home[i] != s || state[i] != FREE -> i++ :: else -> break od
	:: else -> do :: i < NR && home[i] != NONE -> i++ :: else -> break od
	fi
}

inline keep()
{
	if
	:: nr[s] > 1 -> kept[mine]++
	:: else -> mine = NONE
	fi
}

inline where_behind()
{
#ifdef BREAK_KEPTWAKES
	where = NONE
#else
#ifdef BREAK_KEPTWHERE
	where = s
#else
#ifndef BREAK_KEPTBEHIND
	where = home[mine]
#else
	skip
#endif
#endif
#endif
}

/* What remains is one step for each look at something that is not under one lock with the others. */
inline unkeep()
{
#ifdef BREAK_KEPTBEHIND
	where = home[mine];
#endif
	atomic { kept[mine]--; where_behind() };
	atomic {
		if
		:: where != NONE -> asleep[where] = 0
		:: else
		fi;
		where = NONE;
		mine = NONE
	}
}

proctype Thread(byte me)
{
	byte faults, s, e = NONE, mine = NONE, where = NONE;
	bit got;

	do
	:: faults == FAULTS -> break
	:: faults < FAULTS ->
		if
		:: s = 0
		:: s = 1
		fi;
again:
		atomic {
			line_find(s);
			if
			:: i < NR ->				/* line_take(), map */
				if
				:: home[i] == s -> nr_free[s]--
				:: else -> home[i] = s; nr[s]++
				fi;
				state[i] = MAPPED;
				mine = i;
				got = 1;
				asleep[s] = 0;
				keep()
			:: else ->				/* line_make_room(), and again */
				evict_begin(s);
				if
				:: e != NONE
				:: e == NONE -> asleep[s] = asleep[s] | BIT(me); !(asleep[s] & BIT(me))
				fi
			fi
		};
		if
		:: e != NONE -> evict_finish(); goto again
		:: e == NONE && !got -> goto again
		:: else -> got = 0
		fi;
		do						/* evict_trim() */
		:: mine == NONE -> break
		:: mine != NONE ->
			atomic {
				if
				:: SURPLUS(s) -> evict_begin(s)
				:: else
				fi
			};
			if
			:: e != NONE -> evict_finish()
			:: else -> unkeep(); break
			fi
		od;
		faults++
	od
}

/* munmap; the shootdown, until which the line is pinned, is left out */
proctype Unmapper()
{
	byte n;

end:	do
	:: atomic {
		n < UNMAPS && (state[0] == MAPPED || state[1] == MAPPED || state[2] == MAPPED) ->
		if
		:: state[0] == MAPPED -> i = 0
		:: state[1] == MAPPED -> i = 1
		:: state[2] == MAPPED -> i = 2
		fi;
		release(i);
		n++
	   }
	od
}

init {
	atomic {
		i = 0;
		do
		:: i < NS -> home[i] = i; nr[i] = 1; nr_free[i] = 1; i++
		:: i >= NS && i < NR -> home[i] = NONE; i++
		:: else -> break
		od;
		i = 0;
		do :: i < NT -> run Thread(i); i++ :: else -> break od;
		run Unmapper()
	}
}
