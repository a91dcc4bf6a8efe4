/* SPDX-License-Identifier: MIT */
/*
 * One private page as several address spaces see it: PTEs, TLBs, lines, victim entries, frames, and M's copies. The models
 * that include this say who acts on it.
 *
 * What the code does under the set lock and the page-table lock is one atomic sequence here; where it lets go of them, there
 * is a step. Programs reach memory as hardware does: by their TLB, or by walking the PTE, at any moment, asking no lock. Every
 * read is compared with what that space wrote last (`want`). Sleepers are bits that only an explicit wake clears, so a wake
 * that is forgotten in the code would be a deadlock here.
 *
 * Before it: NT threads, one CPU each, thread c in SPACE(c); NS spaces, NL lines, NV victim entries.
 */
#define BIT(i)		(1 << (i))
#define COUNT(m)	(((m) & 1) + (((m) >> 1) & 1) + (((m) >> 2) & 1))
#define NF		(NL + NV)
#define NONE		255
#define ZERO		0		/* the byte of a page never written */

byte line_state[NL], line_frame[NL], line_owners[NL], line_pins[NL], line_victim[NL];
bit line_dirty[NL], line_zero[NL];
byte victim_state[NV], victim_frame[NV], victim_owners[NV];
bit victim_aside[NV];			/* prepared for a line that is LEAVING */
byte frame_val[NF];

bit pte_present[NS], pte_w[NS], pte_d[NS], pte_busy[NS], pte_private[NS];
byte pte_frame[NS];
bit tlb_valid[NT], tlb_w[NT];
byte tlb_frame[NT];

byte vma[NS];				/* 0: none; else which mapping it is */
byte seq[NS], change[NS];
bit closed[NS], held[NS];		/* to faults; flushes held back */
bit changing[NS];			/* contents are going: what a program sees meanwhile is its own fault */
byte want[NS];				/* what the space wrote last */

byte set_sleep, pte_sleep[NS];		/* who sleeps, by thread */

/* M: its copies, and what is on the way to it. A mailbox each, so that messages overtake one another freely. */
byte m_val[NS], m_vma[NS], m_applied[NS];
byte pushed[NS];			/* changes up to this number are on their way or at M; those behind it are queued here */
bit m_has[NS], m_known[NS];
#define IDLE 0
#define SENT 1
#define DONE 2
#define READY 3				/* it has its numbers, and goes when M was sent the changes that they name */
byte fill_state[NT], fill_frame[NT], fill_change[NT];
byte flush_state[NV + NL], flush_val[NV + NL], flush_owners[NV + NL], flush_change[NV + NL];	/* of victims, of lines */

#ifdef MOVES				/* mremap moves the page of space 0: at which of two addresses it is, for P, for M, in a message */
bit name, m_name, fill_name[NT], flush_name[NV + NL];
#define NAME(to, s)	to = (s) == 0 && name
#define NAMED(s, it)	assert((s) != 0 || it == m_name)	/* or M has another page there, or none */
#else
#define NAME(to, s)	skip
#define NAMED(s, it)	skip
#endif

#ifdef REFUSES				/* M refuses so many requests, and may die; a page so often refused is given up */
#define TAKEN	0
#define REFUSED	1
#define DEAD	2
#define MAX_REFUSALS 2
bit lost[NS], m_dead, fill_failed[NT];
byte m_refused, flush_how[NV + NL], victim_refusals[NV];
#ifdef BREAK_LOSTVALID
#define VALID(s)	SEQ_SAME(s)
#else
#define VALID(s)	(SEQ_SAME(s) && !lost[s])
#endif
#define FAILED(c)	fill_failed[c]
#else
#define VALID(s)	SEQ_SAME(s)
#define FAILED(c)	false
#endif

/* changes_push() */
inline push(s, nr)
{
#ifndef BREAK_PUSH
	if :: pushed[s] < (nr) -> pushed[s] = change[s] :: else fi
#else
	skip
#endif
}

hidden byte i, n, l, v, b;

#include "states.pml"

/* --- small things --- */

#define TLB_OK(c, wr)	(tlb_valid[c] && (!(wr) || tlb_w[c]))
#define PTE_OK(s, wr)	(pte_present[s] && (!(wr) || pte_w[s]))
#ifdef BREAK_REUSEOWNERS		/* PTEs instead of owners: of a model with two spaces */
#define SHARED(s, lin)	((line_owners[lin] & BIT(1 - (s))) && pte_present[1 - (s)])
#else
#define SHARED(s, lin)	(COUNT(line_owners[lin]) > 1)
#endif
#define NEXT(s)		(want[s] == 2 * (s) + 1 -> 2 * (s) + 2 : 2 * (s) + 1)	/* no two spaces write the same */

inline sleep_set(c)	{ set_sleep = set_sleep | BIT(c); !(set_sleep & BIT(c)) }
inline sleep_pte(c, s)	{ pte_sleep[s] = pte_sleep[s] | BIT(c); !(pte_sleep[s] & BIT(c)) }

inline line_of(s)	{ l = 0; do :: l < NL && !(line_owners[l] & BIT(s)) -> l++ :: else -> break od }
inline line_free()	{ l = 0; do :: l < NL && line_state[l] != LINE_FREE -> l++ :: else -> break od; assert(l < NL) }
inline victim_of(s)	{ v = 0; do :: v < NV && !(victim_owners[v] & BIT(s)) -> v++ :: else -> break od }
inline victim_free()
{
	v = 0;
	do
	:: v < NV && (victim_state[v] != VICTIM_FREE || victim_aside[v] || flush_state[v] != IDLE) -> v++
	:: else -> break
	od
}

/* b: some PTE or TLB still leads to the frame */
inline frame_reached(f)
{
	b = 0; i = 0;
	do :: i < NS -> b = b || (pte_present[i] && pte_frame[i] == f); i++ :: else -> break od;
	i = 0;
	do :: i < NT -> b = b || (tlb_valid[i] && tlb_frame[i] == f); i++ :: else -> break od
}

inline shootdown(spaces)
{
	i = 0;
	do
	:: i < NT -> if :: (spaces) & BIT(SPACE(i)) -> tlb_valid[i] = 0; tlb_w[i] = 0; tlb_frame[i] = 0 :: else fi; i++
	:: else -> break
	od
}

/* The PTE of space s is present no more. fold: D goes into the line */
inline pte_clear(s, lin)
{
#ifndef BREAK_FOLD
	if :: pte_present[s] && pte_d[s] -> line_dirty[lin] = 1 :: else fi;
#endif
	pte_present[s] = 0; pte_w[s] = 0; pte_d[s] = 0; pte_frame[s] = 0
}

inline map(s, lin, wr)
{
	assert(line_owners[lin] & BIT(s));
	pte_present[s] = 1;
	pte_frame[s] = line_frame[lin];
	pte_w[s] = line_state[lin] == LINE_MAPPED && line_pins[lin] == 0 && !SHARED(s, lin);
	pte_d[s] = pte_w[s] && wr
}

inline line_release(lin, ev)
{
	assert(line_owners[lin] == 0 && line_pins[lin] == 0);
	frame_reached(line_frame[lin]);
	assert(!b);				/* freed, and mapped */
	line_dirty[lin] = 0;
	line_zero[lin] = 0;
	line_step(lin, ev)
}

/* --- hardware: a program's access --- */

inline touch(c, s, wr, f)
{
	if
	:: changing[s]
	:: else ->
		assert(vma[s] != 0);		/* a program reaches what it has unmapped */
		if
		:: wr -> want[s] = NEXT(s); frame_val[f] = want[s]
		:: else -> assert(frame_val[f] == want[s])	/* a wrong byte */
		fi
	fi
}

inline access(c, s, wr)
{
	do
	:: atomic { TLB_OK(c, wr) -> touch(c, s, wr, tlb_frame[c]); break }
	:: atomic {
		!TLB_OK(c, wr) && PTE_OK(s, wr) ->
		if :: wr -> pte_d[s] = 1 :: else fi;
		tlb_valid[c] = 1;
		tlb_frame[c] = pte_frame[s];
		tlb_w[c] = pte_w[s] && pte_d[s];
		touch(c, s, wr, tlb_frame[c]);
		break
	   }
	:: atomic { !TLB_OK(c, wr) && !PTE_OK(s, wr) -> f_segv = 0 };
		fault(c, s, wr);
		if :: f_segv -> f_segv = 0; break :: else fi
	od
}

/* --- a fault: space/fault.c, pcache/fill.c, pcache/cow.c --- */

#define FAULT_VARS byte f_seq, f_vma, f_line, f_old; bit f_cow, f_fetch, f_segv, f_pinned
#ifdef BREAK_SEQ
#define SEQ_SAME(s)	true
#else
#define SEQ_SAME(s)	(seq[s] == f_seq)
#endif

inline wake_pte(s) { pte_sleep[s] = 0 }

inline cow_begin(c, s)		/* l: the shared line */
{
	f_old = l;
	line_free();
	line_step(l, LINE_EV_FILL);
	line_owners[f_old] = line_owners[f_old] & ~BIT(s);
	line_owners[l] = BIT(s);
	frame_val[line_frame[l]] = frame_val[line_frame[f_old]];
#ifndef BREAK_BORNDIRTY
	line_dirty[l] = 1;
#endif
	f_line = l;
	f_cow = 1;
	f_pinned = pte_present[s];
	pte_clear(s, f_old);
	pte_private[s] = 1;
	pte_busy[s] = 1;
	if :: f_pinned -> line_pins[f_old]++ :: else fi
}

inline unpin(lin)
{
	line_pins[lin]--;
	if
	:: line_pins[lin] == 0 ->
		set_sleep = 0;
		if
		:: line_state[lin] == LINE_LEAVING && line_owners[lin] == 0 && line_victim[lin] == NONE ->
			line_release(lin, LINE_EV_LEFT)
		:: else
		fi
	:: else
	fi
}

inline cow_end(c, s, wr)
{
	atomic {
#ifndef BREAK_COWSHOOT
		if :: f_pinned -> shootdown(BIT(s)) :: else fi;
#endif
		if :: f_pinned -> unpin(f_old) :: else fi;
		f_pinned = 0
	};
	atomic {
		line_step(f_line, LINE_EV_INSTALL);
		pte_busy[s] = 0;
		if
		:: SEQ_SAME(s) && !closed[s] -> map(s, f_line, wr)
		:: f_segv = 1	/* the map changed, and no access follows (populate): the copy is the page none the less */
		fi;
		wake_pte(s);
		f_cow = 0; f_line = 0; f_old = 0
	}
}

inline fetch_end(c, s, wr)
{
	atomic { push(s, fill_change[c]); fill_state[c] = SENT };
#ifdef BREAK_UNDO
	atomic { fill_state[c] == DONE && !closed[s] ->
#else
	atomic { fill_state[c] == DONE ->
#endif
		fill_state[c] = IDLE; fill_frame[c] = 0; fill_change[c] = 0;
		pte_busy[s] = 0;
		if
		:: !FAILED(c) && !closed[s] && (SEQ_SAME(s) || vma[s] == f_vma) ->
			line_step(f_line, LINE_EV_INSTALL);
			map(s, f_line, wr)
		:: else ->
			line_owners[f_line] = 0;
			line_release(f_line, LINE_EV_VOID);
#ifdef REFUSES
			f_segv = fill_failed[c];
			fill_failed[c] = 0
#endif
		fi;
#ifdef BREAK_FAILEDWAKES
		if :: f_segv :: else -> wake_pte(s) fi;
#else
		wake_pte(s);
#endif
		f_fetch = 0; f_line = 0
	}
}

inline line_hit(c, s, wr)	/* l */
{
	if
	:: (line_state[l] != LINE_MAPPED && line_state[l] != LINE_CLEANING) -> sleep_set(c)
#ifdef BREAK_CLEANWAIT
	:: line_state[l] == LINE_CLEANING && wr -> map(s, l, wr); pte_w[s] = 1; pte_d[s] = 1
	:: line_state[l] == LINE_MAPPED && wr && line_pins[l] != 0 -> sleep_set(c)
	:: line_state[l] == LINE_CLEANING && !wr -> map(s, l, wr)
	:: line_state[l] == LINE_MAPPED && wr && line_pins[l] == 0 && SHARED(s, l) -> cow_begin(c, s)
	:: line_state[l] == LINE_MAPPED && !(wr && (line_pins[l] != 0 || SHARED(s, l))) -> map(s, l, wr)
#else
	:: (line_state[l] == LINE_CLEANING || line_state[l] == LINE_MAPPED) && wr &&
	   (line_state[l] == LINE_CLEANING || line_pins[l] != 0) -> sleep_set(c)
	:: line_state[l] == LINE_MAPPED && wr && line_pins[l] == 0 && SHARED(s, l) -> cow_begin(c, s)
	:: (line_state[l] == LINE_MAPPED || line_state[l] == LINE_CLEANING) && !wr -> map(s, l, wr)
	:: line_state[l] == LINE_MAPPED && wr && line_pins[l] == 0 && !SHARED(s, l) -> map(s, l, wr)
#endif
	fi
}

inline take_back(c, s, wr)	/* v */
{
	if
#ifdef BREAK_TAKEFLUSHING
	:: victim_state[v] == VICTIM_HELD || victim_state[v] == VICTIM_FLUSHING ->
#else
	:: victim_state[v] != VICTIM_HELD -> sleep_set(c)
	:: victim_state[v] == VICTIM_HELD ->
#endif
		line_free();
		line_step(l, LINE_EV_FILL);
		n = line_frame[l]; line_frame[l] = victim_frame[v]; victim_frame[v] = n;
		line_owners[l] = victim_owners[v];
		victim_owners[v] = 0;
		line_dirty[l] = 1;
#ifdef BREAK_TAKEFLUSHING
		if
		:: victim_state[v] == VICTIM_FLUSHING ->
			i = 0;
			do
			:: i < NS -> if :: line_owners[l] & BIT(i) -> pte_busy[i] = 0; wake_pte(i) :: else fi; i++
			:: else -> break
			od
		:: else
		fi;
		victim_state[v] = VICTIM_FREE;
		set_sleep = 0;
#else
		victim_step(v, VICTIM_EV_TAKE);
#endif
		line_step(l, LINE_EV_INSTALL);
		if :: wr && SHARED(s, l) :: else -> map(s, l, wr) fi
	fi
}

inline fetch_begin(c, s)
{
	line_free();
	line_step(l, LINE_EV_FILL);
	line_owners[l] = BIT(s);
	pte_busy[s] = 1;
	fill_frame[c] = line_frame[l];
	fill_change[c] = change[s];
	NAME(fill_name[c], s);
	fill_state[c] = READY;
	f_line = l;
	f_fetch = 1
}

inline zero_fill(c, s, wr)
{
	line_free();
	line_step(l, LINE_EV_FILL);
	line_owners[l] = BIT(s);
	frame_val[line_frame[l]] = ZERO;
	line_zero[l] = 1;
	line_step(l, LINE_EV_INSTALL);
	map(s, l, wr)
}

inline fault_private(c, s, wr)
{
	line_of(s);
	if
	:: l < NL -> line_hit(c, s, wr)
	:: else ->
		victim_of(s);
		if
#ifdef BREAK_REFETCH
		:: v < NV && victim_state[v] == VICTIM_HELD -> take_back(c, s, wr)
		:: !(v < NV && victim_state[v] == VICTIM_HELD) -> fetch_begin(c, s)
#else
		:: v < NV -> take_back(c, s, wr)
		:: else -> fetch_begin(c, s)
#endif
		fi
	fi
}

/* BUSY: someone is at this page. Without the rules that forbid it, a fault goes on when it is only being flushed. */
#if defined(BREAK_TAKEFLUSHING) || defined(BREAK_REFETCH)
#define BUSY(s) (pte_busy[s] && !flushing_of(s))
#define flushing_of(s) (NV > 0 && ((victim_state[0] == VICTIM_FLUSHING && (victim_owners[0] & BIT(s))) || \
	(victim_state[NV - 1] == VICTIM_FLUSHING && (victim_owners[NV - 1] & BIT(s)))))
#else
#define BUSY(s) pte_busy[s]
#endif

inline fault(c, s, wr)
{
#ifdef REFUSES
	if :: atomic { lost[s] -> f_segv = 1 } :: else fi;
#endif
	f_seq = seq[s];
	f_vma = vma[s];			/* the vma is looked up without the locks below */
	atomic {
		if
		:: f_vma == 0 || f_segv -> f_segv = 1
		:: f_vma != 0 && !f_segv && closed[s] -> !closed[s]	/* space_open() wakes all, and all look again */
		:: f_vma != 0 && !f_segv && !closed[s] && BUSY(s) -> sleep_pte(c, s)
		:: f_vma != 0 && !f_segv && !closed[s] && !BUSY(s) ->
			if
			:: !VALID(s)				/* look at everything again */
			:: VALID(s) && PTE_OK(s, wr)		/* spurious */
			:: VALID(s) && !PTE_OK(s, wr) && (pte_present[s] || pte_private[s]) -> fault_private(c, s, wr)
			:: VALID(s) && !pte_present[s] && !pte_private[s] -> zero_fill(c, s, wr)
			fi
		fi;
		f_seq = 0
	};
	if
	:: f_cow -> cow_end(c, s, wr)
	:: f_fetch -> fetch_end(c, s, wr)
	:: else
	fi;
	f_vma = 0
}

/* --- eviction: pcache/evict.c --- */

inline may_be_dirty(lin)	/* b */
{
	b = line_dirty[lin]; i = 0;
	do
	:: i < NS -> b = b || ((line_owners[lin] & BIT(i)) && pte_present[i] && (pte_w[i] || pte_d[i])); i++
	:: else -> break
	od
}

#ifdef BREAK_ONEFLUSH
#define EVICTABLE(lin)	((line_state[lin] == LINE_MAPPED || line_state[lin] == LINE_CLEANING) && line_pins[lin] == 0)
#else
#define EVICTABLE(lin)	(line_state[lin] == LINE_MAPPED && line_pins[lin] == 0)
#endif

/* Sets ok if the line is on its way; who: its owners */
inline evict_begin(lin, who, ok)
{
	may_be_dirty(lin);
	v = NONE;
	if
	:: b -> victim_free()
	:: else
	fi;
	if
	:: b && v == NV -> ok = 0
	:: else ->
		ok = 1;
		if :: b -> line_victim[lin] = v; victim_aside[v] = 1 :: else fi;
		who = line_owners[lin];
#ifdef BREAK_ONEFLUSH
		line_state[lin] = LINE_LEAVING; set_sleep = 0;
#else
		line_step(lin, LINE_EV_LEAVE);
#endif
		i = 0;
		do
		:: i < NS && (who & BIT(i)) ->
#ifdef BREAK_ALLOWNERS
			if :: (who & (BIT(i) - 1)) == 0 -> pte_clear(i, lin); pte_busy[i] = 1 :: else fi;
#else
			pte_clear(i, lin);
			pte_busy[i] = 1;
#endif
			pte_private[i] = 1;
			i++
		:: i < NS && !(who & BIT(i)) -> i++
		:: else -> break
		od
	fi
}

inline leave(lin)
{
	v = line_victim[lin];
	assert(!line_dirty[lin] || v != NONE);
	line_victim[lin] = NONE;
	i = 0;
	do
	:: i < NS && (line_owners[lin] & BIT(i)) ->
		pte_busy[i] = 0;
		pte_private[i] = !(line_zero[lin] && !line_dirty[lin]);
		wake_pte(i);
		i++
	:: i < NS && !(line_owners[lin] & BIT(i)) -> i++
	:: else -> break
	od;
	if
	:: line_dirty[lin] ->
#ifndef BREAK_ALLOWNERS
		frame_reached(line_frame[lin]);
		assert(!b);			/* a frame in the victim cache is nobody's to write */
#endif
		n = line_frame[lin]; line_frame[lin] = victim_frame[v]; victim_frame[v] = n;
		victim_owners[v] = line_owners[lin];
		victim_aside[v] = 0;
		victim_step(v, VICTIM_EV_HOLD)
	:: else ->
		if :: v != NONE -> victim_aside[v] = 0 :: else fi
	fi;
	line_owners[lin] = 0;
#ifdef BREAK_ALLOWNERS
	line_dirty[lin] = 0; line_zero[lin] = 0; line_step(lin, LINE_EV_LEFT)	/* and see what programs read */
#else
	line_release(lin, LINE_EV_LEFT)
#endif
}

/* Evicts a line if it can; for processes with: byte e_line, e_who; bit e_ok */
inline evict_any()
{
	atomic {
		e_ok = 0;
		if
		:: EVICTABLE(0) -> e_line = 0; evict_begin(0, e_who, e_ok)
		:: NL > 1 && EVICTABLE(NL - 1) -> e_line = NL - 1; evict_begin(e_line, e_who, e_ok)
		:: NL > 2 && EVICTABLE(1) -> e_line = 1; evict_begin(e_line, e_who, e_ok)
		:: else
		fi
	};
	if
	:: e_ok ->
#ifndef BREAK_SHOOTFIRST
		atomic { shootdown(e_who) };
#endif
		atomic { leave(e_line); e_ok = 0; e_line = 0 }
#ifdef BREAK_SHOOTFIRST
		;
		atomic { shootdown(e_who) };
#endif
	:: else
	fi;
	e_who = 0
}

/* --- flushing: pcache/flush.c, pcache/clean.c --- */

#ifdef BREAK_HOLD
#define HELD_BACK(owners)	false
#else
#define HELD_BACK(owners)	((((owners) & 1) && held[0]) || (((owners) & BIT(NS - 1)) && held[NS - 1]))
#endif

inline flush_send(box, owners, f)
{
	flush_val[box] = frame_val[f];
#ifdef BREAK_FLUSHOWNERS
	flush_owners[box] = (((owners) & 1) -> 1 : owners);	/* the first alone */
#else
	flush_owners[box] = owners;
#endif
	flush_change[box] = (((owners) & 1) -> change[0] : 0);
	NAME(flush_name[box], 0);
	flush_state[box] = READY
}

#define CAN_CLAIM(w) (victim_state[w] == VICTIM_HELD && flush_state[w] == IDLE && !HELD_BACK(victim_owners[w]))

inline claim(w)
{
	victim_step(w, VICTIM_EV_FLUSH);
	i = 0;
	do
	:: i < NS -> if :: victim_owners[w] & BIT(i) -> pte_private[i] = 1; pte_busy[i] = 1 :: else fi; i++
	:: else -> break
	od;
	flush_send(w, victim_owners[w], victim_frame[w])
}

#ifdef BREAK_REFUSEDWAKES
#define WAKE_FLUSHED(w, s)	if :: flush_how[w] != REFUSED -> wake_pte(s) :: else fi
#else
#define WAKE_FLUSHED(w, s)	wake_pte(s)
#endif

#ifdef REFUSES
/* The end of a flush that M may not have taken: settle(). Ownerships end when the page is M's, or nobody's. */
inline give_up(w)
{
	if
	:: flush_how[w] == REFUSED && victim_refusals[w] + 1 < MAX_REFUSALS ->
		victim_refusals[w]++;
		victim_step(w, VICTIM_EV_REFUSED)
	:: else ->
		i = 0;
		do
		:: i < NS ->
			if
			:: flush_how[w] == TAKEN || !(victim_owners[w] & BIT(i))
#ifdef BREAK_LOSTALL
			:: flush_how[w] != TAKEN && (victim_owners[w] & BIT(i)) && (victim_owners[w] & (BIT(i) - 1))
			:: flush_how[w] != TAKEN && (victim_owners[w] & BIT(i)) && !(victim_owners[w] & (BIT(i) - 1)) -> lost[i] = 1
#else
			:: flush_how[w] != TAKEN && (victim_owners[w] & BIT(i)) -> lost[i] = 1
#endif
			fi;
			i++
		:: else -> break
		od;
		victim_owners[w] = 0;
		victim_refusals[w] = 0;
		victim_step(w, VICTIM_EV_ACKED)
	fi;
	flush_how[w] = TAKEN
}
#endif

inline flushed(w)
{
	flush_state[w] = IDLE; flush_val[w] = 0; flush_owners[w] = 0; flush_change[w] = 0;
#ifdef BREAK_TAKEFLUSHING
	if
	:: victim_state[w] != VICTIM_FLUSHING		/* it was taken back */
	:: victim_state[w] == VICTIM_FLUSHING ->
#endif
	i = 0;
	do
	:: i < NS -> if :: victim_owners[w] & BIT(i) -> pte_busy[i] = 0; pte_private[i] = 1; WAKE_FLUSHED(w, i) :: else fi; i++
	:: else -> break
	od;
#ifdef REFUSES
	give_up(w);
#else
	victim_owners[w] = 0;
	victim_step(w, VICTIM_EV_ACKED)
#endif
#ifdef BREAK_TAKEFLUSHING
	fi
#endif
}

#define FLUSH_GO(box) atomic { flush_state[box] == READY -> push(0, flush_change[box]); flush_state[box] = SENT }

/* The daemons: how many does not matter, each thing they do is one step. */
proctype Flusher()
{
end:	do
	:: atomic { CAN_CLAIM(0) -> claim(0) }
	:: FLUSH_GO(0)
	:: atomic { flush_state[0] == DONE -> flushed(0) }
#if NV > 1
	:: atomic { CAN_CLAIM(1) -> claim(1) }
	:: FLUSH_GO(1)
	:: atomic { flush_state[1] == DONE -> flushed(1) }
#endif
	od
}

/* --- M: managers/memory --- */

#ifdef BREAK_NUMBERED
#define APPLIED(s, nr)	true
#else
#define APPLIED(s, nr)	(m_applied[s] >= (nr))
#endif

inline m_flush(box)
{
	i = 0;
	do
	:: i < NS && (flush_owners[box] & BIT(i)) ->
		assert(m_known[i]);		/* ESRCH: P would give its spaces up */
		NAMED(i, flush_name[box]);
		if
		:: m_vma[i] != 0 -> m_val[i] = flush_val[box]; m_has[i] = 1
		:: else				/* unmapped by a change that is applied: nobody will ask for it */
		fi;
#ifdef BREAK_INPLACE			/* into the page that another space, which is not named, has from M, too */
		if :: m_vma[NS - 1 - i] != 0 -> m_val[NS - 1 - i] = flush_val[box] :: else fi;
#endif
		i++
	:: i < NS && !(flush_owners[box] & BIT(i)) -> i++
	:: else -> break
	od;
	flush_state[box] = DONE
}

inline m_fill(c)
{
	assert(m_vma[SPACE(c)] != 0);		/* EFAULT to a program that has done nothing wrong */
	NAMED(SPACE(c), fill_name[c]);
	frame_val[fill_frame[c]] = (m_has[SPACE(c)] -> m_val[SPACE(c)] : ZERO);
	fill_state[c] = DONE
}

#ifdef REFUSES			/* whatever a dying M did, nobody hears of it; what it refuses it has not done */
#define M_FLUSH(box)	atomic { flush_state[box] == SENT && !m_dead && APPLIED(0, flush_change[box]) -> m_flush(box) }	\
	:: atomic { flush_state[box] == SENT && (m_dead || m_refused < REFUSES) ->					\
		if :: m_dead -> flush_how[box] = DEAD :: else -> flush_how[box] = REFUSED; m_refused++ fi;		\
		flush_state[box] = DONE }
#define M_FILL(c)	atomic { fill_state[c] == SENT && !m_dead && APPLIED(SPACE(c), fill_change[c]) -> m_fill(c) }	\
	:: atomic { fill_state[c] == SENT && (m_dead || m_refused < REFUSES) ->						\
		if :: m_dead :: else -> m_refused++ fi;									\
		fill_failed[c] = 1; fill_state[c] = DONE }
#else
#define M_FLUSH(box) atomic { flush_state[box] == SENT && APPLIED(0, flush_change[box]) -> m_flush(box) }
#define M_FILL(c) atomic { fill_state[c] == SENT && APPLIED(SPACE(c), fill_change[c]) -> m_fill(c) }
#endif

#define PAGE_INIT						\
	i = 0;							\
	do :: i < NL -> line_frame[i] = i; line_victim[i] = NONE; i++ :: else -> break od;	\
	i = 0;							\
	do :: i < NV -> victim_frame[i] = NL + i; i++ :: else -> break od;	\
	i = 0;							\
	do :: i < NS -> vma[i] = 1; m_vma[i] = 1; m_known[i] = 1; i++ :: else -> break od
