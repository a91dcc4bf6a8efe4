/* SPDX-License-Identifier: MIT */
/* What stands in /proc, /sys and /dev: true to the machine (L37). proc(5). */
#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"
#include "kernel/counter.h"
#include "kernel/param.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/fs/dentry.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/synthfs.h"
#include "managers/processor/process/process.h"
#include "managers/processor/random.h"
#include "managers/processor/tty/tty.h"
#include "mm/slab.h"

/* --- the machine --- */

static void show_cpu_range(struct text *t, u32 pid)
{
	if (nr_cpus == 1)
		text_printf(t, "0\n");
	else
		text_printf(t, "0-%u\n", nr_cpus - 1);
}

static void show_meminfo(struct text *t, u32 pid)
{
	struct memory_totals m;

	memory_totals(&m);
	text_printf(t, "MemTotal:       %8llu kB\nMemFree:        %8llu kB\nMemAvailable:   %8llu kB\nBuffers:               0 kB\n"
		    "Cached:         %8llu kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\n",
		    (unsigned long long)m.total >> 10, (unsigned long long)m.free >> 10, (unsigned long long)m.available >> 10,
		    (unsigned long long)m.cached >> 10);
}

static void show_uptime(struct text *t, u32 pid)
{
	u64 cs = time_mono_ns() / 10000000;

	text_printf(t, "%llu.%02llu 0.00\n", (unsigned long long)cs / 100, (unsigned long long)cs % 100);
}

static void show_loadavg(struct text *t, u32 pid)
{
	text_printf(t, "0.00 0.00 0.00 1/%u %u\n", process_count(), process_count());
}

static void show_stat_global(struct text *t, u32 pid)
{
	text_printf(t, "cpu  0 0 0 0 0 0 0 0 0 0\n");
	for_each_cpu(cpu)
		text_printf(t, "cpu%u 0 0 0 0 0 0 0 0 0 0\n", cpu);
	text_printf(t, "btime %llu\nprocesses %u\n", (unsigned long long)((time_wall_ns() - time_mono_ns()) / NSEC_PER_SEC), process_count());
}

static void show_version(struct text *t, u32 pid)
{
	text_printf(t, "Linux version 6.1.0-tangram (tangram) #1 SMP PREEMPT Tangram\n");
}

static void show_filesystems(struct text *t, u32 pid)
{
	text_printf(t, "nodev\tproc\nnodev\tsysfs\nnodev\tdevtmpfs\nnodev\ttmpfs\n\text4\n");
}

static void show_cmdline_kernel(struct text *t, u32 pid)
{
	text_printf(t, "%s\n", boot_command_line);
}

static void one_counter(const char *name, u64 value, void *arg)
{
	text_printf(arg, "%s: %llu\n", name, (unsigned long long)value);
}

static void show_pcache(struct text *t, u32 pid)
{
	counters_for_each(one_counter, t);
}

static void one_mount(unsigned nr, const char *path, const char *type, u64 dev, void *arg)
{
	text_printf(arg, "%s %s %s rw 0 0\n", type, path, type);
}

static void show_mounts(struct text *t, u32 pid)
{
	fs_for_each_mount(one_mount, t);
}

static void one_mountinfo(unsigned nr, const char *path, const char *type, u64 dev, void *arg)
{
	text_printf(arg, "%u %u %u:%u / %s rw - %s %s rw\n", 20 + nr, nr == 0 ? 1 : 20, (unsigned)(dev >> 8), (unsigned)(dev & 255), path,
		    type, type);
}

static void show_mountinfo(struct text *t, u32 pid)
{
	fs_for_each_mount(one_mountinfo, t);
}

static void show_overcommit(struct text *t, u32 pid) { text_printf(t, "0\n"); }
static void show_pid_max(struct text *t, u32 pid) { text_printf(t, "32768\n"); }
static void show_ngroups(struct text *t, u32 pid) { text_printf(t, "32\n"); }
static void show_hostname(struct text *t, u32 pid) { text_printf(t, "%s\n", param_str("hostname", "tangram")); }
static void show_osrelease(struct text *t, u32 pid) { text_printf(t, "6.1.0-tangram\n"); }

/* --- a process --- */

static void show_status(struct text *t, u32 pid)
{
	struct process *p = process_find(pid);

	if (p == NULL)
		return;
	spin_lock(&tree_lock);
	u32 ppid = p->parent ? p->parent->pid : 0, nr = p->nr_tasks;
	struct credentials c = p->cred;
	u8 state = p->state;
	bool stopped = p->stopped;
	char comm[16];

	memcpy(comm, p->comm, sizeof(comm));
	spin_unlock(&tree_lock);
	text_printf(t, "Name:\t%s\nState:\t%s\nTgid:\t%u\nPid:\t%u\nPPid:\t%u\nUid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nThreads:\t%u\n",
		    comm, state == PROCESS_ZOMBIE ? "Z (zombie)" : stopped ? "T (stopped)" : "R (running)", pid, pid, ppid, c.uid, c.euid,
		    c.suid, c.fsuid, c.gid, c.egid, c.sgid, c.fsgid, nr);
	process_put(p);
}

static char state_letter(struct process *p)
{
	if (p->state == PROCESS_ZOMBIE)
		return 'Z';
	if (p->stopped)
		return 'T';
	if (p->leader != NULL && p->leader->thread->state == THREAD_WAITING)
		return 'S';
	return 'R';
}

static void show_stat(struct text *t, u32 pid)
{
	struct process *p = process_find(pid);

	if (p == NULL)
		return;
	spin_lock(&tree_lock);
	u32 ppid = p->parent ? p->parent->pid : 0, pgid = p->pgid, sid = p->sid, nr = p->nr_tasks;
	struct usage own, reaped = p->reaped;
	s32 nice = p->leader != NULL ? p->leader->thread->nice : 0;
	char letter = state_letter(p), comm[16];

	usage_of_process_locked(p, &own);
	memcpy(comm, p->comm, sizeof(comm));
	spin_unlock(&tree_lock);
	text_printf(t, "%u (%s) %c %u %u %u 0 -1 0 %llu %llu %llu %llu %llu %llu %llu %llu %d %d %u 0 %llu 0 0 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0"
		    " 0 0 0 0 0 0 0 0 0 0 0\n", pid, comm, letter, ppid, pgid, sid,
		    (unsigned long long)own.minor_faults, (unsigned long long)reaped.minor_faults,
		    (unsigned long long)own.major_faults, (unsigned long long)reaped.major_faults,
		    (unsigned long long)(own.user_ns / CLOCK_TICK_NS), (unsigned long long)(own.system_ns / CLOCK_TICK_NS),
		    (unsigned long long)(reaped.user_ns / CLOCK_TICK_NS), (unsigned long long)(reaped.system_ns / CLOCK_TICK_NS),
		    20 + nice, nice, nr,
		    (unsigned long long)p->start_ns / 10000000);
	process_put(p);
}

static void one_vma(const struct vma *v, void *arg)
{
	const char *what = v->flags & VMA_HEAP ? "[heap]" : v->flags & VMA_STACK ? "[stack]" :
			   !(v->flags & VMA_VDSO) ? "" : v->prot & PROT_EXEC ? "[vdso]" : "[vvar]";
	const struct object *o = v->file;
	struct text *t = arg;
	char line[160];

	int n = snprintf(line, sizeof(line), "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu", (unsigned long long)v->start,
			 (unsigned long long)v->end, v->prot & PROT_READ ? 'r' : '-', v->prot & PROT_WRITE ? 'w' : '-',
			 v->prot & PROT_EXEC ? 'x' : '-', v->flags & VMA_SHARED ? 's' : 'p',
			 v->object ? (unsigned long long)v->index << PAGE_SHIFT : 0ULL, 0, o ? 8 : 0, o ? (unsigned long long)o->ino : 0ULL);
	if (*what != '\0')
		text_printf(t, "%-72s %s\n", line, what);
	else
		text_printf(t, "%s\n", line);
	(void)n;
}

static void show_maps(struct text *t, u32 pid)
{
	struct space *s = process_space(pid);

	if (s == NULL)
		return;
	space_for_each_vma(s, one_vma, t);
	space_put(s);
}

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

/* tree_mutex is held, as for every readlink */
static s64 link_exe(u32 pid, u32 nr, char *buf, size_t size)
{
	struct process *p = process_find(pid);
	struct dentry *d = NULL;
	s64 n;

	if (p == NULL)
		return -ENOENT;
	spin_lock(&tree_lock);
	if (p->exe != NULL) {
		d = p->exe->dentry;
		dentry_get(d);
	}
	spin_unlock(&tree_lock);
	process_put(p);
	if (d == NULL)
		return -ENOENT;
	n = dentry_path_locked(d, NULL, buf, size);
	dentry_put_locked(d);
	return n;
}

static s64 link_self(u32 pid, u32 nr, char *buf, size_t size)
{
	struct task *t = thread_current()->task;

	return t ? snprintf(buf, size, "%u", t->process->pid) : -ENOENT;
}

static s64 link_cwd(u32 pid, u32 nr, char *buf, size_t size)
{
	struct thread *self = thread_current();
	struct task *t = self->task;

	if (t == NULL || t->process->pid != pid)
		return -EACCES;		/* another's may change while it is read */
	return dentry_path_locked(t->fs->cwd, t->fs->root, buf, size);
}

/* --- descriptors --- */

/* The table of a process, looked at by fn with tree_lock held. */
static bool with_files(u32 pid, void (*fn)(struct fd_table *files, void *arg), void *arg)
{
	struct process *p = process_find(pid);
	struct task *t;
	bool found = false;

	if (p == NULL)
		return false;
	spin_lock(&tree_lock);
	list_for_each(t, &p->tasks, group_link) {
		if (t->files != NULL) {
			fn(t->files, arg);
			found = true;
			break;
		}
	}
	spin_unlock(&tree_lock);
	process_put(p);
	return found;
}

struct fd_look { int fd; bool open; struct inode *inode; struct dentry *dentry; };

static void look_fd(struct fd_table *files, void *arg)
{
	struct fd_look *l = arg;

	l->open = fd_table_peek(files, l->fd, &l->inode, &l->dentry);
}

static void look_next_fd(struct fd_table *files, void *arg)
{
	struct fd_look *l = arg;

	l->fd = fd_table_next(files, l->fd);
}

static s64 link_fd(u32 pid, u32 nr, char *buf, size_t size)
{
	struct fd_look l = { .fd = nr };
	s64 n;

	if (!with_files(pid, look_fd, &l) || !l.open)
		return -ENOENT;
	if (l.dentry != NULL)
		n = dentry_path_locked(l.dentry, NULL, buf, size);
	else if (l.inode != NULL && l.inode->type == S_IFIFO)
		n = snprintf(buf, size, "pipe:[%llu]", (unsigned long long)l.inode->ino);
	else if (l.inode != NULL && l.inode->type == S_IFSOCK)
		n = snprintf(buf, size, "socket:[%llu]", (unsigned long long)l.inode->ino);
	else
		n = snprintf(buf, size, "anon_inode:[%u]", nr);
	if (l.dentry != NULL)
		dentry_put_locked(l.dentry);
	if (l.inode != NULL)
		inode_put(l.inode);
	return n;
}

static int follow_fd(u32 pid, u32 nr, struct dentry **out)
{
	struct fd_look l = { .fd = nr };

	if (!with_files(pid, look_fd, &l) || !l.open)
		return -ENOENT;
	if (l.dentry != NULL) {
		inode_put(l.inode);
		*out = l.dentry;
		return 0;
	}
	if (l.inode == NULL)
		return -ENXIO;
	*out = dentry_nameless_locked(l.inode);
	return *out ? 0 : -ENOMEM;
}

static const struct synth_entry fd_entry = { "", S_IFLNK | 0700, .link = link_fd, .follow = follow_fd };

static int find_fd(const char *name, u32 pid, struct inode **out)
{
	struct fd_look l = { 0 };
	u64 fd;

	if (*name < '0' || *name > '9' || str_to_u64(name, &fd) < 0 || fd > 0xfffff)
		return -ENOENT;
	l.fd = fd;
	if (!with_files(pid, look_next_fd, &l) || l.fd != (int)fd)
		return -ENOENT;
	*out = synth_inode(&fd_entry, pid, fd);
	return *out ? 0 : -ENOMEM;
}


static s64 next_fd(u32 pid, u64 from)
{
	struct fd_look l = { .fd = from };

	if (!with_files(pid, look_next_fd, &l) || l.fd < 0)
		return -1;
	return l.fd;
}

static const struct synth_entry proc_pid[] = {
	{ "status", S_IFREG | 0444, .show = show_status }, { "stat", S_IFREG | 0444, .show = show_stat },
	{ "maps", S_IFREG | 0444, .show = show_maps }, { "cmdline", S_IFREG | 0444, .show = show_cmdline },
	{ "environ", S_IFREG | 0400, .show = show_environ }, { "comm", S_IFREG | 0444, .show = show_comm },
	{ "exe", S_IFLNK | 0777, .link = link_exe }, { "cwd", S_IFLNK | 0777, .link = link_cwd },
	{ "mounts", S_IFREG | 0444, .show = show_mounts }, { "mountinfo", S_IFREG | 0444, .show = show_mountinfo },
	{ "fd", S_IFDIR | 0500, .find = find_fd, .next = next_fd, .next_mode = S_IFLNK }, { 0 }
};
static const struct synth_entry pid_dir = { "", S_IFDIR | 0555, .dir = proc_pid };

static int find_pid(const char *name, u32 none, struct inode **out)
{
	struct process *p;
	u64 pid;

	if (*name < '1' || *name > '9' || str_to_u64(name, &pid) < 0 || pid > 0xffffff)
		return -ENOENT;
	p = process_find(pid);
	if (p == NULL || p == process_init) {
		if (p != NULL)
			process_put(p);
		return -ENOENT;
	}
	*out = synth_inode(&pid_dir, pid, 0);
	if (*out != NULL) {
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

	if (p != process_init && p->pid >= n->above && p->pid < n->best)
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

static s64 link_mounts(u32 pid, u32 nr, char *buf, size_t size) { return str_copy(buf, "self/mounts", size), 11; }

#define TEXT(n, f)	{ n, S_IFREG | 0444, .show = f }
#define DIR(n, t)	{ n, S_IFDIR | 0555, .dir = t }
#define DEVICE(n, major, minor) { n, S_IFCHR | 0666, .rdev = (major) << 8 | (minor) }

static const struct synth_entry proc_sys_vm[] = { TEXT("overcommit_memory", show_overcommit), { 0 } };
static const struct synth_entry proc_sys_kernel[] = {
	TEXT("pid_max", show_pid_max), TEXT("ngroups_max", show_ngroups), TEXT("hostname", show_hostname),
	TEXT("osrelease", show_osrelease), { 0 }
};
static const struct synth_entry proc_sys[] = { DIR("vm", proc_sys_vm), DIR("kernel", proc_sys_kernel), { 0 } };
static const struct synth_entry proc_root[] = {
	TEXT("cpuinfo", show_cpuinfo), TEXT("meminfo", show_meminfo), TEXT("uptime", show_uptime), TEXT("loadavg", show_loadavg),
	TEXT("stat", show_stat_global), TEXT("version", show_version), TEXT("filesystems", show_filesystems),
	TEXT("cmdline", show_cmdline_kernel), TEXT("pcache", show_pcache), DIR("sys", proc_sys),
	{ "self", S_IFLNK | 0777, .link = link_self }, { "mounts", S_IFLNK | 0777, .link = link_mounts }, { 0 }
};
static const struct synth_entry proc = { "proc", S_IFDIR | 0555, .dir = proc_root, .find = find_pid, .next = next_pid,
					 .next_mode = S_IFDIR };

static const struct synth_entry sys_cpu[] = {
	TEXT("online", show_cpu_range), TEXT("possible", show_cpu_range), TEXT("present", show_cpu_range), { 0 }
};
static const struct synth_entry sys_system[] = { DIR("cpu", sys_cpu), { 0 } };
static const struct synth_entry sys_devices[] = { DIR("system", sys_system), { 0 } };
static const struct synth_entry sys_root[] = { DIR("devices", sys_devices), { 0 } };
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

static int mount_one(const char *path, const struct synth_entry *e, const char *type)
{
	struct inode *i = synth_inode(e, 0, 0);

	return i == NULL ? -ENOMEM : fs_mount(path, i, type);
}

int synthfs_init(void)
{
	int rc = mount_one("/proc", &proc, "proc");

	if (rc == 0)
		rc = mount_one("/sys", &sys, "sysfs");
	if (rc == 0)
		rc = mount_one("/dev", &dev, "devtmpfs");
	return rc;
}
