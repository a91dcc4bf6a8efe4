/* SPDX-License-Identifier: MIT */
/*
 * Futexes. A waiter goes on its bucket's list first and reads the word then, outside the lock (the read may fault): a wake that
 * comes after the word was changed finds it there, so none is lost. Waiters live on their thread's stack and leave the
 * list under the bucket's lock. Real-time threads stand by priority before all others, which stand in the order in which they came.
 */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/hash.h"
#include "managers/processor/process/clocks.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

#define BUCKET_BITS	8
#define NR_BUCKETS	(1 << BUCKET_BITS)

struct bucket {
	struct spinlock lock;
	struct list waiters;		/* [lock] */
	u64 came;			/* [lock] how many ever */
};

struct futex_waiter {
	struct list link;		/* [bucket's lock] */
	struct futex_key key;		/* [bucket's lock] requeue changes it */
	struct bucket *bucket;		/* [a] */
	u64 turn;			/* [bucket's lock] the how-manieth it was to come there */
	u32 bitset;			/* [I] */
	u8 priority;			/* [I] of the waiting thread: PRIO_NORMAL stands for all that are not real-time */
	bool woken;			/* [a] */
	/* of a lock with priority inheritance (futex_pi.c's part below) */
	u32 pi_tid;			/* [I] the waiting thread; 0: a plain waiter */
	u32 pi_owner;			/* [I] whom it waits for */
	bool pi_chosen;			/* [bucket's lock; a] the lock is being given to it: it may not leave before that is decided */
	bool pi_given;			/* [bucket's lock] ... and was */
	struct waitq wait;
	struct waitq *wake;		/* [I] its own, or that of one who waits at several places */
};

static struct bucket buckets[NR_BUCKETS];

void futex_init(void)
{
	for (unsigned i = 0; i < NR_BUCKETS; i++) {
		spin_init(&buckets[i].lock, "futex", RANK_FUTEX);
		list_init(&buckets[i].waiters);
	}
}

static struct bucket *bucket_of(const struct futex_key *k)
{
	return &buckets[hash_bits(hash64_2(k->space, k->index << 12 | k->offset), BUCKET_BITS)];
}

static bool key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->space == b->space && a->index == b->index && a->offset == b->offset;
}

/* The bucket a waiter is on, locked; requeue may move it while we look. */
static struct bucket *waiter_lock(struct futex_waiter *w)
{
	for (;;) {
		struct bucket *b = load_acquire(&w->bucket);

		spin_lock(&b->lock);
		if (b == w->bucket)
			return b;
		spin_unlock(&b->lock);
	}
}

/* Locked. */
static void bucket_add(struct bucket *b, struct futex_waiter *w)
{
	struct list *before = &b->waiters;
	struct futex_waiter *other;

	w->turn = ++b->came;
	if (w->priority < PRIO_NORMAL) {
		list_for_each(other, &b->waiters, link) {
			if (other->priority > w->priority) {
				before = &other->link;
				break;
			}
		}
	}
	list_add_tail(before, &w->link);
}

static u8 priority_of_waiter(void) { return MIN(thread_current()->priority, (u8)PRIO_NORMAL); }

/* true: a wake had taken it off before */
static bool waiter_leave(struct futex_waiter *w)
{
	struct bucket *b = waiter_lock(w);
	bool woken = w->woken;

	if (!woken)
		list_del(&w->link);
	spin_unlock(&b->lock);
	return woken;
}

static void wake_locked(struct futex_waiter *w)
{
	list_del(&w->link);
	store_release(&w->woken, true);
	waitq_wake_all(w->wake);	/* under the bucket's lock: w cannot go before waiter_leave() */
}

/* On its bucket's list, and the word still says val: 0. Else w has left: 1 when it had been woken, or -EFAULT, -EAGAIN. */
static int waiter_enter(struct futex_waiter *w, u64 va, bool shared, u32 val)
{
	u32 seen;
	int rc;

	if (get_user32(&seen, va) < 0)		/* brings the page in, so that the key can be told */
		return -EFAULT;
	rc = space_futex_key(task_current()->space, va, shared, &w->key);
	if (rc < 0)
		return rc;
	list_init(&w->link);
	w->priority = priority_of_waiter();
	w->bucket = bucket_of(&w->key);
	spin_lock(&w->bucket->lock);
	bucket_add(w->bucket, w);
	spin_unlock(&w->bucket->lock);
	if (get_user32(&seen, va) < 0)
		return waiter_leave(w) ? 1 : -EFAULT;
	if (seen != val)
		return waiter_leave(w) ? 1 : -EAGAIN;
	return 0;
}

static int futex_wait(u64 va, bool shared, u32 val, u32 bitset, const struct wait_end *end)
{
	struct futex_waiter w = { .bitset = bitset };
	int rc;

	if (bitset == 0)
		return -EINVAL;
	waitq_init(&w.wait);
	w.wake = &w.wait;
	rc = waiter_enter(&w, va, shared, val);
	if (rc != 0)
		return MIN(rc, 0);
	rc = wait_end_intr(&w.wait, load_acquire(&w.woken), end);
	if (waiter_leave(&w))
		return 0;
	return rc == -ETIMEDOUT ? -ETIMEDOUT : -ERESTARTSYS;
}

int futex_wake(struct space *s, u64 va, bool shared, unsigned nr, u32 bitset)
{
	struct futex_waiter *w, *tmp;
	struct futex_key key;
	struct bucket *b;
	int rc, woken = 0;

	if (bitset == 0 || (va & 3))
		return -EINVAL;
	rc = space_futex_key(s, va, shared, &key);
	if (rc < 0)
		return rc;
	b = bucket_of(&key);
	spin_lock(&b->lock);
	list_for_each_safe(w, tmp, &b->waiters, link) {
		if ((unsigned)woken >= nr)
			break;
		if (key_equal(&w->key, &key) && (w->bitset & bitset) && w->pi_tid == 0) {
			wake_locked(w);
			woken++;
		}
	}
	spin_unlock(&b->lock);
	return woken;
}

static void two_lock(struct bucket *a, struct bucket *b)
{
	struct bucket *first = a < b ? a : b, *second = a < b ? b : a;

	spin_lock(&first->lock);
	if (first != second)
		spin_lock_nested(&second->lock);
}

static void two_unlock(struct bucket *a, struct bucket *b)
{
	struct bucket *first = a < b ? a : b, *second = a < b ? b : a;

	if (first != second)
		spin_unlock(&second->lock);
	spin_unlock(&first->lock);
}

/*
 * With cmp the word is read outside the locks, where a fault may wait. Who comes after that may have found another value: the call
 * is as if done when it read, and leaves those where they are.
 */
static int futex_requeue(u64 va, bool shared, u64 va2, unsigned nr_wake, unsigned nr_move, const u32 *cmp)
{
	struct space *s = task_current()->space;
	struct futex_waiter *w, *tmp;
	struct futex_key key, key2;
	struct bucket *b, *b2;
	unsigned woken = 0, moved = 0;
	u64 last = ~0ULL;		/* to come, of those that are meant */
	u32 seen;
	int rc;

	if (((va | va2) & 3) || (s32)nr_wake < 0 || (s32)nr_move < 0)
		return -EINVAL;
	if (get_user32(&seen, va) < 0 || (rc = space_futex_key(s, va, shared, &key)) < 0 ||
	    (rc = space_futex_key(s, va2, shared, &key2)) < 0)
		return -EFAULT;
	b = bucket_of(&key);
	b2 = bucket_of(&key2);
	if (cmp != NULL) {
		spin_lock(&b->lock);
		last = b->came;
		spin_unlock(&b->lock);
		if (get_user32(&seen, va) < 0)
			return -EFAULT;
		if (seen != *cmp)
			return -EAGAIN;
	}
	two_lock(b, b2);
	list_for_each_safe(w, tmp, &b->waiters, link) {
		if (!key_equal(&w->key, &key) || w->pi_tid != 0 || w->turn > last)
			continue;
		if (woken < nr_wake) {
			wake_locked(w);
			woken++;
		} else if (moved < nr_move) {
			w->key = key2;
			if (b2 != b) {			/* else it stays where it stands: behind the others it would be met again, without end */
				list_del(&w->link);
				store_release(&w->bucket, b2);
				bucket_add(b2, w);
			}
			moved++;
		} else {
			break;
		}
	}
	two_unlock(b, b2);
	return cmp != NULL ? (int)(woken + moved) : (int)woken;
}

/* FUTEX_WAKE_OP's word: op, comparison, two 12-bit arguments (futex(2)) */
static int wake_op_apply(u64 va, u32 code, bool *also)
{
	int op = code >> 28 & 7, cmp = code >> 24 & 15;
	s32 oparg = (s32)(code << 8) >> 20, cmparg = (s32)(code << 20) >> 20;
	u32 old, new, seen;

	if (code & (8U << 28))
		oparg = 1 << (oparg & 31);
	do {
		if (get_user32(&old, va) < 0)
			return -EFAULT;
		switch (op) {
		case 0: new = oparg; break;
		case 1: new = old + oparg; break;
		case 2: new = old | oparg; break;
		case 3: new = old & ~oparg; break;
		case 4: new = old ^ oparg; break;
		default: return -ENOSYS;
		}
		if (cmpxchg_user32(va, old, new, &seen) < 0)
			return -EFAULT;
	} while (seen != old);
	switch (cmp) {
	case 0: *also = (s32)old == cmparg; break;
	case 1: *also = (s32)old != cmparg; break;
	case 2: *also = (s32)old < cmparg; break;
	case 3: *also = (s32)old <= cmparg; break;
	case 4: *also = (s32)old > cmparg; break;
	case 5: *also = (s32)old >= cmparg; break;
	default: return -ENOSYS;
	}
	return 0;
}

static int futex_wake_op(u64 va, bool shared, u64 va2, unsigned nr, unsigned nr2, u32 code)
{
	struct space *s = task_current()->space;
	bool also;
	int rc, woken;

	if ((va | va2) & 3)
		return -EINVAL;
	rc = wake_op_apply(va2, code, &also);
	if (rc < 0)
		return rc;
	woken = futex_wake(s, va, shared, nr, FUTEX_BITSET_ANY);
	if (woken >= 0 && also) {
		rc = futex_wake(s, va2, shared, nr2, FUTEX_BITSET_ANY);
		woken = rc < 0 ? rc : woken + rc;
	}
	return woken;
}

/*
 * --- locks with priority inheritance ---
 *
 * The word holds the owner's thread number; FUTEX_WAITERS sends its unlock here. The unlock chooses who is next and writes
 * that number into the word: nobody can get in between. The owner of a lock runs with the best priority of those who wait
 * for it. A waiter whose owner has ended takes the lock itself, marked FUTEX_OWNER_DIED.
 */
static u32 nr_pi_waiters;		/* [a] so that the end of a thread need not look */

/* A waiter of the word whose lock nobody is being given; bucket locked. */
static struct futex_waiter *pi_first(struct bucket *b, const struct futex_key *key)
{
	struct futex_waiter *w;

	list_for_each(w, &b->waiters, link)
		if (w->pi_tid != 0 && key_equal(&w->key, key))
			return w;
	return NULL;
}

/* The owner runs as well as who waits for it. false: there is no such thread (any more) */
static bool pi_boost(u32 owner)
{
	u8 mine = thread_current()->priority;
	struct task *t;

	spin_lock(&tree_lock);
	t = task_find_locked(owner);
	if (t != NULL && t->thread->priority > mine) {
		t->boosted = true;
		thread_set_priority(t->thread, mine);
	}
	spin_unlock(&tree_lock);
	return t != NULL;
}

static void pi_unboost(struct task *t)
{
	spin_lock(&tree_lock);
	if (t->boosted) {
		t->boosted = false;
		thread_set_priority(t->thread, t->base_priority);
	}
	spin_unlock(&tree_lock);
}

/* Off the bucket, once it is decided whether the lock is ours: true. */
static bool pi_leave(struct futex_waiter *w)
{
	struct bucket *b = w->bucket;		/* never requeued */
	bool given;

	waitq_wait(&w->wait, !load_acquire(&w->pi_chosen));
	spin_lock(&b->lock);
	while (w->pi_chosen) {
		spin_unlock(&b->lock);
		waitq_wait(&w->wait, !load_acquire(&w->pi_chosen));
		spin_lock(&b->lock);
	}
	if (!w->woken)
		list_del(&w->link);
	given = w->pi_given;
	spin_unlock(&b->lock);
	__atomic_fetch_sub(&nr_pi_waiters, 1, __ATOMIC_SEQ_CST);
	return given;
}

/* 0: ours; -EAGAIN: look at the word again; -ETIMEDOUT, -ERESTARTNOINTR, -EFAULT */
static int pi_wait(u64 va, bool shared, u32 word, const struct wait_end *end)
{
	struct futex_waiter w = { .pi_tid = task_current()->tid, .pi_owner = word & FUTEX_TID_MASK };
	u32 seen;
	int rc = space_futex_key(task_current()->space, va, shared, &w.key);

	if (rc < 0)
		return rc;
	list_init(&w.link);
	waitq_init(&w.wait);
	w.wake = &w.wait;
	w.bucket = bucket_of(&w.key);
	__atomic_fetch_add(&nr_pi_waiters, 1, __ATOMIC_SEQ_CST);
	w.priority = priority_of_waiter();
	spin_lock(&w.bucket->lock);
	bucket_add(w.bucket, &w);
	spin_unlock(&w.bucket->lock);
	/* who unlocks, or ends, now finds us; who did before has changed the word or is not there */
	if (get_user32(&seen, va) < 0)
		return pi_leave(&w) ? 0 : -EFAULT;
	if (seen != word || !pi_boost(w.pi_owner))
		return pi_leave(&w) ? 0 : -EAGAIN;
	rc = wait_end_intr(&w.wait, load_acquire(&w.woken), end);
	if (pi_leave(&w))
		return 0;
	return rc == 0 ? -EAGAIN : rc == -ETIMEDOUT ? -ETIMEDOUT : -ERESTARTNOINTR;
}

static int futex_lock_pi(u64 va, bool shared, bool try, const struct wait_end *end)
{
	u32 tid = task_current()->tid, word, seen, new, waited_for = 0;
	int rc;

	if (va & 3)
		return -EINVAL;
	for (;;) {
		u32 owner;

		if (get_user32(&word, va) < 0)
			return -EFAULT;
		owner = word & FUTEX_TID_MASK;
		if (owner == tid)
			return -EDEADLK;
		if (owner == 0) {
			new = tid | (word & ~FUTEX_TID_MASK);
		} else if (!pi_boost(owner)) {
			if (owner != waited_for)
				return -ESRCH;
			new = tid | (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
		} else if (try) {
			return -EAGAIN;
		} else {
			new = word | FUTEX_WAITERS;
		}
		if (new != word && cmpxchg_user32(va, word, new, &seen) < 0)
			return -EFAULT;
		if (new != word && seen != word)
			continue;
		if ((new & FUTEX_TID_MASK) == tid)
			return 0;
		waited_for = owner;
		rc = pi_wait(va, shared, new, end);
		if (rc != -EAGAIN)
			return rc;
	}
}

static void pi_decide(struct bucket *b, struct futex_waiter *w, bool given)
{
	spin_lock(&b->lock);
	w->pi_given = given;
	if (given) {
		list_del(&w->link);
		store_release(&w->woken, true);
	}
	store_release(&w->pi_chosen, false);
	waitq_wake_all(&w->wait);
	spin_unlock(&b->lock);
}

static int futex_unlock_pi(u64 va, bool shared)
{
	struct task *t = task_current();
	struct futex_waiter *w;
	struct futex_key key;
	struct bucket *b;
	u32 word, seen;
	int rc;

	if (va & 3)
		return -EINVAL;
	if (get_user32(&word, va) < 0)
		return -EFAULT;
	if ((word & FUTEX_TID_MASK) != t->tid)
		return -EPERM;
	rc = space_futex_key(t->space, va, shared, &key);
	if (rc < 0)
		return rc;
	pi_unboost(t);
	b = bucket_of(&key);
	for (;;) {
		spin_lock(&b->lock);
		w = pi_first(b, &key);
		if (w != NULL)
			w->pi_chosen = true;
		spin_unlock(&b->lock);
		rc = cmpxchg_user32(va, word, w != NULL ? w->pi_tid | FUTEX_WAITERS : 0, &seen);
		if (w != NULL)
			pi_decide(b, w, rc == 0 && seen == word);
		if (rc < 0)
			return -EFAULT;
		if (seen == word)
			return 0;
		if ((seen & FUTEX_TID_MASK) != t->tid)
			return -EINVAL;			/* somebody wrote into the word of a lock that is not theirs */
		word = seen;
	}
}

/* Those who wait for a thread that has ended look again, and find it gone. Its number is free by now. */
void futex_owner_gone(u32 tid)
{
	if (__atomic_load_n(&nr_pi_waiters, __ATOMIC_SEQ_CST) == 0)
		return;
	for (unsigned i = 0; i < NR_BUCKETS; i++) {
		struct futex_waiter *w, *tmp;

		spin_lock(&buckets[i].lock);
		list_for_each_safe(w, tmp, &buckets[i].waiters, link)
			if (w->pi_tid != 0 && w->pi_owner == tid && !w->pi_chosen)
				wake_locked(w);
		spin_unlock(&buckets[i].lock);
	}
}

/* --- several at once: futex_waitv(2) --- */

#define WAITV_MAX	128
#define WAITV_32	2		/* the word's size: there is no other */
struct waitv_abi { u64 val, va; u32 flags, reserved; };

static bool any_woken(const struct futex_waiter *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (load_acquire(&w[i].woken))
			return true;
	return false;
}

/* All leave; the last of those that have been woken, or rc. */
static int leave_all(struct futex_waiter *w, unsigned n, int rc)
{
	for (unsigned i = 0; i < n; i++)
		if (waiter_leave(&w[i]))
			rc = i;
	return rc;
}

static int wait_for_any(const struct waitv_abi *v, struct futex_waiter *w, unsigned n, const struct wait_end *end)
{
	struct waitq wake;
	int rc;

	waitq_init(&wake);
	for (unsigned i = 0; i < n; i++) {
		w[i].bitset = FUTEX_BITSET_ANY;
		w[i].wake = &wake;
		rc = v[i].va & 3 ? -EINVAL : waiter_enter(&w[i], v[i].va, !(v[i].flags & FUTEX_PRIVATE_FLAG), v[i].val);
		if (rc != 0)
			return leave_all(w, i, rc > 0 ? (int)i : rc);
	}
	rc = wait_end_intr(&wake, any_woken(w, n), end);
	return leave_all(w, n, rc == -ETIMEDOUT ? -ETIMEDOUT : -ERESTARTSYS);
}

static int waitv_check(const struct waitv_abi *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (v[i].reserved != 0 || (v[i].flags & ~(u32)FUTEX_PRIVATE_FLAG) != WAITV_32)
			return -EINVAL;
	return 0;
}

s64 sys_futex_waitv(u64 user, u64 nr, u64 flags, u64 timeout, u64 clock, u64 a5)
{
	struct wait_end end = { 0, (s32)clock == CLOCK_REALTIME };
	unsigned n = nr;
	struct futex_waiter *w;
	struct waitv_abi *v;
	int rc;

	if ((u32)flags != 0 || n == 0 || n > WAITV_MAX || user == 0)
		return -EINVAL;
	if (timeout != 0 && (s32)clock != CLOCK_REALTIME && (s32)clock != CLOCK_MONOTONIC)
		return -EINVAL;
	rc = timeout != 0 ? timespec_from_user(timeout, &end.ns) : 0;
	if (rc < 0)
		return rc;
	end.ns = timeout != 0 ? MAX(end.ns, 1ULL) : 0;
	end.of_day &= timeout != 0;
	v = kcalloc(n, sizeof(*v));
	w = kcalloc(n, sizeof(*w));
	if (v == NULL || w == NULL)
		rc = -ENOMEM;
	else
		rc = copy_from_user(v, user, n * sizeof(*v)) < 0 ? -EFAULT : waitv_check(v, n);
	if (rc == 0)
		rc = wait_for_any(v, w, n, &end);
	kfree(v);
	kfree(w);
	return rc;
}

static int futex_end(u64 user, int cmd, u32 op, struct wait_end *end)
{
	struct timespec_abi ts;
	u64 ns;

	*end = (struct wait_end){ 0, false };
	if (user == 0)
		return 0;
	if (copy_from_user(&ts, user, sizeof(ts)) < 0)
		return -EFAULT;
	if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= (s64)NSEC_PER_SEC)
		return -EINVAL;
	ns = ts.sec > 4000000000LL ? ~0ULL >> 1 : (u64)ts.sec * NSEC_PER_SEC + ts.nsec;
	end->of_day = cmd != FUTEX_WAIT && ((op & FUTEX_CLOCK_REALTIME) || cmd == FUTEX_LOCK_PI);
	end->ns = MAX(cmd == FUTEX_WAIT ? time_mono_ns() + ns : ns, 1ULL);
	return 0;
}

/* A relative time must not begin anew: restart_syscall goes on with what is left of it. */
static s64 futex_wait_again(struct task *t)
{
	s64 rc = futex_wait(t->restart_arg[0], t->restart_arg[1], t->restart_arg[2], FUTEX_BITSET_ANY,
			    &(struct wait_end){ t->restart_deadline, false });

	return rc == -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : rc;
}

static s64 futex_restart_later(u64 va, bool shared, u32 val, u64 deadline)
{
	struct task *t = task_current();

	t->restart = futex_wait_again;
	t->restart_deadline = deadline;
	t->restart_arg[0] = va;
	t->restart_arg[1] = shared;
	t->restart_arg[2] = val;
	return -ERESTART_RESTARTBLOCK;
}

s64 sys_futex(u64 va, u64 op, u64 val, u64 timeout, u64 va2, u64 val3)
{
	int cmd = op & FUTEX_CMD_MASK, rc;
	bool shared = !(op & FUTEX_PRIVATE_FLAG);
	struct space *s = task_current()->space;
	u32 cmp = val3;
	struct wait_end end;

	if ((op & FUTEX_CLOCK_REALTIME) && cmd != FUTEX_WAIT_BITSET && cmd != FUTEX_LOCK_PI2)
		return -ENOSYS;
	switch (cmd) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		if (va & 3)
			return -EINVAL;
		rc = futex_end(timeout, cmd, op, &end);
		if (rc < 0)
			return rc;
		rc = futex_wait(va, shared, val, cmd == FUTEX_WAIT ? FUTEX_BITSET_ANY : cmp, &end);
		if (rc == -ERESTARTSYS && cmd == FUTEX_WAIT && timeout != 0)
			return futex_restart_later(va, shared, val, end.ns);
		return rc;
	case FUTEX_WAKE:
		return futex_wake(s, va, shared, val, FUTEX_BITSET_ANY);
	case FUTEX_WAKE_BITSET:
		return futex_wake(s, va, shared, val, cmp);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		rc = futex_end(timeout, cmd, op, &end);
		return rc < 0 ? rc : futex_lock_pi(va, shared, false, &end);
	case FUTEX_TRYLOCK_PI:
		return futex_lock_pi(va, shared, true, NULL);
	case FUTEX_UNLOCK_PI:
		return futex_unlock_pi(va, shared);
	case FUTEX_REQUEUE:
		return futex_requeue(va, shared, va2, val, timeout, NULL);
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(va, shared, va2, val, timeout, &cmp);
	case FUTEX_WAKE_OP:
		return futex_wake_op(va, shared, va2, val, timeout, cmp);
	}
	return -ENOSYS;
}

/* --- robust lists: what a dead thread held; bit 0 of an entry says that the lock has priority inheritance --- */

static void robust_release(struct task *t, u64 word, bool pending)
{
	u32 old, seen, new;

	if (word & 3)
		return;
	do {
		if (get_user32(&old, word) < 0)
			return;
		if ((old & FUTEX_TID_MASK) != t->tid) {
			/* the unlock had begun: its wake may be what is missing */
			if (pending && old == 0)
				futex_wake(t->space, word, true, 1, FUTEX_BITSET_ANY);
			return;
		}
		new = (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
		if (cmpxchg_user32(word, old, new, &seen) < 0)
			return;
	} while (seen != old);
	if (old & FUTEX_WAITERS)
		futex_wake(t->space, word, true, 1, FUTEX_BITSET_ANY);
}

void futex_exit_robust(struct task *t)
{
	u64 head = t->robust_list, entry, offset, pending;

	t->robust_list = 0;
	if (head == 0 || get_user64(&entry, head) < 0 || get_user64(&offset, head + 8) < 0 || get_user64(&pending, head + 16) < 0)
		return;
	for (unsigned n = 0; entry != head && n < ROBUST_LIST_LIMIT; n++) {
		u64 next;

		if (get_user64(&next, entry & ~1ULL) < 0)
			return;
		if ((entry & ~1ULL) != (pending & ~1ULL))
			robust_release(t, (entry & ~1ULL) + offset, false);
		entry = next;
	}
	if (pending != 0)
		robust_release(t, (pending & ~1ULL) + offset, true);
}
