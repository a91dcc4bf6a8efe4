/* SPDX-License-Identifier: MIT */
/* See commands.h. Each program that is started has a thread here that waits for its end and reports it. */
#include "managers/processor/commands.h"

#include "kernel/counter.h"
#include "kernel/param.h"
#include "kernel/power.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/control/control.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/process/process.h"
#include "managers/processor/tty/tty.h"
#include "managers/protocol/protocol.h"
#include "mm/slab.h"
#include "net/fit/rpc.h"

#define MAX_WORDS 256
#define OFF_NS	(10 * NSEC_PER_SEC)	/* for a node to write back what it has */
#define TOLD_NS	NSEC_PER_SEC		/* for the ends of programs to be told */

struct run {				/* one program */
	struct list link;		/* [runs_lock] */
	u64 id;				/* the host's number; 0: init= */
	struct process *process;
	struct tty *tty;		/* NULL: it has none */
	u64 start_ns;
};

static DEFINE_SPINLOCK(runs_lock, RANK_WORK);
static struct list runs = LIST_INIT(runs);

static struct file *stdio_open(const char *port, const char *fallback, u32 flags)
{
	struct file *f = console_file(port, flags);
	struct fs_context *c;

	if (f == NULL && fs_context_create(NULL, &c) == 0) {
		if (fs_open(c, NULL, fallback, flags, 0, &f) < 0)
			f = NULL;
		fs_context_put(c);
	}
	return f;
}

static void log_fact(const char *name, const char *value, void *arg)
{
	pr_info("%s: %s", name, value);
}

static void report_exit(const struct run *r, u32 status)
{
	u64 ns = time_mono_ns() - r->start_ns, foot = r->process->ended.max_pages;
	bool by_signal = status & 0x7f;

	pcache_report(log_fact, NULL);
	counters_log();
	if (r->id == 0)
		pr_note("init ended: %s %u", by_signal ? "signal" : "status", by_signal ? status & 0x7f : status >> 8 & 0xff);
	else
		control_send("exit %llu %s=%u seconds=%llu.%06llu footprint=%llu", (unsigned long long)r->id,
			     by_signal ? "signal" : "status", by_signal ? status & 0x7f : status >> 8 & 0xff,
			     (unsigned long long)(ns / NSEC_PER_SEC), (unsigned long long)(ns % NSEC_PER_SEC / 1000),
			     (unsigned long long)foot);
}

static void run_wait(void *arg)
{
	struct run *r = arg;
	u32 status = process_wait_reap(r->process);

	if (r->tty != NULL)
		console_tty_end(r->tty);	/* what it wrote has reached the host before its end is told */
	report_exit(r, status);
	spin_lock(&runs_lock);
	list_del(&r->link);
	spin_unlock(&runs_lock);
	process_put(r->process);
	if (r->id == 0)
		cluster_off();
	kfree(r);
}

/* Three descriptors: the host's ports, or one terminal made of them. */
static int run_open(struct run *r, struct spawn *s, const struct winsize_abi *size)
{
	if (size != NULL) {
		r->tty = s->tty = console_tty_start(size->rows, size->cols);
		if (r->tty == NULL)
			return -ENXIO;
		for (int i = 0; i < 3; i++)
			s->stdio[i] = stdio_open("", "/dev/hvc0", O_RDWR);
	} else {
		s->stdio[0] = stdio_open("tangram.stdin", "/dev/null", O_RDONLY);
		s->stdio[1] = stdio_open("tangram.stdout", "/dev/null", O_WRONLY);
		s->stdio[2] = stdio_open("tangram.stderr", "/dev/null", O_WRONLY);
	}
	return s->stdio[0] != NULL && s->stdio[1] != NULL && s->stdio[2] != NULL ? 0 : -ENOMEM;
}

/* 0, or why not. size: of the terminal that it is to have; NULL: none */
static int run_start(u64 id, const char *cwd, char **argv, char **envp, const struct winsize_abi *size)
{
	struct run *r = kzalloc(sizeof(*r));
	struct spawn s = { .path = argv[0], .argv = argv, .envp = envp, .cwd = cwd };
	int rc;

	if (r == NULL)
		return -ENOMEM;
	r->id = id;
	list_init(&r->link);
	rc = run_open(r, &s, size);
	if (rc < 0)
		goto out;
	r->start_ns = time_mono_ns();
	rc = process_spawn(&s, &r->process);
	if (rc < 0)
		goto out;
	spin_lock(&runs_lock);
	list_add_tail(&runs, &r->link);
	spin_unlock(&runs_lock);
	if (id != 0)
		control_send("started %llu pid=%u ns=%llu", (unsigned long long)id, r->process->pid, (unsigned long long)r->start_ns);
	rc = thread_spawn(run_wait, r, PRIO_NORMAL, "run-%llu", (unsigned long long)id);
	if (rc < 0)
		panic("no memory to wait for a program");
	r = NULL;
out:
	for (int i = 0; i < 3; i++)
		if (s.stdio[i] != NULL)
			file_put(s.stdio[i]);
	if (r != NULL && r->tty != NULL)
		console_tty_end(r->tty);
	kfree(r);
	return rc;
}

static const char *exec_why(int rc)
{
	switch (rc) {
	case -ENOENT: return "there is no such program";
	case -ENOEXEC: return "not a program for this machine (no ELF for x86-64, or cut short)";
	case -EACCES: return "not an executable file";
	case -ELIBBAD: return "its interpreter is missing or broken";
	case -ENOMEM: return "not enough memory";
	case -EHOSTDOWN: return "a node it needs is down";
	case -ENXIO: return "there is no terminal, or another program has it";
	}
	return "cannot be started";
}

static int set_dimension(u16 *to, const char *text)
{
	u64 n;

	if (str_to_u64(text, &n) < 0 || n > 0xffff)
		return -EINVAL;
	*to = n;
	return 0;
}

static int verb_exec(unsigned argc, char **argv)
{
	char *arg[MAX_WORDS + 1], *env[MAX_WORDS + 1];
	struct winsize_abi size = { 24, 80, 0, 0 };
	unsigned nr_arg = 0, nr_env = 0;
	const char *cwd = "/";
	bool tty = false;
	char word[128];
	u64 id;
	int rc;

	if (argc < 3 || str_to_u64(argv[1], &id) < 0 || id == 0) {
		control_why("usage: exec ID cwd=DIR arg=PROGRAM ...");
		return -EINVAL;
	}
	for (unsigned i = 2; i < argc; i++) {
		if (strncmp(argv[i], "arg=", 4) == 0 && nr_arg < MAX_WORDS)
			arg[nr_arg++] = argv[i] + 4;
		else if (strncmp(argv[i], "env=", 4) == 0 && nr_env < MAX_WORDS)
			env[nr_env++] = argv[i] + 4;
		else if (strncmp(argv[i], "cwd=", 4) == 0)
			cwd = argv[i] + 4;
		else if (strcmp(argv[i], "tty=1") == 0)
			tty = true;
		else if (strncmp(argv[i], "rows=", 5) == 0 || strncmp(argv[i], "cols=", 5) == 0)
			(void)set_dimension(argv[i][0] == 'r' ? &size.rows : &size.cols, argv[i] + 5);
	}
	arg[nr_arg] = env[nr_env] = NULL;
	rc = nr_arg == 0 ? -EINVAL : param_errors() ? -EINVAL : run_start(id, cwd, arg, env, tty ? &size : NULL);
	if (rc < 0)
		control_send("exit %llu error=%s text=%s", (unsigned long long)id, errno_name(rc),
			     control_word(word, sizeof(word), param_errors() ? "the kernel's parameters are wrong: see its log" : exec_why(rc)));
	return CONTROL_ANSWERED;
}

static int verb_signal(unsigned argc, char **argv)
{
	struct siginfo_abi info = { .code = SI_KERNEL };
	struct run *r;
	u64 id, sig;
	int rc = -ESRCH;

	if (argc != 3 || str_to_u64(argv[1], &id) < 0 || str_to_u64(argv[2], &sig) < 0 || sig < 1 || sig > NR_SIGNALS)
		return -EINVAL;
	info.signo = sig;
	spin_lock(&runs_lock);
	struct process *p = NULL;

	list_for_each(r, &runs, link)
		if (r->id == id)
			process_get(p = r->process);
	spin_unlock(&runs_lock);
	if (p != NULL) {
		rc = signal_send_process(p, &info);
		process_put(p);
	}
	return rc;
}

static int verb_resize(unsigned argc, char **argv)
{
	struct winsize_abi size;

	if (argc != 3 || set_dimension(&size.rows, argv[1]) < 0 || set_dimension(&size.cols, argv[2]) < 0)
		return -EINVAL;
	return console_tty_resize(size.rows, size.cols);
}

/* --- the end of what is still there: asked to go, then made to --- */

static bool end_one(struct process *p, void *arg)
{
	struct siginfo_abi info = { .signo = *(int *)arg, .code = SI_KERNEL };

	signal_send_locked(p, NULL, &info);
	info.signo = SIGCONT;
	signal_send_locked(p, NULL, &info);
	return true;
}

static bool all_ended(void)
{
	bool all;

	spin_lock(&tree_lock);			/* an end is told before its process is off the lists, both under this lock */
	all = process_count() == 1;
	spin_unlock(&tree_lock);
	return all;
}

/* Orphans too are children of process 1, which hears of each that ends. */
static int programs_end(void)
{
	static const struct { int sig; u64 patience_ns; } step[] = { { SIGTERM, NSEC_PER_SEC }, { SIGKILL, 5 * NSEC_PER_SEC } };

	for (unsigned i = 0; i < ARRAY_SIZE(step) && !all_ended(); i++) {
		int sig = step[i].sig;

		spin_lock(&tree_lock);
		process_for_each(end_one, &sig);
		spin_unlock(&tree_lock);
		(void)!waitq_wait_timeout(&process_init->child_wait, all_ended(), time_mono_ns() + step[i].patience_ns);
	}
	return all_ended() ? 0 : -EBUSY;
}

static int verb_end_programs(unsigned argc, char **argv)
{
	return programs_end();
}

static int verb_sync(unsigned argc, char **argv)
{
	space_sync_all();
	return 0;
}

static int verb_balance(unsigned argc, char **argv)
{
	unsigned left = space_balance(false);

	if (left != 0)
		control_why("%u things left over: see the log", left);
	return left != 0 ? -EUCLEAN : 0;
}

static void send_fact(const char *name, const char *value, void *arg)
{
	control_send("pcache %s %s", name, value);
}

static int verb_pcache(unsigned argc, char **argv)
{
	pcache_report(send_fact, NULL);
	control_send("end pcache");
	return CONTROL_ANSWERED;
}

static int verb_drop_caches(unsigned argc, char **argv)
{
	struct rpc_memory_drop_caches_rep r;
	unsigned left = space_balance(true);
	int node = fit_wait_role(ROLE_MEMORY, 1);

	if (left != 0)
		control_why("%u things left over: see the log", left);
	if (node > 0)
		(void)!rpc_call(node, RPC_memory_drop_caches, NULL, &r, sizeof(r));
	return left != 0 ? -EUCLEAN : 0;
}

/* Every node of the role goes: it is asked, writes back what it has, and says farewell. */
static void nodes_off(enum node_role role, unsigned op)
{
	int node;

	while ((node = fit_wait_role(role, 1)) > 0) {
		int rc = rpc_call(node, op, NULL, NULL, 0);

		if (rc < 0 && rc != -EHOSTDOWN)
			pr_warn("%s does not shut down: %s", fit_node_name(node), errno_name(rc));
		if (fit_wait_down(node, OFF_NS) < 0) {
			pr_warn("%s is asked to power off and does not go", fit_node_name(node));
			break;
		}
	}
}

static bool all_told(void)
{
	bool all;

	spin_lock(&runs_lock);
	all = list_empty(&runs);
	spin_unlock(&runs_lock);
	return all;
}

static bool going_off;			/* [a] */

/* In this order: who has data of others writes it back while they are there. */
void cluster_off(void)
{
	if (__atomic_exchange_n(&going_off, true, __ATOMIC_SEQ_CST))
		thread_exit();		/* somebody is at it already */
	(void)!programs_end();
	space_sync_all();
	nodes_off(ROLE_MEMORY, RPC_memory_shutdown);
	nodes_off(ROLE_STORAGE, RPC_storage_shutdown);
	power_off();
}

static void program_asks(void *none)
{
	control_send("leaving");
	(void)!programs_end();
	for (u64 end = time_mono_ns() + TOLD_NS; !all_told() && time_mono_ns() < end;)
		thread_sleep_ns(NSEC_PER_MSEC);
	cluster_off();
}

int cluster_off_later(void)
{
	return thread_spawn(program_asks, NULL, PRIO_NORMAL, "off");
}

static int verb_poweroff(unsigned argc, char **argv)
{
	control_send("ok poweroff");
	if (load_acquire(&going_off))
		return CONTROL_ANSWERED;
	cluster_off();
}

void commands_init(void)
{
	control_register("exec", verb_exec);
	control_register("signal", verb_signal);
	control_register("end-programs", verb_end_programs);
	control_register("resize", verb_resize);
	control_register("sync", verb_sync);
	control_register("balance", verb_balance);
	control_register("drop-caches", verb_drop_caches);
	control_register("pcache", verb_pcache);
	control_register("poweroff", verb_poweroff);
}

static void init_thread(void *arg)
{
	char *argv[MAX_WORDS + 2], *envp[MAX_WORDS + 1];
	unsigned n = 0, e = 0;
	const char *s;
	int rc;

	argv[n++] = (char *)param_str("init", NULL);
	for (unsigned i = 0; i < MAX_WORDS && (s = param_nth("init.arg", i)) != NULL; i++)
		argv[n++] = (char *)s;
	for (unsigned i = 0; i < MAX_WORDS && (s = param_nth("init.env", i)) != NULL; i++)
		envp[e++] = (char *)s;
	argv[n] = envp[e] = NULL;
	rc = run_start(0, "/", argv, envp, NULL);
	if (rc < 0) {
		pr_err("init=%s: %s (%s)", argv[0], exec_why(rc), errno_name(rc));
		cluster_off();
	}
	thread_exit();
}

void commands_run_init(void)
{
	if (param_str("init", NULL) != NULL && thread_spawn(init_thread, NULL, PRIO_NORMAL, "init") < 0)
		panic("no memory for init");
}
