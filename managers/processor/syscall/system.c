/* SPDX-License-Identifier: MIT */
/* What the machine is: uname, sysinfo, CPUs, random bytes, limits; and a thread's own settings. */
#include "arch/x86/context.h"
#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"
#include "arch/x86/uaccess.h"
#include "kernel/param.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/process/process.h"
#include "managers/processor/process/timers.h"
#include "managers/processor/random.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/frame.h"

s64 sys_uname(u64 user, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct { char sysname[65], nodename[65], release[65], version[65], machine[65], domain[65]; } u = { 0 };

	str_copy(u.sysname, "Linux", 65);	/* whose system calls these are */
	str_copy(u.nodename, param_str("hostname", "tangram"), 65);
	str_copy(u.release, "6.1.0-tangram", 65);
	str_copy(u.version, "#1 SMP PREEMPT Tangram", 65);
	str_copy(u.machine, "x86_64", 65);
	str_copy(u.domain, "(none)", 65);
	return copy_to_user(user, &u, sizeof(u));
}

s64 sys_sysinfo(u64 user, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct {
		s64 uptime;
		u64 loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
		u16 procs, pad;
		u32 pad2;
		u64 totalhigh, freehigh;
		u32 unit;
		u8 end[4];
	} s = { 0 };
	struct memory_totals m;

	memory_totals(&m);
	s.uptime = time_mono_ns() / NSEC_PER_SEC;
	s.totalram = m.total;
	s.freeram = m.free;
	s.procs = process_count();
	s.unit = 1;
	return copy_to_user(user, &s, sizeof(s));
}

s64 sys_getrandom(u64 buf, u64 len, u64 flags, u64 a3, u64 a4, u64 a5)
{
	u8 chunk[256];
	u64 done = 0;

	if (flags & ~7ULL)
		return -EINVAL;
	len = MIN(len, 0x7ffff000ULL);
	while (done < len) {
		size_t n = MIN(sizeof(chunk), len - done);

		random_bytes(chunk, n);
		if (copy_to_user(buf + done, chunk, n) < 0)
			return done ? (s64)done : -EFAULT;
		done += n;
		if (signal_pending_current() && done < len && done >= 256)
			break;
	}
	return done;
}

s64 sys_arch_prctl(u64 code, u64 addr, u64 a2, u64 a3, u64 a4, u64 a5)
{
	switch ((u32)code) {
	case 0x1001:				/* ARCH_SET_GS */
		if (addr >= USER_END)
			return -EPERM;
		arch_set_gs_base(addr);
		return 0;
	case 0x1002:				/* ARCH_SET_FS */
		if (addr >= USER_END)
			return -EPERM;
		arch_set_fs_base(addr);
		return 0;
	case 0x1003:
		return put_user64(addr, arch_get_fs_base());
	case 0x1004:
		return put_user64(addr, arch_get_gs_base());
	}
	return -EINVAL;
}

/* --- scheduling --- */

/* tree_lock held; pid 0 is the caller */
static struct task *task_of(u32 pid)
{
	return pid == 0 ? task_current() : task_find_locked(pid);
}

s64 sys_sched_setaffinity(u64 pid, u64 len, u64 mask_user, u64 a3, u64 a4, u64 a5)
{
	u64 online = (1ULL << nr_cpus) - 1, mask = 0;
	struct task *t;
	struct thread *th = NULL;

	if (copy_from_user(&mask, mask_user, MIN(len, 8UL)) < 0)
		return -EFAULT;
	if ((mask & online) == 0)
		return -EINVAL;
	spin_lock(&tree_lock);
	t = task_of(pid);
	if (t != NULL) {
		th = t->thread;
		thread_get(th);
	}
	spin_unlock(&tree_lock);
	if (th == NULL)
		return -ESRCH;
	thread_set_affinity(th, mask & online);
	thread_put(th);
	return 0;
}

s64 sys_sched_getaffinity(u64 pid, u64 len, u64 mask_user, u64 a3, u64 a4, u64 a5)
{
	u64 mask = 0;
	struct task *t;

	if (len < 8 || (len & 7))
		return -EINVAL;
	spin_lock(&tree_lock);
	t = task_of(pid);
	if (t != NULL)
		mask = t->thread->affinity & ((1ULL << nr_cpus) - 1);
	spin_unlock(&tree_lock);
	if (t == NULL)
		return -ESRCH;
	return copy_to_user(mask_user, &mask, 8) < 0 ? -EFAULT : 8;
}

s64 sys_sched_yield(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	thread_yield();
	return 0;
}

s64 sys_getcpu(u64 cpu, u64 node, u64 a2, u64 a3, u64 a4, u64 a5)
{
	if (cpu != 0 && put_user32(cpu, cpu_id()) < 0)
		return -EFAULT;
	return node != 0 ? put_user32(node, 0) : 0;
}

s64 sys_getpriority(u64 which, u64 who, u64 a2, u64 a3, u64 a4, u64 a5)
{
	if (which > 2)
		return -EINVAL;
	return 20 - thread_current()->nice;
}

s64 sys_setpriority(u64 which, u64 who, u64 nice, u64 a3, u64 a4, u64 a5)
{
	s32 n = nice;

	if (which > 2)
		return -EINVAL;
	n = MAX(MIN(n, 19), -20);
	if (n < thread_current()->nice && !capable_current())
		return -EACCES;
	thread_current()->nice = n;
	return 0;
}

/* --- limits --- */

static s64 rlimit_change(struct process *p, u32 resource, const struct rlimit_abi *new, struct rlimit_abi *old)
{
	s64 rc = 0;

	spin_lock(&tree_lock);
	*old = p->rlimit[resource];
	if (new != NULL) {
		if (new->cur > new->max)
			rc = -EINVAL;
		else if (new->max > old->max && process_current()->cred.euid != 0)
			rc = -EPERM;
		else
			p->rlimit[resource] = *new;
	}
	spin_unlock(&tree_lock);
	return rc;
}

s64 sys_prlimit64(u64 pid, u64 resource, u64 new_user, u64 old_user, u64 a4, u64 a5)
{
	struct rlimit_abi new, old;
	struct process *p;
	s64 rc;

	resource = (u32)resource;
	if (resource >= NR_RLIMITS)
		return -EINVAL;
	if (new_user != 0 && copy_from_user(&new, new_user, sizeof(new)) < 0)
		return -EFAULT;
	if ((u32)pid == 0) {
		p = process_current();
		process_get(p);
	} else {
		p = process_find(pid);
	}
	if (p == NULL)
		return -ESRCH;
	rc = rlimit_change(p, resource, new_user ? &new : NULL, &old);
	if (rc == 0 && new_user != 0 && resource == RLIMIT_CPU)
		rc = cpu_limit_watch(p);
	process_put(p);
	if (rc == 0 && old_user != 0 && copy_to_user(old_user, &old, sizeof(old)) < 0)
		return -EFAULT;
	return rc;
}

s64 sys_getrlimit(u64 resource, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return sys_prlimit64(0, resource, 0, user, 0, 0);
}

s64 sys_setrlimit(u64 resource, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return user == 0 ? -EFAULT : sys_prlimit64(0, resource, user, 0, 0, 0);
}

/* --- prctl --- */

s64 sys_prctl(u64 op, u64 arg, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct process *p = process_current();
	char name[16] = { 0 };

	switch ((u32)op) {
	case 15:				/* PR_SET_NAME */
		if (strncpy_from_user(name, arg, sizeof(name)) == -EFAULT)
			return -EFAULT;
		name[15] = '\0';
		str_copy(thread_current()->name, name, sizeof(name));
		if (p->leader == task_current()) {
			spin_lock(&tree_lock);
			memcpy(p->comm, name, sizeof(name));
			spin_unlock(&tree_lock);
		}
		return 0;
	case 16:				/* PR_GET_NAME */
		memcpy(name, thread_current()->name, sizeof(name));
		return copy_to_user(arg, name, sizeof(name));
	case 3:					/* PR_GET_DUMPABLE */
		return 1;
	case 23:				/* PR_CAPBSET_READ */
		return arg <= 40 ? 1 : -EINVAL;
	}
	return -EINVAL;
}
