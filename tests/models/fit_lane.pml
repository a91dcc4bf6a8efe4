/* SPDX-License-Identifier: MIT */
/*
 * Credits of one connection: fills and flushes carry a change number and wait at M, parked, until that change is applied; the
 * change itself must still find a slot (net/fit/call.c: slot_take(), managers/memory/change.c, space/change.c). Two spaces change
 * their maps; threads fault in either. A number is taken when a change is queued; whoever needs it at M, or has no more room,
 * takes all that is queued, and only then waits for a slot.
 *
 * RULE LANE hang     map changes have credits of their own
 * RULE ORDER wrong   M applies changes in number order
 * RULE PARK wrong    a fill waits at M for the changes that it names
 * RULE PUSH hang     a fill takes along the queued changes that it names
 * RULE INORDER hang  the messages of a space get their slots in the order of their numbers
 * RULE CREDITWAKES hang   a slot that becomes free wakes all who wait for one
 */
#define NS	2		/* spaces, each with a thread that changes its map */
#define FILLERS	2
#define SLOTS	2		/* of them one for changes alone */
#define KEEP	1
#define CHANGES	2		/* of space 0; 1 of the other */
#define FILLS	1
#define BIT(i)	(1 << (i))

byte free_slots = SLOTS;
byte slot_sleep;		/* by thread: 0, 1 the mappers, 2, 3 the fillers */
byte change[NS], applied[NS];	/* numbers: given, applied */
byte pushed[NS];		/* numbers up to this were taken off the queue */
bit sending[NS];		/* send_lock */
byte sent[NS];			/* messages on the way to M, or parked there, in any order: bit of the last number in it */
byte first[NS * (CHANGES + 1)];	/* by that number: the first one in it */
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

/* changes_push(); with: byte p_from, p_to */
inline push(who, s, nr)
{
	if
	:: pushed[s] >= (nr)
	:: else ->
#ifndef BREAK_INORDER
		atomic { !sending[s] -> sending[s] = 1 };
#endif
		atomic { p_from = pushed[s] + 1; p_to = change[s]; pushed[s] = p_to };
		if
		:: p_from > p_to		/* somebody else did */
		:: else ->
			slot_take(who, 1);
			atomic { first[s * (CHANGES + 1) + p_to] = p_from; sent[s] = sent[s] | BIT(p_to) }	/* and not waited for */
		fi;
		atomic { p_from = 0; p_to = 0; sending[s] = 0 }
	fi
}

proctype Mapper(byte me)
{
	byte k, p_from, p_to;

	do
	:: k == CHANGES - me -> break
	:: k < CHANGES - me ->
		k++;
		change[me]++;
		if
		:: push(me, me, change[me])	/* it gives memory back, or is waited for */
		:: skip
		fi
	od
}

proctype Filler(byte me)
{
	byte k, p_from, p_to;

	do
	:: k == FILLS -> break
	:: k < FILLS ->
		k++;
		if :: fill_space[me] = 0 :: fill_space[me] = 1 fi;
		fill_nr[me] = change[fill_space[me]];		/* under the set lock */
#ifndef BREAK_PUSH
		push(NS + me, fill_space[me], fill_nr[me]);
#endif
		slot_take(NS + me, 0);
		fill_state[me] = SENT;
		atomic { fill_state[me] == DONE -> fill_state[me] = 0; fill_nr[me] = 0; fill_space[me] = 0 }
	od
}

/* --- M --- */

#define FIRST(s, n)	first[(s) * (CHANGES + 1) + (n)]
#ifdef BREAK_ORDER
#define TURN(s, n)	true
#else
#define TURN(s, n)	(applied[s] + 1 == FIRST(s, n))
#endif
#ifdef BREAK_PARK
#define READY(f)	true
#else
#define READY(f)	(fill_nr[f] <= applied[fill_space[f]])
#endif
#define APPLY(s, n)	atomic { (sent[s] & BIT(n)) && TURN(s, n) ->					\
				sent[s] = sent[s] & ~BIT(n);					\
				assert(applied[s] + 1 == FIRST(s, n));	/* another map than P's */	\
				applied[s] = n; FIRST(s, n) = 0; slot_free() }
#define FILL(f)		atomic { fill_state[f] == SENT && READY(f) ->				\
				assert(fill_nr[f] <= applied[fill_space[f]]);	/* from a map that is over */ \
				fill_state[f] = DONE; slot_free() }

proctype Memory()
{
end:	do
	:: APPLY(0, 1)
	:: APPLY(0, 2)
	:: APPLY(1, 1)
	:: FILL(0)
	:: FILL(1)
	od
}

init {
	atomic { run Mapper(0); run Mapper(1); run Filler(0); run Filler(1); run Memory() }
}
