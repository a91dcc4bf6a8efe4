/* SPDX-License-Identifier: MIT */
/* What root does with the machine: its log, its end, a terminal taken away. syslog(2), reboot(2), vhangup(2). */
#include "arch/x86/uaccess.h"
#include "kernel/mutex.h"
#include "kernel/printk.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/string.h"
#include "managers/processor/commands.h"
#include "managers/processor/process/job.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "managers/processor/tty/tty.h"

/* --- syslog(2) --- */

enum { LOG_CLOSE, LOG_OPEN, LOG_READ, LOG_READ_ALL, LOG_READ_CLEAR, LOG_CLEAR, LOG_CONSOLE_OFF, LOG_CONSOLE_ON, LOG_CONSOLE_LEVEL,
       LOG_SIZE_UNREAD, LOG_SIZE_BUFFER };
#define LINUX_LEVEL(level)	((level) + 3)		/* of an error */
#define CONSOLE_LEVEL_LEAST	1
#define CONSOLE_LEVEL_MOST	8
#define PREFIX_MAX	32

struct shown { char text[PRINTK_LINE_MAX + PREFIX_MAX]; size_t len; };

static DEFINE_MUTEX(log_lock, RANK_LOG_READ);
static u64 unread;			/* [log_lock] number of the first line that LOG_READ has not given away */
static size_t unread_skip;		/* [log_lock] what it has given of that line */
static u64 cleared;			/* [log_lock] number of the first line after LOG_CLEAR */
static u32 console_level = CONSOLE_LEVEL_MOST, console_level_before;	/* [log_lock] the latter 0: it is not off */

/* The next line as programs know them: <level>[time] text */
static bool next_line(u64 *next, struct shown *s)
{
	struct printk_line line;

	if (!printk_read_line(next, &line))
		return false;
	s->len = snprintf(s->text, PREFIX_MAX, "<%d>[%5llu.%06llu] ", LINUX_LEVEL(line.level), (unsigned long long)(line.time_ns / NSEC_PER_SEC),
			  (unsigned long long)(line.time_ns % NSEC_PER_SEC / 1000));
	memcpy(s->text + s->len, line.text, line.len);
	s->len += line.len;
	s->text[s->len++] = '\n';
	return true;
}

/* log_lock held. What has not been read, as much as there is room for; 0: nothing is there */
static s64 read_unread(u64 buf, size_t len)
{
	struct shown s;
	size_t done = 0;
	u64 next = unread;

	while (done < len && next_line(&next, &s)) {
		size_t skip = MIN(unread_skip, s.len), n = MIN(len - done, s.len - skip);

		if (copy_to_user(buf + done, s.text + skip, n) < 0)
			return done ? (s64)done : -EFAULT;
		done += n;
		unread_skip = skip + n;
		if (unread_skip < s.len)
			break;
		unread = next;
		unread_skip = 0;
	}
	return done;
}

/* A line has its number before it can be read: it is the line that is waited for. */
static bool line_there(u64 next)
{
	struct printk_line line;

	return printk_read_line(&next, &line);
}

static s64 read_new(u64 buf, size_t len)
{
	u64 next;
	s64 rc;

	for (;;) {
		mutex_lock(&log_lock);
		rc = read_unread(buf, len);
		next = unread;
		mutex_unlock(&log_lock);
		if (rc != 0)
			return rc;
		if (waitq_wait_intr(printk_read_wait(), line_there(next), 0) < 0)
			return -ERESTARTSYS;
	}
}

/* log_lock held. The last lines that fit, of those since LOG_CLEAR. */
static s64 read_last(u64 buf, size_t len)
{
	u64 next = cleared, first = cleared, end = printk_next_number();
	size_t total = 0, done = 0;
	struct shown s;

	while (next < end && next_line(&next, &s))
		total += s.len;
	while (total > len && next_line(&first, &s))
		total -= s.len;
	while (first < end && next_line(&first, &s) && done + s.len <= len) {
		if (copy_to_user(buf + done, s.text, s.len) < 0)
			return -EFAULT;
		done += s.len;
	}
	return done;
}

static s64 size_unread(void)
{
	size_t total = 0;
	struct shown s;
	u64 next = unread;

	while (next_line(&next, &s))
		total += s.len;
	return total - MIN(unread_skip, total);
}

/* log_lock held. Lines of this level and beyond stay in the log. */
static void console_set(u32 level)
{
	console_level = level;
	printk_sink_level((int)level - 1 - LINUX_LEVEL(0));
}

unsigned log_console_level(void)
{
	unsigned level;

	mutex_lock(&log_lock);
	level = console_level;
	mutex_unlock(&log_lock);
	return level;
}

static s64 log_action(u32 type, u64 buf, s32 len)
{
	s64 rc = 0;

	mutex_lock(&log_lock);
	switch (type) {
	case LOG_READ_ALL:
	case LOG_READ_CLEAR:
		rc = read_last(buf, len);
		if (rc < 0 || type == LOG_READ_ALL)
			break;
		/* fall through */
	case LOG_CLEAR:
		cleared = printk_next_number();
		break;
	case LOG_CONSOLE_OFF:
		if (console_level_before == 0)
			console_level_before = console_level;
		console_set(CONSOLE_LEVEL_LEAST);
		break;
	case LOG_CONSOLE_ON:
		if (console_level_before != 0)
			console_set(console_level_before);
		console_level_before = 0;
		break;
	case LOG_CONSOLE_LEVEL:
		if (len < CONSOLE_LEVEL_LEAST || len > CONSOLE_LEVEL_MOST) {
			rc = -EINVAL;
			break;
		}
		console_set(len);
		console_level_before = 0;
		break;
	case LOG_SIZE_UNREAD:
		rc = size_unread();
		break;
	case LOG_SIZE_BUFFER:
		rc = printk_ring_lines() * sizeof(struct shown);
		break;
	}
	mutex_unlock(&log_lock);
	return rc;
}

s64 sys_syslog(u64 type, u64 buf, u64 len, u64 a3, u64 a4, u64 a5)
{
	bool reads = (u32)type >= LOG_READ && (u32)type <= LOG_READ_CLEAR;

	if (!capable(CAP_SYSLOG) && !capable(CAP_SYS_ADMIN))
		return -EPERM;			/* whatever is asked: /proc/sys/kernel/dmesg_restrict */
	if ((u32)type > LOG_SIZE_BUFFER || (reads && (buf == 0 || (s32)len < 0)))
		return -EINVAL;
	if (reads && (u32)len == 0)
		return 0;
	if (reads && !user_range_ok(buf, (u32)len))
		return -EFAULT;
	return (u32)type == LOG_READ ? read_new(buf, (u32)len) : log_action(type, buf, len);
}

/* --- reboot(2) --- */

#define MAGIC1		0xfee1deadU
#define RB_RESTART	0x01234567U
#define RB_RESTART2	0xa1b2c3d4U	/* with a word for who starts it anew: nobody does, none is passed on */
#define RB_HALT		0xcdef0123U
#define RB_POWER_OFF	0x4321fedcU
#define RB_ENABLE_CAD	0x89abcdefU
#define RB_DISABLE_CAD	0

static bool by_keys = true;		/* [a] */

bool reboot_by_keys(void) { return READ_ONCE(by_keys); }

static bool is_magic2(u32 magic)
{
	return magic == 672274793 || magic == 85072278 || magic == 369367448 || magic == 537993216;
}

/* All nodes end, whichever end is asked for: who has started them may start them again. The caller goes with all other programs. */
static s64 machine_ends(void)
{
	int rc = cluster_off_later();

	if (rc < 0)
		return rc;
	(void)thread_sleep_until_intr(~0ULL);
	return -EINTR;
}

s64 sys_reboot(u64 magic1, u64 magic2, u64 cmd, u64 arg, u64 a4, u64 a5)
{
	char word[256];

	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	if ((u32)magic1 != MAGIC1 || !is_magic2(magic2))
		return -EINVAL;
	switch ((u32)cmd) {
	case RB_ENABLE_CAD:
	case RB_DISABLE_CAD:
		WRITE_ONCE(by_keys, (u32)cmd == RB_ENABLE_CAD);
		return 0;
	case RB_RESTART2:
		if (strncpy_from_user(word, arg, sizeof(word)) < 0)
			return -EFAULT;
		/* fall through */
	case RB_RESTART:
	case RB_HALT:
	case RB_POWER_OFF:
		return machine_ends();
	}
	return -EINVAL;				/* no other kernel to start, no disk to sleep on */
}

/* --- vhangup(2) --- */

s64 sys_vhangup(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct tty *t;

	if (!capable(CAP_SYS_TTY_CONFIG))
		return -EPERM;
	t = job_terminal();
	if (t != NULL) {
		tty_hang_up(t);
		tty_put(t);
	}
	return 0;
}
