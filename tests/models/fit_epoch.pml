/* SPDX-License-Identifier: MIT */
/*
 * A request that reaches a node, its handler in a worker, and the end of the epoch: the connection is buried, the caller dead,
 * comes back and begins anew (net/fit/serve.c, conn.c, member.c). And, in short (fit_remake has the whole of it), a request that is
 * repeated on a new QP because its reply did not come.
 *
 * RULE ONCE wrong        a request that arrives twice is executed once
 * RULE RETARGET hang     the second arrival re-targets the reply to the QP that it came on
 * RULE OLDQPDEAD wrong   nothing more is taken from the old QP before the new one is used
 * RULE OLDEPOCH wrong    a request of an epoch that is over is not begun
 */
byte qp = 1;			/* the newest; 0: none */
byte epoch = 1;
bit dead;			/* watchers have been told: all that the node had here is freed */
bit old_alive = 1;
byte request[3];		/* by QP: on the wire, the same request */
byte arrived, executed;
byte reply_on;			/* the QP on which it last arrived */
bit queued, running, replied, done, ended;

byte resent;

proctype Caller()
{
	request[1] = 1;
	do
	:: atomic { done -> break }
	:: atomic {			/* the QP broke: a new one, and the request again */
		resent == 0 && !done ->
		resent = 1;
#ifndef BREAK_OLDQPDEAD
		old_alive = 0; request[1] = 0;
#endif
		qp = 2;
		request[2] = 1
	   }
	:: atomic { dead -> break }	/* -EHOSTDOWN, to the caller's other life */
	od;
	ended = 1
}

inline arrive(q)
{
	request[q] = 0;
#ifdef BREAK_ONCE
	queued = 1; reply_on = q; replied = 0
#else
	if
	:: arrived == 0 -> queued = 1; reply_on = q
	:: else ->			/* in the table */
#ifndef BREAK_RETARGET
		reply_on = q;
#endif
		if :: replied -> replied = 0; running = 1 :: else fi	/* answered from the table */
	fi
#endif
	;
	arrived++

}

proctype Server()		/* receive path */
{
end:	do
	:: atomic { request[1] && old_alive -> assert(qp == 1); arrive(1) }	/* taken from a QP that was replaced */
	:: atomic { request[2] -> arrive(2) }
	od
}

proctype Worker()
{
end:	do
	:: atomic { queued ->
		queued = 0;
#ifndef BREAK_OLDEPOCH
		if
		:: epoch != 1				/* served_run() of a closed connection: dropped */
		:: else ->
#endif
		assert(epoch == 1);			/* acts for a life of the caller that is over */
		executed++;
		assert(executed == 1);
		running = 1
#ifndef BREAK_OLDEPOCH
		fi
#endif
	   }
	:: atomic { running ->				/* rpc_reply() */
		running = 0;
		replied = 1;
		if
		:: epoch == 1 && reply_on == qp -> done = 1
		:: else					/* goes nowhere: that QP is no more */
		fi
	   }
	od
}

proctype Membership()		/* silent for too long: buried; watchers told; it joins again */
{
	if
	:: done
	:: true -> atomic { epoch = 2; dead = 1; request[1] = 0; request[2] = 0; old_alive = 0 }
	:: true
	fi
}

init { atomic { run Caller(); run Server(); run Worker(); run Membership() } }
