/* SPDX-License-Identifier: MIT */
/* poll, ppoll, select, pselect6: all by poll_files(). */
#include "arch/x86/regs.h"
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

/* --- a mask of signals for the time of a call --- */

int sigmask_enter(u64 set, u64 size)
{
	struct task *t = task_current();
	sigset_t_ mask;

	if (set == 0)
		return 0;
	if (size != 8)
		return -EINVAL;
	if (get_user64(&mask, set) < 0)
		return -EFAULT;
	t->saved_blocked = t->blocked;
	signal_set_blocked(t, mask);
	return 1;
}

s64 sigmask_leave(int entered, s64 rc)
{
	struct task *t = task_current();

	if (entered == 0)
		return rc;
	if (rc == -EINTR || rc == -ERESTARTNOHAND) {	/* the handler runs under the call's mask; its frame has the old one */
		t->restore_blocked = true;
		arch_set_notify(t->thread);
	} else {
		signal_set_blocked(t, t->saved_blocked);
	}
	return rc;
}

/* --- poll --- */

static s64 poll_user(u64 fds, u64 n, u64 deadline)
{
	struct pollfd_abi *p;
	s64 rc;

	if (n > rlimit_current(RLIMIT_NOFILE))
		return -EINVAL;
	p = kcalloc(n ? n : 1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	rc = n ? copy_from_user(p, fds, n * sizeof(*p)) : 0;
	if (rc == 0) {
		rc = poll_files(p, n, deadline);
		for (u64 i = 0; rc >= 0 && i < n; i++)
			if (copy_to_user(fds + i * sizeof(*p) + 6, &p[i].revents, 2) < 0)
				rc = -EFAULT;
	}
	kfree(p);
	return rc;
}

static s64 poll_again(struct task *t)
{
	s64 rc = poll_user(t->restart_arg[0], t->restart_arg[1], t->restart_deadline);

	return rc == -EINTR ? -ERESTART_RESTARTBLOCK : rc;
}

s64 sys_poll(u64 fds, u64 n, u64 timeout, u64 a3, u64 a4, u64 a5)
{
	struct task *t = task_current();
	s32 ms = timeout;

	t->restart_arg[0] = fds;
	t->restart_arg[1] = n;
	t->restart_deadline = ms < 0 ? 0 : ms == 0 ? POLL_NOW : time_mono_ns() + ms * NSEC_PER_MSEC;
	t->restart = poll_again;
	return poll_again(t);
}

/* The deadline that a struct timespec means; user 0: none. */
static int deadline_from_user(u64 user, u64 *deadline)
{
	u64 ns;
	int rc;

	*deadline = 0;
	if (user == 0)
		return 0;
	rc = timespec_from_user(user, &ns);
	if (rc == 0)
		*deadline = ns == 0 ? POLL_NOW : time_mono_ns() + ns;
	return rc;
}

static u64 time_left(u64 deadline)
{
	u64 now = time_mono_ns();

	return deadline == POLL_NOW || deadline <= now ? 0 : deadline - now;
}

/* Is what is left of the time to be written where it was read? */
static bool tells_rest(u64 timeout)
{
	return timeout != 0 && !(READ_ONCE(process_current()->personality) & STICKY_TIMEOUTS);
}

s64 sys_ppoll(u64 fds, u64 n, u64 timeout, u64 mask, u64 size, u64 a5)
{
	u64 deadline;
	int entered, rc0 = deadline_from_user(timeout, &deadline);
	s64 rc;

	if (rc0 < 0)
		return rc0;
	entered = sigmask_enter(mask, size);
	if (entered < 0)
		return entered;
	rc = poll_user(fds, n, deadline);
	if (tells_rest(timeout))
		(void)!timespec_to_user(timeout, time_left(deadline));
	return sigmask_leave(entered, rc == -EINTR ? -ERESTARTNOHAND : rc);
}

/* --- select --- */

#define SET_IN	(POLLIN | POLLRDNORM | POLLHUP | POLLERR)
#define SET_OUT	(POLLOUT | POLLWRNORM | POLLERR)
#define SET_EX	POLLPRI

static bool bit_in(const u64 *set, unsigned i)
{
	return set[i / 64] >> (i % 64) & 1;
}

static s64 select_sets(u64 *set[3], unsigned nfds, u64 deadline)
{
	struct pollfd_abi *p = kcalloc(nfds ? nfds : 1, sizeof(*p));
	unsigned n = 0;
	s64 rc;

	if (p == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < nfds; i++) {
		s16 events = (bit_in(set[0], i) ? SET_IN : 0) | (bit_in(set[1], i) ? SET_OUT : 0) | (bit_in(set[2], i) ? SET_EX : 0);

		if (events != 0)
			p[n++] = (struct pollfd_abi){ i, events, 0 };
	}
	rc = poll_files(p, n, deadline);
	if (rc >= 0) {
		for (int k = 0; k < 3; k++)
			memset(set[k], 0, ALIGN_UP(nfds, 64U) / 8);
		rc = 0;
	}
	for (unsigned i = 0; rc >= 0 && i < n; i++) {
		static const s16 of[3] = { SET_IN, SET_OUT, SET_EX };

		if (p[i].revents & POLLNVAL) {
			rc = -EBADF;
			break;
		}
		for (int k = 0; k < 3; k++) {
			if (p[i].revents & p[i].events & of[k]) {
				set[k][p[i].fd / 64] |= 1ULL << (p[i].fd % 64);
				rc++;
			}
		}
	}
	kfree(p);
	return rc;
}

static s64 select_user(u64 nfds, const u64 user[3], u64 deadline)
{
	size_t bytes;
	u64 *bits, *set[3];
	s64 rc = 0;

	if ((s32)nfds < 0)
		return -EINVAL;
	nfds = MIN((u64)(u32)nfds, rlimit_current(RLIMIT_NOFILE));
	bytes = ALIGN_UP(nfds, 64UL) / 8;
	bits = kcalloc(3, bytes ? bytes : 8);
	if (bits == NULL)
		return -ENOMEM;
	for (int k = 0; k < 3; k++) {
		set[k] = bits + k * bytes / 8;
		if (user[k] != 0 && bytes != 0 && copy_from_user(set[k], user[k], bytes) < 0)
			rc = -EFAULT;
	}
	if (rc == 0)
		rc = select_sets(set, nfds, deadline);
	for (int k = 0; k < 3 && rc >= 0; k++)
		if (user[k] != 0 && bytes != 0 && copy_to_user(user[k], set[k], bytes) < 0)
			rc = -EFAULT;
	kfree(bits);
	return rc == -EINTR ? -ERESTARTNOHAND : rc;
}

s64 sys_select(u64 n, u64 in, u64 out, u64 ex, u64 timeout, u64 a5)
{
	const u64 user[3] = { in, out, ex };
	struct timeval_abi tv;
	u64 deadline = 0, left;
	s64 rc;

	if (timeout != 0) {
		if (copy_from_user(&tv, timeout, sizeof(tv)) < 0)
			return -EFAULT;
		if (tv.sec < 0 || tv.usec < 0)
			return -EINVAL;
		left = MIN((u64)tv.sec, 4000000000ULL) * NSEC_PER_SEC + (u64)tv.usec % 1000000000000ULL * 1000;
		deadline = left == 0 ? POLL_NOW : time_mono_ns() + left;
	}
	rc = select_user(n, user, deadline);
	if (tells_rest(timeout)) {
		left = time_left(deadline);
		tv = (struct timeval_abi){ left / NSEC_PER_SEC, left % NSEC_PER_SEC / 1000 };
		(void)!copy_to_user(timeout, &tv, sizeof(tv));
	}
	return rc;
}

s64 sys_pselect6(u64 n, u64 in, u64 out, u64 ex, u64 timeout, u64 mask)
{
	const u64 user[3] = { in, out, ex };
	u64 deadline, arg[2] = { 0, 0 };
	int entered, rc0 = deadline_from_user(timeout, &deadline);
	s64 rc;

	if (rc0 < 0)
		return rc0;
	if (mask != 0 && copy_from_user(arg, mask, sizeof(arg)) < 0)
		return -EFAULT;
	entered = sigmask_enter(arg[0], arg[1]);
	if (entered < 0)
		return entered;
	rc = select_user(n, user, deadline);
	if (tells_rest(timeout))
		(void)!timespec_to_user(timeout, time_left(deadline));
	return sigmask_leave(entered, rc);
}
