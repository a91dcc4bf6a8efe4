/* SPDX-License-Identifier: MIT */
/*
 * execve: a new program in a fresh address space. Everything that can fail happens before the old one is given up; what
 * is reset then stands in one list, exec_reset() (L20).
 */
#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "arch/x86/platform.h"
#include "arch/x86/uaccess.h"
#include "kernel/param.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/fs/mount.h"
#include "managers/processor/ipc/mqueue.h"
#include "managers/processor/process/process.h"
#include "managers/processor/process/ptrace.h"
#include "managers/processor/process/timers.h"
#include "managers/processor/syscall/syscall.h"
#include "managers/processor/syscall/where.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"
#include "managers/protocol/memory_ops.h"

#define ARG_MAX_BYTES	MIB(2)
#define ARG_MAX_STRING	(128 * 1024)
#define SCRIPT_DEPTH	4
#define SCRIPT_LINE	256

/* The new program's strings, packed one behind the other: argv first, then envp. */
struct exec_args {
	char *buf;
	size_t used, room;
	u32 argc, envc;
};

static int args_reserve(struct exec_args *a, size_t more)
{
	size_t room = a->room ? a->room : 4096;
	char *buf;

	if (a->used + more > ARG_MAX_BYTES)
		return -E2BIG;
	while (room < a->used + more)
		room *= 2;
	if (room == a->room)
		return 0;
	buf = kmalloc(room);
	if (buf == NULL)
		return -ENOMEM;
	if (a->used != 0)
		memcpy(buf, a->buf, a->used);
	kfree(a->buf);
	a->buf = buf;
	a->room = room;
	return 0;
}

static int args_add(struct exec_args *a, const char *s)
{
	size_t len = strlen(s) + 1;
	int rc = args_reserve(a, len);

	if (rc < 0)
		return rc;
	memcpy(a->buf + a->used, s, len);
	a->used += len;
	return 0;
}

static int args_add_user(struct exec_args *a, u64 str)
{
	size_t room = 1024;

	for (;;) {
		s64 len;
		int rc = args_reserve(a, room);

		if (rc < 0)
			return rc;
		len = strncpy_from_user(a->buf + a->used, str, room);
		if (len >= 0) {
			a->used += len + 1;
			return 0;
		}
		if (len != -ENAMETOOLONG)
			return len;
		if (room >= ARG_MAX_STRING)
			return -E2BIG;
		room *= 2;
	}
}

static int args_add_user_vector(struct exec_args *a, u64 vec, u32 *count)
{
	if (vec == 0)
		return 0;
	for (;; vec += 8) {
		u64 str;
		int rc;

		if (get_user64(&str, vec) < 0)
			return -EFAULT;
		if (str == 0)
			return 0;
		rc = args_add_user(a, str);
		if (rc < 0)
			return rc;
		++*count;
	}
}

/* "#!": argv[0] becomes the interpreter, its one optional argument, the script's path. */
static int args_put_script(struct exec_args *a, const char *interp, const char *opt, const char *script)
{
	const char *add[] = { interp, opt, script };
	size_t first = a->argc ? strlen(a->buf) + 1 : 0, more = 0;
	u32 n = 0;
	char *at;
	int rc;

	for (unsigned i = 0; i < ARRAY_SIZE(add); i++) {
		if (add[i] != NULL) {
			more += strlen(add[i]) + 1;
			n++;
		}
	}
	rc = args_reserve(a, more);
	if (rc < 0)
		return rc;
	memmove(a->buf + more, a->buf + first, a->used - first);
	at = a->buf;
	for (unsigned i = 0; i < ARRAY_SIZE(add); i++) {
		if (add[i] != NULL) {
			memcpy(at, add[i], strlen(add[i]) + 1);
			at += strlen(add[i]) + 1;
		}
	}
	a->used = a->used - first + more;
	a->argc = a->argc - (a->argc ? 1 : 0) + n;
	return 0;
}

/* --- finding the program --- */

struct program {
	struct file *file, *interp;
	char *path;		/* as asked for: AT_EXECFN */
	bool unreadable;	/* for who starts it: nor is it to be read in memory */
};

static void program_put(struct program *p)
{
	if (p->file != NULL)
		file_put(p->file);
	if (p->interp != NULL)
		file_put(p->interp);
	kfree(p->path);
	memset(p, 0, sizeof(*p));
}

/* In place: "interp [arg]" with blanks around. The argument is the rest of the line, as Linux has it. */
static int script_split(char *line, char **interp, char **opt)
{
	char *end = line + strlen(line);

	while (*line == ' ' || *line == '\t')
		line++;
	while (end > line && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		*--end = '\0';
	if (*line == '\0')
		return -ENOEXEC;
	*interp = line;
	*opt = NULL;
	while (*line != '\0' && *line != ' ' && *line != '\t')
		line++;
	if (*line == '\0')
		return 0;
	*line++ = '\0';
	while (*line == ' ' || *line == '\t')
		line++;
	*opt = line;
	return 0;
}

/* What a call of the execve family names. */
struct target {
	const char *path, *name;	/* name: what the program hears that it is called */
	struct dentry *start;		/* of a relative path; NULL: the current directory */
	struct file *file;		/* itself, path empty; or NULL */
	bool follow;			/* a symlink */
	bool unreachable;		/* its name leads nowhere once the descriptors are closed: no script */
};

static int target_open(struct task *t, const struct target *x, struct file **out)
{
	if (x->file != NULL)
		return fs_open_exec_inode(x->file->inode, x->file->dentry, out);
	return fs_open_exec(t->fs, x->start, x->path, x->follow, out);
}

/* Open, probe, follow "#!" lines; on 0 prog->file is an ELF and prog->interp its interpreter or NULL. */
static int program_find(struct task *t, const struct target *x, struct exec_args *args, struct program *prog)
{
	struct target next = { .follow = true };
	char text[SCRIPT_LINE];
	u32 kind;
	int rc;

	prog->path = kstrdup(x->name);
	if (prog->path == NULL)
		return -ENOMEM;
	for (unsigned depth = 0;; depth++) {
		char *interp, *opt, *script;

		if (depth > SCRIPT_DEPTH)
			return -ELOOP;
		rc = target_open(t, x, &prog->file);
		if (rc < 0)
			return rc;
		rc = space_exec_probe(prog->file, &kind, text);
		if (rc < 0)
			return rc;
		if (kind != EXEC_SCRIPT)
			break;
		rc = x->unreachable ? -ENOENT : script_split(text, &interp, &opt);
		if (rc < 0)
			return rc;
		rc = args_put_script(args, interp, opt, prog->path);
		if (rc < 0)
			return rc;
		file_put(prog->file);
		prog->file = NULL;
		script = kstrdup(interp);
		kfree(prog->path);
		prog->path = script;
		if (script == NULL)
			return -ENOMEM;
		next.path = script;
		x = &next;
	}
	if (kind == EXEC_INTERP) {
		rc = fs_open_exec(t->fs, NULL, text, true, &prog->interp);
		if (rc < 0)
			return rc == -ENOENT ? -ENOENT : rc == -ENOMEM ? rc : -ELIBBAD;
		file_text_end(prog->interp);	/* it may be written to: only the program itself may not */
	}
	prog->unreadable = fs_permission(prog->file->inode, MAY_READ) == -EACCES ||
			   (prog->interp != NULL && fs_permission(prog->interp->inode, MAY_READ) == -EACCES);
	return 0;
}

/* --- the stack --- */

/*
 * From the top down: a zero word, the path, the strings, "x86_64", 16 random bytes; then 16-byte aligned from
 * below: argc, argv[], NULL, envp[], NULL, auxv (System V ABI, process initialization).
 */
static int stack_build(struct space *s, const struct exec_args *a, const struct program *prog, const struct exec_image *img,
		       const struct credentials *cred, bool secure, u64 *sp_out)
{
	static const char platform[] = "x86_64";
	const size_t path_len = strlen(prog->path) + 1;
	u64 at = img->stack_top - 8, path_at, strings_at, platform_at, random_at, *word, random[2];
	size_t nr_words, n = 0, off = 0;
	int rc;

	at -= path_len;
	path_at = at;
	at -= a->used;
	strings_at = at;
	at -= sizeof(platform);
	platform_at = at;
	at = ALIGN_DOWN(at - 16, 16UL);
	random_at = at;

	nr_words = 1 + a->argc + 1 + a->envc + 1 + AUXV_WORDS;
	word = kcalloc(nr_words, 8);
	if (word == NULL)
		return -ENOMEM;
	word[n++] = a->argc;
	for (u32 i = 0; i < a->argc + a->envc; i++) {
		if (i == a->argc)
			word[n++] = 0;
		word[n++] = strings_at + off;
		off += strlen(a->buf + off) + 1;
	}
	if (a->envc == 0)
		word[n++] = 0;
	word[n++] = 0;
	const u64 aux[][2] = {
		{ AT_HWCAP, cpuid(1, 0).edx }, { AT_PAGESZ, PAGE_SIZE }, { AT_CLKTCK, 100 },
		{ AT_PHDR, img->at_phdr }, { AT_PHENT, img->at_phent }, { AT_PHNUM, img->at_phnum },
		{ AT_BASE, img->at_base }, { AT_FLAGS, 0 }, { AT_ENTRY, img->at_entry },
		{ AT_UID, cred->uid }, { AT_EUID, cred->euid }, { AT_GID, cred->gid }, { AT_EGID, cred->egid },
		{ AT_SECURE, secure }, { AT_RANDOM, random_at }, { AT_HWCAP2, 0 }, { AT_EXECFN, path_at },
		{ AT_PLATFORM, platform_at }, { AT_SYSINFO_EHDR, img->vdso }, { AT_MINSIGSTKSZ, fpu_user_size() + 1024 }, { AT_NULL, 0 },
	};
	_Static_assert(sizeof(aux) <= sizeof(s->auxv), "room for all");
	memcpy(s->auxv, aux, sizeof(aux));
	for (unsigned i = 0; i < ARRAY_SIZE(aux); i++) {
		word[n++] = aux[i][0];
		word[n++] = aux[i][1];
	}
	BUG_ON(n > nr_words);
	at = ALIGN_DOWN(at - n * 8, 16UL);
	random[0] = arch_random();
	random[1] = arch_random();
	rc = space_write(s, at, word, n * 8);
	kfree(word);
	if (rc == 0)
		rc = space_write(s, random_at, random, sizeof(random));
	if (rc == 0)
		rc = space_write(s, platform_at, platform, sizeof(platform));
	if (rc == 0 && a->used != 0)
		rc = space_write(s, strings_at, a->buf, a->used);
	if (rc == 0)
		rc = space_write(s, path_at, prog->path, path_len);
	off = 0;
	for (u32 i = 0; i < a->argc; i++)
		off += strlen(a->buf + off) + 1;
	s->arg_start = strings_at;
	s->arg_end = s->env_start = strings_at + off;
	s->env_end = strings_at + a->used;
	*sp_out = at;
	return rc;
}

/* Between these two nobody may begin to trace the process: it is about to have rights that the tracer was not asked for. */
static bool gains(const struct credentials *c) { return c->uid != c->euid || c->gid != c->egid; }
static void private_begin_locked(struct task *t, const struct credentials *c)
{
	t->exec_private = gains(c) || (c->permitted & ~t->process->cred.permitted) != 0;
	t->process->exec_private += t->exec_private;
}

static void private_end_locked(struct task *t)
{
	t->process->exec_private -= t->exec_private;
	t->exec_private = false;
}

static void private_end(struct task *t)
{
	spin_lock(&tree_lock);
	private_end_locked(t);
	spin_unlock(&tree_lock);
}

/* A loaded program in a space of its own, ready to run; on 0 private_end() is the caller's. */
static int image_make(struct task *t, struct program *prog, const struct exec_args *a, struct credentials *cred, struct space **out,
		      struct exec_image *img, u64 *sp)
{
	struct process *p = t->process;
	struct space *s = space_create();
	const struct inode *i = prog->file->inode;
	u32 mode = mount_flags(i->mount) & MS_NOSUID ? i->mode & 0777 : i->mode;
	bool secure, random;
	int rc;

	if (s == NULL)
		return -ENOMEM;
	spin_lock(&tree_lock);
	*cred = p->cred;
	secure = (tracee_limits_exec_locked(t) ? cred_exec_traced : cred_exec)(cred, mode, i->uid, i->gid);
	private_begin_locked(t, cred);
	spin_unlock(&tree_lock);
	random = param_bool("aslr", true) && (secure || !(p->personality & ADDR_NO_RANDOMIZE));
	rc = space_exec(s, prog->file, prog->interp, random, p->rlimit[RLIMIT_STACK].cur, img);
	if (rc == 0)
		rc = space_map_vdso(s, &img->vdso);
	if (rc == 0)
		rc = stack_build(s, a, prog, img, cred, secure, sp);
	if (rc < 0) {
		private_end(t);
		space_put(s);
		return rc;
	}
	*out = s;
	return 0;
}

static void regs_begin(struct regs *r, u64 rip, u64 rsp)
{
	memset(r, 0, sizeof(*r));
	r->rip = rip;
	r->rsp = rsp;
	r->cs = USER_CS;
	r->ss = USER_DS;
	r->rflags = 0x202;
}

/* The same for a thread that runs: for a tracer it is still in its call. */
static void regs_begin_again(struct regs *r, u64 rip, u64 rsp)
{
	u64 vector = r->vector, number = r->error;

	regs_begin(r, rip, rsp);
	r->vector = vector;
	r->error = number;
}

static void process_name(struct task *t, struct program *prog)
{
	struct process *p = t->process;
	const char *base = strrchr(prog->path, '/');
	struct file *old;

	spin_lock(&tree_lock);
	str_copy(p->comm, base ? base + 1 : prog->path, sizeof(p->comm));
	str_copy(t->thread->name, p->comm, sizeof(p->comm));
	old = p->exe;
	p->exe = prog->file;
	prog->file = NULL;
	p->did_exec = true;
	spin_unlock(&tree_lock);
	if (old != NULL)
		file_put(old);
}

/* --- execve of a running process --- */

static bool alone(struct process *p)
{
	return READ_ONCE(p->nr_tasks) == 1;
}

/*
 * All other threads end; this one becomes the leader. -EAGAIN: another thread was faster, or the process is ending. -ERESTARTNOINTR: since
 * cred was made another thread has forbidden new rights, and may have given this one a filter that must not see them.
 */
static int become_alone(struct task *t, const struct credentials *cred)
{
	struct process *p = t->process, *child;
	struct task *other;

	spin_lock(&tree_lock);
	if (p->group_exit || p->exec_task != NULL) {
		spin_unlock(&tree_lock);
		return -EAGAIN;
	}
	if (p->cred.no_new_privs != cred->no_new_privs) {
		spin_unlock(&tree_lock);
		return -ERESTARTNOINTR;
	}
	p->exec_task = t;
	list_for_each(other, &p->tasks, group_link) {
		if (other != t) {
			thread_interrupt(other->thread, true);
			arch_set_notify(other->thread);
		}
	}
	spin_unlock(&tree_lock);
	waitq_wake_all(&p->task_wait);
	(void)waitq_wait_killable(&p->task_wait, alone(p) || READ_ONCE(p->group_exit));
	spin_lock(&tree_lock);
	p->exec_task = NULL;
	if (p->group_exit) {
		spin_unlock(&tree_lock);
		return -EAGAIN;
	}
	if (p->leader != t) {
		p->leader = t;
		p->leader_gone = false;
		tid_take_over_locked(t, p->pid);
	}
	list_for_each(child, &p->children, sibling)
		child->maker = t->tid;
	tracee_exec_locked(t);
	spin_unlock(&tree_lock);
	return 0;
}

/* The one list of what execve resets. */
static int exec_reset(struct task *t)
{
	struct process *p = t->process;
	struct fd_table *files = handlers_unshare(p) < 0 ? NULL : fd_table_unshare(t->files);

	if (files == NULL)
		return -ENOMEM;
	task_set_files(t, files);
	mqueue_process_execs(p);		/* before others can see by a closed file that it has happened */
	fd_close_on_exec(t->files);
	handlers_reset(p->handlers);
	ptimers_delete(p, false);
	t->altstack_sp = t->altstack_size = 0;
	t->altstack_flags = SS_DISABLE;
	futex_exit_robust(t);
	t->set_child_tid = 0;
	t->restart = NULL;
	t->restore_blocked = false;
	WRITE_ONCE(p->membarriers, 0);
	fpu_reset(t->thread->ctx.fpu);
	arch_set_fs_base(0);
	arch_set_gs_base(0);
	return 0;
}

/* The new program's, which image_make() has told it of already. Another's may only have changed it by its own calls. */
static void exec_credentials(struct task *t, const struct credentials *cred, bool unreadable)
{
	struct process *p = t->process;

	spin_lock(&tree_lock);
	p->exit_signal = SIGCHLD;		/* execve(2), whatever clone was told */
	p->undumpable = gains(cred) || unreadable;
	p->personality &= ~READ_IMPLIES_EXEC;	/* that is for programs that say nothing of their stack */
	if (gains(cred)) {
		t->death_signal = 0;
		p->personality &= ~PERSONALITY_CLEARED;
	}
	p->cred = *cred;
	private_end_locked(t);
	spin_unlock(&tree_lock);
}

/* Arguments that cannot be read matter only if the program is there. */
static int bad_arguments(struct task *t, const struct target *x)
{
	struct file *f;
	int rc = target_open(t, x, &f);

	if (rc < 0)
		return rc;
	file_put(f);
	return -EFAULT;
}

static s64 execve(const struct target *x, u64 argv, u64 envp, struct regs *r)
{
	struct task *t = task_current();
	struct exec_args args = { 0 };
	struct program prog = { 0 };
	struct credentials cred;
	struct exec_image img;
	struct space *fresh, *old;
	u32 tid = t->tid;
	u64 sp;
	int rc;

	rc = args_add_user_vector(&args, argv, &args.argc);
	if (rc == 0 && args.argc == 0) {	/* an empty argv[0], as Linux gives programs that count on one */
		rc = args_add(&args, "");
		args.argc = 1;
	}
	if (rc == 0)
		rc = args_add_user_vector(&args, envp, &args.envc);
	if (rc == 0)
		rc = program_find(t, x, &args, &prog);
	if (rc == 0)
		rc = image_make(t, &prog, &args, &cred, &fresh, &img, &sp);
	kfree(args.buf);
	if (rc == -EFAULT && prog.file == NULL)
		rc = bad_arguments(t, x);
	if (rc < 0)
		goto put_program;
	rc = become_alone(t, &cred);
	if (rc == 0) {
		rc = exec_reset(t);
		if (rc < 0)			/* the other threads are gone: there is nothing to go back to */
			signal_force(SIGKILL, SI_KERNEL, 0, 0, 0);
	}
	if (rc < 0) {
		private_end(t);
		space_put(fresh);
		goto put_program;
	}
	/* no way back from here */
	process_name(t, &prog);
	exec_credentials(t, &cred, prog.unreadable);
	old = t->space;			/* still in use by what follows */
	if (t->vfork == NULL) {
		spin_lock(&tree_lock);
		usage_add_space(&t->process->ended, old);
		spin_unlock(&tree_lock);
	}
	if (t->clear_child_tid != 0 && put_user32(t->clear_child_tid, 0) == 0)
		futex_wake(old, t->clear_child_tid, true, 1, FUTEX_BITSET_ANY);
	t->clear_child_tid = 0;
	task_set_space(t, fresh);
	arch_set_cr3(fresh->pgd.root);
	exit_release_vfork(t);
	space_put(old);
	program_put(&prog);
	regs_begin_again(r, img.entry, sp);
	if (READ_ONCE(t->tracee) != NULL)
		tracee_event(PTRACE_EVENT_EXEC, tid);
	return 0;

put_program:
	program_put(&prog);
	return rc;
}

s64 sys_execveat(u64 dirfd, u64 path, u64 argv, u64 envp, u64 flags, u64 a5)
{
	struct target x = { .follow = !(flags & AT_SYMLINK_NOFOLLOW) };
	struct where w;
	char *name = NULL;
	s64 rc;

	if (flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	rc = where_get(&w, dirfd, path, flags & AT_EMPTY_PATH);
	if (rc < 0)
		return rc;
	x.path = x.name = w.path;
	x.start = w.start;
	if (w.file != NULL) {
		name = kmalloc(PATH_MAX + 32);
		if (name == NULL) {
			rc = -ENOMEM;
			goto out;
		}
		snprintf(name, PATH_MAX + 32, "/dev/fd/%d%s%s", (s32)dirfd, w.path[0] != '\0' ? "/" : "", w.path);
		x.name = name;
		x.unreachable = fd_get_flags(dirfd) > 0;
		if (w.path[0] == '\0')
			x.file = w.file;
	}
	if (x.file != NULL && x.file->inode == NULL)
		rc = -EACCES;
	else
		rc = x.file == NULL && w.path[0] == '\0' ? -EACCES : execve(&x, argv, envp, arch_user_regs());
out:
	kfree(name);
	where_put(&w);
	return rc;
}

s64 sys_execve(u64 path, u64 argv, u64 envp, u64 a3, u64 a4, u64 a5)
{
	return sys_execveat(AT_FDCWD, path, argv, envp, 0, 0);
}

/* --- the first program of a new process, started by the kernel --- */

int exec_kernel(struct task *t, const struct spawn *s)
{
	struct target x = { .path = s->path, .name = s->path, .follow = true };
	struct exec_args args = { 0 };
	struct program prog = { 0 };
	struct credentials cred;
	struct exec_image img;
	u64 sp;
	int rc = 0;

	for (args.argc = 0; rc == 0 && s->argv[args.argc] != NULL; args.argc++)
		rc = args_add(&args, s->argv[args.argc]);
	for (args.envc = 0; rc == 0 && s->envp[args.envc] != NULL; args.envc++)
		rc = args_add(&args, s->envp[args.envc]);
	if (rc == 0)
		rc = program_find(t, &x, &args, &prog);
	if (rc == 0)
		rc = image_make(t, &prog, &args, &cred, &t->space, &img, &sp);
	kfree(args.buf);
	if (rc == 0) {
		private_end(t);
		process_name(t, &prog);
		regs_begin(&t->start, img.entry, sp);
		t->thread->ctx.cr3 = t->space->pgd.root;
	}
	program_put(&prog);
	return rc;
}
