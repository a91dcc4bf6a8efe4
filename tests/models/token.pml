/* SPDX-License-Identifier: MIT */
/*
 * The progress token (design: section 4, Fault). One instruction needs two pages at once, and the set has one way: every fault
 * of a thread takes away the page that it, or the other thread, brought in before. Whoever faults at one instruction more
 * often than the set has ways takes the token: until it moves on, its lines stay, and may be extra lines from the reserve.
 * Searched for an endless run in which no instruction is ever done.
 *
 * SEARCH livelock
 * RULE TOKEN livelock      there is a token
 * RULE TOKENKEEP livelock  the holder's lines are not evicted
 * RULE TOKENLINES livelock the holder may have extra lines
 */
#define WAYS	1
#define NEED	2		/* pages of an instruction: pages NEED * thread + 0, 1 */
#define NPAGES	4
#define NOBODY	255

bit here[NPAGES], kept[NPAGES];
byte lines;			/* in the set */
byte token = NOBODY;
hidden byte i;

#define HAVE(t)		(here[NEED * (t)] && here[NEED * (t) + 1])
#define MISSING(t)	(here[NEED * (t)] -> NEED * (t) + 1 : NEED * (t))
#ifdef BREAK_TOKENLINES
#define MAY_ADD(t)	(lines < WAYS)
#else
#define MAY_ADD(t)	(lines < WAYS || (token == (t)))
#endif
#ifdef BREAK_TOKENLINES		/* or nobody could go on at all */
#define CAN_GO(p)	(here[p] && (!kept[p] || (token == me)))
#else
#define CAN_GO(p)	(here[p] && !kept[p])
#endif
#define ANY_CAN_GO	(CAN_GO(0) || CAN_GO(1) || CAN_GO(2) || CAN_GO(3))

inline evict_one()		/* the policy's choice is any */
{
	if
	:: CAN_GO(0) -> here[0] = 0
	:: CAN_GO(1) -> here[1] = 0
	:: CAN_GO(2) -> here[2] = 0
	:: CAN_GO(3) -> here[3] = 0
	fi;
	lines--
}

inline bring(t)
{
	i = MISSING(t);
	do			/* back to its ways, as far as lines may go: trim() */
	:: lines >= WAYS && ANY_CAN_GO -> evict_one()
	:: else -> break
	od;
	here[i] = 1;
	lines++;
#ifndef BREAK_TOKENKEEP
	if :: token == (t) -> kept[i] = 1 :: else fi
#endif
}

proctype Thread(byte me)
{
	byte faults;		/* at this instruction */

	do
	:: HAVE(me) ->
progress:	skip;		/* the instruction is done */
		atomic {
			faults = 0;
			if
			:: token == me ->
				token = NOBODY;
				kept[NEED * me] = 0;
				kept[NEED * me + 1] = 0;
				do
				:: lines > WAYS -> evict_one()
				:: else -> break
				od
			:: else
			fi
		}
	:: atomic { !HAVE(me) && (MAY_ADD(me) || ANY_CAN_GO) ->
		if :: faults <= WAYS -> faults++ :: else fi;
#ifndef BREAK_TOKEN
		if
		:: faults > WAYS && token == NOBODY -> token = me
		:: else
		fi;
#endif
		if
		:: MAY_ADD(me) -> bring(me)
		:: !MAY_ADD(me) && ANY_CAN_GO -> bring(me)
		:: else
		fi
	   }
	od
}

init { atomic { run Thread(0); run Thread(1) } }
