/* SPDX-License-Identifier: MIT */
/* What stands in /proc, /sys and /dev: true to the machine (L37). proc(5). */
#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"
#include "kernel/counter.h"
#include "kernel/load.h"
#include "kernel/param.h"
#include "kernel/time.h"
#include "kernel/trace.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/fs/dentry.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/lease.h"
#include "managers/processor/fs/mount.h"
#include "managers/processor/fs/synthfs.h"
#include "managers/processor/process/core.h"
#include "managers/processor/process/process.h"
#include "managers/processor/random.h"
#include "managers/processor/syscall/syscall.h"
#include "managers/processor/tty/tty.h"
#include "mm/slab.h"

#define TRACE_SHOWN	1000		/* records of each CPU in /proc/tangram/trace */

/* --- the machine --- */

static void show_meminfo(struct text *t, u32 pid)
{
	struct memory_totals m;

	memory_totals(&m);
	text_printf(t, "MemTotal:       %8llu kB\nMemFree:        %8llu kB\nMemAvailable:   %8llu kB\nBuffers:               0 kB\n"
		    "Cached:         %8llu kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\n",
		    (unsigned long long)m.total >> 10, (unsigned long long)m.free >> 10, (unsigned long long)m.available >> 10,
		    (unsigned long long)m.cached >> 10);
}

static void show_loadavg(struct text *t, u32 pid)
{
	for (unsigned i = 0; i < NR_LOADS; i++) {
		u64 load = load_average(i) + (1 << LOAD_SHIFT) / 200;	/* rounded to hundredths */

		text_printf(t, "%llu.%02llu ", (unsigned long long)(load >> LOAD_SHIFT),
			    (unsigned long long)((load & ((1 << LOAD_SHIFT) - 1)) * 100 >> LOAD_SHIFT));
	}
	text_printf(t, "%u/%u %u\n", sched_nr_running(), process_count(), tid_last());
}

static void show_vmstat(struct text *t, u32 pid)
{
	struct memory_totals m;

	memory_totals(&m);
	text_printf(t, "nr_free_pages %llu\nnr_file_pages %llu\n", (unsigned long long)m.free >> PAGE_SHIFT, (unsigned long long)m.cached >> PAGE_SHIFT);
}

static void show_version(struct text *t, u32 pid)
{
	text_printf(t, "Linux version 6.1.0-tangram (tangram) #1 SMP PREEMPT Tangram\n");
}

static void show_filesystems(struct text *t, u32 pid)
{
	text_printf(t, "nodev\tproc\nnodev\tsysfs\nnodev\tdevtmpfs\nnodev\ttmpfs\nnodev\tramfs\n\text4\n");
}

static void show_cmdline_kernel(struct text *t, u32 pid)
{
	text_printf(t, "%s\n", boot_command_line);
}

static void one_counter(const char *name, u64 value, void *arg)
{
	text_printf(arg, "%s: %llu\n", name, (unsigned long long)value);
}

static void one_fact(const char *name, const char *value, void *arg)
{
	text_printf(arg, "%s: %s\n", name, value);
}

static void show_pcache(struct text *t, u32 pid)
{
	pcache_report(one_fact, t);
	counters_for_each(one_counter, t);
}

static void one_trace(const struct trace_record *r, void *arg)
{
	char line[160];

	(void)trace_show(r, line, sizeof(line));
	text_printf(arg, "%s\n", line);
}

static void show_trace(struct text *t, u32 pid)
{
	trace_for_each(TRACE_SHOWN, one_trace, t);
}

/* A name in a line of names: what would end it is told by its number. */
static void text_name(struct text *t, const char *name)
{
	for (; *name != '\0'; name++) {
		if (*name == ' ' || *name == '\t' || *name == '\n' || *name == '\\')
			text_printf(t, "\\%03o", (unsigned)(u8)*name);
		else
			text_printf(t, "%c", *name);
	}
}

static void text_mount_flags(struct text *t, u32 flags)
{
	text_printf(t, "%s%s%s%s", flags & MS_RDONLY ? "ro" : "rw", flags & MS_NOSUID ? ",nosuid" : "", flags & MS_NODEV ? ",nodev" : "",
		    flags & MS_NOEXEC ? ",noexec" : "");
}

static void one_mount(const struct mount *m, const char *path, const struct mount *above, void *arg)
{
	text_name(arg, m->source != NULL ? m->source : m->type);
	text_printf(arg, " ");
	text_name(arg, path);
	text_printf(arg, " %s ", m->type);
	text_mount_flags(arg, mount_flags(m));
	text_printf(arg, " 0 0\n");
}

static void show_mounts(struct text *t, u32 pid)
{
	fs_for_each_mount(one_mount, t);
}

static void one_mountinfo(const struct mount *m, const char *path, const struct mount *above, void *arg)
{
	u64 dev = m->dev;

	text_printf(arg, "%u %u %u:%u / ", MOUNT_ID(m->id), above != NULL ? MOUNT_ID(above->id) : 1, (unsigned)(dev >> 8), (unsigned)(dev & 255));
	text_name(arg, path);
	text_printf(arg, " ");
	text_mount_flags(arg, READ_ONCE(m->flags));
	text_printf(arg, " - %s ", m->type);
	text_name(arg, m->source != NULL ? m->source : m->type);
	text_printf(arg, " %s\n", READ_ONCE(m->fs_flags) & MS_RDONLY ? "ro" : "rw");
}

static void show_mountinfo(struct text *t, u32 pid)
{
	fs_for_each_mount(one_mountinfo, t);
}

static void show_overcommit(struct text *t, u32 pid) { text_printf(t, "0\n"); }
static void show_pid_max(struct text *t, u32 pid) { text_printf(t, "32768\n"); }	/* as process/pid.c has it: of processes and threads */
static void show_ngroups(struct text *t, u32 pid) { text_printf(t, "32\n"); }
static void show_domainname(struct text *t, u32 pid)
{
	char name[65];

	machine_domain(name, sizeof(name));
	text_printf(t, "%s\n", name);
}

static int store_hostname(const char *value, u32 pid) { return machine_set_name(value); }
static int store_domainname(const char *value, u32 pid) { return machine_set_domain(value); }

static void show_hostname(struct text *t, u32 pid)
{
	char name[65];

	machine_name(name, sizeof(name));
	text_printf(t, "%s\n", name);
}


static void show_file_max(struct text *t, u32 pid) { text_printf(t, "9223372036854775807\n"); }	/* as many as there is memory for */
static void show_file_nr(struct text *t, u32 pid)
{
	text_printf(t, "%llu\t0\t9223372036854775807\n", (unsigned long long)files_open());
}
static void show_lease_time(struct text *t, u32 pid) { text_printf(t, "%u\n", lease_break_seconds()); }
static void show_one(struct text *t, u32 pid) { text_printf(t, "1\n"); }
static void show_two(struct text *t, u32 pid) { text_printf(t, "2\n"); }
static void show_core_pattern(struct text *t, u32 pid)
{
	char pattern[CORE_PATTERN_ROOM];

	core_pattern_get(pattern);
	text_printf(t, "%s\n", pattern);
}

static int store_core_pattern(const char *value, u32 pid) { return core_pattern_set(value); }
static void show_randomize(struct text *t, u32 pid) { text_printf(t, "%d\n", param_bool("aslr", true) ? 2 : 0); }
static void show_rr_slice(struct text *t, u32 pid) { text_printf(t, "%llu\n", (unsigned long long)(SCHED_SLICE_NS / NSEC_PER_MSEC)); }
static void show_printk(struct text *t, u32 pid) { text_printf(t, "%u\t4\t1\t8\n", log_console_level()); }
static void show_ctrl_alt_del(struct text *t, u32 pid) { text_printf(t, "%d\n", reboot_by_keys()); }

static int store_lease_time(const char *value, u32 pid)
{
	char digits[16];
	size_t n = strlen(value);
	u64 seconds;

	n -= n > 0 && value[n - 1] == '\n';
	if (n == 0 || n >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, value, n);
	digits[n] = '\0';
	return str_to_u64(digits, &seconds) < 0 || seconds > 1000000 ? -EINVAL : lease_set_break_seconds(seconds);
}

static void show_version_text(struct text *t, u32 pid) { text_printf(t, "#1 SMP PREEMPT Tangram\n"); }
static void show_overflow_id(struct text *t, u32 pid) { text_printf(t, "65534\n"); }
static void show_min_addr(struct text *t, u32 pid) { text_printf(t, "65536\n"); }	/* as space/map.c has it */
static void show_reseed(struct text *t, u32 pid) { text_printf(t, "60\n"); }
static void show_ostype(struct text *t, u32 pid) { text_printf(t, "Linux\n"); }
static void show_osrelease(struct text *t, u32 pid) { text_printf(t, "6.1.0-tangram\n"); }

/* --- a process --- */

static void show_strings(struct text *t, struct space *s, u64 from, u64 to)
{
	char c;

	for (u64 va = from; va < to; va++) {
		if (space_read(s, va, &c, 1) < 0)
			return;
		if (c != '\0') {
			text_printf(t, "%c", c);
		} else {
			text_printf(t, "x");
			if (!t->failed)
				t->buf[t->len - 1] = '\0';
		}
	}
}

static void show_cmdline(struct text *t, u32 pid)
{
	struct space *s = process_space(pid);

	if (s == NULL)
		return;
	show_strings(t, s, s->arg_start, s->arg_end);
	space_put(s);
}

bool proc_may_look_locked(const struct process *p)
{
	return thread_current()->task == NULL || p == process_current() || process_may_inspect_locked(p);
}

bool proc_is_own(u32 pid, u32 *uid, u32 *gid)
{
	const struct process *p = thread_current()->task != NULL ? process_current() : NULL;

	if (p == NULL || p->pid != pid)
		return false;
	*uid = p->cred.fsuid;
	*gid = p->cred.fsgid;
	return true;
}

bool proc_may_look(u32 pid)
{
	struct process *p = process_find(pid);
	bool may;

	if (p == NULL)
		return true;
	spin_lock(&tree_lock);
	may = proc_may_look_locked(p);
	spin_unlock(&tree_lock);
	process_put(p);
	return may;
}

static void show_environ(struct text *t, u32 pid)
{
	struct space *s = process_space(pid);

	if (s == NULL)
		return;
	show_strings(t, s, s->env_start, s->env_end);
	space_put(s);
}

static void show_comm(struct text *t, u32 pid)
{
	struct process *p = process_find(pid);

	if (p == NULL)
		return;
	text_printf(t, "%s\n", p->comm);
	process_put(p);
}

/* The program's file: not a reference to it, whose last put may have to close it, for which tree_mutex must be free. */
struct exe_look { struct inode *inode; struct dentry *dentry; };

static bool look_exe(u32 pid, struct exe_look *l)
{
	struct process *p = process_find(pid);

	*l = (struct exe_look){ NULL, NULL };
	if (p == NULL)
		return false;
	spin_lock(&tree_lock);
	if (p->exe != NULL) {
		l->inode = p->exe->inode;
		l->dentry = p->exe->dentry;
		inode_get(l->inode);
		if (l->dentry != NULL)
			dentry_get(l->dentry);
	}
	spin_unlock(&tree_lock);
	process_put(p);
	return l->inode != NULL;
}

/* tree_mutex is held, as for every readlink */
static s64 link_exe(u32 pid, u32 nr, char *buf, size_t size)
{
	struct exe_look l;
	s64 n;

	if (!look_exe(pid, &l))
		return -ENOENT;
	n = l.dentry != NULL ? dentry_show_locked(l.dentry, buf, size) : nameless_show(l.inode, buf, size);
	if (l.dentry != NULL)
		dentry_put_locked(l.dentry);
	inode_put(l.inode);
	return n;
}

static int follow_exe(u32 pid, u32 nr, struct dentry **out)
{
	struct exe_look l;

	if (!look_exe(pid, &l))
		return -ENOENT;
	*out = l.dentry;
	if (l.dentry != NULL)
		inode_put(l.inode);
	else
		*out = dentry_nameless_locked(l.inode);
	return *out ? 0 : -ENOMEM;
}

static s64 link_self(u32 pid, u32 nr, char *buf, size_t size)
{
	struct task *t = thread_current()->task;

	return t ? snprintf(buf, size, "%u", t->process->pid) : -ENOENT;
}

/* Where it stands, or its root, with a reference; NULL: it has neither. tree_mutex is held: what is in use cannot go. */
static struct dentry *look_place(u32 pid, bool root)
{
	struct process *p = process_find(pid);
	struct dentry *d = NULL;
	struct task *t;

	if (p == NULL)
		return NULL;
	spin_lock(&tree_lock);
	list_for_each(t, &p->tasks, group_link) {
		if (t->fs != NULL) {
			d = root ? READ_ONCE(t->fs->root) : READ_ONCE(t->fs->cwd);
			dentry_get_locked(d);
			break;
		}
	}
	spin_unlock(&tree_lock);
	process_put(p);
	return d;
}

static s64 link_place(u32 pid, bool root, char *buf, size_t size)
{
	struct dentry *d = look_place(pid, root);
	s64 n;

	if (d == NULL)
		return -ENOENT;
	n = dentry_show_locked(d, buf, size);
	dentry_put_locked(d);
	return n;
}

static int follow_place(u32 pid, bool root, struct dentry **out)
{
	*out = look_place(pid, root);
	return *out != NULL ? 0 : -ENOENT;
}

static s64 link_cwd(u32 pid, u32 nr, char *buf, size_t size) { return link_place(pid, false, buf, size); }
static s64 link_root(u32 pid, u32 nr, char *buf, size_t size) { return link_place(pid, true, buf, size); }
static int follow_cwd(u32 pid, u32 nr, struct dentry **out) { return follow_place(pid, false, out); }
static int follow_root(u32 pid, u32 nr, struct dentry **out) { return follow_place(pid, true, out); }

static u32 process_of_thread(u32 tid)
{
	struct task *t;
	u32 pid = 0;

	spin_lock(&tree_lock);
	t = task_find_locked(tid);
	if (t != NULL)
		pid = t->process->pid;
	spin_unlock(&tree_lock);
	return pid;
}

/* --- a process's folder --- */

static void show_limits(struct text *t, u32 pid)
{
	static const struct { const char *name, *unit; } of[NR_RLIMITS] = {
		{ "Max cpu time", "seconds" }, { "Max file size", "bytes" }, { "Max data size", "bytes" }, { "Max stack size", "bytes" },
		{ "Max core file size", "bytes" }, { "Max resident set", "bytes" }, { "Max processes", "processes" },
		{ "Max open files", "files" }, { "Max locked memory", "bytes" }, { "Max address space", "bytes" },
		{ "Max file locks", "locks" }, { "Max pending signals", "signals" }, { "Max msgqueue size", "bytes" },
		{ "Max nice priority", "" }, { "Max realtime priority", "" }, { "Max realtime timeout", "us" },
	};
	struct process *p = process_find(pid);
	struct rlimit_abi limit[NR_RLIMITS];

	if (p == NULL)
		return;
	spin_lock(&tree_lock);
	memcpy(limit, p->rlimit, sizeof(limit));
	spin_unlock(&tree_lock);
	process_put(p);
	text_printf(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (unsigned i = 0; i < NR_RLIMITS; i++) {
		char word[2][24];

		for (int k = 0; k < 2; k++) {
			u64 v = k == 0 ? limit[i].cur : limit[i].max;

			if (v == RLIM_INFINITY)
				str_copy(word[k], "unlimited", sizeof(word[k]));
			else
				snprintf(word[k], sizeof(word[k]), "%llu", (unsigned long long)v);
		}
		text_printf(t, "%-25s %-20s %-20s %-10s\n", of[i].name, word[0], word[1], of[i].unit);
	}
}

static void show_timer_slack(struct text *t, u32 pid)
{
	struct task *task;
	u64 ns = 0;

	spin_lock(&tree_lock);
	task = task_find_locked(pid);
	if (task != NULL)
		ns = task->timer_slack_ns != 0 ? task->timer_slack_ns : TIMER_SLACK_NS;
	spin_unlock(&tree_lock);
	text_printf(t, "%llu\n", (unsigned long long)ns);
}

static void show_zero(struct text *t, u32 pid) { text_printf(t, "0\n"); }
static void show_wchan(struct text *t, u32 pid) { text_printf(t, "0"); }	/* where in the kernel one waits is not told */

static const struct synth_entry proc_net[] = {
	{ "tcp", S_IFREG | 0444, .show = show_net_tcp }, { "udp", S_IFREG | 0444, .show = show_net_udp },
	{ "unix", S_IFREG | 0444, .show = show_net_unix }, { 0 }
};

static int store_comm(const char *value, u32 pid)
{
	struct process *p = process_current();

	if (p->pid != pid)
		return -EINVAL;			/* another's */
	spin_lock(&tree_lock);
	str_copy(p->comm, value, MIN(sizeof(p->comm), strlen(value) + 1));
	if (p->leader != NULL)
		memcpy(p->leader->thread->name, p->comm, sizeof(p->comm));
	spin_unlock(&tree_lock);
	return 0;
}

static void show_personality(struct text *t, u32 pid)
{
	struct process *p = process_find(pid);

	if (p == NULL)
		return;
	text_printf(t, "%08x\n", p->personality);
	process_put(p);
}

/* What a process's folder and its threads' have alike. */
#define OF_BOTH												\
	{ "status", S_IFREG | 0444, .show_of = show_pid_status }, { "io", S_IFREG | 0400, .show_of = show_pid_io, .guarded = true },	\
	{ "maps", S_IFREG | 0444, .show = show_maps, .guarded = true }, { "smaps", S_IFREG | 0444, .show = show_smaps, .guarded = true }, \
	{ "smaps_rollup", S_IFREG | 0444, .show = show_smaps_rollup, .guarded = true },			\
	{ "cmdline", S_IFREG | 0444, .show = show_cmdline }, { "environ", S_IFREG | 0400, .show = show_environ, .guarded = true },	\
	{ "auxv", S_IFREG | 0400, .show = show_pid_auxv, .guarded = true }, { "mem", S_IFREG | 0600, .open = open_pid_mem },	\
	{ "personality", S_IFREG | 0400, .show = show_personality, .guarded = true },			\
	{ "exe", S_IFLNK | 0777, .link = link_exe, .follow = follow_exe, .guarded = true },		\
	{ "cwd", S_IFLNK | 0777, .link = link_cwd, .follow = follow_cwd, .guarded = true },		\
	{ "root", S_IFLNK | 0777, .link = link_root, .follow = follow_root, .guarded = true },		\
	{ "mounts", S_IFREG | 0444, .show = show_mounts }, { "mountinfo", S_IFREG | 0444, .show = show_mountinfo },	\
	{ "statm", S_IFREG | 0444, .show = show_pid_statm }, { "limits", S_IFREG | 0444, .show = show_limits },	\
	{ "oom_score", S_IFREG | 0444, .show = show_pid_oom_score }, { "wchan", S_IFREG | 0444, .show = show_wchan },	\
	{ "oom_score_adj", S_IFREG | 0644, .show = show_pid_oom_adj, .store = store_pid_oom_adj },	\
	{ "net", S_IFDIR | 0555, .dir = proc_net },							\
	{ "fd", S_IFDIR | 0500, .find = find_fd, .next = next_fd, .next_mode = S_IFLNK, .for_itself = true }, \
	{ "fdinfo", S_IFDIR | 0555, .find = find_fdinfo, .next = next_fd, .next_mode = S_IFREG }

/* --- threads: a thread's folder has what is its own, and what it shares with its process --- */

static void show_thread_comm(struct text *t, u32 pid, u32 tid)
{
	char name[16] = "";
	struct task *task;

	spin_lock(&tree_lock);
	task = task_find_locked(tid);
	if (task != NULL)
		str_copy(name, task->thread->name, sizeof(name));
	spin_unlock(&tree_lock);
	text_printf(t, "%s\n", name);
}

static void show_thread_stat(struct text *t, u32 pid, u32 tid)
{
	struct usage own = { 0 };
	struct task *task;
	char name[16] = "", letter = 'X';
	u32 ppid = 0, pgid = 0, sid = 0, nr = 0;
	s32 nice = 0;
	u64 start = 0;

	spin_lock(&tree_lock);
	task = task_find_locked(tid);
	if (task != NULL) {
		struct process *p = task->process;

		str_copy(name, task->thread->name, sizeof(name));
		letter = p->stopped ? 'T' : task->thread->state == THREAD_WAITING ? 'S' : 'R';
		ppid = p->parent ? p->parent->pid : 0;
		pgid = p->pgid;
		sid = p->sid;
		nr = p->nr_tasks;
		nice = task->thread->nice;
		start = p->start_ns;
		usage_of_task(task, &own);
	}
	spin_unlock(&tree_lock);
	text_printf(t, "%u (%s) %c %u %u %u 0 -1 0 0 0 0 0 %llu %llu 0 0 %d %d %u 0 %llu 0 0 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0"
		    " 0 0 0 0 0 0 0 0 0 0 0\n", tid, name, letter, ppid, pgid, sid, (unsigned long long)(own.user_ns / CLOCK_TICK_NS),
		    (unsigned long long)(own.system_ns / CLOCK_TICK_NS), 20 + nice, nice, nr, (unsigned long long)start / 10000000);
}

static void show_children(struct text *t, u32 pid, u32 tid)
{
	struct process *p = process_find(pid), *c;

	if (p == NULL)
		return;
	spin_lock(&tree_lock);
	list_for_each(c, &p->children, sibling)
		if (c->maker == tid)
			text_printf(t, "%u ", c->pid);
	spin_unlock(&tree_lock);
	process_put(p);
}

static const struct synth_entry proc_thread[] = {
	{ "stat", S_IFREG | 0444, .show_of = show_thread_stat }, { "comm", S_IFREG | 0444, .show_of = show_thread_comm },
	{ "children", S_IFREG | 0444, .show_of = show_children }, OF_BOTH, { 0 }
};
static const struct synth_entry thread_dir = { "", S_IFDIR | 0555, .dir = proc_thread };

static int find_thread(const char *name, u32 pid, struct inode **out)
{
	u64 tid;

	if (*name < '1' || *name > '9' || str_to_u64(name, &tid) < 0 || tid > 0xffffff || process_of_thread(tid) != pid)
		return -ENOENT;
	*out = synth_inode(&thread_dir, pid, tid);
	return *out ? 0 : -ENOMEM;
}

static s64 next_thread(u32 pid, u64 from)
{
	struct process *p = process_find(pid);
	u64 best = ~0ULL;
	struct task *t;

	if (p == NULL)
		return -1;
	spin_lock(&tree_lock);
	list_for_each(t, &p->tasks, group_link)
		if (t->tid >= from && t->tid < best)
			best = t->tid;
	spin_unlock(&tree_lock);
	process_put(p);
	return best == ~0ULL ? -1 : (s64)best;
}

static const struct synth_entry proc_pid[] = {
	{ "stat", S_IFREG | 0444, .show = show_pid_stat }, { "comm", S_IFREG | 0644, .show = show_comm, .store = store_comm },
	{ "timerslack_ns", S_IFREG | 0444, .show = show_timer_slack },
	{ "task", S_IFDIR | 0555, .find = find_thread, .next = next_thread, .next_mode = S_IFDIR }, OF_BOTH, { 0 }
};
static const struct synth_entry pid_dir = { "", S_IFDIR | 0555, .dir = proc_pid };

static u32 life_of(const struct process *p) { return p->start_ns >> 10; }	/* numbers are used again */

bool proc_is_folder(const struct inode *i)
{
	u32 pid;

	return synth_entry_of(i, &pid) == &pid_dir;
}

struct process *proc_folder_process(const struct inode *i)
{
	struct process *p;
	u32 pid;

	if (synth_entry_of(i, &pid) != &pid_dir)
		return NULL;
	p = process_find(pid);
	if (p != NULL && life_of(p) != i->gen) {
		process_put(p);
		p = NULL;
	}
	return p;
}

static int find_pid(const char *name, u32 none, struct inode **out)
{
	struct process *p;
	u64 pid;

	if (*name < '1' || *name > '9' || str_to_u64(name, &pid) < 0 || pid > 0xffffff)
		return -ENOENT;
	p = process_find(pid);
	if (p == NULL)
		return -ENOENT;
	*out = synth_inode(&pid_dir, pid, 0);
	if (*out != NULL)
		(*out)->gen = life_of(p);
	if (*out != NULL && !p->undumpable) {	/* else it is root's */
		(*out)->uid = p->cred.euid;
		(*out)->gid = p->cred.egid;
	}
	process_put(p);
	return *out ? 0 : -ENOMEM;
}

struct next_pid { u64 above, best; };

static bool look_pid(struct process *p, void *arg)
{
	struct next_pid *n = arg;

	if (p->pid >= n->above && p->pid < n->best)
		n->best = p->pid;
	return true;
}

static s64 next_pid(u32 none, u64 from)
{
	struct next_pid n = { from, ~0ULL };

	spin_lock(&tree_lock);
	process_for_each(look_pid, &n);
	spin_unlock(&tree_lock);
	return n.best == ~0ULL ? -1 : (s64)n.best;
}

/* --- the trees --- */

static s64 link_net(u32 pid, u32 nr, char *buf, size_t size) { return str_copy(buf, "self/net", size), 8; }

static s64 link_thread_self(u32 pid, u32 nr, char *buf, size_t size)
{
	struct task *t = thread_current()->task;

	return t ? snprintf(buf, size, "%u/task/%u", t->process->pid, t->tid) : -ENOENT;
}

static void show_somaxconn(struct text *t, u32 pid) { text_printf(t, "4096\n"); }
static void show_wmem(struct text *t, u32 pid) { text_printf(t, "212992\n"); }
static void show_pipe_max(struct text *t, u32 pid) { text_printf(t, "1048576\n"); }
static void show_nr_open(struct text *t, u32 pid) { text_printf(t, "65536\n"); }
static void show_shmmax(struct text *t, u32 pid) { text_printf(t, "18446744073692774399\n"); }	/* these as ipc/ has them */
static void show_shmmni(struct text *t, u32 pid) { text_printf(t, "4096\n"); }
static void show_sem(struct text *t, u32 pid) { text_printf(t, "32000\t1024000000\t500\t32000\n"); }
static void show_msgmax(struct text *t, u32 pid) { text_printf(t, "8192\n"); }
static void show_msgmnb(struct text *t, u32 pid) { text_printf(t, "16384\n"); }
static void show_msgmni(struct text *t, u32 pid) { text_printf(t, "32000\n"); }
static void show_clocksource(struct text *t, u32 pid) { text_printf(t, "tsc\n"); }
static void show_huge_pages(struct text *t, u32 pid) { text_printf(t, "always madvise [never]\n"); }

struct uuid { u8 byte[16]; };

static struct uuid uuid_make(void)
{
	struct uuid u;

	random_bytes(u.byte, sizeof(u.byte));
	u.byte[6] = (u.byte[6] & 0x0f) | 0x40;
	u.byte[8] = (u.byte[8] & 0x3f) | 0x80;
	return u;
}

static void uuid_show(struct text *t, struct uuid u)
{
	for (unsigned i = 0; i < sizeof(u.byte); i++)
		text_printf(t, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", u.byte[i]);
	text_printf(t, "\n");
}

static void show_uuid(struct text *t, u32 pid) { uuid_show(t, uuid_make()); }

static DEFINE_SPINLOCK(boot_id_lock, RANK_LEAF);
static struct uuid boot_id;			/* [boot_id_lock] of this boot, made when first asked for */

static void show_boot_id(struct text *t, u32 pid)
{
	struct uuid u = uuid_make();

	spin_lock(&boot_id_lock);
	if (boot_id.byte[6] == 0)		/* the version is in it: never zero in one that was made */
		boot_id = u;
	u = boot_id;
	spin_unlock(&boot_id_lock);
	uuid_show(t, u);
}

static void show_entropy(struct text *t, u32 pid) { text_printf(t, "%d\n", RANDOM_BITS); }
static void show_cap_last(struct text *t, u32 pid) { text_printf(t, "%d\n", CAP_LAST); }
static void show_port_range(struct text *t, u32 pid) { text_printf(t, "32768\t60999\n"); }	/* as socket/ports.c has it */
static void show_swaps(struct text *t, u32 pid) { text_printf(t, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"); }	/* none */

static void show_nothing(struct text *t, u32 pid) { }		/* there are none */
static void show_partitions(struct text *t, u32 pid) { text_printf(t, "major minor  #blocks  name\n\n"); }	/* the disks are the storage nodes' */

static void show_devices(struct text *t, u32 pid)		/* as dev_root has them */
{
	text_printf(t, "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n229 hvc\n\nBlock devices:\n");
}

/* There is nothing to drop that would be in the way of anything: what is asked for is checked. */
static int store_drop_caches(const char *value, u32 pid)
{
	return value[0] >= '1' && value[0] <= '4' && (value[1] == '\0' || value[1] == '\n') ? 0 : -EINVAL;
}

static s64 link_mounts(u32 pid, u32 nr, char *buf, size_t size) { return str_copy(buf, "self/mounts", size), 11; }

#define TEXT(n, f)	{ n, S_IFREG | 0444, .show = f }
#define SETTING(n, f)	{ n, S_IFREG | 0644, .show = f }	/* as it is: see text_write() */
#define DIR(n, t)	{ n, S_IFDIR | 0555, .dir = t }
#define DEVICE(n, major, minor) { n, S_IFCHR | 0666, .rdev = (major) << 8 | (minor) }

static const struct synth_entry proc_sys_vm[] = {
	SETTING("overcommit_memory", show_overcommit), SETTING("mmap_min_addr", show_min_addr),
	{ "drop_caches", S_IFREG | 0200, .show = show_zero, .store = store_drop_caches }, { 0 }
};
static const struct synth_entry proc_sys_random[] = {
	TEXT("uuid", show_uuid), TEXT("boot_id", show_boot_id), TEXT("entropy_avail", show_entropy), TEXT("poolsize", show_entropy),
	SETTING("write_wakeup_threshold", show_entropy), SETTING("urandom_min_reseed_secs", show_reseed), { 0 }
};
static void show_actions(struct text *t, u32 pid) { text_printf(t, "kill_process kill_thread trap errno trace log allow\n"); }
static const struct synth_entry proc_sys_seccomp[] = { TEXT("actions_avail", show_actions), { 0 } };
static const struct synth_entry proc_sys_kernel[] = {
	SETTING("pid_max", show_pid_max), TEXT("ngroups_max", show_ngroups), TEXT("cap_last_cap", show_cap_last),
	{ "hostname", S_IFREG | 0644, .show = show_hostname, .store = store_hostname },
	{ "domainname", S_IFREG | 0644, .show = show_domainname, .store = store_domainname },
	{ "core_pattern", S_IFREG | 0644, .show = show_core_pattern, .store = store_core_pattern },
	 SETTING("core_uses_pid", show_zero), SETTING("dmesg_restrict", show_one), SETTING("kptr_restrict", show_two),
	SETTING("randomize_va_space", show_randomize), SETTING("sched_rr_timeslice_ms", show_rr_slice), SETTING("shm_rmid_forced", show_zero),
	SETTING("ctrl-alt-del", show_ctrl_alt_del), SETTING("printk", show_printk), SETTING("panic", show_zero), SETTING("panic_on_oops", show_one),
	TEXT("osrelease", show_osrelease), TEXT("ostype", show_ostype), SETTING("tainted", show_zero), DIR("random", proc_sys_random), DIR("seccomp", proc_sys_seccomp),
	SETTING("threads-max", show_pid_max), TEXT("version", show_version_text), SETTING("overflowuid", show_overflow_id),
	SETTING("overflowgid", show_overflow_id),
	SETTING("shmmax", show_shmmax), SETTING("shmall", show_shmmax), SETTING("shmmni", show_shmmni), SETTING("sem", show_sem),
	SETTING("msgmax", show_msgmax), SETTING("msgmnb", show_msgmnb), SETTING("msgmni", show_msgmni), { 0 }
};
static const struct synth_entry proc_sys_net_core[] = {
	SETTING("somaxconn", show_somaxconn), SETTING("wmem_default", show_wmem), SETTING("wmem_max", show_wmem), SETTING("rmem_default", show_wmem),
	SETTING("rmem_max", show_wmem), { 0 }
};
static const struct synth_entry proc_sys_net_ipv4[] = { SETTING("ip_local_port_range", show_port_range), { 0 } };
static const struct synth_entry proc_sys_net[] = { DIR("core", proc_sys_net_core), DIR("ipv4", proc_sys_net_ipv4), { 0 } };
static void show_inotify_events(struct text *t, u32 pid) { text_printf(t, "16384\n"); }	/* these as inotify.c has them */
static void show_inotify_instances(struct text *t, u32 pid) { text_printf(t, "128\n"); }
static void show_inotify_watches(struct text *t, u32 pid) { text_printf(t, "65536\n"); }
static const struct synth_entry proc_sys_fs_inotify[] = {
	SETTING("max_queued_events", show_inotify_events), SETTING("max_user_instances", show_inotify_instances),
	SETTING("max_user_watches", show_inotify_watches), { 0 }
};
static void show_mq_messages(struct text *t, u32 pid) { text_printf(t, "10\n"); }		/* these as ipc/mqueue.c has them */
static void show_mq_size(struct text *t, u32 pid) { text_printf(t, "8192\n"); }
static void show_mq_queues(struct text *t, u32 pid) { text_printf(t, "256\n"); }
static const struct synth_entry proc_sys_fs_mqueue[] = {
	SETTING("msg_default", show_mq_messages), SETTING("msg_max", show_mq_messages), SETTING("msgsize_default", show_mq_size),
	SETTING("msgsize_max", show_mq_size), SETTING("queues_max", show_mq_queues), { 0 }
};
static void show_aio_max(struct text *t, u32 pid) { text_printf(t, "%u\n", AIO_EVENTS_MOST); }
static void show_aio_nr(struct text *t, u32 pid) { text_printf(t, "%llu\n", (unsigned long long)aio_promised()); }
static const struct synth_entry proc_sys_fs[] = {
	SETTING("aio-max-nr", show_aio_max), TEXT("aio-nr", show_aio_nr),
	SETTING("pipe-max-size", show_pipe_max), SETTING("nr_open", show_nr_open), SETTING("file-max", show_file_max), TEXT("file-nr", show_file_nr),
	SETTING("leases-enable", show_one), { "lease-break-time", S_IFREG | 0644, .show = show_lease_time, .store = store_lease_time },
	SETTING("pipe-user-pages-soft", show_zero), SETTING("pipe-user-pages-hard", show_zero),
	SETTING("protected_hardlinks", show_zero), SETTING("protected_symlinks", show_zero), SETTING("protected_fifos", show_zero),
	SETTING("protected_regular", show_zero), SETTING("suid_dumpable", show_zero), SETTING("overflowuid", show_overflow_id), SETTING("overflowgid", show_overflow_id),
	DIR("inotify", proc_sys_fs_inotify),
	DIR("mqueue", proc_sys_fs_mqueue), { 0 }
};
static const struct synth_entry proc_sys[] = {
	DIR("vm", proc_sys_vm), DIR("kernel", proc_sys_kernel), DIR("net", proc_sys_net), DIR("fs", proc_sys_fs), { 0 }
};
static const struct synth_entry proc_sysvipc[] = {
	TEXT("shm", show_sysvipc_shm), TEXT("sem", show_sysvipc_sem), TEXT("msg", show_sysvipc_msg), { 0 }
};
static const struct synth_entry proc_tangram[] = { TEXT("trace", show_trace), { 0 } };
static const struct synth_entry proc_root[] = {
	TEXT("cpuinfo", show_cpuinfo), TEXT("meminfo", show_meminfo), TEXT("uptime", show_machine_uptime), TEXT("loadavg", show_loadavg),
	TEXT("stat", show_machine_stat), TEXT("swaps", show_swaps), TEXT("vmstat", show_vmstat), TEXT("version", show_version), TEXT("filesystems", show_filesystems),
	TEXT("cmdline", show_cmdline_kernel), TEXT("pcache", show_pcache), DIR("sys", proc_sys), DIR("sysvipc", proc_sysvipc),
	TEXT("locks", show_locks), TEXT("devices", show_devices), TEXT("partitions", show_partitions), TEXT("diskstats", show_nothing), TEXT("modules", show_nothing), DIR("tangram", proc_tangram),
	{ "self", S_IFLNK | 0777, .link = link_self }, { "thread-self", S_IFLNK | 0777, .link = link_thread_self },
	{ "net", S_IFLNK | 0777, .link = link_net }, { "mounts", S_IFLNK | 0777, .link = link_mounts }, { 0 }
};
static const struct synth_entry proc = { "proc", S_IFDIR | 0555, .dir = proc_root, .find = find_pid, .next = next_pid,
					 .next_mode = S_IFDIR };

static const struct synth_entry sys_cpu[] = {
	TEXT("online", show_cpu_range), TEXT("possible", show_cpu_range), TEXT("present", show_cpu_range), { 0 }
};
/* One NUMA node: what the CPUs and the memory are of, wherever that is. */
static void show_node_distance(struct text *t, u32 none) { text_printf(t, "10\n"); }
static void show_node_cpumap(struct text *t, u32 none) { text_printf(t, "%llx\n", (unsigned long long)(~0ULL >> (64 - nr_cpus))); }

static void show_node_meminfo(struct text *t, u32 none)
{
	struct memory_totals m;

	memory_totals(&m);
	text_printf(t, "Node 0 MemTotal:       %8llu kB\nNode 0 MemFree:        %8llu kB\nNode 0 MemUsed:        %8llu kB\n",
		    (unsigned long long)m.total >> 10, (unsigned long long)m.free >> 10, (unsigned long long)(m.total - m.free) >> 10);
}

static const struct synth_entry sys_node0[] = {
	TEXT("cpulist", show_cpu_range), TEXT("cpumap", show_node_cpumap), TEXT("distance", show_node_distance),
	TEXT("meminfo", show_node_meminfo), { 0 }
};
static const struct synth_entry sys_node[] = {
	TEXT("online", show_zero), TEXT("possible", show_zero), TEXT("has_cpu", show_zero), TEXT("has_memory", show_zero),
	TEXT("has_normal_memory", show_zero), DIR("node0", sys_node0), { 0 }
};
static const struct synth_entry sys_clocksource0[] = {
	TEXT("current_clocksource", show_clocksource), TEXT("available_clocksource", show_clocksource), { 0 }
};
static const struct synth_entry sys_clocksource[] = { DIR("clocksource0", sys_clocksource0), { 0 } };
static const struct synth_entry sys_system[] = {
	{ "cpu", S_IFDIR | 0555, .dir = sys_cpu, .find = find_cpu, .next = next_cpu, .next_mode = S_IFDIR, .next_prefix = "cpu" },
	DIR("clocksource", sys_clocksource), DIR("node", sys_node), { 0 }
};
static const struct synth_entry sys_devices[] = { DIR("system", sys_system), { 0 } };
static const struct synth_entry sys_huge[] = { TEXT("enabled", show_huge_pages), { 0 } };
static const struct synth_entry sys_mm[] = { DIR("transparent_hugepage", sys_huge), { 0 } };
static const struct synth_entry sys_kernel[] = { DIR("mm", sys_mm), { 0 } };
static const struct synth_entry sys_nothing[] = { { 0 } };
static const struct synth_entry sys_root[] = { DIR("devices", sys_devices), DIR("kernel", sys_kernel), DIR("block", sys_nothing), { 0 } };
static const struct synth_entry sys = DIR("sys", sys_root);

static s64 link_dev_fd(u32 pid, u32 nr, char *buf, size_t size) { return str_copy(buf, "/proc/self/fd", size), 13; }
static s64 link_stdin(u32 pid, u32 nr, char *buf, size_t size) { return str_copy(buf, "/proc/self/fd/0", size), 15; }
static s64 link_stdout(u32 pid, u32 nr, char *buf, size_t size) { return str_copy(buf, "/proc/self/fd/1", size), 15; }
static s64 link_stderr(u32 pid, u32 nr, char *buf, size_t size) { return str_copy(buf, "/proc/self/fd/2", size), 15; }

static const struct synth_entry dev_shm[] = { { 0 } };
static const struct synth_entry dev_root[] = {
	{ "fd", S_IFLNK | 0777, .link = link_dev_fd }, { "stdin", S_IFLNK | 0777, .link = link_stdin },
	{ "stdout", S_IFLNK | 0777, .link = link_stdout }, { "stderr", S_IFLNK | 0777, .link = link_stderr },
	{ "shm", S_IFDIR | 01777, .dir = dev_shm }, { "pts", S_IFDIR | 0755, .find = pts_find, .next = pts_next, .next_mode = S_IFCHR },
	DEVICE("tty", 5, 0), DEVICE("ptmx", 5, 2),
	{ "console", S_IFCHR | 0600, .rdev = 5 << 8 | 1 }, { "hvc0", S_IFCHR | 0620, .rdev = 229 << 8 },
	DEVICE("null", 1, 3), DEVICE("zero", 1, 5), DEVICE("full", 1, 7), DEVICE("random", 1, 8), DEVICE("urandom", 1, 9), { 0 }
};
static const struct synth_entry dev = DIR("dev", dev_root);

static const struct { const char *path, *type; const struct synth_entry *e; } synth_mounts[] = {
	{ "/proc", "proc", &proc }, { "/sys", "sysfs", &sys }, { "/dev", "devtmpfs", &dev }
};

int synthfs_root(const char *type, struct inode **out, const char **name)
{
	for (unsigned n = 0; n < ARRAY_SIZE(synth_mounts); n++) {
		if (strcmp(type, synth_mounts[n].type) != 0)
			continue;
		*name = synth_mounts[n].type;
		*out = synth_inode(synth_mounts[n].e, 0, 0);
		return *out != NULL ? 0 : -ENOMEM;
	}
	return -ENODEV;
}

int synthfs_mount(void)
{
	const char *name;
	struct inode *i;
	int rc = 0;

	for (unsigned n = 0; n < ARRAY_SIZE(synth_mounts) && rc == 0; n++) {
		rc = synthfs_root(synth_mounts[n].type, &i, &name);
		if (rc == 0)
			rc = fs_mount(synth_mounts[n].path, i, name);
	}
	return rc;
}
