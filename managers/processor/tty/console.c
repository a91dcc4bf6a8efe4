/* SPDX-License-Identifier: MIT */
/*
 * The console as a terminal: keys come from the host over the port tangram.stdin, what is shown goes out by tangram.stdout; the tool
 * is the terminal emulator's wire. It belongs to one program that was started with a terminal; each such program gets a new one, in
 * its first state. Two threads carry the bytes.
 */
#include "drivers/console.h"
#include "kernel/thread.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "managers/processor/tty/tty.h"

#define RDEV_HVC0 (229 << 8)

static DEFINE_SPINLOCK(console_lock, RANK_LEAF);
static struct tty *console;		/* [console_lock] with a reference */

struct tty *console_tty_get(void)
{
	struct tty *t;

	spin_lock(&console_lock);
	t = console;
	if (t != NULL)
		tty_get(t);
	spin_unlock(&console_lock);
	return t;
}

static bool over(const struct tty *t) { return READ_ONCE(t->hung_up); }

static void thread_ends(struct tty *t)
{
	mutex_lock(&t->lock);
	t->nr_threads--;
	mutex_unlock(&t->lock);
	waitq_wake_all(&t->ended);
	tty_put(t);
	thread_exit();
}

static void keys_thread(void *arg)
{
	struct tty *t = arg;
	u8 buf[256];

	while (!over(t)) {
		s64 n, done = 0;

		waitq_wait(console_port_waitq(t->in), console_port_readable(t->in) || over(t));
		if (over(t))
			break;
		n = console_port_read(t->in, buf, sizeof(buf), true);
		if (n == 0) {			/* the host has no more to type */
			mutex_lock(&t->lock);
			ldisc_input_end(&t->l);
			mutex_unlock(&t->lock);
			waitq_wake_all(&t->in_wait);
			waitq_wait(&t->in_room, over(t));
		}
		while (done < n && !over(t)) {
			done += tty_keys(t, buf + done, n - done);
			if (done < n)
				waitq_wait(&t->in_room, ldisc_input_room(&t->l) || over(t));
		}
	}
	thread_ends(t);
}

static void screen_thread(void *arg)
{
	struct tty *t = arg;
	u8 buf[2048];

	for (;;) {
		size_t n;

		waitq_wait(&t->out_wait, (ldisc_output_bytes(&t->l) != 0 && !READ_ONCE(t->l.stopped)) || over(t));
		if (over(t))
			break;
		mutex_lock(&t->lock);
		n = ldisc_take(&t->l, buf, sizeof(buf));
		WRITE_ONCE(t->out_busy, n != 0);
		mutex_unlock(&t->lock);
		if (n == 0)
			continue;
		tty_output_taken(t);
		(void)console_port_write(t->out, buf, n);	/* a host that has gone sees nothing */
		mutex_lock(&t->lock);
		WRITE_ONCE(t->out_busy, false);
		mutex_unlock(&t->lock);
		tty_output_taken(t);			/* also for those who wait until all is out */
	}
	thread_ends(t);
}

static int thread_begin(struct tty *t, void (*fn)(void *arg), const char *name)
{
	int rc;

	tty_get(t);
	mutex_lock(&t->lock);
	t->nr_threads++;
	mutex_unlock(&t->lock);
	rc = thread_spawn(fn, t, PRIO_NORMAL, "%s", name);
	if (rc < 0) {
		mutex_lock(&t->lock);
		t->nr_threads--;
		mutex_unlock(&t->lock);
		tty_put(t);
	}
	return rc;
}

static void console_gone(struct tty *t)
{
	spin_lock(&console_lock);
	console = NULL;
	spin_unlock(&console_lock);
	tty_hang_up(t);
	waitq_wake_all(console_port_waitq(t->in));
	waitq_wait(&t->ended, READ_ONCE(t->nr_threads) == 0);
	tty_put(t);				/* console's */
}

struct tty *console_tty_start(unsigned rows, unsigned cols)
{
	struct tty *t = tty_create(RDEV_HVC0, true);
	bool taken;

	if (t == NULL)
		return NULL;
	t->in = console_port_find("tangram.stdin");
	t->out = console_port_find("tangram.stdout");
	t->size = (struct winsize_abi){ rows, cols, 0, 0 };
	spin_lock(&console_lock);
	taken = console != NULL;
	if (!taken && t->in != NULL && t->out != NULL)
		console = t;
	spin_unlock(&console_lock);
	if (taken || t->in == NULL || t->out == NULL) {
		tty_put(t);
		return NULL;
	}
	tty_get(t);				/* the caller's */
	if (thread_begin(t, screen_thread, "console-out") < 0 || thread_begin(t, keys_thread, "console-in") < 0) {
		console_gone(t);
		tty_put(t);
		return NULL;
	}
	return t;
}

void console_tty_end(struct tty *t)
{
	mutex_lock(&t->lock);
	ldisc_start(&t->l);			/* nobody is left who could press START */
	mutex_unlock(&t->lock);
	waitq_wake_all(&t->out_wait);
	waitq_wait(&t->out_room, ldisc_output_bytes(&t->l) == 0 && !READ_ONCE(t->out_busy));
	console_gone(t);
	tty_put(t);
}
