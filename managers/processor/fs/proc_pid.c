/* SPDX-License-Identifier: MIT */
/* What /proc/PID/stat, statm, status, io, auxv and oom_* say of a process, and /proc/stat of all of them. proc(5). */
#include "arch/x86/platform.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/synthfs.h"
#include "managers/processor/process/process.h"
#include "managers/processor/process/ptrace.h"
#include "managers/processor/process/usage.h"
#include "managers/processor/space/space.h"
#include "managers/processor/random.h"
#include "managers/processor/tty/tty.h"

/* --- memory, in pages. Resident: what it has touched, wherever that lies now, and as far as it is still mapped. --- */

struct memory { u64 size, resident, text, data, stack, locked; };

static void add_vma(const struct vma *v, void *arg)
{
	struct memory *m = arg;
	u64 pages = (v->end - v->start) >> PAGE_SHIFT;

	m->size += pages;
	if (v->flags & VMA_STACK)
		m->stack += pages;
	else if (v->prot & PROT_EXEC)
		m->text += pages;
	else if ((v->prot & PROT_WRITE) && !(v->flags & VMA_SHARED))
		m->data += pages;
}

static void memory_of(u32 pid, struct memory *m)
{
	struct space *s = process_space(pid);

	memset(m, 0, sizeof(*m));
	if (s == NULL)
		return;				/* a zombie, or process 1 */
	space_for_each_vma(s, add_vma, m);
	m->resident = MIN(READ_ONCE(s->footprint), m->size);
	m->locked = READ_ONCE(s->map.nr_locked);
	space_put(s);
}

/* --- the process --- */

struct look {
	u32 ppid, pgid, sid, nr_tasks, tty, tracer;
	s32 tpgid, nice;
	char letter, comm[16];
	struct credentials cred;
	struct usage own, reaped;
	sigset_t_ pending, shared, blocked, ignored, caught;
	u32 exit_signal, cpu;
	u32 policy, rt_priority, umask, fd_size;
	u64 queue_max, cpus;
	u32 seccomp, filters;
};

static bool in_trace_stop(const struct task *t) { return t != NULL && t->tracee != NULL && tracee_is_stopped(t->tracee); }
static u32 tracer_of(const struct task *t) { return t != NULL && t->tracee != NULL ? t->tracee->tracer->tid : 0; }

static char letter_of(const struct process *p)
{
	if (p->state == PROCESS_ZOMBIE || p->leader_gone)
		return 'Z';
	if (in_trace_stop(p->leader))
		return 't';
	if (p->stopped)
		return 'T';
	return p->leader != NULL && p->leader->thread->state != THREAD_WAITING ? 'R' : 'S';
}

static void look_at_signals(struct process *p, struct look *l)
{
	spin_lock(&p->signal_lock);
	l->shared = p->pending.set;
	if (p->leader != NULL) {
		l->pending = p->leader->pending.set;
		l->blocked = p->leader->blocked;
	}
	for (int sig = 1; sig <= NR_SIGNALS; sig++) {
		if (handler_of(p, sig) == SIG_IGN)
			l->ignored |= SIGBIT(sig);
		else if (handler_of(p, sig) != SIG_DFL)
			l->caught |= SIGBIT(sig);
	}
	spin_unlock(&p->signal_lock);
}

static void look_at_task(const struct task *t, struct look *l)
{
	l->nice = t->thread->nice;
	l->cpu = READ_ONCE(t->thread->cpu);
	l->cpus = READ_ONCE(t->thread->affinity);
	l->policy = t->policy;
	l->rt_priority = t->rt_priority;
	l->seccomp = t->seccomp.mode;
	l->filters = seccomp_nr_filters(&t->seccomp);
	l->umask = t->fs != NULL ? READ_ONCE(t->fs->umask) : 0;
	l->fd_size = t->files != NULL ? fd_table_size(t->files) : 0;
}

/* What is a thread's own, if it is one of p's. */
static void look_at_thread(const struct process *p, u32 tid, struct look *l)
{
	struct task *t = task_find_locked(tid);

	if (t == NULL || t->process != p)
		return;
	str_copy(l->comm, t->thread->name, sizeof(l->comm));
	l->tracer = tracer_of(t);
	if (in_trace_stop(t))
		l->letter = 't';
	else if (!p->stopped)
		l->letter = t->thread->state != THREAD_WAITING ? 'R' : 'S';
	l->pending = t->pending.set;
	l->blocked = t->blocked;
	look_at_task(t, l);
	usage_of_thread(t, &l->own);
}

/* tid 0: of the process */
static bool look_at(u32 pid, u32 tid, struct look *l)
{
	struct process *p = process_find(pid);

	if (p == NULL)
		return false;
	memset(l, 0, sizeof(*l));
	spin_lock(&tree_lock);
	l->ppid = p->parent != NULL ? p->parent->pid : 0;
	l->pgid = p->pgid;
	l->sid = p->sid;
	l->nr_tasks = p->nr_tasks != 0 ? p->nr_tasks : 1;
	l->tty = p->tty != NULL ? p->tty->rdev : 0;
	l->tpgid = p->tty != NULL ? (s32)p->tty->pgid : -1;
	l->letter = letter_of(p);
	l->tracer = tracer_of(p->leader);
	memcpy(l->comm, p->comm, sizeof(l->comm));
	l->cred = p->cred;
	l->reaped = p->reaped;
	l->exit_signal = p->exit_signal;
	usage_of_process_locked(p, &l->own);
	l->cpus = ~0ULL;
	if (p->leader != NULL)
		look_at_task(p->leader, l);
	l->queue_max = p->rlimit[RLIMIT_SIGPENDING].cur;
	look_at_signals(p, l);
	if (tid != 0)
		look_at_thread(p, tid, l);
	spin_unlock(&tree_lock);
	process_put(p);
	return true;
}

static unsigned long long ticks(u64 ns) { return ns / CLOCK_TICK_NS; }

static u64 start_of(u32 pid)
{
	struct process *p = process_find(pid);
	u64 ns = 0;

	if (p != NULL) {
		ns = p->start_ns;
		process_put(p);
	}
	return ns;
}

void show_pid_stat(struct text *t, u32 pid)
{
	struct memory m;
	struct look l;

	if (!look_at(pid, 0, &l))
		return;
	memory_of(pid, &m);
	text_printf(t, "%u (%s) %c %u %u %u %u %d 0 %llu %llu %llu %llu %llu %llu %llu %llu %d %d %u 0 %llu %llu %llu 18446744073709551615",
		    pid, l.comm, l.letter, l.ppid, l.pgid, l.sid, l.tty, l.tpgid, (unsigned long long)l.own.minor_faults,
		    (unsigned long long)l.reaped.minor_faults, (unsigned long long)l.own.major_faults,
		    (unsigned long long)l.reaped.major_faults, ticks(l.own.user_ns), ticks(l.own.system_ns), ticks(l.reaped.user_ns),
		    ticks(l.reaped.system_ns), l.rt_priority != 0 ? -1 - (s32)l.rt_priority : 20 + l.nice, l.nice, l.nr_tasks, ticks(start_of(pid)),
		    (unsigned long long)m.size << PAGE_SHIFT, (unsigned long long)m.resident);
	/* addresses are not told; signals as far as one word holds them */
	text_printf(t, " 0 0 0 0 0 %llu %llu %llu %llu 0 0 0 %u %u %u %u 0 0 0 0 0 0 0 0 0 0 0\n", (unsigned long long)(u32)l.shared,
		    (unsigned long long)(u32)l.blocked, (unsigned long long)(u32)l.ignored, (unsigned long long)(u32)l.caught,
		    l.exit_signal, l.cpu, l.rt_priority, l.policy);
}

void show_pid_statm(struct text *t, u32 pid)
{
	struct memory m;

	memory_of(pid, &m);
	text_printf(t, "%llu %llu 0 %llu 0 %llu 0\n", (unsigned long long)m.size, (unsigned long long)m.resident, (unsigned long long)m.text,
		    (unsigned long long)(m.data + m.stack));
}

static const char *letter_name(char letter)
{
	return letter == 'R' ? "running" : letter == 'S' ? "sleeping" : letter == 'T' ? "stopped" :
	       letter == 't' ? "tracing stop" : "zombie";
}

static void memory_line(struct text *t, const char *name, u64 pages)
{
	text_printf(t, "%s:\t%8llu kB\n", name, (unsigned long long)pages << PAGE_SHIFT >> 10);
}

static void cpus_allowed(struct text *t, u64 mask)
{
	const char *between = "";

	text_printf(t, "Cpus_allowed:\t%llx\nCpus_allowed_list:\t", (unsigned long long)mask);
	for_each_cpu(cpu) {
		unsigned last = cpu;

		if (!(mask >> cpu & 1) || (cpu > 0 && (mask >> (cpu - 1) & 1)))
			continue;		/* none, or in the range that is told already */
		while (mask >> (last + 1) & 1)
			last++;
		text_printf(t, "%s%u", between, cpu);
		if (last != cpu)
			text_printf(t, "-%u", last);
		between = ",";
	}
	text_printf(t, "\n");
}

void show_pid_status(struct text *t, u32 pid, u32 tid)
{
	struct memory m;
	struct look l;
	u64 queued;

	if (!look_at(pid, tid, &l))
		return;
	memory_of(pid, &m);
	const struct { const char *name; const sigset_t_ *set; } sets[] = {
		{ "SigPnd", &l.pending }, { "ShdPnd", &l.shared }, { "SigBlk", &l.blocked }, { "SigIgn", &l.ignored }, { "SigCgt", &l.caught },
		{ "CapInh", &l.cred.inheritable }, { "CapPrm", &l.cred.permitted }, { "CapEff", &l.cred.effective },
		{ "CapBnd", &l.cred.bounding }, { "CapAmb", &l.cred.ambient },
	};
	text_printf(t, "Name:\t%s\nUmask:\t%04o\nState:\t%c (%s)\nTgid:\t%u\nNgid:\t0\n", l.comm, l.umask, l.letter, letter_name(l.letter), pid);
	text_printf(t, "Pid:\t%u\nPPid:\t%u\nTracerPid:\t%u\n", tid != 0 ? tid : pid, l.ppid, l.tracer);
	text_printf(t, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nFDSize:\t%u\nGroups:\t", l.cred.uid, l.cred.euid, l.cred.suid, l.cred.fsuid,
		    l.cred.gid, l.cred.egid, l.cred.sgid, l.cred.fsgid, l.fd_size);
	for (u32 i = 0; i < l.cred.nr_groups; i++)
		text_printf(t, "%u ", l.cred.group[i]);
	text_printf(t, "\nNStgid:\t%u\nNSpid:\t%u\nNSpgid:\t%u\nNSsid:\t%u\n", pid, tid != 0 ? tid : pid, l.pgid, l.sid);
	if (m.size != 0) {
		memory_line(t, "VmPeak", m.size);
		memory_line(t, "VmSize", m.size);
		memory_line(t, "VmLck", m.locked);
		memory_line(t, "VmHWM", MAX(m.resident, l.own.max_pages));
		memory_line(t, "VmRSS", m.resident);
		memory_line(t, "VmData", m.data);
		memory_line(t, "VmStk", m.stack);
		memory_line(t, "VmExe", m.text);
		memory_line(t, "VmSwap", 0);
	}
	spin_lock(&tree_lock);
	queued = signals_of_user_locked(l.cred.uid);
	spin_unlock(&tree_lock);
	text_printf(t, "Threads:\t%u\nSigQ:\t%llu/%llu\n", l.nr_tasks, (unsigned long long)queued, (unsigned long long)l.queue_max);
	for (unsigned i = 0; i < ARRAY_SIZE(sets); i++)
		text_printf(t, "%s:\t%016llx\n", sets[i].name, (unsigned long long)*sets[i].set);
	text_printf(t, "NoNewPrivs:\t%u\nSeccomp:\t%u\nSeccomp_filters:\t%u\n", l.cred.no_new_privs, l.seccomp, l.filters);
	cpus_allowed(t, l.cpus & ((1ULL << nr_cpus) - 1));
	text_printf(t, "Mems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n",
		    (unsigned long long)l.own.waits, (unsigned long long)l.own.preempted);
}

/* --- what it has read and written; what the disk had to do for that is not known here --- */

void show_pid_io(struct text *t, u32 pid, u32 tid)
{
	struct usage u = { 0 };
	struct process *p = process_find(pid);
	struct task *task;

	if (p == NULL)
		return;
	spin_lock(&tree_lock);
	task = tid != 0 ? task_find_locked(tid) : NULL;
	if (task != NULL && task->process == p) {
		usage_of_task(task, &u);
	} else {
		usage_of_process_locked(p, &u);
		usage_add(&u, &p->reaped);
	}
	spin_unlock(&tree_lock);
	process_put(p);
	text_printf(t, "rchar: %llu\nwchar: %llu\nsyscr: %llu\nsyscw: %llu\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n",
		    (unsigned long long)u.io.read_chars, (unsigned long long)u.io.write_chars, (unsigned long long)u.io.read_calls,
		    (unsigned long long)u.io.write_calls);
}

void show_pid_auxv(struct text *t, u32 pid)
{
	struct space *s = process_space(pid);
	size_t n = 0;

	if (s == NULL)
		return;
	while (n + 2 < AUXV_WORDS && s->auxv[n] != 0)
		n += 2;
	text_bytes(t, s->auxv, (n + 2) * sizeof(s->auxv[0]));
	space_put(s);
}

/* --- who would go first: nobody does, memory that is not there is refused. Kept, as who asks has set it --- */

#define OOM_MAX 1000

static s32 oom_adj_of(u32 pid)
{
	struct process *p = process_find(pid);
	s32 adj = 0;

	if (p != NULL) {
		adj = READ_ONCE(p->oom_adj);
		process_put(p);
	}
	return adj;
}

void show_pid_oom_adj(struct text *t, u32 pid) { text_printf(t, "%d\n", oom_adj_of(pid)); }

void show_pid_oom_score(struct text *t, u32 pid)
{
	struct memory_totals all;
	s64 adj = oom_adj_of(pid);
	struct memory m;

	memory_of(pid, &m);
	memory_totals(&all);
	adj += (m.resident << PAGE_SHIFT) * OOM_MAX / MAX(all.total, 1ULL);
	text_printf(t, "%lld\n", adj <= -OOM_MAX ? 0LL : (long long)(adj + OOM_MAX) * 2 / 3);
}

/* A whole number with nothing but white space around it: -EINVAL */
static int number_in(const char *text, s64 *out)
{
	bool minus;
	s64 n = 0;

	while (*text == ' ' || *text == '\t' || *text == '\n')
		text++;
	minus = *text == '-';
	text += minus;
	if (*text < '0' || *text > '9')
		return -EINVAL;
	for (; *text >= '0' && *text <= '9' && n <= OOM_MAX; text++)
		n = n * 10 + (*text - '0');
	while (*text == ' ' || *text == '\t' || *text == '\n')
		text++;
	*out = minus ? -n : n;
	return *text == '\0' ? 0 : -EINVAL;
}

int store_pid_oom_adj(const char *value, u32 pid)
{
	struct process *p;
	int rc = 0;
	s64 adj;

	if (number_in(value, &adj) < 0 || adj < -OOM_MAX || adj > OOM_MAX)
		return -EINVAL;
	p = process_find(pid);
	if (p == NULL)
		return -ESRCH;
	spin_lock(&tree_lock);
	if (adj < p->oom_adj_least && !cred_has(&process_current()->cred, CAP_SYS_RESOURCE))
		rc = -EACCES;
	else
		p->oom_adj = adj;
	if (rc == 0 && cred_has(&process_current()->cred, CAP_SYS_RESOURCE))
		p->oom_adj_least = adj;
	spin_unlock(&tree_lock);
	process_put(p);
	return rc;
}

/* --- all of them --- */

static bool add_usage(struct process *p, void *arg)
{
	struct usage u;

	usage_of_process_locked(p, &u);
	usage_add(arg, &u);
	return true;
}

static bool is_running(struct process *p, void *arg)
{
	struct task *t;

	list_for_each(t, &p->tasks, group_link)
		*(u32 *)arg += t->thread->state != THREAD_WAITING;
	return true;
}

/* Busy time by CPU is known, and how much of all of it was spent in user mode: each CPU is shown with its share of that. */
void show_machine_stat(struct text *t, u32 none)
{
	u64 now = time_mono_ns(), user, busy_all = 0, idle_all = 0, btime = (time_wall_ns() - now) / NSEC_PER_SEC;
	struct usage u;
	u32 running = 0, forks;

	spin_lock(&tree_lock);
	u = processes_gone;
	process_for_each(add_usage, &u);
	process_for_each(is_running, &running);
	forks = processes_made;
	spin_unlock(&tree_lock);
	for_each_cpu(cpu)
		idle_all += sched_idle_ns(cpu);
	busy_all = now * nr_cpus > idle_all ? now * nr_cpus - idle_all : 0;
	user = MIN(u.user_ns, busy_all);
	text_printf(t, "cpu  %llu 0 %llu %llu 0 0 0 0 0 0\n", ticks(user), ticks(busy_all - user), ticks(idle_all));
	for_each_cpu(cpu) {
		u64 idle = sched_idle_ns(cpu), busy = now > idle ? ticks(now - idle) : 0;
		u64 mine = ticks(busy_all) != 0 ? MIN(busy, ticks(user) * busy / ticks(busy_all)) : 0;

		text_printf(t, "cpu%u %llu 0 %llu %llu 0 0 0 0 0 0\n", cpu, (unsigned long long)mine, (unsigned long long)(busy - mine), ticks(idle));
	}
	text_printf(t, "intr 0\nctxt %llu\nbtime %llu\nprocesses %u\nprocs_running %u\nprocs_blocked 0\n",
		    (unsigned long long)(u.waits + u.preempted), (unsigned long long)btime, forks, running);
}

void show_machine_uptime(struct text *t, u32 none)
{
	u64 idle = 0;

	for_each_cpu(cpu)
		idle += sched_idle_ns(cpu);
	text_printf(t, "%llu.%02llu %llu.%02llu\n", ticks(time_mono_ns()) / 100, ticks(time_mono_ns()) % 100, ticks(idle) / 100,
		    ticks(idle) % 100);
}
