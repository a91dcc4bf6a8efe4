/* SPDX-License-Identifier: MIT */
/*
 * mremap moves a page while it is evicted and flushed (design: section 5). Pages 0 (old address) and 1 (new address) of one
 * space are two places here; a flush names the page by the address it has, and M moves what it has when the message comes.
 *
 * RULE MOVEFLUSH wrong   flushes in flight are waited for before the message is queued
 * RULE MOVEHOLD wrong    no new flush of the range is sent until the message is queued
 * RULE MOVENAME wrong    from then on a flush names the page by its new address, moved or not
 * RULE MOVENUMBER wrong  fills and flushes wait at M for the change that they name
 */
#define PRESENT 1
#define ABSENT	0
#define LEAVING 2
#define VICTIM	3
#define FLUSHING 4
#define HOME	5		/* M has it, nobody else */
#define NONE	255
#define OLD	0
#define NEW	1

byte where = PRESENT;		/* the page: in a line, leaving, in the victim cache, on its way to M, only at M */
byte val = 1, want = 1;
bit dirty = 1;
byte addr;			/* at which address P has it */
byte name;			/* by which a flush names it */
bit held, closed, busy;
byte change, applied;
byte m_val[2];
bit message;
byte flush_state, flush_name, flush_change, flush_val;	/* 1: sent, 2: acknowledged */
byte fill_state, fill_addr, fill_change, fill_val;

#ifdef BREAK_MOVENUMBER
#define APPLIED(n) true
#else
#define APPLIED(n) (applied >= n)
#endif

proctype User()			/* uses the page wherever the map says it is */
{
	byte k;

	do
	:: k == 3 -> break
	:: atomic { k < 3 && where == PRESENT && !closed -> k++; assert(val == want) }
	:: atomic { k < 3 && where == PRESENT && !closed -> k++; want = 3 - want; val = want; dirty = 1 }
	:: atomic { k < 3 && where == VICTIM && !closed -> where = PRESENT; dirty = 1 }
	:: atomic { k < 3 && where == HOME && !closed && !busy ->
		busy = 1; fill_addr = addr; fill_change = change; fill_state = 1 };
	   atomic { fill_state == 2 ->
		fill_state = 0;
		busy = 0;
		if
		:: !closed -> val = fill_val; dirty = 0; where = PRESENT
		:: else		/* undone: it waits for the range to open */
		fi
	   }
	od
}

proctype Daemons()		/* eviction and flush */
{
	byte k;

end:	do
	:: atomic { k < 2 && where == PRESENT -> k++; where = LEAVING; busy = 1 }
	:: atomic { where == LEAVING -> busy = 0; where = (dirty -> VICTIM : HOME) }
#ifdef BREAK_MOVEHOLD
	:: atomic { where == VICTIM ->
#else
	:: atomic { where == VICTIM && !held ->
#endif
		where = FLUSHING; busy = 1;
		flush_name = name; flush_change = change; flush_val = val; flush_state = 1 }
	:: atomic { flush_state == 2 -> flush_state = 0; where = HOME; busy = 0; dirty = 0 }
	od
}

proctype Mover()
{
	closed = 1;
	atomic { where != LEAVING && !(busy && fill_state != 0) };	/* fills there are waited for */
	held = 1;
#ifndef BREAK_MOVEFLUSH
	where != FLUSHING;
#endif
	atomic {
		change++;
		message = 1;
#ifndef BREAK_MOVENAME
		name = NEW
#endif
	};
	held = 0;
	atomic { where != LEAVING && !(busy && fill_state != 0) -> addr = NEW; name = NEW };	/* moved, re-homed */
	closed = 0
}

proctype Memory()
{
end:	do
	:: atomic { message -> message = 0; m_val[NEW] = m_val[OLD]; m_val[OLD] = 0; applied++ }
	:: atomic { flush_state == 1 && APPLIED(flush_change) ->
		if
		:: applied == 1 && flush_name == OLD	/* no mapping there any more: dropped */
		:: applied == 0 && flush_name == NEW	/* none yet */
		:: else -> m_val[flush_name] = flush_val
		fi;
		flush_state = 2 }
	:: atomic { fill_state == 1 && APPLIED(fill_change) -> fill_val = m_val[fill_addr]; fill_state = 2 }
	od
}

init { atomic { run User(); run Daemons(); run Mover(); run Memory() } }
