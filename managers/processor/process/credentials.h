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
	CAP_SYS_ADMIN = 21, CAP_SYS_BOOT, CAP_SYS_NICE, CAP_SYS_RESOURCE, CAP_SYS_TIME, CAP_SYS_TTY_CONFIG,
	CAP_MKNOD, CAP_LEASE, CAP_MAC_OVERRIDE = 32, CAP_SYSLOG = 34, CAP_WAKE_ALARM, CAP_CHECKPOINT_RESTORE = 40, CAP_LAST = 40
};
#define CAP_ALL		((1ULL << (CAP_LAST + 1)) - 1)

/* What uid 0 means for capabilities; each bit's left neighbour says that it stays as it is. capabilities(7) */
#define SECURE_NOROOT		0x01	/* programs get none for it */
#define SECURE_NO_FIXUP		0x04	/* none come and go with it */
#define SECURE_KEEP_CAPS	0x10	/* they are not lost with the last uid of 0, until execve */
#define SECURE_NO_AMBIENT	0x40	/* none become ambient */
#define SECURE_LOCKS		0xaa

struct credentials {
	u32 uid, euid, suid, fsuid, gid, egid, sgid, fsgid;
	u32 nr_groups, group[NR_GROUPS_MAX];
	u64 permitted, effective, inheritable, bounding, ambient;	/* bit per capability */
	u8 secure;			/* SECURE_*: PR_SET_SECUREBITS, PR_SET_KEEPCAPS */
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
/* PR_SET_SECUREBITS: 0 or -EPERM; PR_SET_KEEPCAPS: the same */
int __must_check cred_set_secure(struct credentials *c, u64 bits);
int __must_check cred_keep_caps(struct credentials *c, bool keep);
/* execve of a file with this mode and owner. true: the program has more rights than who started it (AT_SECURE) */
bool cred_exec(struct credentials *c, u32 mode, u32 uid, u32 gid);
/* The same for one who is traced by somebody without CAP_SYS_PTRACE: nothing that it had not before, neither by ids nor for uid 0 */
bool cred_exec_traced(struct credentials *c, u32 mode, u32 uid, u32 gid);
/* Has the process acted for somebody else, or with other rights? Then what it holds is not for its new user to see: prctl(2), PR_SET_DUMPABLE */
bool cred_changed_hands(const struct credentials *old, const struct credentials *now);
/* May one send signals to the other, or look at it? */
bool cred_may_signal(const struct credentials *me, const struct credentials *other);
bool cred_may_inspect(const struct credentials *me, const struct credentials *other);

#endif
