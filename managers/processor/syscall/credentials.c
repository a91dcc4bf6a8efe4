/* SPDX-License-Identifier: MIT */
/* The system calls around user and group ids and capabilities: the rules are process/credentials.c's. */
#include "managers/processor/process/credentials.h"

#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"

static const struct credentials *mine(void) { return &process_current()->cred; }

/* Several of them as they are at one moment: another thread may be changing them. */
static struct credentials mine_now(void)
{
	struct credentials c;

	spin_lock(&tree_lock);
	c = *mine();
	spin_unlock(&tree_lock);
	return c;
}

s64 sys_getuid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return mine()->uid; }
s64 sys_geteuid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return mine()->euid; }
s64 sys_getgid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return mine()->gid; }
s64 sys_getegid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return mine()->egid; }

static void changed_locked(const struct credentials *old)
{
	if (!cred_changed_hands(old, mine()))
		return;
	WRITE_ONCE(process_current()->undumpable, true);
	task_current()->death_signal = 0;
}

/* rc = change(cred, ...) on the current process's own */
#define CHANGE(change, ...) ({						\
	struct credentials old_;					\
	s64 rc_;							\
	spin_lock(&tree_lock);						\
	old_ = *mine();							\
	rc_ = change(&process_current()->cred, __VA_ARGS__);		\
	changed_locked(&old_);						\
	spin_unlock(&tree_lock);					\
	rc_; })

s64 sys_setresuid(u64 r, u64 e, u64 s, u64 a3, u64 a4, u64 a5) { return CHANGE(cred_set_uids, r, e, s); }
s64 sys_setresgid(u64 r, u64 e, u64 s, u64 a3, u64 a4, u64 a5) { return CHANGE(cred_set_gids, r, e, s); }
s64 sys_setreuid(u64 r, u64 e, u64 a2, u64 a3, u64 a4, u64 a5) { return CHANGE(cred_setreuid, r, e); }
s64 sys_setregid(u64 r, u64 e, u64 a2, u64 a3, u64 a4, u64 a5) { return CHANGE(cred_setregid, r, e); }
s64 sys_setfsuid(u64 id, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return CHANGE(cred_setfsuid, id); }
s64 sys_setfsgid(u64 id, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return CHANGE(cred_setfsgid, id); }

s64 sys_setuid(u64 id, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return (u32)id == (u32)-1 ? -EINVAL : CHANGE(cred_setuid, id);
}

s64 sys_setgid(u64 id, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return (u32)id == (u32)-1 ? -EINVAL : CHANGE(cred_setgid, id);
}

static s64 put_three(u64 r, u64 e, u64 s, u32 real, u32 effective, u32 saved)
{
	return put_user32(r, real) < 0 || put_user32(e, effective) < 0 || put_user32(s, saved) < 0 ? -EFAULT : 0;
}

s64 sys_getresuid(u64 r, u64 e, u64 s, u64 a3, u64 a4, u64 a5)
{
	const struct credentials c = mine_now();

	return put_three(r, e, s, c.uid, c.euid, c.suid);
}

s64 sys_getresgid(u64 r, u64 e, u64 s, u64 a3, u64 a4, u64 a5)
{
	const struct credentials c = mine_now();

	return put_three(r, e, s, c.gid, c.egid, c.sgid);
}

s64 sys_getgroups(u64 n, u64 list, u64 a2, u64 a3, u64 a4, u64 a5)
{
	const struct credentials c = mine_now();

	if ((s32)n < 0 || ((s32)n != 0 && (u32)n < c.nr_groups))
		return -EINVAL;
	if ((u32)n != 0 && copy_to_user(list, c.group, c.nr_groups * 4) < 0)
		return -EFAULT;
	return c.nr_groups;
}

s64 sys_setgroups(u64 n, u64 list, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct credentials *c = &process_current()->cred;
	u32 group[NR_GROUPS_MAX];

	if (!capable(CAP_SETGID))
		return -EPERM;
	if ((u32)n > NR_GROUPS_MAX)
		return -EINVAL;
	if (copy_from_user(group, list, (u32)n * 4) < 0)
		return -EFAULT;
	for (u32 i = 0; i < (u32)n; i++)
		if (group[i] == (u32)-1)
			return -EINVAL;
	spin_lock(&tree_lock);
	memcpy(c->group, group, (u32)n * 4);
	c->nr_groups = n;
	spin_unlock(&tree_lock);
	return 0;
}

/* --- capabilities; capget(2): version 1 has 32 bits, 2 and 3 have two words each --- */

#define CAP_V1	0x19980330U
#define CAP_V2	0x20071026U
#define CAP_V3	0x20080522U

struct cap_header { u32 version; s32 pid; };
struct cap_data { u32 effective, permitted, inheritable; };

/* How many struct cap_data the header means. */
static int cap_words(u64 user, struct cap_header *h, unsigned *nr)
{
	if (copy_from_user(h, user, sizeof(*h)) < 0)
		return -EFAULT;
	switch (h->version) {
	case CAP_V1:
		*nr = 1;
		return 0;
	case CAP_V2:
	case CAP_V3:
		*nr = 2;
		return 0;
	}
	return put_user32(user, CAP_V3) < 0 ? -EFAULT : -EINVAL;
}

s64 sys_capget(u64 header, u64 data, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct cap_data d[2];
	struct cap_header h;
	const struct credentials *c = NULL;
	struct task *t;
	unsigned nr;
	int rc = cap_words(header, &h, &nr);

	if (rc < 0)
		return data == 0 && rc == -EINVAL ? 0 : rc;	/* asked for the version only */
	if (h.pid < 0)
		return -EINVAL;
	spin_lock(&tree_lock);
	t = h.pid == 0 ? task_current() : task_find_locked(h.pid);
	if (t != NULL || (u32)h.pid == process_init->pid) {
		c = t != NULL ? &t->process->cred : &process_init->cred;
		for (unsigned i = 0; i < 2; i++)
			d[i] = (struct cap_data){ c->effective >> 32 * i, c->permitted >> 32 * i, c->inheritable >> 32 * i };
	}
	spin_unlock(&tree_lock);
	if (c == NULL)
		return -ESRCH;
	return data == 0 ? 0 : copy_to_user(data, d, nr * sizeof(d[0]));
}

s64 sys_capset(u64 header, u64 data, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct cap_data d[2] = { { 0 } };
	struct cap_header h;
	unsigned nr;
	int rc = cap_words(header, &h, &nr);

	if (rc < 0)
		return rc;
	if (h.pid != 0 && (u32)h.pid != task_current()->tid)
		return -EPERM;
	if (copy_from_user(d, data, nr * sizeof(d[0])) < 0)
		return -EFAULT;
	return CHANGE(cred_set_caps, ((u64)d[1].effective << 32 | d[0].effective) & CAP_ALL,
		      ((u64)d[1].permitted << 32 | d[0].permitted) & CAP_ALL,
		      ((u64)d[1].inheritable << 32 | d[0].inheritable) & CAP_ALL);
}
