/* SPDX-License-Identifier: MIT */
#include "managers/processor/process/credentials.h"

#include "lib/base/errno.h"

#define NONE		((u32)-1)
#define MODE_SET_UID	04000
#define MODE_SET_GID	02000
#define MODE_GROUP_EXEC	00010

void cred_init_root(struct credentials *c)
{
	*c = (struct credentials){ .permitted = CAP_ALL, .effective = CAP_ALL, .bounding = CAP_ALL };
}

/* What capabilities become when user ids change from those of `was`: capabilities(7), "effect of user ID changes". */
static void caps_follow(struct credentials *c, const struct credentials *was)
{
	bool root_before = was->uid == 0 || was->euid == 0 || was->suid == 0;
	bool root_now = c->uid == 0 || c->euid == 0 || c->suid == 0;

	if (c->secure & SECURE_NO_FIXUP)
		return;
	if (root_before && !root_now) {
		c->ambient = 0;
		if (!(c->secure & SECURE_KEEP_CAPS))
			c->permitted = c->effective = 0;
	}
	if (was->euid == 0 && c->euid != 0)
		c->effective = 0;
	else if (was->euid != 0 && c->euid == 0)
		c->effective = c->permitted;
}

static void set_uids(struct credentials *c, u32 real, u32 effective, u32 saved)
{
	struct credentials was = *c;

	c->uid = real == NONE ? c->uid : real;
	c->euid = effective == NONE ? c->euid : effective;
	c->suid = saved == NONE ? c->suid : saved;
	c->fsuid = c->euid;
	caps_follow(c, &was);
}

static void set_gids(struct credentials *c, u32 real, u32 effective, u32 saved)
{
	c->gid = real == NONE ? c->gid : real;
	c->egid = effective == NONE ? c->egid : effective;
	c->sgid = saved == NONE ? c->sgid : saved;
	c->fsgid = c->egid;
}

static bool is_uid(const struct credentials *c, u32 id)
{
	return id == NONE || id == c->uid || id == c->euid || id == c->suid;
}

static bool is_gid(const struct credentials *c, u32 id)
{
	return id == NONE || id == c->gid || id == c->egid || id == c->sgid;
}

int cred_set_uids(struct credentials *c, u32 real, u32 effective, u32 saved)
{
	if (!cred_has(c, CAP_SETUID) && !(is_uid(c, real) && is_uid(c, effective) && is_uid(c, saved)))
		return -EPERM;
	set_uids(c, real, effective, saved);
	return 0;
}

int cred_set_gids(struct credentials *c, u32 real, u32 effective, u32 saved)
{
	if (!cred_has(c, CAP_SETGID) && !(is_gid(c, real) && is_gid(c, effective) && is_gid(c, saved)))
		return -EPERM;
	set_gids(c, real, effective, saved);
	return 0;
}

int cred_setuid(struct credentials *c, u32 id)
{
	if (cred_has(c, CAP_SETUID))
		set_uids(c, id, id, id);
	else if (id == c->uid || id == c->suid)
		set_uids(c, NONE, id, NONE);
	else
		return -EPERM;
	return 0;
}

int cred_setgid(struct credentials *c, u32 id)
{
	if (cred_has(c, CAP_SETGID))
		set_gids(c, id, id, id);
	else if (id == c->gid || id == c->sgid)
		set_gids(c, NONE, id, NONE);
	else
		return -EPERM;
	return 0;
}

/* The saved id follows when the real one is set, or the effective one to other than the real one was. */
int cred_setreuid(struct credentials *c, u32 real, u32 effective)
{
	u32 e = effective == NONE ? c->euid : effective;
	bool save = real != NONE || (effective != NONE && effective != c->uid);

	if (!cred_has(c, CAP_SETUID) && ((real != NONE && real != c->uid && real != c->euid) || !is_uid(c, effective)))
		return -EPERM;
	set_uids(c, real, effective, save ? e : NONE);
	return 0;
}

int cred_setregid(struct credentials *c, u32 real, u32 effective)
{
	u32 e = effective == NONE ? c->egid : effective;
	bool save = real != NONE || (effective != NONE && effective != c->gid);

	if (!cred_has(c, CAP_SETGID) && ((real != NONE && real != c->gid && real != c->egid) || !is_gid(c, effective)))
		return -EPERM;
	set_gids(c, real, effective, save ? e : NONE);
	return 0;
}

/* The capabilities about files, which go and come with a fsuid of 0. */
#define BIT(cap)	(1ULL << (cap))
#define CAPS_OF_FILES	(BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) |	\
			 BIT(CAP_IMMUTABLE) | BIT(CAP_MKNOD) | BIT(CAP_MAC_OVERRIDE))

u32 cred_setfsuid(struct credentials *c, u32 id)
{
	u32 was = c->fsuid;

	if (id == NONE || (!is_uid(c, id) && id != was && !cred_has(c, CAP_SETUID)))
		return was;
	c->fsuid = id;
	if (c->secure & SECURE_NO_FIXUP)
		return was;
	if (was == 0 && id != 0)
		c->effective &= ~CAPS_OF_FILES;
	else if (was != 0 && id == 0)
		c->effective |= c->permitted & CAPS_OF_FILES;
	return was;
}

u32 cred_setfsgid(struct credentials *c, u32 id)
{
	u32 was = c->fsgid;

	if (id != NONE && (is_gid(c, id) || id == was || cred_has(c, CAP_SETGID)))
		c->fsgid = id;
	return was;
}

int cred_set_caps(struct credentials *c, u64 effective, u64 permitted, u64 inheritable)
{
	u64 may_inherit = c->inheritable | (cred_has(c, CAP_SETPCAP) ? c->bounding : c->permitted);

	if ((permitted & ~c->permitted) || (effective & ~permitted) || (inheritable & ~may_inherit) ||
	    (inheritable & ~(c->inheritable | c->bounding)))
		return -EPERM;
	c->effective = effective;
	c->permitted = permitted;
	c->inheritable = inheritable;
	c->ambient &= permitted & inheritable;
	return 0;
}

int cred_set_secure(struct credentials *c, u64 bits)
{
	u8 fixed = (c->secure & SECURE_LOCKS) | (c->secure & SECURE_LOCKS) >> 1;	/* the locks, and what they lock */

	if (bits > 0xff || ((bits ^ c->secure) & fixed) || !cred_has(c, CAP_SETPCAP))
		return -EPERM;
	c->secure = bits;
	return 0;
}

int cred_keep_caps(struct credentials *c, bool keep)
{
	if (c->secure & SECURE_KEEP_CAPS << 1)
		return -EPERM;
	c->secure = keep ? c->secure | SECURE_KEEP_CAPS : c->secure & ~SECURE_KEEP_CAPS;
	return 0;
}

bool cred_exec(struct credentials *c, u32 mode, u32 uid, u32 gid)
{
	u64 had = c->permitted;
	bool root;

	if (!c->no_new_privs) {
		if (mode & MODE_SET_UID)
			c->euid = uid;
		if ((mode & (MODE_SET_GID | MODE_GROUP_EXEC)) == (MODE_SET_GID | MODE_GROUP_EXEC))
			c->egid = gid;
	}
	if (c->euid != c->uid || c->egid != c->gid)
		c->ambient = 0;
	root = !(c->secure & SECURE_NOROOT);
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	c->permitted = root && (c->uid == 0 || c->euid == 0) ? c->bounding | c->inheritable : c->ambient;
	if (c->no_new_privs)
		c->permitted &= had;		/* nor does root get back what it has given up */
	c->effective = root && c->euid == 0 ? c->permitted : c->ambient;
	c->secure &= ~SECURE_KEEP_CAPS;
	return c->uid != c->euid || c->gid != c->egid;
}

bool cred_changed_hands(const struct credentials *old, const struct credentials *now)
{
	return old->euid != now->euid || old->egid != now->egid || old->fsuid != now->fsuid || old->fsgid != now->fsgid ||
	       (now->permitted & ~old->permitted) != 0;
}

bool cred_exec_traced(struct credentials *c, u32 mode, u32 uid, u32 gid)
{
	u64 before = c->permitted;
	bool given = cred_exec(c, mode & ~(MODE_SET_UID | MODE_SET_GID), uid, gid);

	c->permitted &= before;
	c->effective &= before;
	return given;
}

bool cred_may_signal(const struct credentials *me, const struct credentials *other)
{
	return cred_has(me, CAP_KILL) || me->euid == other->uid || me->euid == other->suid || me->uid == other->uid ||
	       me->uid == other->suid;
}

bool cred_may_inspect(const struct credentials *me, const struct credentials *other)
{
	bool same = me->uid == other->uid && me->uid == other->euid && me->uid == other->suid && me->gid == other->gid &&
		    me->gid == other->egid && me->gid == other->sgid && (other->permitted & ~me->permitted) == 0;

	return same || cred_has(me, CAP_SYS_PTRACE);
}
