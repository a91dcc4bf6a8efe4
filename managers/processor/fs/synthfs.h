/* SPDX-License-Identifier: MIT */
/* Tables of made-up files; see synthfs.c. */
#ifndef MANAGERS_PROCESSOR_SYNTHFS_H
#define MANAGERS_PROCESSOR_SYNTHFS_H

#include "managers/processor/fs/fs.h"

struct text {
	char *buf;
	size_t len, room;
	bool failed;		/* no memory */
	bool denied;		/* not the reader's to see */
};
void text_printf(struct text *t, const char *fmt, ...) __printf(2, 3);

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
void show_pid_status(struct text *t, u32 pid);
void show_machine_stat(struct text *t, u32 none);
void show_machine_uptime(struct text *t, u32 none);
void show_net_tcp(struct text *t, u32 pid);	/* socket/show.c */
void show_net_udp(struct text *t, u32 pid);
void show_net_unix(struct text *t, u32 pid);
void show_sysvipc_shm(struct text *t, u32 pid);	/* ipc/ */
void show_sysvipc_sem(struct text *t, u32 pid);
void show_sysvipc_msg(struct text *t, u32 pid);

struct synth_entry {		/* one of dir, show, link, rdev; tables end with a row of zeros */
	const char *name;
	u32 mode;		/* S_IFMT and permissions */
	const struct synth_entry *dir;
	void (*show)(struct text *t, u32 pid);
	s64 (*link)(u32 pid, u32 nr, char *buf, size_t size);	/* length of the target */
	int (*follow)(u32 pid, u32 nr, struct dentry **out);	/* see inode_ops */
	u32 rdev;
	int (*find)(const char *name, u32 pid, struct inode **out);	/* names beyond the table */
	s64 (*next)(u32 pid, u64 from);		/* ... the numbers among them: the first >= from, or -1 */
	u32 next_mode;
	const char *next_prefix;	/* stands before the number; NULL: nothing */
};

struct inode *synth_inode(const struct synth_entry *e, u32 pid, u32 nr);	/* nr: which of several alike */

#endif
