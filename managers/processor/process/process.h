/* SPDX-License-Identifier: MIT */
/*
 * Processes and their threads, as Linux shows them to programs.
 *
 * A task is a user thread; a process is a thread group. Tasks own references to what clone() can share: address space,
 * descriptors, file-system context. The process owns what all its threads share by definition: signal actions, the tree,
 * the exit status. Process 1 is the kernel's own: it has no task, is the parent of what the control port starts and of orphans.
 *
 * Locks: tree_lock (RANK_PROCESS_TREE) guards the tree, the lists of tasks, groups and sessions, and exit states;
 * process->signal_lock (RANK_SIGNAL), taken under it, guards pending signals and masks; handlers->lock (RANK_HANDLERS), under that,
 * the actions, which processes may share (CLONE_SIGHAND).
 */
#ifndef MANAGERS_PROCESSOR_PROCESS_H
#define MANAGERS_PROCESSOR_PROCESS_H

#include "arch/x86/regs.h"
#include "kernel/mutex.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/waitq.h"
#include "kernel/work.h"
#include "managers/processor/process/abi.h"
#include "managers/processor/process/credentials.h"
#include "managers/processor/process/seccomp.h"
#include "managers/processor/process/usage.h"
#include "managers/processor/space/space.h"

struct fd_table;
struct fs_context;
struct file;
struct tty;

#define NR_SIGNALS	64
typedef u64 sigset_t_;				/* bit n-1: signal n */
#define SIGBIT(n)	(1ULL << ((n) - 1))
#define SIG_STOPS	(SIGBIT(SIGSTOP) | SIGBIT(SIGTSTP) | SIGBIT(SIGTTIN) | SIGBIT(SIGTTOU))

struct ptimer;					/* process/timers.c */
struct queued_signal {
	struct list link;
	struct siginfo_abi info;
	struct ptimer *timer;			/* its own: stays when taken; NULL: allocated */
};

struct pending {				/* [signal_lock] */
	sigset_t_ set;
	struct list queue;			/* struct queued_signal, in order of arrival */
	u32 nr;					/* allocated ones among them */
};

struct handlers {				/* what signals do */
	refcount_t refs;
	struct spinlock lock;
	struct sigaction_abi action[NR_SIGNALS + 1];	/* [lock to change; a handler may be looked at without] by signal number */
};

enum process_state { PROCESS_LIVE, PROCESS_ZOMBIE, PROCESS_REAPED };

struct process {
	refcount_t refs;
	u32 pid;				/* [I] */
	u32 pgid, sid;				/* [tree_lock] */
	struct tty *tty;			/* [tree_lock] controlling terminal, with a reference: process/job.h */
	u32 hung_up_pgid;			/* [tree_lock] foreground group of the terminal that the leader has lost */
	struct process *parent;			/* [tree_lock] */
	struct list children, sibling;		/* [tree_lock] */
	u32 maker;				/* [tree_lock] the parent's thread whose child it is: __WNOTHREAD */
	struct list all_link;			/* [tree_lock] */
	struct list tasks;			/* [tree_lock] struct task.group_link */
	unsigned nr_tasks;			/* [tree_lock] */
	unsigned nr_in_space;			/* [tree_lock] tasks that still have their address space */
	struct task *leader;			/* [tree_lock] may have exited before the others */
	u8 state;				/* [tree_lock] enum process_state */
	bool leader_gone;			/* [tree_lock] */
	bool group_exit;			/* [tree_lock] all tasks are to end with exit_status */
	struct task *exec_task;			/* [tree_lock] the one that survives: all others are to end */
	u32 exit_status;			/* [tree_lock] as wait4 shows it */
	u32 exit_signal;			/* [tree_lock] to the parent: SIGCHLD, or what clone was told; 0: none */
	bool stopped, stop_reported, continued;	/* [tree_lock] job control */
	bool killed;				/* [tree_lock] SIGKILL has been sent */
	u32 exec_private;			/* [tree_lock] calls of execve that are about to give it other rights: nobody may attach */
	struct tracee *dead_leader;		/* [tree_lock] its first thread has ended under a tracer: process/ptrace.h */
	struct list dead_tracees;		/* [tree_lock] struct tracee: other threads of which the tracer has not heard */
	bool stop_taken;			/* [tree_lock, signal_lock] a stop was taken off the queue; SIGCONT undoes it */
	u8 stop_signal;
	struct waitq child_wait;		/* parents wait here for children */
	struct waitq end_wait;			/* woken when it has ended: pidfd_open(2) */
	struct waitq signal_wait;		/* woken when a signal is queued for it or one of its tasks: signalfd(2) */
	struct waitq task_wait;			/* exec waits here for its siblings to go; stopped tasks wait to go on */

	struct spinlock signal_lock;
	struct handlers *handlers;		/* [tree_lock and signal_lock to change] with a reference: handlers.c */
	struct pending pending;			/* [signal_lock] for the process as a whole */

	struct credentials cred;		/* [tree_lock] */
	bool no_huge_pages;		/* [a] PR_SET_THP_DISABLE: kept; there are none */
	bool undumpable;			/* [tree_lock] others may not look into it: PR_SET_DUMPABLE, programs that are set-user-ID or may not be read */
	bool subreaper;				/* [tree_lock] PR_SET_CHILD_SUBREAPER: gets the orphans of its descendants */
	u32 personality;			/* [tree_lock; read without it] personality(2) */
	u8 memory_failure;			/* [a] PR_MCE_KILL: kept; no failure of memory is told to programs */
	u32 membarriers;			/* [a] what the process has registered for: membarrier(2) */
	struct rlimit_abi rlimit[16];		/* [tree_lock] */
	u64 start_ns;				/* [I] */
	struct usage ended, reaped;		/* [tree_lock] of ended tasks and given up spaces; of reaped children */
	bool spawned;				/* [I] by the kernel: process_wait_reap() waits for it */
	bool did_exec;				/* [tree_lock] setpgid() of a child is refused after it */
	struct file *exe;			/* [tree_lock] /proc/self/exe */
	s16 oom_adj, oom_adj_least;		/* [tree_lock] /proc/PID/oom_score_adj, and how far down without CAP_SYS_RESOURCE; kept only */
	char comm[16];				/* [tree_lock] */
	struct list timers;			/* [signal_lock] struct ptimer, by id */
	struct ptimer *own_timer[4];		/* [signal_lock] by PTIMER_* */
	bool timers_gone;			/* [signal_lock] it has ended: no new ones */
	struct list sem_undos;			/* ipc/sem.c's */
};

struct io_context;				/* syscall/sched.c */
struct vfork_wait;				/* process/clone.c */
struct tracee;					/* process/ptrace.h */

#define TIMER_SLACK_NS	50000

struct task {
	struct thread *thread;			/* [I] */
	struct process *process;		/* [I] with a reference */
	u32 tid;				/* [tree_lock] exec may make it the leader's */
	struct list group_link;			/* [tree_lock] */
	struct list tid_link;			/* [tree_lock] */
	/* [o] to use; changed under tree_lock, so that others may look: task_set_space(), task_set_files() */
	struct space *space;			/* NULL once exited */
	struct fd_table *files;
	struct fs_context *fs;			/* [o] */
	struct regs start;			/* registers to begin with */
	u64 clear_child_tid, set_child_tid;	/* [o] user addresses */
	u64 robust_list;			/* [o] */
	sigset_t_ blocked;			/* [signal_lock] */
	sigset_t_ waited_for;			/* [signal_lock] by sigtimedwait: not blocked now, but not to be ignored either */
	sigset_t_ saved_blocked;		/* [o] to be restored after sigsuspend and the like */
	bool restore_blocked;			/* [o] */
	struct pending pending;			/* [signal_lock] */
	u64 altstack_sp, altstack_size;		/* [o] */
	u32 altstack_flags;
	struct vfork_wait *vfork;		/* [o] whom to release at exec or exit */
	u64 restart_deadline;			/* [o] of the call that restart_syscall would go on with */
	s64 (*restart)(struct task *t);
	u64 restart_arg[4];
	struct { u64 va; u32 count; } same_fault;	/* [o] space/'s progress token */
	bool exiting;				/* [a] */
	u8 policy, rt_priority;			/* [tree_lock] SCHED_*; syscall/sched.c */
	u8 base_priority;			/* [tree_lock] PRIO_* by its policy; the thread's own may be better for a while: */
	bool boosted;				/* [tree_lock] by one who waits for a lock that it has */
	struct io_context *io_shared;		/* [tree_lock] with a reference; NULL: nothing is set. syscall/sched.c */
	u8 mempolicy;				/* [o] syscall/mempolicy.c */
	bool policy_reset;			/* [tree_lock] children begin with SCHED_OTHER */
	u8 death_signal;			/* [tree_lock] when the parent ends: PR_SET_PDEATHSIG */
	bool io_flusher;			/* [o] PR_SET_IO_FLUSHER: kept only */
	u64 timer_slack_ns;			/* [o] kept only; 0: TIMER_SLACK_NS */
	struct seccomp seccomp;
	struct io_count io;			/* [o] others may look */
	u64 fault_trapno, fault_error, fault_addr;	/* [o] of the last fault that became a signal */
	struct tracee *tracee;			/* [tree_lock] it is traced: process/ptrace.h */
	struct list tracees;			/* [tree_lock] struct tracee.link: whom it traces */
	struct tracee *tracee_offer;		/* [o of its maker] for a child that is to be traced from the beginning */
	u8 birth_event;				/* [o of its maker] PTRACE_EVENT_* of its making, or 0 */
	bool clone_ptrace;			/* [o of its maker] CLONE_PTRACE */
	bool exec_private;			/* [tree_lock] its execve is counted in its process's */
	bool trap;				/* [signal_lock] a stop is asked for: tracee_traps() */
	bool forced_tf;				/* [o] the trap flag in its registers is the tracer's */
};

extern struct spinlock tree_lock;
extern struct process *process_init;		/* pid 1 */
extern struct usage processes_gone;		/* [tree_lock] what those that are reaped had used */
extern u32 processes_made;			/* [tree_lock] since boot */

static inline struct task *task_current(void) { return thread_current()->task; }
static inline struct process *process_current(void) { return task_current()->process; }

void process_get(struct process *p);
void process_put(struct process *p);
struct process *process_find(u32 pid);		/* with a reference, or NULL; tree_lock not held */
struct process *process_find_locked(u32 pid);	/* tree_lock held; valid under it; one that has ended and is not reaped, too */
u32 process_group_session_locked(u32 pgid);	/* tree_lock held: the session that the group's members are all of; 0: there is none */
struct task *task_find_locked(u32 tid);		/* tree_lock held; valid under it */
void process_for_each(bool (*fn)(struct process *p, void *arg), void *arg);	/* under tree_lock; false ends it */
unsigned process_count(void);

int process_subsystem_init(void);

/* pid.c: numbers shared by tasks, processes, groups and sessions; tree_lock held */
int __must_check tid_alloc_locked(struct task *t);	/* t->tid: the one it is to have, or 0: any. 0, -EAGAIN: none is free, -EEXIST */
int tid_may_choose(u32 tid);			/* may the current process give this number to a child? 0, -EINVAL, -EPERM */
u32 tid_last(void);				/* the last number given out; tree_lock need not be held */
void tid_free_locked(struct task *t);
void tid_take_over_locked(struct task *t, u32 tid);

/* process.c */
struct process *process_alloc(struct process *parent);	/* LIVE, on no list yet */
struct task *task_alloc(struct process *p);		/* with a thread, not started; NULL: no memory */
void task_free(struct task *t);
void task_discard(struct task *t);
void task_set_files(struct task *t, struct fd_table *files);	/* lets go of the old ones, unless they are the same */
struct space *task_set_space(struct task *t, struct space *s);	/* the old one: the caller's to put */
struct space *process_space_of(struct process *p);	/* with a reference; NULL: it has none any more */
struct space *process_space(u32 pid);			/* with a reference; NULL: there is no such process, or it has none */
void process_discard(struct process *p);
/* On all lists; -EAGAIN beyond RLIMIT_NPROC or when the group is ending. */
int task_publish(struct task *t, struct process *parent);
void task_run(void *task);				/* what a user thread's kernel thread runs */

/*
 * Start a program as a child of process 1: descriptors 0, 1, 2 as given, the rest empty. *out carries a reference. The exec
 * itself has been done when this returns 0: else its errno.
 */
struct spawn {
	const char *path;
	char *const *argv, *const *envp;	/* NULL-terminated */
	const char *cwd;
	struct file *stdio[3];
	struct tty *tty;			/* to be its controlling terminal; NULL: it has none */
};
int __must_check process_spawn(const struct spawn *s, struct process **out);
/* Sleep until it has ended, reap it: its wait status. */
u32 process_wait_reap(struct process *p);

void process_unlink_locked(struct process *p);

/* exit.c */
void __noreturn task_exit(u32 status);			/* this thread only */
bool process_exit_group(struct process *p, u32 status);	/* all threads of p are to end; returns; false: they were to already */
/* tree_lock held: p has ended, or who had to hear of it first has. It may come to nobody: then it is put on dead, for put_dead(). */
void process_ended_locked(struct process *p, struct list *dead);
void put_dead(struct list *dead);			/* tree_lock not held */
void task_exit_if_killed(void);				/* on the way to user mode */
void exit_release_vfork(struct task *t);

/* exec.c */
int exec_kernel(struct task *t, const struct spawn *s);

/* signal.c */
bool signal_send_timer_locked(struct process *p, struct task *t, struct queued_signal *q);	/* a timer's own */
void pending_unlink(struct pending *q, struct queued_signal *s);	/* signal_lock held: a timer's goes out of the queue */
int signal_send_process(struct process *p, const struct siginfo_abi *info);	/* kill */
int signal_send_task(struct task *t, const struct siginfo_abi *info);		/* tgkill; tree_lock not held, t referenced */
/* tree_lock held; t NULL: the process. false: nobody will ever take it */
bool signal_send_locked(struct process *p, struct task *t, const struct siginfo_abi *info);
/* tree_lock held. Must one more queued signal be refused to p, or to one of its threads? The limit counts those of all its user's. */
bool signal_queue_full_locked(const struct process *p, int sig);
u64 signals_of_user_locked(u32 uid);			/* queued now; tree_lock held */
void signal_force(int sig, int code, u64 addr, int trapno, u64 error);		/* a fault of the current task: cannot be ignored */
void signal_force_info(const struct siginfo_abi *info);	/* the same, with all that is told */
void signal_self(int sig);				/* to the current task, for what it is doing */
static inline void signal_pipe(void) { signal_self(SIGPIPE); }
bool signal_pending_current(void);
void signal_deliver(struct regs *r);			/* user_return: at most builds frames, or ends the process */
void signal_flush(struct pending *q);			/* signal_lock held */
void signal_drop_ignored(struct process *p, int sig);
void signal_retarget_locked(struct process *p);		/* tree_lock held: whoever can take what is pending hears of it */
void signal_recalc(struct task *t);			/* signal_lock held: notify flags follow what is pending */
void signal_set_blocked(struct task *t, sigset_t_ set);
void signal_set_waited(struct task *t, sigset_t_ set);
int signal_next(struct task *t, sigset_t_ mask, struct siginfo_abi *info);	/* take one of mask off the queues: its number, or 0 */

/* handlers.c */
struct handlers *handlers_create(void);		/* all default; NULL: no memory */
void handlers_put(struct handlers *h);
void handlers_reset(struct handlers *h);		/* execve: to default, unless ignored */
int handlers_unshare(struct process *p);		/* a copy of its own, if others have them too: 0 or -ENOMEM */
static inline u64 handler_of(const struct process *p, int sig) { return READ_ONCE(p->handlers->action[sig].handler); }
static inline u64 handler_flags(const struct process *p, int sig) { return READ_ONCE(p->handlers->action[sig].flags); }
struct sigaction_abi handlers_set(struct process *p, int sig, const struct sigaction_abi *act);	/* act NULL: looked at only. What was */

/* syscall/sched.c: tree_lock held */
int __must_check io_inherit_locked(struct task *t, struct task *from, bool share);	/* 0 or -ENOMEM */
void io_drop(struct io_context *io);			/* tree_lock need not be held */

/* futex.c */
int futex_wake(struct space *s, u64 va, bool shared, unsigned nr, u32 bitset);
void futex_exit_robust(struct task *t);
void futex_owner_gone(u32 tid);			/* tid has ended and is off the table: its locks are its waiters' */
void futex_init(void);

/* rlimits and credentials */
u64 rlimit_current(unsigned resource);
/* RLIMIT_FSIZE: *len becomes what may be written at pos; -EFBIG, and SIGXFSZ to the current task: nothing. */
int __must_check rlimit_file_size(u64 pos, size_t *len);
bool capable(unsigned cap);				/* has the current process this capability? */
static inline bool capable_current(void) { return capable(CAP_SYS_ADMIN); }
/* May the current process look into p, which is another? tree_lock held */
bool process_may_inspect_locked(const struct process *p);
/* A task's memory, with a reference, if the current process may look into it: -ESRCH, -EPERM. tree_lock not held */
int __must_check task_space_inspect(u32 tid, struct space **out);
bool credentials_may_set_group(u32 gid);		/* may it make set-group-ID files of this group? A member, or CAP_FSETID */
bool credentials_in_group(u32 gid);			/* supplementary groups of the current process */
#endif
