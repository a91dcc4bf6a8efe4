/* SPDX-License-Identifier: MIT */
/* ptrace(2): what a tracer asks. What becomes of the threads is in process/ptrace.h. */
#include "managers/processor/process/ptrace.h"

#include "arch/x86/fpu.h"
#include "arch/x86/fpu_image.h"
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

#define UNBLOCKABLE	(SIGBIT(SIGKILL) | SIGBIT(SIGSTOP))
#define FLAGS_SET	0x50dd5ULL	/* CF PF AF ZF SF TF DF OF, RF, AC: what a tracer may set */
#define DR6_IDLE	0xffff0ff0ULL

/* One that the current thread traces; tree_lock held. any: whatever it is doing, else it must be in a stop. -ESRCH: NULL */
static struct tracee *find(u32 pid, bool any)
{
	struct task *t = task_find_locked(pid);
	struct tracee *tr = t == NULL ? NULL : t->tracee;

	if (tr == NULL || tr->tracer != task_current())
		return NULL;
	return any || tr->state == TRACEE_STOPPED ? tr : NULL;
}

/* What fn says of one in a stop, under tree_lock; -ESRCH: there is none */
static s64 with_stopped(u32 pid, s64 (*fn)(struct tracee *tr, void *arg), void *arg)
{
	struct tracee *tr;
	s64 rc;

	spin_lock(&tree_lock);
	tr = find(pid, false);
	rc = tr == NULL ? -ESRCH : fn(tr, arg);
	spin_unlock(&tree_lock);
	return rc;
}

/* --- attaching --- */

static s64 may_attach_locked(u32 pid, struct task **out)
{
	struct task *t = task_find_locked(pid);

	*out = t;
	if (t == NULL)
		return pid == process_init->pid ? -EPERM : -ESRCH;	/* the kernel's own */
	if (t->process == process_current() || t->exiting || t->tracee != NULL || t->process->exec_private != 0)
		return -EPERM;
	return process_may_inspect_locked(t->process) ? 0 : -EPERM;
}

/* A process without threads is a zombie: there is nothing to attach to. */
static s64 no_thread(u32 pid)
{
	struct process *p = process_find(pid);

	if (p == NULL)
		return -ESRCH;
	process_put(p);
	return -EPERM;
}

static s64 attach(u32 pid, bool seize, u32 options)
{
	struct siginfo_abi stop = { .signo = SIGSTOP, .code = SI_KERNEL };
	struct tracee *tr = tracee_alloc();
	struct task *t;
	s64 rc;

	if (tr == NULL)
		return -ENOMEM;
	spin_lock(&tree_lock);
	rc = may_attach_locked(pid, &t);
	if (rc == 0) {
		tracee_attach_locked(tr, t, task_current(), seize, options);
		if (!seize)
			(void)signal_send_locked(t->process, t, &stop);
	}
	spin_unlock(&tree_lock);
	if (rc < 0)
		kfree(tr);
	return rc == -ESRCH ? no_thread(pid) : rc;
}

/* The thread that made the current process, or another of the parent's. */
static struct task *maker_locked(void)
{
	struct process *p = process_current();
	struct task *t = task_find_locked(p->maker);

	if (t == NULL || t->process != p->parent)
		t = list_first(&p->parent->tasks, struct task, group_link);
	return t;
}

static s64 trace_me(void)
{
	struct tracee *tr = tracee_alloc();
	struct process *p = process_current();
	const struct credentials *by;
	struct task *t;
	s64 rc = 0;

	if (tr == NULL)
		return -ENOMEM;
	spin_lock(&tree_lock);
	by = &p->parent->cred;
	t = maker_locked();
	if (task_current()->tracee != NULL || p->parent == process_init || p->exec_private != 0 ||
	    ((p->cred.permitted & ~by->permitted) && !cred_has(by, CAP_SYS_PTRACE))) {
		rc = -EPERM;
	} else if (t != NULL) {			/* else it is about to end */
		tracee_attach_locked(tr, task_current(), t, false, 0);
		tr = NULL;
	}
	spin_unlock(&tree_lock);
	kfree(tr);
	return rc;
}

/* --- memory --- */

/* With a reference; -EIO: the tracee has come to run what its tracer may not look into. */
static s64 space_of(u32 pid, struct space **out)
{
	struct tracee *tr;
	s64 rc = 0;

	spin_lock(&tree_lock);
	tr = find(pid, false);
	if (tr == NULL || tr->task->space == NULL)
		rc = -ESRCH;
	else if (tr->process->undumpable && !tr->capable)
		rc = -EIO;
	else
		space_get(*out = tr->task->space);
	spin_unlock(&tree_lock);
	return rc;
}

static s64 peek(u32 pid, u64 addr, u64 data)
{
	struct space *s;
	s64 rc = space_of(pid, &s);
	u64 word;

	if (rc < 0)
		return rc;
	rc = user_range_ok(addr, sizeof(word)) ? space_read(s, addr, &word, sizeof(word)) : -EIO;
	space_put(s);
	return rc < 0 ? -EIO : put_user64(data, word);
}

static s64 poke(u32 pid, u64 addr, u64 word)
{
	struct space *s;
	s64 rc = space_of(pid, &s);

	if (rc < 0)
		return rc;
	rc = user_range_ok(addr, sizeof(word)) ? space_poke(s, addr, &word, sizeof(word)) : -EIO;
	space_put(s);
	return rc < 0 ? -EIO : 0;
}

/* --- registers; tree_lock held, the tracee stopped --- */

static void regs_get(const struct tracee *tr, struct user_regs_abi *u)
{
	user_regs_fill(u, tr->regs, tr->fs_base, tr->gs_base);
}

/* There are no other segments than those of every program: -EIO for others, and for bases that are no user's. */
static s64 regs_check(const struct user_regs_abi *u)
{
	return u->cs != USER_CS || u->ss != USER_DS || u->ds != 0 || u->es != 0 || u->fs != 0 || u->gs != 0 ||
	       u->fs_base >= USER_ADDRESS_END || u->gs_base >= USER_ADDRESS_END ? -EIO : 0;
}

static s64 regs_set(struct tracee *tr, const struct user_regs_abi *u)
{
	struct regs *r = tr->regs;
	s64 rc = regs_check(u);

	if (rc < 0)
		return rc;
	r->r15 = u->r15;
	r->r14 = u->r14;
	r->r13 = u->r13;
	r->r12 = u->r12;
	r->rbp = u->rbp;
	r->rbx = u->rbx;
	r->r11 = u->r11;
	r->r10 = u->r10;
	r->r9 = u->r9;
	r->r8 = u->r8;
	r->rax = u->rax;
	r->rcx = u->rcx;
	r->rdx = u->rdx;
	r->rsi = u->rsi;
	r->rdi = u->rdi;
	/* in a call, or in none: whether rax is a result that may mean to begin it again */
	r->vector = (u32)u->orig_rax == ~0U ? 0 : VECTOR_SYSCALL;
	r->error = u->orig_rax;
	r->rip = u->rip;
	r->rflags = (r->rflags & ~FLAGS_SET) | (u->rflags & FLAGS_SET);
	r->rsp = u->rsp;
	if (tr->fs_base != u->fs_base || tr->gs_base != u->gs_base)
		tr->changed = true;
	tr->fs_base = u->fs_base;
	tr->gs_base = u->gs_base;
	return 0;
}

static s64 debug_register(u64 n)
{
	return n == 6 ? DR6_IDLE : 0;
}

static s64 regs_out(struct tracee *tr, void *u)
{
	regs_get(tr, u);
	return 0;
}

static s64 peek_user(u32 pid, u64 addr, u64 data)
{
	struct user_regs_abi u;
	u64 word = 0;
	s64 rc = with_stopped(pid, regs_out, &u);

	if (rc < 0)
		return rc;
	if (addr % sizeof(word) != 0 || addr >= USER_AREA_SIZE)
		return -EIO;
	if (addr < sizeof(u))
		word = ((u64 *)&u)[addr / sizeof(word)];
	else if (addr >= USER_AREA_DEBUG && addr < USER_AREA_DEBUG + 64)
		word = debug_register((addr - USER_AREA_DEBUG) / sizeof(word));
	return put_user64(data, word);
}

static s64 poke_user(u32 pid, u64 addr, u64 word)
{
	struct user_regs_abi u;
	struct tracee *tr;
	s64 rc = -EIO;

	spin_lock(&tree_lock);
	tr = find(pid, false);
	if (tr == NULL) {
		rc = -ESRCH;
	} else if (addr % sizeof(word) == 0 && addr < sizeof(u)) {
		regs_get(tr, &u);
		((u64 *)&u)[addr / sizeof(word)] = word;
		rc = regs_set(tr, &u);
	} else if (addr % sizeof(word) == 0 && addr >= USER_AREA_DEBUG && addr < USER_AREA_DEBUG + 64) {
		/* there are no hardware breakpoints: they can be cleared */
		rc = word == 0 || (addr - USER_AREA_DEBUG) / sizeof(word) == 6 ? 0 : -EIO;
	}
	spin_unlock(&tree_lock);
	return rc;
}

/* Sets of registers: their sizes, and copies of len bytes from their first; tree_lock held */

static u64 set_size(u64 type)
{
	return type == NT_PRSTATUS ? sizeof(struct user_regs_abi) : type == NT_PRFPREG ? FXSAVE_SIZE :
	       type == NT_X86_XSTATE && fpu_components() != 0 ? fpu_image_size() : 0;
}

static void set_get(struct tracee *tr, u64 type, void *to, u64 len)
{
	struct fxsave_image *fx = (struct fxsave_image *)tr->fpu;
	u64 components = fpu_components();
	struct user_regs_abi u;

	if (type == NT_PRSTATUS) {
		regs_get(tr, &u);
		memcpy(to, &u, len);
		return;
	}
	memset(&fx->sw, 0, sizeof(fx->sw));	/* a tracer reads there what an image of this CPU consists of */
	if (type == NT_X86_XSTATE)
		memcpy(&fx->sw, &components, sizeof(components));
	memcpy(to, tr->fpu, len);
}

static s64 set_set(struct tracee *tr, u64 type, const void *from, u64 len)
{
	struct user_regs_abi u;
	s64 rc;

	if (type == NT_PRSTATUS) {
		regs_get(tr, &u);
		memcpy(&u, from, len);
		return regs_set(tr, &u);
	}
	if (len != set_size(type))
		return type == NT_PRFPREG ? -EINVAL : -EFAULT;
	rc = fpu_check(from, type == NT_PRFPREG);
	if (rc < 0)
		return rc;
	if (type == NT_PRFPREG)
		fpu_set_legacy(tr->fpu, from);
	else
		memcpy(tr->fpu, from, len);
	tr->changed = true;
	return 0;
}

static s64 set_copy(u32 pid, u64 type, u64 user, u64 len, bool write)
{
	void *buf = kzalloc(MAX(len, 8ULL));
	struct tracee *tr;
	s64 rc = 0;

	if (buf == NULL)
		return -ENOMEM;
	if (write && copy_from_user(buf, user, len) < 0)
		rc = -EFAULT;
	if (rc == 0) {
		spin_lock(&tree_lock);
		tr = find(pid, false);
		if (tr == NULL)
			rc = -ESRCH;
		else if (write)
			rc = set_set(tr, type, buf, len);
		else
			set_get(tr, type, buf, len);
		spin_unlock(&tree_lock);
	}
	if (rc == 0 && !write)
		rc = copy_to_user(user, buf, len);
	kfree(buf);
	return rc;
}

static s64 set_vector(u32 pid, u64 type, u64 user, bool write)
{
	struct { u64 base, len; } iov;
	u64 size = set_size(type);
	s64 rc;

	if (copy_from_user(&iov, user, sizeof(iov)) < 0)
		return -EFAULT;
	if (size == 0 || iov.len % 8 != 0)
		return -EINVAL;
	iov.len = MIN(iov.len, size);
	rc = set_copy(pid, type, iov.base, iov.len, write);
	return rc < 0 ? rc : put_user64(user + 8, iov.len);
}

/* --- the stop itself --- */

static s64 info_out(struct tracee *tr, void *info)
{
	if (!tr->has_info)
		return -EINVAL;
	*(struct siginfo_abi *)info = tr->info;
	return 0;
}

static s64 info_in(struct tracee *tr, void *info)
{
	if (!tr->has_info)
		return -EINVAL;
	tr->info = *(struct siginfo_abi *)info;
	return 0;
}

static s64 get_info(u32 pid, u64 user)
{
	struct siginfo_abi info;
	s64 rc = with_stopped(pid, info_out, &info);

	return rc < 0 ? rc : copy_to_user(user, &info, sizeof(info));
}

static s64 set_info(u32 pid, u64 user)
{
	struct siginfo_abi info;

	return copy_from_user(&info, user, sizeof(info)) < 0 ? -EFAULT : with_stopped(pid, info_in, &info);
}

static s64 message_out(struct tracee *tr, void *message)
{
	*(u64 *)message = tr->message;
	return 0;
}

static s64 get_message(u32 pid, u64 user)
{
	u64 message;
	s64 rc = with_stopped(pid, message_out, &message);

	return rc < 0 ? rc : put_user64(user, message);
}

static s64 options_in(struct tracee *tr, void *options)
{
	if (*(u64 *)options & ~(u64)PTRACE_O_ALL)
		return -EINVAL;
	tr->options = *(u64 *)options;
	return 0;
}

static s64 set_options(u32 pid, u64 options) { return with_stopped(pid, options_in, &options); }

/* The stopped thread's own; tree_lock held */
static void mask_set(struct task *t, sigset_t_ set)
{
	spin_lock(&t->process->signal_lock);
	t->blocked = set & ~UNBLOCKABLE;
	t->restore_blocked = false;
	signal_recalc(t);
	spin_unlock(&t->process->signal_lock);
}

static s64 mask(u32 pid, u64 size, u64 user, bool write)
{
	struct tracee *tr;
	u64 set = 0;

	spin_lock(&tree_lock);
	tr = find(pid, false);
	if (tr != NULL)
		set = tr->task->restore_blocked ? tr->task->saved_blocked : tr->task->blocked;
	spin_unlock(&tree_lock);
	if (tr == NULL)
		return -ESRCH;
	if (size != sizeof(set))
		return -EINVAL;
	if (!write)
		return put_user64(user, set);
	if (get_user64(&set, user) < 0)
		return -EFAULT;
	spin_lock(&tree_lock);
	tr = find(pid, false);
	if (tr != NULL)
		mask_set(tr->task, set);
	spin_unlock(&tree_lock);
	return tr == NULL ? -ESRCH : 0;
}

/* The nth signal of a queue: its details. Those without are not on it. */
static bool pending_nth(const struct pending *q, u64 n, struct siginfo_abi *info)
{
	struct queued_signal *s;

	list_for_each(s, &q->queue, link) {
		if (n-- != 0)
			continue;
		*info = s->info;
		return true;
	}
	return false;
}

static s64 peek_signals(u32 pid, u64 args, u64 user)
{
	struct peek_siginfo_abi a;
	struct siginfo_abi info;
	s32 done = 0;

	if (copy_from_user(&a, args, sizeof(a)) < 0)
		return -EFAULT;
	if ((a.flags & ~PTRACE_PEEKSIGINFO_SHARED) || a.nr < 0)
		return -EINVAL;
	for (; done < a.nr; done++) {
		struct tracee *tr;
		bool found = false;

		spin_lock(&tree_lock);
		tr = find(pid, false);
		if (tr != NULL) {
			struct process *p = tr->process;

			spin_lock(&p->signal_lock);
			found = pending_nth(a.flags & PTRACE_PEEKSIGINFO_SHARED ? &p->pending : &tr->task->pending, a.off + done, &info);
			spin_unlock(&p->signal_lock);
		}
		spin_unlock(&tree_lock);
		if (tr == NULL)
			return -ESRCH;
		if (!found)
			break;
		if (copy_to_user(user + done * sizeof(info), &info, sizeof(info)) < 0)
			return done != 0 ? done : -EFAULT;
	}
	return done;
}

/* What of the answer counts, in bytes. */
static u64 call_info(const struct tracee *tr, struct syscall_info_abi *info)
{
	const struct regs *r = tr->regs;
	bool filtered = tr->has_info && tr->info.code == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8);
	u64 kind = filtered ? PTRACE_MESSAGE_ENTRY : tr->has_info && tr->info.code == (SIGTRAP | 0x80) ? tr->message : 0;

	*info = (struct syscall_info_abi){ .arch = AUDIT_ARCH_X86_64, .rip = r->rip, .rsp = r->rsp };
	if (kind == PTRACE_MESSAGE_ENTRY) {
		const u64 args[] = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 };

		info->op = filtered ? SYSCALL_INFO_SECCOMP : SYSCALL_INFO_ENTRY;
		info->entry.nr = r->error;
		memcpy(info->entry.args, args, sizeof(args));
		info->entry.ret_data = filtered ? tr->message : 0;
		return offsetof(struct syscall_info_abi, entry.ret_data) + (filtered ? sizeof(info->entry.ret_data) : 0);
	}
	if (kind == PTRACE_MESSAGE_EXIT) {
		info->op = SYSCALL_INFO_EXIT;
		info->exit.value = r->rax;
		info->exit.is_error = (s64)r->rax < 0 && (s64)r->rax >= -4095;
		return offsetof(struct syscall_info_abi, exit.is_error) + 1;
	}
	return offsetof(struct syscall_info_abi, entry);
}

static s64 get_call_info(u32 pid, u64 room, u64 user)
{
	struct syscall_info_abi info;
	struct tracee *tr;
	u64 size = 0;

	spin_lock(&tree_lock);
	tr = find(pid, false);
	if (tr != NULL)
		size = call_info(tr, &info);
	spin_unlock(&tree_lock);
	if (tr == NULL)
		return -ESRCH;
	return copy_to_user(user, &info, MIN(size, room)) < 0 ? -EFAULT : (s64)size;
}

/* --- going on --- */

static void detach_locked(struct tracee *tr, int sig, u32 work) { tracee_detach_locked(tr, sig); }

/* A stopped tracee goes on with this signal, if it is one. */
static s64 go_on(u32 pid, u64 sig, u32 work, void (*how)(struct tracee *tr, int sig, u32 work))
{
	struct tracee *tr;
	s64 rc = 0;

	spin_lock(&tree_lock);
	tr = find(pid, false);
	if (tr == NULL)
		rc = -ESRCH;
	else if (sig > NR_SIGNALS)
		rc = -EIO;
	else
		how(tr, sig, work);
	spin_unlock(&tree_lock);
	return rc;
}

static s64 interrupt(u32 pid)
{
	struct tracee *tr;
	s64 rc = 0;

	spin_lock(&tree_lock);
	tr = find(pid, true);
	if (tr == NULL || !tr->seized)
		rc = tr == NULL ? -ESRCH : -EIO;
	else
		tracee_interrupt_locked(tr);
	spin_unlock(&tree_lock);
	return rc;
}

static s64 listens(struct tracee *tr, void *none)
{
	if (!tr->seized || tr->code >> 8 != PTRACE_EVENT_STOP)
		return -EIO;
	tracee_listen_locked(tr);
	return 0;
}

static s64 listen(u32 pid) { return with_stopped(pid, listens, NULL); }

static s64 kill_tracee(u32 pid)
{
	struct siginfo_abi info = { .signo = SIGKILL, .code = SI_USER };
	struct tracee *tr;

	spin_lock(&tree_lock);
	tr = find(pid, true);
	if (tr != NULL)
		(void)signal_send_locked(tr->process, NULL, &info);
	spin_unlock(&tree_lock);
	return tr == NULL ? -ESRCH : 0;
}

/* What is not there: is there at least somebody to ask? */
static s64 not_known(struct tracee *tr, void *none) { return -EIO; }
static s64 unknown(u32 pid) { return with_stopped(pid, not_known, NULL); }

s64 sys_ptrace(u64 request, u64 pid, u64 addr, u64 data, u64 a4, u64 a5)
{
	const u64 legacy = FXSAVE_SIZE, general = sizeof(struct user_regs_abi);

	switch (request) {
	case PTRACE_TRACEME:	return trace_me();
	case PTRACE_ATTACH:	return attach(pid, false, 0);
	case PTRACE_SEIZE:	return addr != 0 || (data & ~(u64)PTRACE_O_ALL) ? -EIO : attach(pid, true, data);
	case PTRACE_DETACH:	return go_on(pid, data, 0, detach_locked);
	case PTRACE_CONT:	return go_on(pid, data, 0, tracee_resume_locked);
	case PTRACE_SYSCALL:	return go_on(pid, data, WORK_CALLS, tracee_resume_locked);
	case PTRACE_SINGLESTEP:	return go_on(pid, data, WORK_STEP, tracee_resume_locked);
	case PTRACE_KILL:	return kill_tracee(pid);
	case PTRACE_INTERRUPT:	return interrupt(pid);
	case PTRACE_LISTEN:	return listen(pid);
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:	return peek(pid, addr, data);
	case PTRACE_POKETEXT:
	case PTRACE_POKEDATA:	return poke(pid, addr, data);
	case PTRACE_PEEKUSER:	return peek_user(pid, addr, data);
	case PTRACE_POKEUSER:	return poke_user(pid, addr, data);
	case PTRACE_GETREGS:	return set_copy(pid, NT_PRSTATUS, data, general, false);
	case PTRACE_SETREGS:	return set_copy(pid, NT_PRSTATUS, data, general, true);
	case PTRACE_GETFPREGS:	return set_copy(pid, NT_PRFPREG, data, legacy, false);
	case PTRACE_SETFPREGS:	return set_copy(pid, NT_PRFPREG, data, legacy, true);
	case PTRACE_GETREGSET:	return unknown(pid) == -ESRCH ? -ESRCH : set_vector(pid, addr, data, false);
	case PTRACE_SETREGSET:	return unknown(pid) == -ESRCH ? -ESRCH : set_vector(pid, addr, data, true);
	case PTRACE_GETSIGINFO:	return get_info(pid, data);
	case PTRACE_SETSIGINFO:	return unknown(pid) == -ESRCH ? -ESRCH : set_info(pid, data);
	case PTRACE_GETSIGMASK:	return mask(pid, addr, data, false);
	case PTRACE_SETSIGMASK:	return mask(pid, addr, data, true);
	case PTRACE_PEEKSIGINFO: return unknown(pid) == -ESRCH ? -ESRCH : peek_signals(pid, addr, data);
	case PTRACE_GETEVENTMSG: return get_message(pid, data);
	case PTRACE_SETOPTIONS:	return set_options(pid, data);
	case PTRACE_GET_SYSCALL_INFO: return get_call_info(pid, addr, data);
	default:		return unknown(pid);
	}
}
