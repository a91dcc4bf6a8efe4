/* SPDX-License-Identifier: MIT */
/*
 * A queue pair that breaks under the calls and is made anew (net/fit/fit.h, conn.c: conn_qp_end(), conn_go(); call.c:
 * call_repeat_all(); serve.c: request_again(), rpc_reply(), serve_repeated(); member.c: link_*()). Three calls after one another use
 * one slot; the queue pair breaks at either end, at any moment, twice. Each call is executed once and gets its own reply once;
 * no reply is written with a key of a queue pair that is gone; and no reply is kept for ever.
 *
 * RULE DRAIN hang      what had arrived on the old queue pair is handled before it is decided what to repeat
 * RULE KEEP wrong      a reply is kept until it is acknowledged
 * RULE RETARGET wrong  a reply is written on the queue pair on which its request last arrived
 * RULE IDS wrong       the next request of a slot is not taken for a repetition
 * RULE OLDQP wrong     the old queue pair is in error at both ends before the new one is used
 * RULE MARK wrong      when all was repeated, replies that nobody asked for again are let go
 */
#define CALLS	3
#define BREAKS	2
#define BIT(x)	(1 << (x))
#define GENS	4		/* queue pairs are numbered from 1 on */

/* the caller's end */
byte c_gen = 1;
bit c_ok = 1, c_down;
byte id;			/* in the slot; 0: no call yet */
bit waiting;			/* for a reply */
byte c_key;			/* the queue pair for which the reply buffer is bound; 0: it is not */
byte c_cq;			/* a reply that arrived and is not yet handled */
bit all_done;

/* the callee's end */
byte s_gen = 1;
bit s_ok = 1, s_down;
byte s_cq;			/* a request that arrived and is not yet handled */
mtype = { NOTHING, RUNNING, ANSWERED, DELIVERED };
mtype table = NOTHING;		/* the last request of the slot */
byte last_id, t_gen;
bit repeated = 1;
byte kept[GENS];		/* replies to earlier requests of the slot, not yet acknowledged, by queue pair */
byte executed[CALLS + 1];

/* the wire, by queue pair */
byte request[GENS], reply[GENS], reply_key[GENS];
byte ack[GENS];			/* bit per call: acknowledgements tell of all replies so far */
bit mark[GENS];

byte breaks;

/* --- the caller --- */

inline send_request()
{
	request[c_gen] = id;
	c_key = c_gen
}

proctype Caller()
{
	do
	:: id == CALLS -> break
	:: atomic { id < CALLS && !waiting && (c_ok || !c_down) ->
		id++;
		waiting = 1;
		if :: c_ok -> send_request() :: else fi		/* else it is posted on the next one */
	   };
	   atomic { !waiting -> c_key = 0 }
	od;
	all_done = 1
}

proctype Replies()		/* the caller's completions */
{
end:	do
	:: atomic { c_ok && reply[c_gen] != 0 ->		/* written, and acknowledged, by the transport */
		assert(reply_key[c_gen] == c_key);		/* else into memory that is another's */
		c_cq = reply[c_gen];
		ack[c_gen] = ack[c_gen] | BIT(reply[c_gen]);
		reply[c_gen] = 0
	   }
	:: atomic { c_cq != 0 ->
		assert(c_cq == id && waiting);			/* its own, and once */
		waiting = 0;
		c_cq = 0
	   }
	od
}

/* --- the callee --- */

inline post()
{
	reply[s_gen] = last_id;
	reply_key[s_gen] = t_gen
}

#ifdef BREAK_IDS
#define KNOWN(x)	(table == RUNNING || table == ANSWERED)
#else
#define KNOWN(x)	((x) == last_id)
#endif
#ifdef BREAK_RETARGET
#define ITS_OWN		true
#else
#define ITS_OWN		(t_gen == s_gen)
#endif

inline arrive(x)
{
	if
	:: KNOWN(x) ->
		if
		:: table == RUNNING -> t_gen = s_gen
		:: table == ANSWERED ->
			t_gen = s_gen;
			if :: s_ok -> post() :: else fi
		:: else					/* it had its reply: dropped */
		fi
	:: else ->
		if :: table == ANSWERED -> kept[t_gen]++ :: else fi;
		last_id = x;
		t_gen = s_gen;
		table = RUNNING
	fi
}

proctype Server()
{
end:	do
	:: atomic { s_ok && request[s_gen] != 0 && s_cq == 0 -> s_cq = request[s_gen]; request[s_gen] = 0 }
#ifdef BREAK_OLDQP
	:: atomic { s_gen > 1 && request[s_gen - 1] != 0 && s_cq == 0 -> s_cq = request[s_gen - 1]; request[s_gen - 1] = 0 }
#endif
	:: atomic { s_cq != 0 -> arrive(s_cq); s_cq = 0 }
	:: atomic { table == RUNNING ->				/* a worker, rpc_reply() */
		executed[last_id]++;
		assert(executed[last_id] == 1);
		table = ANSWERED;
		if
		:: s_ok && ITS_OWN -> post()
		:: !ITS_OWN && repeated -> table = DELIVERED	/* nobody waits for it */
		:: else
		fi
	   }
	:: atomic { s_ok && ack[s_gen] != 0 ->
		if :: (ack[s_gen] & BIT(last_id)) && table == ANSWERED -> table = DELIVERED :: else fi;
		kept[s_gen] = 0;	/* a slot is used again when its reply has arrived: all of these had */
		ack[s_gen] = 0
	   }
#ifndef BREAK_MARK
	:: atomic { s_ok && mark[s_gen] && request[s_gen] == 0 && s_cq == 0 ->	/* behind what was repeated */
		mark[s_gen] = 0;
		repeated = 1;
		if :: table == ANSWERED && t_gen != s_gen -> table = DELIVERED :: else fi;
		kept[1] = 0;
		kept[2] = (s_gen == 2 -> kept[2] : 0)
	   }
#endif
	od
}

/* --- what breaks, and the next --- */

proctype Link()
{
end:	do
	:: atomic { breaks < BREAKS && c_ok && s_ok -> breaks++; if :: c_ok = 0 :: s_ok = 0 fi }
	:: atomic { c_ok && !s_ok -> c_ok = 0 }				/* a NAK, a DREQ, the REQ for the next one */
	:: atomic { s_ok && !c_ok -> s_ok = 0 }
#ifdef BREAK_DRAIN
	:: atomic { !c_ok && !c_down -> c_cq = 0; c_down = 1; c_key = 0 }
#else
	:: atomic { !c_ok && !c_down && c_cq == 0 -> c_down = 1; c_key = 0 }
#endif
	:: atomic { !s_ok && !s_down && s_cq == 0 ->
		s_down = 1
#ifdef BREAK_KEEP
		;
		if :: table == ANSWERED -> table = NOTHING; last_id = 0 :: else fi
#endif
	   }
	:: atomic { c_down && s_down ->
#ifndef BREAK_OLDQP
		request[s_gen] = 0;
#endif
		reply[s_gen] = 0; ack[s_gen] = 0; mark[s_gen] = 0;
		c_gen++;
		s_gen++;
		repeated = 0;
		c_down = 0;
		s_down = 0;
		c_ok = 1;
		s_ok = 1;
		if :: waiting -> send_request() :: else fi;
		mark[c_gen] = 1;
		/* answered meanwhile, to a request that came on this one: none can be, its first is on its way */
	   }
	od
}

proctype End()
{
	all_done;
	timeout -> assert(table == DELIVERED && kept[1] + kept[2] + kept[3] == 0)
}

init {
	atomic { run Caller(); run Replies(); run Server(); run Link(); run End() }
}
