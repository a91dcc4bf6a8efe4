/* SPDX-License-Identifier: MIT */
/*
 * System V semaphores: semget(2), semop(2), semctl(2). Who changes a set does, in the order of their arrival, what those who wait
 * can now do, in their stead: so a value that is right for a moment only is not missed.
 */
#include "arch/x86/uaccess.h"
#include "kernel/time.h"
#include "kernel/waitq.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/synthfs.h"
#include "managers/processor/ipc/ids.h"
#include "managers/processor/ipc/sem.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/frame.h"
#include "mm/slab.h"

#define SEM_UNDO	010000
#define GETPID		11
#define GETVAL		12
#define GETALL		13
#define GETNCNT		14
#define GETZCNT		15
#define SETVAL		16
#define SETALL		17
#define SEM_STAT	18
#define SEM_INFO	19
#define SEM_STAT_ANY	20

#define SEMMNI		32000
#define SEMMSL		32000
#define SEMMNS		(SEMMNI * SEMMSL)
#define SEMOPM		500
#define SEMVMX		32767
#define FAST_OPS	8

struct sembuf_abi { u16 num; s16 op, flags; };

struct sem_set {
	struct ipc_object ipc;
	u64 otime, ctime;		/* [lock] */
	u32 nr;				/* [I] */
	struct list waiters;		/* [lock] struct sem_waiter */
	struct list undos;		/* [lock] struct sem_undo */
	struct waitq wait;
	struct { u16 value; u32 pid; } sem[];	/* [lock] */
};

struct sem_undo {			/* what the end of a process is to add */
	struct list set_link, process_link;	/* [lock] */
	struct process *process;	/* [I] with whose end or the set's this goes */
	struct sem_set *set;		/* [I] */
	s16 add[];			/* [lock] */
};

struct sem_waiter {			/* on the stack of who sleeps */
	struct list link;		/* [lock] */
	const struct sembuf_abi *ops;
	u32 nr, pid;
	u32 stuck;			/* [lock] which of ops cannot be done */
	struct sem_undo *undo;
	int result;			/* [lock] */
	bool done;			/* [lock] the last that is written here */
};

struct semid_abi {
	struct ipc_perm_abi perm;
	u64 otime, unused1, ctime, unused2, nsems, unused[2];
};
_Static_assert(sizeof(struct semid_abi) == 104, "as programs see it");

static int set_make(u64 nr, s32 key, u32 flags, struct ipc_object **out);
static int set_fits(const struct ipc_object *o, u64 nr);
static void set_free(struct ipc_object *o);
static void set_show(const struct ipc_object *o, void *out);

static struct ipc_kind sems = IPC_KIND("sem", SEMMNI, set, sizeof(struct semid_abi));

static struct sem_set *set_of(struct ipc_object *o) { return container_of(o, struct sem_set, ipc); }

static int set_make(u64 nr, s32 key, u32 flags, struct ipc_object **out)
{
	struct sem_set *s;

	if (nr == 0)
		return -EINVAL;
	s = kzalloc(sizeof(*s) + nr * sizeof(s->sem[0]));
	if (s == NULL)
		return -ENOMEM;
	s->nr = nr;
	s->ctime = ipc_now();
	list_init(&s->waiters);
	list_init(&s->undos);
	waitq_init(&s->wait);
	*out = &s->ipc;
	return 0;
}

static int set_fits(const struct ipc_object *o, u64 nr)
{
	return nr > container_of(o, const struct sem_set, ipc)->nr ? -EINVAL : 0;
}

static void set_free(struct ipc_object *o)
{
	kfree(set_of(o));
}

s64 sys_semget(u64 key, u64 nr, u64 flags, u64 a3, u64 a4, u64 a5)
{
	if ((s32)nr < 0 || (s32)nr > SEMMSL)
		return -EINVAL;
	return ipc_get(&sems, key, (u32)nr, flags);
}

/* --- operations; lock held --- */

static void undo_ops(struct sem_set *s, const struct sembuf_abi *ops, u32 nr, struct sem_undo *undo)
{
	while (nr-- > 0) {
		s->sem[ops[nr].num].value -= ops[nr].op;
		if (ops[nr].flags & SEM_UNDO)
			undo->add[ops[nr].num] += ops[nr].op;
	}
}

/* All of them or none: 0; 1: *stuck must wait; -EAGAIN, -ERANGE */
static int do_ops(struct sem_set *s, const struct sembuf_abi *ops, u32 nr, struct sem_undo *undo, u32 pid, u32 *stuck)
{
	int rc = 0;
	u32 i;

	for (i = 0; i < nr && rc == 0; i++) {
		int value = s->sem[ops[i].num].value, next = value + ops[i].op;
		int add = ops[i].flags & SEM_UNDO ? undo->add[ops[i].num] - ops[i].op : 0;

		if (ops[i].op == 0 ? value != 0 : next < 0)
			rc = ops[i].flags & IPC_NOWAIT ? -EAGAIN : 1;
		else if (next > SEMVMX || add > SEMVMX || add < -SEMVMX - 1)
			rc = -ERANGE;
		if (rc != 0)
			break;
		s->sem[ops[i].num].value = next;
		if (ops[i].flags & SEM_UNDO)
			undo->add[ops[i].num] = add;
	}
	if (rc != 0) {
		*stuck = i;
		undo_ops(s, ops, i, undo);
		return rc;
	}
	for (i = 0; i < nr; i++)
		s->sem[ops[i].num].pid = pid;
	s->otime = ipc_now();
	return 0;
}

static void waiter_end(struct sem_waiter *w, int result)
{
	list_del(&w->link);
	w->result = result;
	store_release(&w->done, true);
}

/* The set has changed: whoever can go on does. */
static void run_waiters(struct sem_set *s)
{
	struct sem_waiter *w, *next;
	bool again = true, woken = false;

	assert_held(&sems.lock);
	while (again) {
		again = false;
		list_for_each_safe(w, next, &s->waiters, link) {
			int rc = do_ops(s, w->ops, w->nr, w->undo, w->pid, &w->stuck);

			if (rc == 1)
				continue;
			waiter_end(w, rc);
			woken = true;
			if (rc == 0) {
				again = true;
				break;
			}
		}
	}
	if (woken)
		waitq_wake_all(&s->wait);
}

static struct sem_undo *undo_find(struct sem_set *s, const struct process *p)
{
	struct sem_undo *u;

	list_for_each(u, &s->undos, set_link)
		if (u->process == p)
			return u;
	return NULL;
}

static void undo_add(struct sem_set *s, struct sem_undo *u)
{
	u->process = process_current();
	u->set = s;
	list_add_tail(&s->undos, &u->set_link);
	list_add_tail(&u->process->sem_undos, &u->process_link);
}

static void undo_free(struct sem_undo *u)
{
	list_del(&u->process_link);
	list_del(&u->set_link);
	kfree(u);
}

void sem_process_ends(struct process *p)
{
	struct sem_undo *u;

	spin_lock(&sems.lock);		/* even for nothing: who removes a set may be at this list, and p does not outlive it */
	while ((u = list_first(&p->sem_undos, struct sem_undo, process_link)) != NULL) {
		struct sem_set *s = u->set;

		for (u32 i = 0; i < s->nr; i++) {
			int next = s->sem[i].value + u->add[i];

			if (u->add[i] == 0)
				continue;
			s->sem[i].value = next < 0 ? 0 : MIN(next, SEMVMX);
			s->sem[i].pid = p->pid;
		}
		undo_free(u);
		run_waiters(s);
	}
	spin_unlock(&sems.lock);
}

/* --- semop --- */

struct sem_call {
	const struct sembuf_abi *ops;
	u32 nr, highest;
	bool alters, undoes;
};

static void look_at_ops(struct sem_call *c)
{
	for (u32 i = 0; i < c->nr; i++) {
		c->highest = MAX(c->highest, (u32)c->ops[i].num);
		c->alters |= c->ops[i].op != 0;
		c->undoes |= (c->ops[i].flags & SEM_UNDO) != 0;
	}
}

/* lock held. The set that may be changed so, and its undo; spare is what may become it. -ENOMEM with *nr set: there is none yet */
static int call_begin(s32 id, const struct sem_call *c, struct sem_undo **spare, struct sem_set **set, struct sem_undo **undo, u32 *nr)
{
	struct ipc_object *o = ipc_find(&sems, id);
	int rc;

	*nr = 0;
	if (o == NULL)
		return -EINVAL;
	*set = set_of(o);
	if (c->highest >= (*set)->nr)
		return -EFBIG;
	rc = ipc_may(o, c->alters ? IPC_MAY_WRITE : IPC_MAY_READ);
	if (rc < 0 || !c->undoes)
		return rc;
	*undo = undo_find(*set, process_current());
	if (*undo == NULL && *spare != NULL) {
		undo_add(*set, *undo = *spare);
		*spare = NULL;
	}
	*nr = (*set)->nr;
	return *undo == NULL ? -ENOMEM : 0;
}

/* lock held, and dropped meanwhile */
static int wait_for_turn(struct sem_set *s, struct sem_waiter *w, u64 deadline)
{
	int rc;

	list_add_tail(&s->waiters, &w->link);
	ref_get(&s->ipc.refs);
	spin_unlock(&sems.lock);
	rc = waitq_wait_intr(&s->wait, load_acquire(&w->done), deadline);
	spin_lock(&sems.lock);
	if (w->done)
		return w->result;
	list_del(&w->link);
	return rc == -ETIMEDOUT ? -EAGAIN : -EINTR;
}

static s64 semop(s32 id, struct sem_call *c, u64 deadline)
{
	struct sem_waiter w = { .ops = c->ops, .nr = c->nr, .pid = process_current()->pid };
	struct sem_undo *spare = NULL;
	struct sem_set *s;
	bool slept = false;
	u32 nr;
	int rc;

	for (;;) {
		spin_lock(&sems.lock);
		rc = call_begin(id, c, &spare, &s, &w.undo, &nr);
		if (rc != -ENOMEM)
			break;
		spin_unlock(&sems.lock);
		kfree(spare);
		spare = frames_to_spare() ? kzalloc(sizeof(*spare) + nr * sizeof(spare->add[0])) : NULL;
		if (spare == NULL)
			return -ENOMEM;
	}
	if (rc == 0) {
		rc = do_ops(s, c->ops, c->nr, w.undo, w.pid, &w.stuck);
		slept = rc == 1;
		if (slept)
			rc = wait_for_turn(s, &w, deadline);
		else if (rc == 0 && c->alters)
			run_waiters(s);
	}
	spin_unlock(&sems.lock);
	if (slept)
		ipc_put(&sems, &s->ipc);
	kfree(spare);
	return rc;
}

s64 sys_semtimedop(u64 id, u64 ops_user, u64 nr, u64 timeout, u64 a4, u64 a5)
{
	struct sembuf_abi fast[FAST_OPS], *ops = fast;
	struct sem_call c = { .nr = nr };
	u64 ns = 0, deadline = 0;
	s64 rc = 0;

	nr = (u32)nr;
	if (nr == 0 || (s32)id < 0)
		return -EINVAL;
	if (nr > SEMOPM)
		return -E2BIG;
	if (timeout != 0) {
		rc = timespec_from_user(timeout, &ns);
		deadline = time_mono_ns() + ns;
	}
	if (rc < 0)
		return rc;
	if (nr > FAST_OPS)
		ops = kmalloc(nr * sizeof(*ops));
	if (ops == NULL)
		return -ENOMEM;
	c.ops = ops;
	rc = copy_from_user(ops, ops_user, nr * sizeof(*ops)) < 0 ? -EFAULT : 0;
	if (rc == 0) {
		look_at_ops(&c);
		rc = semop(id, &c, deadline);
	}
	if (ops != fast)
		kfree(ops);
	return rc;
}

s64 sys_semop(u64 id, u64 ops, u64 nr, u64 a3, u64 a4, u64 a5)
{
	return sys_semtimedop(id, ops, nr, 0, 0, 0);
}

/* --- semctl --- */

static void set_show(const struct ipc_object *o, void *to)
{
	const struct sem_set *s = container_of(o, const struct sem_set, ipc);
	struct semid_abi *out = to;

	*out = (struct semid_abi){ .otime = s->otime, .ctime = s->ctime, .nsems = s->nr };
	ipc_show(o, &out->perm);
}

static int set_set(struct ipc_object *o, const void *in)
{
	int rc = ipc_set(o, &((const struct semid_abi *)in)->perm);

	if (rc == 0)
		set_of(o)->ctime = ipc_now();
	return rc;
}

static int set_remove(struct ipc_object *o, const void *none)
{
	struct sem_set *s = set_of(o);
	struct sem_waiter *w;
	struct sem_undo *u;

	ipc_remove(&sems, o);
	while ((u = list_first(&s->undos, struct sem_undo, set_link)) != NULL)
		undo_free(u);
	while ((w = list_first(&s->waiters, struct sem_waiter, link)) != NULL)
		waiter_end(w, -EIDRM);
	waitq_wake_all(&s->wait);
	return IPC_REMOVED;
}

/* semadj values of what is set anew are forgotten */
static void undos_clear(struct sem_set *s, u32 first, u32 nr)
{
	struct sem_undo *u;

	list_for_each(u, &s->undos, set_link)
		memset(u->add + first, 0, nr * sizeof(u->add[0]));
}

static s64 nr_waiting(struct sem_set *s, u32 num, bool for_zero)
{
	struct sem_waiter *w;
	s64 n = 0;

	list_for_each(w, &s->waiters, link)
		n += w->ops[w->stuck].num == num && (w->ops[w->stuck].op == 0) == for_zero;
	return n;
}

static s64 one_locked(struct sem_set *s, u32 num, u32 cmd, s32 value)
{
	if (num >= s->nr)
		return -EINVAL;
	switch (cmd) {
	case GETVAL: return s->sem[num].value;
	case GETPID: return s->sem[num].pid;
	case GETNCNT: return nr_waiting(s, num, false);
	case GETZCNT: return nr_waiting(s, num, true);
	}
	s->sem[num].value = value;
	s->sem[num].pid = process_current()->pid;
	s->ctime = ipc_now();
	undos_clear(s, num, 1);
	run_waiters(s);
	return 0;
}

static s64 sem_one(s32 id, u32 num, u32 cmd, s32 value)
{
	struct ipc_object *o;
	s64 rc;

	if (cmd == SETVAL && (value < 0 || value > SEMVMX))
		return -ERANGE;
	spin_lock(&sems.lock);
	o = ipc_find(&sems, id);
	rc = o == NULL ? -EINVAL : cmd == SETVAL && num >= set_of(o)->nr ? -EINVAL : ipc_may(o, cmd == SETVAL ? IPC_MAY_WRITE : IPC_MAY_READ);
	if (rc == 0)
		rc = one_locked(set_of(o), num, cmd, value);
	spin_unlock(&sems.lock);
	return rc;
}

/* The set, with a reference, if it may be used so. */
static s64 set_get(s32 id, u32 want, struct sem_set **out)
{
	struct ipc_object *o;
	s64 rc;

	*out = NULL;
	spin_lock(&sems.lock);
	o = ipc_find(&sems, id);
	rc = o == NULL ? -EINVAL : ipc_may(o, want);
	if (rc == 0) {
		ref_get(&o->refs);
		*out = set_of(o);
	}
	spin_unlock(&sems.lock);
	return rc;
}

static s64 all_set(struct sem_set *s, const u16 *values)
{
	s64 rc = 0;

	for (u32 i = 0; i < s->nr; i++)
		if (values[i] > SEMVMX)
			return -ERANGE;
	spin_lock(&sems.lock);
	if (s->ipc.gone) {
		rc = -EIDRM;
	} else {
		for (u32 i = 0; i < s->nr; i++) {
			s->sem[i].value = values[i];
			s->sem[i].pid = process_current()->pid;
		}
		s->ctime = ipc_now();
		undos_clear(s, 0, s->nr);
		run_waiters(s);
	}
	spin_unlock(&sems.lock);
	return rc;
}

static s64 sem_all(s32 id, u32 cmd, u64 user)
{
	struct sem_set *s;
	u16 *values;
	s64 rc = set_get(id, cmd == SETALL ? IPC_MAY_WRITE : IPC_MAY_READ, &s);

	if (rc < 0)
		return rc;
	values = kcalloc(s->nr, sizeof(*values));
	if (values == NULL) {
		rc = -ENOMEM;
	} else if (cmd == SETALL) {
		rc = copy_from_user(values, user, s->nr * sizeof(*values)) < 0 ? -EFAULT : all_set(s, values);
	} else {
		spin_lock(&sems.lock);
		for (u32 i = 0; i < s->nr; i++)
			values[i] = s->sem[i].value;
		spin_unlock(&sems.lock);
		rc = copy_to_user(user, values, s->nr * sizeof(*values));
	}
	kfree(values);
	ipc_put(&sems, &s->ipc);
	return rc;
}

static s64 sem_info(u32 cmd, u64 user)
{
	struct { s32 map, mni, mns, mnu, msl, opm, ume, usz, vmx, aem; } info = {
		SEMMNS, SEMMNI, SEMMNS, SEMMNS, SEMMSL, SEMOPM, SEMOPM, 20, SEMVMX, SEMVMX
	};
	s64 last;

	spin_lock(&sems.lock);
	last = ipc_last_index(&sems);
	if (cmd == SEM_INFO) {
		info.usz = sems.used;
		info.aem = 0;
		for (u32 i = 0; i < sems.room; i++)
			info.aem += sems.slot[i] != NULL ? set_of(sems.slot[i])->nr : 0;
	}
	spin_unlock(&sems.lock);
	return copy_to_user(user, &info, sizeof(info)) < 0 ? -EFAULT : last;
}

s64 sys_semctl(u64 id, u64 num, u64 cmd, u64 arg, u64 a4, u64 a5)
{
	struct semid_abi in;

	if ((s32)id < 0)
		return -EINVAL;
	switch ((u32)cmd) {
	case IPC_INFO:
	case SEM_INFO: return sem_info(cmd, arg);
	case IPC_STAT: return ipc_stat(&sems, id, IPC_BY_ID, arg);
	case SEM_STAT: return ipc_stat(&sems, id, IPC_BY_INDEX, arg);
	case SEM_STAT_ANY: return ipc_stat(&sems, id, IPC_BY_INDEX_ANY, arg);
	case IPC_SET: return copy_from_user(&in, arg, sizeof(in)) < 0 ? -EFAULT : ipc_control(&sems, id, set_set, &in);
	case IPC_RMID: return ipc_control(&sems, id, set_remove, NULL);
	case GETVAL:
	case GETPID:
	case GETNCNT:
	case GETZCNT:
	case SETVAL: return sem_one(id, num, cmd, arg);
	case GETALL:
	case SETALL: return sem_all(id, cmd, arg);
	}
	return -EINVAL;
}

/* proc(5): /proc/sysvipc/sem */
void show_sysvipc_sem(struct text *t, u32 pid)
{
	struct semid_abi s;
	u32 id;

	text_printf(t, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n");
	for (u32 i = 0; i < SEMMNI; i++) {
		if (ipc_peek(&sems, i, &id, &s))
			text_printf(t, "%10d %10u  %4o %10llu %5u %5u %5u %5u %10llu %10llu\n", s.perm.key, id, s.perm.mode,
				    (unsigned long long)s.nsems, s.perm.uid, s.perm.gid, s.perm.cuid, s.perm.cgid,
				    (unsigned long long)s.otime, (unsigned long long)s.ctime);
	}
}
