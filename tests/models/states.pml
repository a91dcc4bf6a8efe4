/* SPDX-License-Identifier: MIT */
/*
 * The states of lines and victim entries, their events and legal steps, as managers/processor/pcache/{pcache.h,state.c} have
 * them: states_test.py compares the two, line by line, so keep the form. A step that is not here fails the model.
 */
#define LINE_FREE	0
#define LINE_FILLING	1
#define LINE_MAPPED	2
#define LINE_IDLE	3
#define LINE_CLEANING	4
#define LINE_LEAVING	5

#define LINE_EV_FILL	0
#define LINE_EV_INSTALL	1
#define LINE_EV_VOID	2
#define LINE_EV_LAST_UNMAP	3
#define LINE_EV_FIRST_MAP	4
#define LINE_EV_CLEAN	5
#define LINE_EV_CLEANED	6
#define LINE_EV_CLEANED_IDLE	7
#define LINE_EV_LEAVE	8
#define LINE_EV_LEFT	9

#define VICTIM_FREE	0
#define VICTIM_HELD	1
#define VICTIM_FLUSHING	2

#define VICTIM_EV_HOLD	0
#define VICTIM_EV_TAKE	1
#define VICTIM_EV_DROP	2
#define VICTIM_EV_FLUSH	3
#define VICTIM_EV_ACKED	4
#define VICTIM_EV_REFUSED	5

inline line_step(l, ev)
{
	if
	:: line_state[l] == LINE_FREE && ev == LINE_EV_FILL -> line_state[l] = LINE_FILLING
	:: line_state[l] == LINE_FILLING && ev == LINE_EV_INSTALL -> line_state[l] = LINE_MAPPED
	:: line_state[l] == LINE_FILLING && ev == LINE_EV_VOID -> line_state[l] = LINE_FREE
	:: line_state[l] == LINE_MAPPED && ev == LINE_EV_LAST_UNMAP -> line_state[l] = LINE_IDLE
	:: line_state[l] == LINE_MAPPED && ev == LINE_EV_CLEAN -> line_state[l] = LINE_CLEANING
	:: line_state[l] == LINE_MAPPED && ev == LINE_EV_LEAVE -> line_state[l] = LINE_LEAVING
	:: line_state[l] == LINE_IDLE && ev == LINE_EV_FIRST_MAP -> line_state[l] = LINE_MAPPED
	:: line_state[l] == LINE_IDLE && ev == LINE_EV_CLEAN -> line_state[l] = LINE_CLEANING
	:: line_state[l] == LINE_IDLE && ev == LINE_EV_LEAVE -> line_state[l] = LINE_LEAVING
	:: line_state[l] == LINE_CLEANING && ev == LINE_EV_CLEANED -> line_state[l] = LINE_MAPPED
	:: line_state[l] == LINE_CLEANING && ev == LINE_EV_CLEANED_IDLE -> line_state[l] = LINE_IDLE
	:: line_state[l] == LINE_LEAVING && ev == LINE_EV_LEFT -> line_state[l] = LINE_FREE
	:: else -> assert(false)	/* not a legal step of a line */
	fi;
	set_sleep = 0			/* set_changed() */
}

inline victim_step(v, ev)
{
	if
	:: victim_state[v] == VICTIM_FREE && ev == VICTIM_EV_HOLD -> victim_state[v] = VICTIM_HELD
	:: victim_state[v] == VICTIM_HELD && ev == VICTIM_EV_TAKE -> victim_state[v] = VICTIM_FREE
	:: victim_state[v] == VICTIM_HELD && ev == VICTIM_EV_DROP -> victim_state[v] = VICTIM_FREE
	:: victim_state[v] == VICTIM_HELD && ev == VICTIM_EV_FLUSH -> victim_state[v] = VICTIM_FLUSHING
	:: victim_state[v] == VICTIM_FLUSHING && ev == VICTIM_EV_ACKED -> victim_state[v] = VICTIM_FREE
	:: victim_state[v] == VICTIM_FLUSHING && ev == VICTIM_EV_REFUSED -> victim_state[v] = VICTIM_HELD
	:: else -> assert(false)	/* not a legal step of a victim entry */
	fi;
	set_sleep = 0
}
