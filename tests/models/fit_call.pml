/* SPDX-License-Identifier: MIT */
/*
 * The end of a call: its reply, the transport's letting go of what was sent, the caller's deadline and the connection's death
 * race (net/fit/call.c: slot_advance(), call_end_all(), rpc_call_bulk(); conn.c: conn_bury()). Every call ends exactly once; no
 * reply is written into memory that was freed; bulk is not the caller's again before the transport has let go of it; a slot is
 * free only after both.
 *
 * RULE ENDONCE wrong    whoever ends a call takes it out of its slot under the lock
 * RULE BULK wrong       a call with bulk ends when its bytes are acknowledged, not at the reply
 * RULE SLOT wrong       a slot is free only when reply and acknowledgement are both there
 * RULE DEADLINE wrong   a caller that gives up leaves the block to the call
 * RULE UNDERLOCK wrong  a call is started under the lock that the burial takes, or it is never ended
 * RULE QPFIRST wrong    the QP is gone before the calls are ended
 */
#ifndef CALLS
#define CALLS	2		/* by two callers, over one slot */
#endif
#define BULK(x)	(x == 0)	/* the first caller sends bulk */
#define NONE	255

bit up = 1, qp = 1;
bit busy, sending, replied;	/* the slot */
byte call = NONE;		/* in the slot: whose */
byte refs[2], ends[2];		/* of the block that holds call, reply buffer and bulk: 0 is freed */
bit finished[2];
bit request, reply, ack;	/* on the wire */
bit handler;			/* a completion is being handled: a CQ is destroyed only after it */
byte gone;
byte bound = NONE;		/* whose memory a reply goes to */
byte sent = NONE;		/* whose bytes the transport may read */

/* call_finish(), timed_call_done() */
inline finish(who)
{
	ends[who]++;
	assert(ends[who] == 1 && refs[who] > 0);		/* exactly once, and it is there */
	assert(!(BULK(who) && qp && sent == who));		/* its bulk is being read still */
	assert(!(qp && bound == who));				/* a reply may still be written */
	finished[who] = 1;
	refs[who]--
}

#ifdef BREAK_ENDONCE
#define TAKEN	skip
#else
#define TAKEN	call = NONE
#endif
/* slot_advance(); out: the call that ends now */
inline advance(out)
{
	if
#ifdef BREAK_BULK
	:: replied && call != NONE -> out = call; TAKEN
#else
	:: replied && call != NONE && (!sending || !BULK(call)) -> out = call; TAKEN
#endif
	:: else
	fi;
#ifdef BREAK_SLOT
	if :: replied -> busy = 0 :: else fi
#else
	if :: replied && !sending -> busy = 0 :: else fi
#endif
}

proctype Caller(byte me)
{
	refs[me] = 2;
	do
	:: atomic { !up -> refs[me] = 0; break }		/* -EHOSTDOWN: nothing was sent, done is not called */
	:: atomic {
		up && !busy ->
#ifdef BREAK_UNDERLOCK
		busy = 1		/* and the rest without the lock */
	   };
	   atomic {
#endif
		assert(sent == NONE || !qp);			/* the slot's own buffer is being sent still */
		busy = 1; sending = 1; replied = 0; call = me; bound = me; sent = me;
		request = qp;
		break
	   }
	od;
	if					/* rpc_call_bulk(): done, or the deadline */
	:: refs[me] == 0
	:: atomic { refs[me] > 0 && finished[me] -> refs[me]-- }
#ifdef BREAK_DEADLINE
	:: atomic { refs[me] > 0 && !finished[me] -> refs[me] = 0 }
#else
	:: atomic { refs[me] > 0 && !finished[me] -> refs[me]-- }
#endif
	fi;
	gone++
}

proctype Peer()			/* the acknowledgement may come late: they are coalesced */
{
end:	do
	:: atomic { request && qp -> request = 0; reply = 1; ack = 1 }
	od
}

proctype Receive()		/* completions; none comes once the QP is gone */
{
	byte x = NONE;

end:	do
	:: atomic { reply && qp ->
		reply = 0;
		assert(bound != NONE && refs[bound] > 0);	/* the reply was written into memory that is freed */
		bound = NONE;
		assert(busy && !replied);
		replied = 1;
		handler = 1;
		advance(x)
	   };
	   atomic { if :: x != NONE -> finish(x); x = NONE :: else fi; handler = 0 }
	:: atomic { ack && qp && !handler -> ack = 0; sent = NONE; sending = 0; handler = 1; advance(x) };
	   atomic { if :: x != NONE -> finish(x); x = NONE :: else fi; handler = 0 }
	od
}

proctype Membership()		/* the peer is dead: conn_bury(), call_end_all() */
{
	byte x = NONE;

	up = 0;
#ifdef BREAK_QPFIRST
	atomic { x = call; call = NONE; if :: x != NONE -> finish(x); x = NONE :: else fi };
	qp = 0
#else
	qp = 0;
	handler == 0;
	atomic { x = call; call = NONE };
	atomic { if :: x != NONE -> finish(x); x = NONE :: else fi }
#endif
	;
	gone++
}

init {
	atomic { run Caller(0); run Caller(1); run Peer(); run Receive(); run Membership() };
	atomic { gone == 3 -> assert(refs[0] == 0 && refs[1] == 0) }	/* all ended, all freed */
}
