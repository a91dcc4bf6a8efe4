/* SPDX-License-Identifier: MIT */
/* Tables of made-up files; see synthfs.c. */
#ifndef MANAGERS_PROCESSOR_SYNTHFS_H
#define MANAGERS_PROCESSOR_SYNTHFS_H

#include "managers/processor/fs/fs.h"

#define MOUNT_ID(id)	(20 + (id))	/* of a mount, as programs see it */

struct text {
	char *buf;
	size_t len, room;
	bool failed;		/* no memory */
	bool denied;		/* not the reader's to see */
};
void text_printf(struct text *t, const char *fmt, ...) __printf(2, 3);
void text_bytes(struct text *t, const void *bytes, size_t len);	/* as they are */

void show_cpuinfo(struct text *t, u32 pid);	/* cpuinfo.c */
void show_maps(struct text *t, u32 pid);	/* proc_maps.c */
void show_smaps(struct text *t, u32 pid);
void show_smaps_rollup(struct text *t, u32 pid);
/* cpu_sys.c: /sys/devices/system/cpu */
void show_cpu_range(struct text *t, u32 none);
int find_cpu(const char *name, u32 none, struct inode **out);
s64 next_cpu(u32 none, u64 from);
/* proc_pid.c */
void show_pid_stat(struct text *t, u32 pid);
void show_pid_statm(struct text *t, u32 pid);
void show_pid_status(struct text *t, u32 pid, u32 tid);	/* tid: of this thread of it; 0: of the process */
void show_pid_io(struct text *t, u32 pid, u32 tid);
void show_pid_auxv(struct text *t, u32 pid);
void show_pid_oom_score(struct text *t, u32 pid);
void show_pid_oom_adj(struct text *t, u32 pid);
int store_pid_oom_adj(const char *value, u32 pid);
/* proc_fd.c: /proc/PID/fd and fdinfo */
int find_fd(const char *name, u32 pid, struct inode **out);
int find_fdinfo(const char *name, u32 pid, struct inode **out);
s64 next_fd(u32 pid, u64 from);
/*
 * May the current task look into this process? What another has in its memory and what it has open is asked for each time: whom a file
 * belongs to was seen when its name was looked up, and the number may be another's by now, or its program a set-user-ID one.
 */
bool proc_is_own(u32 pid, u32 *uid, u32 *gid);	/* Is that the calling process? And whom it acts for */
bool proc_may_look(u32 pid);			/* true where there is none: that is said elsewhere */
struct process;
bool proc_may_look_locked(const struct process *p);	/* tree_lock held */
void show_machine_stat(struct text *t, u32 none);
void show_machine_uptime(struct text *t, u32 none);
void show_locks(struct text *t, u32 none);	/* lock.c */
void show_net_tcp(struct text *t, u32 pid);	/* socket/show.c */
void show_net_udp(struct text *t, u32 pid);
void show_net_unix(struct text *t, u32 pid);
void show_sysvipc_shm(struct text *t, u32 pid);	/* ipc/ */
void show_sysvipc_sem(struct text *t, u32 pid);
void show_sysvipc_msg(struct text *t, u32 pid);

int open_pid_mem(struct file *f, u32 pid);	/* proc_mem.c: -ESRCH, -EACCES, -ENOMEM */

struct synth_entry {		/* one of dir, show, open, link, rdev; tables end with a row of zeros */
	const char *name;
	u32 mode;		/* S_IFMT and permissions */
	const struct synth_entry *dir;
	void (*show)(struct text *t, u32 pid);
	void (*show_of)(struct text *t, u32 pid, u32 nr);	/* the same, of one of several alike */
	int (*store)(const char *value, u32 pid);	/* what is written to it, as text; NULL: only what it says already, if its mode lets it */
	int (*open)(struct file *f, u32 pid);	/* a file of its own kind: sets f->ops */
	bool guarded;		/* for those alone who may look into the process: -EACCES */
	bool for_itself;	/* the process that it is of may always enter, whatever it has made of itself */
	s64 (*link)(u32 pid, u32 nr, char *buf, size_t size);	/* length of the target */
	int (*follow)(u32 pid, u32 nr, struct dentry **out);	/* see inode_ops */
	u32 rdev;
	int (*find)(const char *name, u32 pid, struct inode **out);	/* names beyond the table */
	s64 (*next)(u32 pid, u64 from);		/* ... the numbers among them: the first >= from, or -1 */
	u32 next_mode;		/* of those */
	const char *next_prefix;	/* stands before the number; NULL: nothing */
};

/* What i is, and of which process; NULL: it is not made up here */
const struct synth_entry *synth_entry_of(const struct inode *i, u32 *pid);
struct process *proc_folder_process(const struct inode *i);	/* with a reference; NULL: not the folder of a process that is there */
bool proc_is_folder(const struct inode *i);			/* /proc/PID, whether it is there any more or not */
struct inode *synth_inode(const struct synth_entry *e, u32 pid, u32 nr);	/* nr: which of several alike */

#endif
