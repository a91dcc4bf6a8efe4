/* SPDX-License-Identifier: MIT */
/*
 * The terminal's line discipline (N_TTY; termios(3)): what stands between the keys and the program that reads, and between
 * the program that writes and the screen. Bytes and state only: no locks, no waiting, no processes. The caller serialises,
 * wakes whoever waits, and sends the signals that are left in ->signals.
 *
 *	keys   --ldisc_input()-->  [in: editing, lines]  --ldisc_read()-->  program
 *	screen <--ldisc_take()---  [out: echo, OPOST]    <--ldisc_write()-- program
 */
#ifndef MANAGERS_PROCESSOR_TTY_LDISC_H
#define MANAGERS_PROCESSOR_TTY_LDISC_H

#include "managers/processor/tty/abi.h"

#define LDISC_IN	4096		/* bytes; a line has at most one less */
#define LDISC_OUT	16384
#define LDISC_ECHO	1024		/* of it: kept free of programs' output, for echoes */

struct ldisc {
	struct termios_abi t;		/* change it by ldisc_set_termios() */
	/* input, free-running: [tail, canon) are whole lines, [canon, head) the line being typed */
	u32 tail, canon, head;
	u8 in[LDISC_IN];
	u8 ends[LDISC_IN / 8];		/* bit per byte of in: the last of a line; NUL and set: an end of file that was typed */
	bool literal;			/* the next byte stands for itself (LNEXT) */
	bool eof;			/* there will be no more input: when all is read, an end of file for ever */
	bool stopped;			/* output waits (STOP, TCOOFF) */
	bool stopped_by_call;		/* ... by TCOOFF: no key ends it */
	u32 column;			/* of the cursor, as far as known */
	u32 line_column;		/* where the line being typed began */
	u32 out_tail, out_head;		/* free-running */
	u8 out[LDISC_OUT];
	u32 signals;			/* bit n: signal n is to be sent to the foreground group; the caller clears it */
	u8 events;			/* TIOCPKT_*: what packet mode tells; the caller clears it */
};

void ldisc_init(struct ldisc *l, bool utf8);

/* Bytes from the keys: how many were taken; fewer than n when there is no room until somebody reads. */
size_t ldisc_input(struct ldisc *l, const u8 *buf, size_t n);
/* What ldisc_input() would take of at least one byte. */
bool ldisc_input_room(const struct ldisc *l);
/* The keys' end: what was typed of a line is readable, then an end of file. */
void ldisc_input_end(struct ldisc *l);

/* To the program: bytes, at most one line when ICANON; 0: end of file; -1: nothing now. */
s64 ldisc_read(struct ldisc *l, u8 *buf, size_t n);
/* Would ldisc_read() find an end of file, or at least `min` bytes (ICANON: a line)? May be asked without the lock, as a hint. */
bool ldisc_readable(const struct ldisc *l, u32 min);
u32 ldisc_input_bytes(const struct ldisc *l);		/* that can be read now, as FIONREAD counts */

/* From the program: how many were taken, all processed by OPOST; fewer than n when out is full or stopped. */
size_t ldisc_write(struct ldisc *l, const u8 *buf, size_t n);
bool ldisc_write_room(const struct ldisc *l);		/* a hint, too */
/* To the screen. */
size_t ldisc_take(struct ldisc *l, u8 *buf, size_t n);
u32 ldisc_output_bytes(const struct ldisc *l);

void ldisc_set_termios(struct ldisc *l, const struct termios_abi *t);
void ldisc_flush_input(struct ldisc *l);
void ldisc_flush_output(struct ldisc *l);
void ldisc_stop(struct ldisc *l, bool by_call);
void ldisc_start(struct ldisc *l);

#endif
