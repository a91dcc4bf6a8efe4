/* SPDX-License-Identifier: MIT */
/*
 * Room: lines of one set of one way, the reserve, one victim entry. Threads fault pages of their own in. The sweep daemon brings
 * the set back to its ways, or, where it does not keep up, the fault does, with its own line kept; one that finds nothing that
 * can go sleeps until the set changes (pcache/frame.c, evict.c, fill.c, sweep.c). Everything is dirty. Every sleeper must wake,
 * every fault end, and in the end the set have no more than its ways. When the daemon begins is left out: any line will do.
 *
 * RULE KEPTWAKES hang     a line that is kept no more is a change of its set: who waits for room looks again
 * RULE ENTRYWAKES hang    a victim entry that became free wakes who waits for one
 * RULE ENTRYFIRST hang    the victim entry is there before the line begins to leave (a fork waits for LEAVING, holding
 *                         flushes back)
 * RULE SWEEPAGAIN wrong   a set with a surplus in which nothing could go is swept when something in it changes
 */
#ifndef NT
#define NT	3
#endif
#define WAYS	1
#ifndef RESERVE
#define RESERVE	1
#endif
#define NR	(WAYS + RESERVE)
#ifndef FAULTS
#define FAULTS	2
#endif
#define FREE	0		/* in the set or in the reserve */
#define MAPPED	2
#define LEAVING	5

byte state[NR];
bit kept[NR], hold;
byte nr = WAYS, nr_free = WAYS, reserve = RESERVE;
byte entries = 1, held;		/* victim entries: free; to be flushed */
byte set_sleep, entry_sleep;	/* by thread */
byte leaving, ended;
bit queued;			/* the set is on the sweep's list */
hidden byte i;
#define BIT(i)	(1 << (i))
#define SURPLUS	(nr > WAYS + leaving)
inline sweep_want() { if :: SURPLUS -> queued = 1 :: else fi }
inline set_changed()
{
	set_sleep = 0;
#ifndef BREAK_SWEEPAGAIN
	sweep_want()
#endif
}
inline sleep_set(c) { set_sleep = set_sleep | BIT(c); !(set_sleep & BIT(c)) }

/* victim_wait_free() */
inline sleep_entry(c)
{
	if
	:: entries == 0 -> entry_sleep = entry_sleep | BIT(c); !(entry_sleep & BIT(c))
	:: else
	fi
}

#define CAN_GO(x)	(state[x] == MAPPED && !kept[x])
#define NONE	255
#define OK	0
#define EAGAIN	1
#define ENOSPC	2

/* rc: OK, e: the line that goes; EAGAIN: nothing can go now; ENOSPC: no entry */
inline evict_begin()
{
	i = 0;
	do :: i < NR && !CAN_GO(i) -> i++ :: else -> break od;
	if
	:: i == NR -> rc = EAGAIN
#ifndef BREAK_ENTRYFIRST
	:: i < NR && entries == 0 -> rc = ENOSPC
	:: i < NR && entries > 0 -> entries--; rc = OK; e = i; state[e] = LEAVING; leaving++; set_changed()
#else
	:: i < NR -> rc = OK; e = i; state[e] = LEAVING; leaving++; set_changed()
#endif
	fi
}

inline evict_finish()
{
#ifdef BREAK_ENTRYFIRST
	atomic { entries > 0 -> entries-- };
#endif
	atomic {
		held++;
		state[e] = FREE;
		leaving--;
		if
		:: nr <= WAYS -> nr_free++
		:: else -> nr--; reserve++
		fi;
		set_changed();
		e = NONE
	}
}

inline unkeep(x)
{
	kept[x] = 0;
#ifndef BREAK_KEPTWAKES
	set_changed();
#endif
	x = NONE
}

proctype Thread(byte me)
{
	byte faults, rc, e = NONE, mine = NONE;		/* mine: kept while the set is trimmed */

	do
	:: faults == FAULTS -> break
	:: faults < FAULTS ->
		atomic {
			if
			:: nr_free > 0 || reserve > 0 ->	/* line_take(), map */
				if
				:: nr_free > 0 -> nr_free--
				:: else -> reserve--; nr++
				fi;
				i = 0;
				do :: state[i] != FREE -> i++ :: else -> break od;
				state[i] = MAPPED;
				set_changed();
				sweep_want();
				faults++;
				if
				:: nr > WAYS -> mine = i; kept[mine] = 1	/* the sweep does not keep up */
				:: true
				fi
			:: else ->				/* line_make_room(), and again */
				evict_begin();
				if
				:: rc == OK
				:: rc == EAGAIN -> sleep_set(me)
				:: rc == ENOSPC -> sleep_entry(me)
				fi
			fi
		};
		if
		:: e != NONE -> evict_finish()
		:: else
		fi;
		do						/* evict_trim() */
		:: mine == NONE -> break
		:: mine != NONE ->
			atomic {
				if
				:: SURPLUS -> evict_begin()
				:: else -> rc = EAGAIN
				fi;
				if
				:: rc == OK
				:: rc == EAGAIN
				:: rc == ENOSPC -> sleep_entry(me)
				fi
			};
			if
			:: e != NONE -> evict_finish()
			:: e == NONE && rc == EAGAIN -> atomic { unkeep(mine) }
			:: e == NONE && rc == ENOSPC
			fi
		od;
		rc = OK
	od;
	ended++
}

proctype Sweeper()
{
	byte rc, e = NONE;

end:	do
	:: atomic {
		queued ->
		queued = 0;
		if
		:: SURPLUS -> evict_begin()
		:: else -> rc = EAGAIN
		fi;
		if
		:: rc == OK -> sweep_want()
		:: rc == ENOSPC -> sweep_want(); sleep_entry(NT)
		:: rc == EAGAIN
		fi
	   };
	   if
	   :: e != NONE -> evict_finish()
	   :: else
	   fi
	od
}

proctype Rest()			/* nobody can go on: all is done, or it is a hang */
{
end:	timeout;
#ifndef BREAK_KEPTWAKES		/* which leaves a surplus, too */
	assert(ended < NT || !SURPLUS || !(CAN_GO(0) || CAN_GO(1)))
#endif
}

proctype Forker()		/* its page is in line 0, another in the victim entry */
{
	hold = 1;
	state[0] != LEAVING;
	hold = 0
}

proctype Flusher()		/* and M */
{
end:	do
	:: atomic {
		held > 0 && !hold -> held--; entries++;
#ifndef BREAK_ENTRYWAKES
		entry_sleep = 0
#endif
	   }
	od
}

init {
	atomic { i = 0; do :: i < NT -> run Thread(i); i++ :: else -> break od; run Flusher(); run Forker(); run Sweeper(); run Rest() }
}
