/* SPDX-License-Identifier: MIT */
/* What the machine is: uname, sysinfo, CPUs, random bytes, limits; and a thread's own settings. */
#include "arch/x86/context.h"
#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"
#include "arch/x86/uaccess.h"
#include "kernel/load.h"
#include "kernel/param.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/process/process.h"
#include "managers/processor/process/timers.h"
#include "managers/processor/random.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/frame.h"

/* --- names of the machine --- */

#define NAME_LEN 64

static DEFINE_SPINLOCK(names_lock, RANK_LEAF);
static char host_name[NAME_LEN + 1], domain_name[NAME_LEN + 1] = "(none)";	/* [names_lock] host_name "": as the kernel was told */

void machine_name(char *to, size_t room)
{
	spin_lock(&names_lock);
	str_copy(to, host_name[0] != '\0' ? host_name : param_str("hostname", "tangram"), room);
	spin_unlock(&names_lock);
}

void machine_domain(char *to, size_t room)
{
	spin_lock(&names_lock);
	str_copy(to, domain_name, room);
	spin_unlock(&names_lock);
}

static int set_name_text(char *name, const char *text)
{
	size_t n = strlen(text);

	n -= n > 0 && text[n - 1] == '\n';
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (n > NAME_LEN)
		return -EINVAL;
	spin_lock(&names_lock);
	memset(name, 0, NAME_LEN + 1);
	memcpy(name, text, n);
	spin_unlock(&names_lock);
	return 0;
}

int machine_set_name(const char *text) { return set_name_text(host_name, text); }
int machine_set_domain(const char *text) { return set_name_text(domain_name, text); }

static s64 set_name(char *name, u64 user, u64 len)
{
	char text[NAME_LEN + 1] = "";

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if ((s32)len < 0 || (s32)len > NAME_LEN)
		return -EINVAL;
	if (copy_from_user(text, user, (u32)len) < 0)
		return -EFAULT;
	spin_lock(&names_lock);
	memcpy(name, text, sizeof(text));
	spin_unlock(&names_lock);
	return 0;
}

s64 sys_sethostname(u64 user, u64 len, u64 a2, u64 a3, u64 a4, u64 a5) { return set_name(host_name, user, len); }
s64 sys_setdomainname(u64 user, u64 len, u64 a2, u64 a3, u64 a4, u64 a5) { return set_name(domain_name, user, len); }

s64 sys_uname(u64 user, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct { char sysname[65], nodename[65], release[65], version[65], machine[65], domain[65]; } u = { 0 };
	u32 persona = READ_ONCE(process_current()->personality);

	str_copy(u.sysname, "Linux", 65);	/* whose system calls these are */
	machine_name(u.nodename, sizeof(u.nodename));
	str_copy(u.release, persona & UNAME26 ? "2.6.61-tangram" : "6.1.0-tangram", 65);	/* as Linux says 6.1 then */
	str_copy(u.version, "#1 SMP PREEMPT Tangram", 65);
	str_copy(u.machine, (persona & PER_MASK) == PER_LINUX32 ? "i686" : "x86_64", 65);
	spin_lock(&names_lock);
	str_copy(u.domain, domain_name, sizeof(u.domain));
	spin_unlock(&names_lock);
	return copy_to_user(user, &u, sizeof(u));
}

#define SYSINFO_LOAD_SHIFT	16

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
	for (unsigned i = 0; i < NR_LOADS; i++)
		s.loads[i] = load_average(i) << (SYSINFO_LOAD_SHIFT - LOAD_SHIFT);
	s.unit = 1;
	return copy_to_user(user, &s, sizeof(s));
}

s64 sys_getrandom(u64 buf, u64 len, u64 flags, u64 a3, u64 a4, u64 a5)
{
	u8 chunk[256];
	u64 done = 0;

	if (((u32)flags & ~7U) || ((u32)flags & 6) == 6)
		return -EINVAL;			/* GRND_RANDOM and GRND_INSECURE exclude each other */
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

/* --- limits --- */

static s64 rlimit_change(struct process *p, u32 resource, const struct rlimit_abi *new, struct rlimit_abi *old)
{
	s64 rc = 0;

	spin_lock(&tree_lock);
	*old = p->rlimit[resource];
	if (new != NULL) {
		if (new->cur > new->max)
			rc = -EINVAL;
		else if (new->max > old->max && !capable(CAP_SYS_RESOURCE))
			rc = -EPERM;
		else if (resource == RLIMIT_NOFILE && new->max > FD_LIMIT)
			rc = -EPERM;
		else
			p->rlimit[resource] = *new;
	}
	spin_unlock(&tree_lock);
	return rc;
}

/* Of others only with the same ids, or CAP_SYS_RESOURCE. */
static bool may_limit(const struct process *p)
{
	const struct credentials *me = &process_current()->cred, *it = &p->cred;

	return p == process_current() || cred_has(me, CAP_SYS_RESOURCE) ||
	       (me->uid == it->uid && me->uid == it->euid && me->uid == it->suid &&
		me->gid == it->gid && me->gid == it->egid && me->gid == it->sgid);
}

/* A stack that is there already grows to the new limit, too. */
static void stack_limit_set(struct process *p, u64 limit)
{
	struct space *s = process_space(p->pid);

	if (s == NULL)
		return;
	WRITE_ONCE(s->stack_limit, limit);
	space_put(s);
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
	if (!may_limit(p)) {
		process_put(p);
		return -EPERM;
	}
	rc = rlimit_change(p, resource, new_user ? &new : NULL, &old);
	if (rc == 0 && new_user != 0 && resource == RLIMIT_CPU)
		rc = cpu_limit_watch(p);
	if (rc == 0 && new_user != 0 && resource == RLIMIT_STACK)
		stack_limit_set(p, new.cur);
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
