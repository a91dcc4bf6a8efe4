/* SPDX-License-Identifier: MIT */
/*
 * POSIX message queues (mq_overview(7)): named apart from all files, there until the name is removed and the last descriptor closed.
 * One spinlock, queues_lock, guards names, queues and messages; nothing sleeps under it, and user memory is copied outside.
 */
#include "arch/x86/uaccess.h"
#include "kernel/time.h"
#include "kernel/waitq.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/anon.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/ipc/mqueue.h"
#include "managers/processor/process/clocks.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

#define QUEUES_MAX		256		/* these as mq_overview(7) has them */
#define MESSAGES_DEFAULT	10
#define MESSAGES_MAX		10
#define SIZE_DEFAULT		8192
#define SIZE_MAX_PLAIN		8192
#define MESSAGES_HARD		65536		/* ... with CAP_SYS_RESOURCE */
#define SIZE_HARD		(16 * 1024 * 1024)
#define PRIORITIES		32768
#define MESSAGE_COST		48		/* what RLIMIT_MSGQUEUE counts beside the text: per message, and per priority */

enum { NOTIFY_SIGNAL, NOTIFY_NONE };

struct mq_attr_abi { s64 flags, most, size, messages, reserved[4]; };
struct mq_event_abi { u64 value; s32 signo, notify; u8 rest[48]; };
_Static_assert(sizeof(struct mq_attr_abi) == 64 && sizeof(struct mq_event_abi) == 64, "as programs see them");

struct mq_message { struct list link; u32 priority; size_t len; u8 data[]; };

/* Who is told that the queue is not empty any more. */
struct asked { u32 pid; u64 start_ns; s32 notify, signo; u64 value; };

struct mqueue {
	struct list link;		/* [lock] */
	char name[NAME_MAX + 1];	/* [lock] empty: removed */
	u32 refs;			/* [lock] the name's, and one a descriptor */
	u32 uid, gid, mode;		/* [I] */
	u64 most, size;			/* [I] messages, bytes of one */
	struct list messages;		/* [lock] in the order in which they are received */
	u64 nr;				/* [lock] */
	unsigned receivers;		/* [lock] that wait */
	struct waitq not_empty, not_full;
	struct asked asked;		/* [lock] pid 0: nobody */
};

static DEFINE_SPINLOCK(queues_lock, RANK_IPC);
static struct list queues = LIST_INIT(queues);	/* [lock] */

static u64 cost_of(const struct mqueue *q)
{
	return q->most * (q->size + MESSAGE_COST) + MIN(q->most, (u64)PRIORITIES) * MESSAGE_COST;
}

static struct mqueue *find_locked(const char *name)
{
	struct mqueue *q;

	list_for_each(q, &queues, link)
		if (q->name[0] != '\0' && strcmp(q->name, name) == 0)
			return q;
	return NULL;
}

static void queue_free(struct mqueue *q)
{
	struct mq_message *m, *next;

	list_for_each_safe(m, next, &q->messages, link)
		kfree(m);
	kfree(q);
}

static void queue_put(struct mqueue *q)
{
	bool last;

	spin_lock(&queues_lock);
	last = --q->refs == 0;
	if (last)
		list_del(&q->link);
	spin_unlock(&queues_lock);
	if (last)
		queue_free(q);
}

/* --- descriptors --- */

static bool asked_by(const struct mqueue *q, const struct process *p)
{
	return q->asked.pid == p->pid && q->asked.start_ns == p->start_ns;
}

void mqueue_process_execs(const struct process *p)
{
	struct mqueue *q;

	spin_lock(&queues_lock);
	list_for_each(q, &queues, link)
		if (asked_by(q, p))
			q->asked.pid = 0;
	spin_unlock(&queues_lock);
}

static void mqueue_release(struct file *f)
{
	struct task *t = thread_current()->task;
	struct mqueue *q = f->private;

	spin_lock(&queues_lock);
	if (t != NULL && asked_by(q, t->process))
		q->asked.pid = 0;
	spin_unlock(&queues_lock);
	queue_put(q);
}

static u32 mqueue_poll(struct file *f, struct poll_table *pt)
{
	struct mqueue *q = f->private;
	u64 nr;

	poll_wait_for(pt, &q->not_empty, POLLIN | POLLRDNORM);
	poll_wait_for(pt, &q->not_full, POLLOUT | POLLWRNORM);
	nr = READ_ONCE(q->nr);
	return (nr != 0 ? POLLIN | POLLRDNORM : 0) | (nr < q->most ? POLLOUT | POLLWRNORM : 0);
}

static const struct file_ops mqueue_ops = { .kind = "[mqueue]", .poll = mqueue_poll, .seek = anon_seek, .release = mqueue_release };

/* The file of a queue, to be put; NULL: no descriptor, or another's. */
static struct file *queue_file(u64 fd)
{
	s64 error;

	return anon_get(fd, &mqueue_ops, &error);
}

/* --- mq_open(2), mq_unlink(2) --- */

/* The name as glibc hands it over, without its slash, of at most NAME_MAX bytes. */
static int name_from_user(char *name, u64 user)
{
	char *path = kmalloc(PATH_MAX);
	s64 len;
	int rc = 0;

	if (path == NULL)
		return -ENOMEM;
	len = strncpy_from_user(path, user, PATH_MAX);
	if (len <= 0)
		rc = len < 0 ? (int)len : -ENOENT;
	else if (len > NAME_MAX)
		rc = -ENAMETOOLONG;
	else if (strchr(path, '/') != NULL || strcmp(path, ".") == 0 || strcmp(path, "..") == 0)
		rc = -EACCES;
	else
		str_copy(name, path, NAME_MAX + 1);
	kfree(path);
	return rc;
}

static int may_open(const struct mqueue *q, u32 flags)
{
	const struct credentials *c = &process_current()->cred;
	u32 want = (flags & O_ACCMODE) == O_RDONLY ? 4 : (flags & O_ACCMODE) == O_WRONLY ? 2 : 6;
	u32 shift = c->fsuid == q->uid ? 6 : c->fsgid == q->gid || credentials_in_group(q->gid) ? 3 : 0;

	return cred_has(c, CAP_DAC_OVERRIDE) || (q->mode >> shift & want) == want ? 0 : -EACCES;
}

static int check_sizes(const struct mq_attr_abi *a)
{
	bool hard = capable(CAP_SYS_RESOURCE);

	if (a->most <= 0 || a->size <= 0)
		return -EINVAL;
	return a->most > (hard ? MESSAGES_HARD : MESSAGES_MAX) || a->size > (hard ? SIZE_HARD : SIZE_MAX_PLAIN) ? -EINVAL : 0;
}

static struct mqueue *queue_make(const char *name, u32 mode, const struct mq_attr_abi *a)
{
	const struct credentials *c = &process_current()->cred;
	struct mqueue *q = kzalloc(sizeof(*q));

	if (q == NULL)
		return NULL;
	str_copy(q->name, name, sizeof(q->name));
	q->refs = 2;
	q->uid = c->fsuid;
	q->gid = c->fsgid;
	q->mode = mode & 0777 & ~READ_ONCE(task_current()->fs->umask);
	q->most = a->most;
	q->size = a->size;
	list_init(&q->messages);
	waitq_init(&q->not_empty);
	waitq_init(&q->not_full);
	return q;
}

/* May one more be added? */
static int room_locked(const struct mqueue *new)
{
	u64 cost = cost_of(new);
	unsigned nr = 0;
	struct mqueue *q;

	list_for_each(q, &queues, link) {
		nr += q->name[0] != '\0';
		cost += q->uid == new->uid ? cost_of(q) : 0;
	}
	if (nr >= QUEUES_MAX && !capable(CAP_SYS_RESOURCE))
		return -ENOSPC;
	return cost > rlimit_current(RLIMIT_MSGQUEUE) ? -EMFILE : 0;
}

/* The queue of that name with a reference, found, or new as `a` says. */
static int queue_open(const char *name, u32 flags, u32 mode, const struct mq_attr_abi *a, struct mqueue **out)
{
	struct mqueue *q, *new = NULL;
	int rc;

	*out = NULL;
	spin_lock(&queues_lock);
	q = find_locked(name);
	if (q == NULL && (flags & O_CREAT)) {
		spin_unlock(&queues_lock);
		rc = check_sizes(a);
		if (rc < 0)
			return rc;
		new = queue_make(name, mode, a);
		if (new == NULL)
			return -ENOMEM;
		spin_lock(&queues_lock);
		q = find_locked(name);		/* somebody may have been faster */
	}
	if (q != NULL) {
		rc = (flags & O_CREAT) && (flags & O_EXCL) ? -EEXIST : (flags & O_ACCMODE) == O_ACCMODE ? -EINVAL : may_open(q, flags);
		q->refs += rc == 0;
	} else if (new == NULL) {
		rc = -ENOENT;
	} else {
		rc = room_locked(new);
		if (rc == 0) {
			list_add_tail(&queues, &new->link);
			q = new;
			new = NULL;
		}
	}
	spin_unlock(&queues_lock);
	if (new != NULL)
		queue_free(new);
	*out = q;
	return rc;
}

s64 sys_mq_open(u64 user_name, u64 flags, u64 mode, u64 user_attr, u64 a4, u64 a5)
{
	struct mq_attr_abi a = { .most = MESSAGES_DEFAULT, .size = SIZE_DEFAULT };
	char name[NAME_MAX + 1];
	struct mqueue *q = NULL;
	struct file *f;
	int rc;

	if (user_attr != 0 && copy_from_user(&a, user_attr, sizeof(a)) < 0)
		return -EFAULT;
	rc = name_from_user(name, user_name);
	if (rc == 0)
		rc = fd_room();			/* before a queue is made that nobody would have open */
	if (rc == 0)
		rc = queue_open(name, flags, mode, &a, &q);
	if (rc < 0)
		return rc;
	f = anon_file(&mqueue_ops, q, flags & (O_ACCMODE | O_NONBLOCK));
	if (f == NULL) {
		queue_put(q);
		return -ENOMEM;
	}
	return anon_install(f, true);		/* as execve(2) says, asked for or not */
}

s64 sys_mq_unlink(u64 user_name, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	char name[NAME_MAX + 1];
	struct mqueue *q;
	int rc = name_from_user(name, user_name);

	if (rc < 0)
		return rc;
	spin_lock(&queues_lock);
	q = find_locked(name);
	if (q == NULL)
		rc = -ENOENT;
	else if (process_current()->cred.fsuid != q->uid && !capable(CAP_FOWNER))
		rc = -EPERM;
	else
		q->name[0] = '\0';
	spin_unlock(&queues_lock);
	if (rc == 0)
		queue_put(q);
	return rc;
}

/* --- messages --- */

/* An absolute time of day, or none. */
static int end_from_user(u64 user, struct wait_end *end)
{
	*end = (struct wait_end){ 0, user != 0 };
	return user != 0 ? timespec_from_user(user, &end->ns) : 0;
}

/* Before all with less priority, behind all others. */
static void insert_locked(struct mqueue *q, struct mq_message *m)
{
	struct mq_message *at;

	list_for_each(at, &q->messages, link) {
		if (at->priority < m->priority) {
			list_add_tail(&at->link, &m->link);
			WRITE_ONCE(q->nr, q->nr + 1);
			return;
		}
	}
	list_add_tail(&q->messages, &m->link);
	WRITE_ONCE(q->nr, q->nr + 1);
}

static void tell(const struct asked *who)
{
	const struct process *me = process_current();
	struct siginfo_abi info = { .signo = who->signo, .code = SI_MESGQ };
	struct process *p;

	if (who->pid == 0 || who->notify != NOTIFY_SIGNAL || who->signo == 0)
		return;
	info.kill.pid = me->pid;
	info.kill.uid = me->cred.uid;
	info.kill.value = who->value;
	p = process_find(who->pid);
	if (p == NULL)
		return;
	if (p->start_ns == who->start_ns)
		(void)signal_send_process(p, &info);
	process_put(p);
}

/* Puts m into the queue as soon as there is room; on 0 it is the queue's. */
static s64 send(struct mqueue *q, struct mq_message *m, bool wait, const struct wait_end *end)
{
	struct asked who = { 0 };
	int rc = 0;

	spin_lock(&queues_lock);
	while (q->nr >= q->most) {
		if (!wait || rc < 0) {
			spin_unlock(&queues_lock);
			return !wait ? -EAGAIN : rc == -EINTR ? -ERESTARTSYS : rc;
		}
		spin_unlock(&queues_lock);
		rc = wait_end_intr(&q->not_full, READ_ONCE(q->nr) < q->most, end);
		spin_lock(&queues_lock);
	}
	insert_locked(q, m);
	if (q->nr == 1 && q->receivers == 0) {
		who = q->asked;
		q->asked.pid = 0;		/* told once */
	}
	spin_unlock(&queues_lock);
	waitq_wake_all(&q->not_empty);
	tell(&who);
	return 0;
}

static s64 receive(struct mqueue *q, bool wait, const struct wait_end *end, struct mq_message **out)
{
	struct mq_message *m;
	int rc = 0;

	spin_lock(&queues_lock);
	while ((m = list_first(&q->messages, struct mq_message, link)) == NULL) {
		if (!wait || rc < 0) {
			spin_unlock(&queues_lock);
			return !wait ? -EAGAIN : rc == -EINTR ? -ERESTARTSYS : rc;
		}
		q->receivers++;
		spin_unlock(&queues_lock);
		rc = wait_end_intr(&q->not_empty, READ_ONCE(q->nr) != 0, end);
		spin_lock(&queues_lock);
		q->receivers--;
	}
	list_del(&m->link);
	WRITE_ONCE(q->nr, q->nr - 1);
	spin_unlock(&queues_lock);
	waitq_wake_all(&q->not_full);
	*out = m;
	return 0;
}

s64 sys_mq_timedsend(u64 fd, u64 user, u64 len, u64 priority, u64 timeout, u64 a5)
{
	struct mq_message *m = NULL;
	struct mqueue *q;
	struct file *f;
	struct wait_end end;
	s64 rc = end_from_user(timeout, &end);

	if (rc < 0)
		return rc;
	if ((u32)priority >= PRIORITIES)
		return -EINVAL;
	f = queue_file(fd);
	if (f == NULL)
		return -EBADF;
	q = f->private;
	if (!(file_access(f) & MAY_WRITE))
		rc = -EBADF;
	else if (len > q->size)
		rc = -EMSGSIZE;
	else if ((m = kmalloc(sizeof(*m) + len)) == NULL)
		rc = -ENOMEM;
	else if (copy_from_user(m->data, user, len) < 0)
		rc = -EFAULT;
	if (rc == 0) {
		m->priority = priority;
		m->len = len;
		list_init(&m->link);
		rc = send(q, m, !(READ_ONCE(f->flags) & O_NONBLOCK), &end);
	}
	if (rc < 0)
		kfree(m);
	file_put(f);
	return rc;
}

s64 sys_mq_timedreceive(u64 fd, u64 user, u64 len, u64 user_priority, u64 timeout, u64 a5)
{
	struct mq_message *m = NULL;
	struct mqueue *q;
	struct file *f;
	struct wait_end end;
	s64 rc = end_from_user(timeout, &end);

	if (rc < 0)
		return rc;
	f = queue_file(fd);
	if (f == NULL)
		return -EBADF;
	q = f->private;
	if (!(file_access(f) & MAY_READ))
		rc = -EBADF;
	else if (len < q->size)
		rc = -EMSGSIZE;
	else
		rc = receive(q, !(READ_ONCE(f->flags) & O_NONBLOCK), &end, &m);
	file_put(f);
	if (rc < 0)
		return rc;
	rc = m->len;
	if ((user_priority != 0 && put_user32(user_priority, m->priority) < 0) || copy_to_user(user, m->data, m->len) < 0)
		rc = -EFAULT;
	kfree(m);
	return rc;
}

/* --- mq_notify(2), mq_getsetattr(2) --- */

static bool alive(const struct asked *who)
{
	struct process *p = process_find(who->pid);
	bool is = p != NULL && p->start_ns == who->start_ns;

	if (p != NULL)
		process_put(p);
	return is;
}

static s64 ask(struct mqueue *q, const struct mq_event_abi *e)
{
	const struct process *me = process_current();
	struct asked before;
	s64 rc = 0;

	spin_lock(&queues_lock);
	before = q->asked;
	spin_unlock(&queues_lock);
	if (e != NULL && before.pid != 0 && alive(&before))
		return -EBUSY;
	spin_lock(&queues_lock);
	if (e == NULL) {
		if (asked_by(q, me))
			q->asked.pid = 0;
	} else if (q->asked.pid != before.pid || q->asked.start_ns != before.start_ns) {
		rc = q->asked.pid != 0 ? -EBUSY : 0;	/* somebody was faster */
	}
	if (e != NULL && rc == 0)
		q->asked = (struct asked){ me->pid, me->start_ns, e->notify, e->signo, e->value };
	spin_unlock(&queues_lock);
	return rc;
}

s64 sys_mq_notify(u64 fd, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct mq_event_abi e;
	struct file *f;
	s64 rc;

	if (user != 0) {
		if (copy_from_user(&e, user, sizeof(e)) < 0)
			return -EFAULT;
		/* a thread is told by a netlink socket, of which there are none */
		if ((e.notify != NOTIFY_SIGNAL && e.notify != NOTIFY_NONE) || (e.notify == NOTIFY_SIGNAL && (u32)e.signo > NR_SIGNALS))
			return -EINVAL;
	}
	f = queue_file(fd);
	if (f == NULL)
		return -EBADF;
	rc = ask(f->private, user != 0 ? &e : NULL);
	file_put(f);
	return rc;
}

s64 sys_mq_getsetattr(u64 fd, u64 user_new, u64 user_old, u64 a3, u64 a4, u64 a5)
{
	struct mq_attr_abi new, old = { 0 };
	struct mqueue *q;
	struct file *f;

	if (user_new != 0 && copy_from_user(&new, user_new, sizeof(new)) < 0)
		return -EFAULT;
	if (user_new != 0 && (new.flags & ~(s64)O_NONBLOCK))
		return -EINVAL;
	f = queue_file(fd);
	if (f == NULL)
		return -EBADF;
	q = f->private;
	old.flags = READ_ONCE(f->flags) & O_NONBLOCK;
	old.most = q->most;
	old.size = q->size;
	old.messages = READ_ONCE(q->nr);
	if (user_new != 0)
		WRITE_ONCE(f->flags, (READ_ONCE(f->flags) & ~(u32)O_NONBLOCK) | (u32)new.flags);
	file_put(f);
	return user_old != 0 ? copy_to_user(user_old, &old, sizeof(old)) : 0;
}
