/* SPDX-License-Identifier: MIT */
/*
 * Terminals: a line discipline (ldisc.h) with those who wait around it. One side is the program's (/dev/pts/N, the console);
 * the other is the keys and the screen: the host's console ports (console.c), or the master of a pair (pty.c).
 *
 * A terminal is counted: by open files of both sides, by the processes whose controlling terminal it is, by the console.
 * Once hung up it stays so: reads find the end of file, writes fail. Which session and group it belongs to is job control's
 * affair (process/job.c) and under tree_lock.
 */
#ifndef MANAGERS_PROCESSOR_TTY_H
#define MANAGERS_PROCESSOR_TTY_H

#include "kernel/mutex.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/tty/ldisc.h"

struct tty {
	refcount_t refs;
	u32 rdev;				/* [I] as stat shows it: major << 8 | minor */
	bool is_pty;				/* [I] */
	struct mutex lock;
	struct ldisc l;				/* [lock] */
	struct winsize_abi size;		/* [lock] */
	bool hung_up;				/* [lock; read without it] */
	bool exclusive;				/* [lock] TIOCEXCL: only root may open it once more */
	bool out_busy;				/* [lock] the console is writing what it has taken */
	u32 sid, pgid;				/* [tree_lock] session, foreground group; 0: none */
	struct waitq in_wait, in_room;		/* readers of the program's side; those who bring keys */
	struct waitq out_wait, out_room;	/* who takes output; writers of the program's side */
	/* of a pair */
	unsigned nr_open;			/* [lock] of the program's side */
	bool was_open;				/* [lock] */
	bool locked;				/* [lock] until unlockpt() */
	bool packet;				/* [lock] TIOCPKT */
	u32 uid;				/* [I] of who made it */
	/* of the console */
	struct console_port *in, *out;		/* [I] */
	unsigned nr_threads;			/* [lock] */
	struct waitq ended;			/* the last of them has gone */
};

struct tty *tty_create(u32 rdev, bool utf8);	/* one reference; NULL: no memory */
void tty_get(struct tty *t);
void tty_put(struct tty *t);			/* any context in which kfree() may be called */

/* A device node of any terminal is opened: -ENXIO when no number is meant for one. */
int tty_open(u32 rdev, struct file *f);
struct tty *tty_of_file(struct file *f);	/* the terminal whose program's side this is, or NULL; no reference */

/* For tty/ alone */
void tty_hang_up(struct tty *t);		/* and its session hears of it; no lock held */
size_t tty_keys(struct tty *t, const u8 *buf, size_t n);	/* taken; signals are sent, readers woken */
void tty_output_taken(struct tty *t);		/* there may be room for writers */
s64 tty_ioctl_common(struct tty *t, struct file *f, u32 cmd, u64 arg, bool master);
void tty_send_signals(struct tty *t);		/* those that a key has asked for */
int ptmx_open(struct file *f);
struct tty *pty_get(unsigned index);		/* with a reference, or NULL */

/* /dev/pts for fs/procfs.c's tables */
int pts_find(const char *name, u32 pid, struct inode **out);
s64 pts_next(u32 pid, u64 from);

/*
 * The console's terminal, for one program and its descendants: console_tty_start() makes it (one reference; NULL: there are no
 * ports or is no memory), console_tty_end() waits until what was written has reached the host, then hangs it up.
 */
struct tty *console_tty_start(unsigned rows, unsigned cols);
void console_tty_end(struct tty *t);
int console_tty_resize(unsigned rows, unsigned cols);	/* -ENXIO: there is none now */
struct tty *console_tty_get(void);			/* with a reference, or NULL */

#endif
