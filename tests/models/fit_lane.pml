/* SPDX-License-Identifier: MIT */
/*
 * Credits of one connection: fills and flushes carry a change number and wait at M, parked, until that change is applied; the
 * change itself must still find a slot (net/fit/call.c: slot_take(), managers/memory/change.c, space/close.c: change_send()).
 * Two spaces change their maps; threads fault in either. A number is taken before its message has a slot, as in the code.
 *
 * RULE LANE hang     map changes have credits of their own
 * RULE ORDER wrong   M applies changes in number order
 * RULE PARK wrong    a fill waits at M for the changes that it names
 * RULE CREDITWAKES hang   a slot that becomes free wakes all who wait for one
 */
#define NS	2		/* spaces, each with a thread that changes its map */
#define FILLERS	2
#define SLOTS	2		/* of them one for changes alone */
#define KEEP	1
#ifndef CHANGES
#define CHANGES	2
#endif
#define FILLS	1
#define BIT(i)	(1 << (i))

byte free_slots = SLOTS;
byte slot_sleep;		/* by thread: 0, 1 the mappers, 2, 3 the fillers */
byte change[NS], applied[NS];	/* numbers: given, applied */
byte change_sent[NS];		/* by number: on the way to M, or parked there, in any order */
byte fill_state[FILLERS], fill_space[FILLERS], fill_nr[FILLERS];
#define SENT	1
#define DONE	2

#ifdef BREAK_LANE
#define HAS_SLOT(is_change)	(free_slots > 0)
#else
#define HAS_SLOT(is_change)	(free_slots > ((is_change) -> 0 : KEEP))
#endif

/* rpc_start(): look, sleep until woken, look again */
inline slot_take(who, is_change)
{
	do
	:: atomic { HAS_SLOT(is_change) -> free_slots--; break }
	:: atomic { !HAS_SLOT(is_change) -> slot_sleep = slot_sleep | BIT(who); !(slot_sleep & BIT(who)) }
	od
}

inline slot_free()
{
	free_slots++;
#ifdef BREAK_CREDITWAKES
	if		/* one of them, whichever */
	:: slot_sleep & 1 -> slot_sleep = slot_sleep & ~1
	:: slot_sleep & 2 -> slot_sleep = slot_sleep & ~2
	:: slot_sleep & 4 -> slot_sleep = slot_sleep & ~4
	:: slot_sleep & 8 -> slot_sleep = slot_sleep & ~8
	:: slot_sleep == 0
	fi
#else
	slot_sleep = 0
#endif
}

proctype Mapper(byte me)
{
	byte k, nr;

	do
	:: k == CHANGES -> break
	:: k < CHANGES ->
		k++;
		atomic { change[me]++; nr = change[me] };
		slot_take(me, 1);
		change_sent[me] = change_sent[me] | BIT(nr)	/* and not waited for */
	od
}

proctype Filler(byte me)	/* its slot is taken here in one step with its number, or after it: M must not care */
{
	byte k;

	do
	:: k == FILLS -> break
	:: k < FILLS ->
		k++;
		if :: fill_space[me] = 0 :: fill_space[me] = 1 fi;
		fill_nr[me] = change[fill_space[me]];		/* under the set lock */
		slot_take(NS + me, 0);
		fill_state[me] = SENT;
		atomic { fill_state[me] == DONE -> fill_state[me] = 0; fill_nr[me] = 0; fill_space[me] = 0 }
	od
}

/* --- M --- */

#ifdef BREAK_ORDER
#define TURN(s, n)	true
#else
#define TURN(s, n)	(applied[s] + 1 == (n))
#endif
#ifdef BREAK_PARK
#define READY(f)	true
#else
#define READY(f)	(fill_nr[f] <= applied[fill_space[f]])
#endif
#define APPLY(s, n)	atomic { (change_sent[s] & BIT(n)) && TURN(s, n) ->				\
				change_sent[s] = change_sent[s] & ~BIT(n);			\
				assert(applied[s] + 1 == n);	/* another map than P's */	\
				applied[s] = n; slot_free() }
#define FILL(f)		atomic { fill_state[f] == SENT && READY(f) ->				\
				assert(fill_nr[f] <= applied[fill_space[f]]);	/* from a map that is over */ \
				fill_state[f] = DONE; slot_free() }

proctype Memory()
{
end:	do
	:: APPLY(0, 1)
	:: APPLY(0, 2)
	:: APPLY(1, 1)
	:: APPLY(1, 2)
	:: FILL(0)
	:: FILL(1)
	od
}

init {
	atomic { run Mapper(0); run Mapper(1); run Filler(0); run Filler(1); run Memory() }
}
