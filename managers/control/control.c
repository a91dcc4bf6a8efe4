/* SPDX-License-Identifier: MIT */
/* The control port: reading commands, sending lines; see control.h. */
#include "managers/control/control.h"
#include "managers/control/rdma.h"

#include "drivers/console.h"
#include "kernel/counter.h"
#include "kernel/power.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "lib/pct.h"
#include "mm/slab.h"

#define LINE_MAX	(64 * 1024)	/* a command: exec with its environment */
#define WORDS_MAX	512
#define SEND_MAX	2048
#define VERBS_MAX	24
#define NULL_THREADS_MAX 64
#define NULL_PEERS_MAX	8
#define WAIT_SEND_NS	NSEC_PER_SEC		/* between two lines that say whom this node waits for */
#define WAIT_WORD_NS	(10 * NSEC_PER_SEC)

static struct console_port *port;		/* [I] NULL: no such port */
static const char *role_name;			/* [I] */
static struct { const char *name; control_fn fn; } verbs[VERBS_MAX];	/* [verbs_lock] */
static unsigned nr_verbs;
static DEFINE_SPINLOCK(verbs_lock, RANK_LEAF);
static char why[256];				/* the control thread's */

bool control_present(void) { return port != NULL; }

void control_register(const char *verb, control_fn fn)
{
	unsigned i = 0;

	spin_lock(&verbs_lock);
	while (i < nr_verbs && strcmp(verbs[i].name, verb) != 0)
		i++;
	BUG_ON(i == VERBS_MAX);
	verbs[i].name = verb;
	verbs[i].fn = fn;
	nr_verbs = MAX(nr_verbs, i + 1);
	spin_unlock(&verbs_lock);
}

static control_fn find_verb(const char *verb)
{
	control_fn fn = NULL;

	spin_lock(&verbs_lock);
	for (unsigned i = 0; i < nr_verbs; i++)
		if (strcmp(verbs[i].name, verb) == 0)
			fn = verbs[i].fn;
	spin_unlock(&verbs_lock);
	return fn;
}

/* What the role has registered already stays the role's. */
static void register_default(const char *verb, control_fn fn)
{
	if (find_verb(verb) == NULL)
		control_register(verb, fn);
}

/* --- sending --- */

static void __printf(1, 0) send_va(const char *fmt, va_list ap)
{
	char *line;
	int n;

	if (port == NULL)
		return;
	line = kmalloc(SEND_MAX);
	if (line == NULL) {
		pr_err("control: no memory for a line to the host");
		return;
	}
	n = vsnprintf(line, SEND_MAX - 1, fmt, ap);
	n = MIN(n, SEND_MAX - 2);
	line[n++] = '\n';
	(void)console_port_write(port, line, n);	/* one write, so whole; a host that has gone needs no answer */
	kfree(line);
}

void control_send(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	send_va(fmt, ap);
	va_end(ap);
}

const char *control_word(char *buf, size_t size, const char *text)
{
	pct_encode(buf, size, text, strlen(text));
	return buf;
}

/* Who is still missing, NULL: nobody. */
static const char *missing(const enum node_role *roles)
{
	static const char *const role_names[] = { "", "a-processor-node", "a-memory-node", "a-storage-node" };
	unsigned node = fit_missing();

	if (node != 0)
		return fit_node_name(node);
	for (; *roles != ROLE_NONE; roles++)
		if (fit_wait_role(*roles, 1) < 0)
			return role_names[*roles];
	return NULL;
}

void control_wait_peers(const enum node_role *roles)
{
	u64 next_word = time_mono_ns() + WAIT_WORD_NS;
	const char *who;

	if (fit_wait_all(WAIT_SEND_NS) == 0)
		for (const enum node_role *r = roles; *r != ROLE_NONE; r++)
			(void)fit_wait_role(*r, WAIT_SEND_NS);
	while ((who = missing(roles)) != NULL) {
		control_send("waiting %s", who);
		if (time_mono_ns() >= next_word) {
			pr_warn("still waiting for %s to join", who);
			next_word = time_mono_ns() + WAIT_WORD_NS;
		}
		if (fit_wait_all(WAIT_SEND_NS) == 0)
			thread_sleep_ns(WAIT_SEND_NS / 100);		/* a role that nobody has promised */
	}
}

void control_ready(void) { control_send("ready"); }

void control_note(const char *fmt, ...)
{
	char text[256], word[3 * sizeof(text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pr_note("%s", text);
	control_send("note %s", control_word(word, sizeof(word), text));
}

void control_why(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
}

/* --- what every role answers --- */

static void send_counter(const char *name, u64 value, void *arg)
{
	control_send("counter %s %llu", name, (unsigned long long)value);
}
static int do_counters(unsigned argc, char **argv)
{
	counters_for_each(send_counter, NULL);
	control_send("end counters");
	return CONTROL_ANSWERED;
}

static void send_cpu_counter(const char *name, unsigned cpu, u64 value, void *arg)
{
	if (value != 0)
		control_send("cpu-counter %s %u %llu", name, cpu, (unsigned long long)value);
}
static int do_cpu_counters(unsigned argc, char **argv)
{
	counters_for_each_cpu(send_cpu_counter, NULL);
	control_send("end cpu-counters");
	return CONTROL_ANSWERED;
}

static void send_latency(const char *op, u64 count, u64 median_ns, u64 p99_ns)
{
	control_send("latency %s %llu %llu %llu", op, (unsigned long long)count, (unsigned long long)median_ns,
		     (unsigned long long)p99_ns);
}
static int do_latency(unsigned argc, char **argv)
{
	fit_latency_for_each(send_latency);
	control_send("end latency");
	return CONTROL_ANSWERED;
}

/* Never on a stack: the last thread to end still wakes it up. */
static struct {
	u64 node[NULL_PEERS_MAX], count;
	atomic_t threads;			/* [a] that are not through */
	int rc;					/* [a] 0, or how a call failed */
	struct waitq done;
} null_calls;

static void null_caller(void *arg)
{
	const u64 *node = arg;
	int rc = 0;

	for (u64 i = 0; rc == 0 && i < null_calls.count; i++)
		rc = fit_probe(*node);
	if (rc != 0)
		WRITE_ONCE(null_calls.rc, rc);
	atomic_dec(&null_calls.threads);
	waitq_wake_all(&null_calls.done);
}

/* "2,3,4": how many, or -EINVAL. */
static int null_peers(char *word)
{
	int n = 0;

	while (word != NULL) {
		char *comma = strchr(word, ',');

		if (comma != NULL)
			*comma++ = '\0';
		if (n == NULL_PEERS_MAX || str_to_u64(word, &null_calls.node[n++]) < 0)
			return -EINVAL;
		word = comma;
	}
	return n;
}

/*
 * "fit-null NODE[,NODE...] COUNT [THREADS]": so many calls that do nothing, one after the other, by each of the threads; `latency`
 * says what they took, and "took NS" all of them together. With several nodes the threads take them by turns: each node has a
 * connection and a queue pair of its own.
 */
static int do_fit_null(unsigned argc, char **argv)
{
	int peers = argc > 1 ? null_peers(argv[1]) : 0;
	u64 threads = 1, start;

	if (argc < 3 || argc > 4 || peers < 0 || str_to_u64(argv[2], &null_calls.count) < 0 ||
	    (argc == 4 && str_to_u64(argv[3], &threads) < 0) || threads == 0 || threads > NULL_THREADS_MAX) {
		control_why("NODE[,NODE...] COUNT [THREADS] expected, nodes to %u, threads to %u", NULL_PEERS_MAX, NULL_THREADS_MAX);
		return -EINVAL;
	}
	null_calls.rc = 0;
	atomic_set(&null_calls.threads, threads);
	start = time_mono_ns();
	for (u64 i = 0; i < threads; i++) {
		int rc = thread_spawn(null_caller, &null_calls.node[i % peers], PRIO_NORMAL, "fit-null");

		if (rc < 0) {
			WRITE_ONCE(null_calls.rc, rc);
			atomic_dec(&null_calls.threads);
		}
	}
	waitq_wait(&null_calls.done, atomic_read_acquire(&null_calls.threads) == 0);
	if (null_calls.rc == 0)
		control_send("took %llu", (unsigned long long)(time_mono_ns() - start));
	return null_calls.rc;
}

static void send_acct(const char *name, u64 value, void *arg)
{
	control_send("acct %s %llu", name, (unsigned long long)value);
}
static int do_acct(unsigned argc, char **argv)
{
	acct_for_each(send_acct, NULL);
	control_send("end acct");
	return CONTROL_ANSWERED;
}

static int do_ping(unsigned argc, char **argv) { return 0; }

static int do_poweroff(unsigned argc, char **argv)
{
	control_send("ok poweroff");
	power_off();
}

/* --- reading --- */

/* Split at blanks, decode; the number of words or -EINVAL. */
static int split(char *line, char **argv)
{
	int argc = 0;

	while (line != NULL) {
		char *blank = strchr(line, ' ');

		if (blank != NULL)
			*blank++ = '\0';
		if (*line != '\0') {
			if (argc == WORDS_MAX || pct_decode(line) < 0)
				return -EINVAL;
			argv[argc++] = line;
		}
		line = blank;
	}
	return argc;
}

static void send_error(const char *verb, int rc)
{
	char text[3 * sizeof(why)], word[64];

	control_send("error %s %s %s", control_word(word, sizeof(word), verb), errno_name(rc),
		     why[0] == '\0' ? "-" : control_word(text, sizeof(text), why));
}

static void run_line(char *line, char **argv)
{
	int argc = split(line, argv), rc;
	control_fn fn;

	why[0] = '\0';
	if (argc < 0) {
		control_why("too many words, or a bad %%XX");
		send_error("-", -EINVAL);
		return;
	}
	if (argc == 0)
		return;
	fn = find_verb(argv[0]);
	if (fn == NULL) {
		control_why("no such command on a %s node", role_name);
		send_error(argv[0], -ENOSYS);
		return;
	}
	rc = fn(argc, argv);
	if (rc < 0)
		send_error(argv[0], rc);
	else if (rc == 0)
		control_send("ok %s", argv[0]);
}

static void control_thread(void *arg)
{
	char *line = kmalloc(LINE_MAX), **argv = kmalloc((WORDS_MAX + 1) * sizeof(*argv));
	size_t have = 0;

	if (line == NULL || argv == NULL)
		panic("control: no memory");
	waitq_wait(console_port_waitq(port), console_port_connected(port));
	control_send("hello role=%s node=%u", role_name, fit_self());
	for (;;) {
		s64 n = console_port_read(port, line + have, LINE_MAX - have, false);
		char *end, *start = line;

		if (n < 0)
			break;
		if (n == 0) {			/* the host closed its end; it may come back */
			have = 0;
			waitq_wait(console_port_waitq(port), console_port_connected(port) || console_port_readable(port));
			continue;
		}
		have += n;
		while ((end = memchr(start, '\n', line + have - start)) != NULL) {
			*end = '\0';
			run_line(start, argv);
			start = end + 1;
		}
		have -= start - line;
		memmove(line, start, have);
		if (have == LINE_MAX) {
			pr_warn("control: a command longer than %u bytes is dropped", LINE_MAX);
			have = 0;
		}
	}
	kfree(line);
	kfree(argv);
}

void control_init(const char *role)
{
	role_name = role;
	control_rdma_init();
	port = console_port_find("tangram.control");
	if (port == NULL)
		return;
	register_default("ping", do_ping);
	register_default("counters", do_counters);
	register_default("cpu-counters", do_cpu_counters);
	register_default("acct", do_acct);
	register_default("latency", do_latency);
	waitq_init(&null_calls.done);
	register_default("fit-null", do_fit_null);
	register_default("poweroff", do_poweroff);
	if (thread_spawn(control_thread, NULL, PRIO_NORMAL, "control") < 0)
		panic("control: no memory");
}
