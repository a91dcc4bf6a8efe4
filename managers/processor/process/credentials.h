/* SPDX-License-Identifier: MIT */
/*
 * Who a process is and what it may: credentials(7), capabilities(7). The rules by which one set of them follows from another are pure;
 * the caller holds what guards the set (tree_lock for a process's own).
 */
#ifndef MANAGERS_PROCESSOR_CREDENTIALS_H
#define MANAGERS_PROCESSOR_CREDENTIALS_H

#include "lib/base/types.h"

#define NR_GROUPS_MAX	32

enum {
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH,
	CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_IMMUTABLE,
	CAP_NET_BIND_SERVICE = 10, CAP_NET_ADMIN = 12, CAP_NET_RAW = 13, CAP_IPC_LOCK = 14, CAP_IPC_OWNER = 15,
	CAP_SYS_CHROOT = 18, CAP_SYS_PTRACE = 19,
	CAP_SYS_ADMIN = 21, CAP_SYS_NICE = 23, CAP_SYS_RESOURCE = 24, CAP_SYS_TIME = 25,
	CAP_MKNOD = 27, CAP_LEASE = 28, CAP_MAC_OVERRIDE = 32, CAP_WAKE_ALARM = 35, CAP_LAST = 40
};
#define CAP_ALL		((1ULL << (CAP_LAST + 1)) - 1)

struct credentials {
	u32 uid, euid, suid, fsuid, gid, egid, sgid, fsgid;
	u32 nr_groups, group[NR_GROUPS_MAX];
	u64 permitted, effective, inheritable, bounding, ambient;	/* bit per capability */
	bool keep_caps;			/* PR_SET_KEEPCAPS: not lost with the last uid of 0 */
	bool no_new_privs;		/* execve gives nothing more */
};

void cred_init_root(struct credentials *c);
static inline bool cred_has(const struct credentials *c, unsigned cap) { return c->effective >> cap & 1; }

/* setresuid(2) and its like: (u32)-1 leaves one alone. 0 or -EPERM, nothing changed then. */
int __must_check cred_set_uids(struct credentials *c, u32 real, u32 effective, u32 saved);
int __must_check cred_set_gids(struct credentials *c, u32 real, u32 effective, u32 saved);
int __must_check cred_setuid(struct credentials *c, u32 id);
int __must_check cred_setgid(struct credentials *c, u32 id);
int __must_check cred_setreuid(struct credentials *c, u32 real, u32 effective);
int __must_check cred_setregid(struct credentials *c, u32 real, u32 effective);
/* setfsuid(2): the old one, whatever came of it */
u32 cred_setfsuid(struct credentials *c, u32 id);
u32 cred_setfsgid(struct credentials *c, u32 id);
/* capset(2): 0 or -EPERM */
int __must_check cred_set_caps(struct credentials *c, u64 effective, u64 permitted, u64 inheritable);
/* execve of a file with this mode and owner. true: the program has more rights than who started it (AT_SECURE) */
bool cred_exec(struct credentials *c, u32 mode, u32 uid, u32 gid);
/* May one send signals to the other, or look at it? */
bool cred_may_signal(const struct credentials *me, const struct credentials *other);
bool cred_may_inspect(const struct credentials *me, const struct credentials *other);

#endif
