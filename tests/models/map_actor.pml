/* SPDX-License-Identifier: MIT */
/* Who changes the map of space 0, and how M applies it: space/map.c, zap.c, close.c, managers/memory/change.c. For models that
 * include page.pml; CHANGES: how many; MAPPER: its thread. */
#define UNMAP	1
#define MAP	2
#define ZAP	3
#define FORK	4
#define NOTHING	5		/* what it was is undone; its number stays */
#define EXIT	6
#define MOVE	7
bit gone;			/* M has applied it */
bit map_lock;
byte message[CHANGES + 3];	/* by change number: queued, on the way to M, or parked there */
byte last = MAP;			/* what the last one is */

/* One PTE, one pass: zap.c. s: the space, c: the thread */
inline zap(s, c)
{
	do
	:: atomic { pte_busy[s] -> sleep_pte(c, s) }
#ifdef BREAK_ZAPBUSY
	:: atomic { true ->
#else
	:: atomic { !pte_busy[s] ->
#endif
		line_of(s);
		victim_of(s);
		z_line = NONE;
		if
		:: l < NL && line_state[l] == LINE_MAPPED ->
			if
#ifdef BREAK_ZAPPIN
			:: pte_present[s] -> z_line = l; pte_clear(s, l)
#else
			:: pte_present[s] -> line_pins[l]++; z_line = l; pte_clear(s, l)
#endif
			:: else
			fi;
			line_owners[l] = line_owners[l] & ~BIT(s);
			if
			:: line_owners[l] == 0 ->
				line_step(l, LINE_EV_LEAVE);
				if :: line_pins[l] == 0 -> line_release(l, LINE_EV_LEFT) :: else fi
			:: else
			fi
#ifndef BREAK_ZAPBUSY
		:: l < NL && line_state[l] == LINE_CLEANING -> z_again = 1; sleep_set(c)
#else
		:: l < NL && line_state[l] != LINE_MAPPED
#endif
#ifndef BREAK_ZAPVICTIM
		:: l == NL && v < NV && victim_state[v] == VICTIM_HELD ->
			victim_owners[v] = victim_owners[v] & ~BIT(s);
			if :: victim_owners[v] == 0 -> victim_step(v, VICTIM_EV_DROP) :: else fi
		:: l == NL && !(v < NV && victim_state[v] == VICTIM_HELD)
#else
		:: l == NL
#endif
		fi;
#ifdef BREAK_ZAPBUSY
		if :: pte_busy[s] :: else -> pte_private[s] = 0 fi;
#else
		if :: !z_again -> pte_private[s] = 0 :: else fi;
#endif
		if :: !z_again -> break :: else -> z_again = 0 fi
	   }
	od;
	if
#ifdef BREAK_ZAPPIN
	:: z_line != NONE -> atomic { shootdown(BIT(s)); z_line = NONE }
#else
	:: z_line != NONE -> atomic { shootdown(BIT(s)); unpin(z_line); z_line = NONE }
#endif
	:: else
	fi
}

/* merge.c: may the last change still be made another? */
#ifdef BREAK_QUEUED
#define STILL	true
#else
#define STILL	(pushed[0] < change[0])
#endif
inline instead(kind)
{
	last = kind;
	if :: pushed[0] < change[0] -> message[change[0]] = kind :: else fi
}

/* change_add() */
inline queue(kind)
{
	atomic {
		if
		:: STILL && last == NOTHING -> instead(kind)
		:: STILL && last == MAP && kind == UNMAP -> instead(NOTHING)
		:: STILL && last == MAP && kind == ZAP
		:: else -> change[0]++; message[change[0]] = kind; last = kind
		fi;
		if :: pushed[0] = change[0] :: skip fi	/* there is no more room, or memory is given back */
	}
}

#ifdef MOVES
/* All of the old range is unmapped: remap.c */
inline unmap_all()
{
	do
	:: atomic { pte_busy[0] -> sleep_pte(MAPPER, 0) }
	:: atomic { !pte_busy[0] ->
		line_of(0);
		if
		:: l < NL && (line_state[l] == LINE_CLEANING || line_pins[l] != 0) -> z_again = 1; sleep_set(MAPPER)
		:: l < NL && line_state[l] == LINE_MAPPED && line_pins[l] == 0 && pte_present[0] ->
			line_pins[l]++; z_line = l; pte_clear(0, l); pte_private[0] = 1
		:: else
		fi;
		if :: !z_again -> break :: else -> z_again = 0 fi
	   }
	od;
	if
	:: z_line != NONE -> atomic { shootdown(1); unpin(z_line); z_line = NONE }
	:: else
	fi
}
#endif

proctype Mapper()
{
	byte k, z_line = NONE, map_to = 1;
	bit z_again;

	do
	:: k == CHANGES ->
#ifndef BREAK_NUMBERED
		if
		:: atomic { pushed[0] == change[0] && m_applied[0] == change[0] && !map_lock ->
			assert((vma[0] != 0) == (m_vma[0] != 0)) }
		:: pushed[0] < change[0]
		fi;
#endif
		break
	:: atomic { k < CHANGES && !map_lock && vma[0] != 0 -> map_lock = 1 };	/* munmap */
		k++;
		changing[0] = 1;
#ifdef BREAK_BUMPLAST
		seq[0]++;
		closed[0] = 1;
		vma[0] = 0;
#else
		closed[0] = 1;
		vma[0] = 0;
		seq[0]++;
#endif
		zap(0, MAPPER);
#ifdef BREAK_CLOSED
		closed[0] = 0;
		queue(UNMAP);
#else
		queue(UNMAP);
		closed[0] = 0;
#endif
		atomic { want[0] = ZERO; changing[0] = 0; map_lock = 0 }
	:: atomic { k < CHANGES && !map_lock && vma[0] == 0 -> map_lock = 1 };	/* mmap there: its number before any fault */
		k++;
		closed[0] = 1;
		atomic { map_to++; vma[0] = map_to };
#ifdef BREAK_CLOSED
		closed[0] = 0;
		queue(MAP);
#else
		queue(MAP);
		closed[0] = 0;
#endif
		map_lock = 0
	:: atomic { k < CHANGES && !map_lock && vma[0] != 0 -> map_lock = 1 };	/* MADV_DONTNEED */
		k++;
		changing[0] = 1;
		closed[0] = 1;
		seq[0]++;
		zap(0, MAPPER);
		atomic { want[0] = ZERO; changing[0] = 0 };	/* what is written from now on, stays */
#ifdef BREAK_CLOSED
		closed[0] = 0;
		queue(ZAP);
#else
		queue(ZAP);
		closed[0] = 0;
#endif
		map_lock = 0
#ifdef MOVES
	:: atomic { k < CHANGES && !map_lock && vma[0] != 0 -> map_lock = 1 };	/* mremap */
		k++;
		closed[0] = 1;
		atomic { map_to++; vma[0] = map_to; seq[0]++ };
		held[0] = 1;
		unmap_all();
		atomic {
			change[0]++; message[change[0]] = MOVE; last = MOVE; pushed[0] = change[0];
			name = 1 - name
		};
		atomic { held[0] = 0; closed[0] = 0; map_lock = 0 }
#endif
	od
}

#if NS > 1
bit forked;
#define FORK_AT_M m_vma[1] = m_vma[0]; m_known[1] = 1; m_val[1] = m_val[0]; m_has[1] = m_has[0]; forked = 1
#else
#define FORK_AT_M assert(false)
#endif
#ifdef MOVES
#define MOVE_AT_M m_name = 1 - m_name
#else
#define MOVE_AT_M assert(false)
#endif
#ifdef BREAK_NUMBERED
#define TURN(nr)	true
#else
#define TURN(nr)	(m_applied[0] + 1 == nr)
#endif
#define APPLY(nr) atomic { message[nr] != 0 && pushed[0] >= nr && TURN(nr) -> \
	if								\
	:: message[nr] == UNMAP -> m_vma[0] = 0; m_has[0] = 0; m_val[0] = 0	\
	:: message[nr] == MAP -> m_vma[0] = 1; m_has[0] = 0		\
	:: message[nr] == ZAP -> m_has[0] = 0; m_val[0] = 0		\
	:: message[nr] == FORK -> FORK_AT_M				\
	:: message[nr] == MOVE -> MOVE_AT_M				\
	:: message[nr] == EXIT -> m_vma[0] = 0; m_known[0] = 0; m_has[0] = 0; gone = 1	\
	:: message[nr] == NOTHING					\
	fi;								\
	message[nr] = 0;						\
	m_applied[0] = nr }
