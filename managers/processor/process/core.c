/* SPDX-License-Identifier: MIT */
/*
 * A core file: an ELF header, a PT_NOTE, a PT_LOAD for each mapping, the notes, and from the next page on the pages themselves. What was
 * never touched is a hole in the file; of text, which stands in its own file, there is no more than the ELF header.
 */
#include "managers/processor/process/core.h"

#include "arch/x86/fpu.h"
#include "arch/x86/fpu_image.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/fs/inotify.h"
#include "managers/processor/process/ptrace.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

#define ET_CORE		4
#define EM_X86_64	62
#define PT_LOAD		1
#define PT_NOTE		4
#define NT_PRPSINFO	3
#define NT_AUXV		6
#define NT_SIGINFO	0x53494749
#define PN_MAX		0xfffd		/* mappings; more segments, the notes among them, would take another place for their number */

struct elf_header { u8 ident[16]; u16 type, machine; u32 version; u64 entry, phoff, shoff; u32 flags; u16 ehsize, phentsize, phnum, rest[3]; };
struct elf_segment { u32 type, flags; u64 offset, vaddr, paddr, filesz, memsz, align; };
struct elf_note { u32 name_len, len, type; };
struct prstatus {
	s32 signo, code, err;
	u16 cursig, pad;
	u64 pending, held;
	s32 pid, ppid, pgrp, sid;
	struct timeval_abi utime, stime, cutime, cstime;
	struct user_regs_abi regs;
	s32 fp_valid, pad2;
};
_Static_assert(sizeof(struct prstatus) == 336, "as debuggers read it");
struct prpsinfo { u8 state, letter, zombie; s8 nice; u32 pad; u64 flags; u32 uid, gid; s32 pid, ppid, pgrp, sid; char name[16], args[80]; };
_Static_assert(sizeof(struct prpsinfo) == 136, "as debuggers read it");

struct piece { u64 start, end, bytes; u32 prot, flags; bool sparse; };	/* bytes: as many of it are in the file */

struct core {
	struct file *file;
	u64 pos, limit;
	bool over;			/* the limit is reached, or it cannot be written */
	struct piece *piece;
	unsigned nr, room;
	u8 page[PAGE_SIZE];
};

/* --- where --- */

static DEFINE_SPINLOCK(pattern_lock, RANK_LEAF);
static char pattern[CORE_PATTERN_ROOM] = "core";	/* [pattern_lock] */

void core_pattern_get(char *to)
{
	spin_lock(&pattern_lock);
	str_copy(to, pattern, CORE_PATTERN_ROOM);
	spin_unlock(&pattern_lock);
}

int core_pattern_set(const char *text)
{
	const char *end = strchr(text, '\n');
	size_t len = end != NULL ? (size_t)(end - text) : strlen(text);

	if (len >= CORE_PATTERN_ROOM || text[0] == '|')
		return -EINVAL;
	spin_lock(&pattern_lock);
	memcpy(pattern, text, len);
	pattern[len] = '\0';
	spin_unlock(&pattern_lock);
	return 0;
}

/* What a letter after a percent sign stands for. */
static int expand(char *to, size_t room, char what, int sig)
{
	const struct process *p = process_current();
	char name[65];

	switch (what) {
	case '%': return snprintf(to, room, "%%");
	case 'p': case 'P': return snprintf(to, room, "%u", p->pid);
	case 'i': case 'I': return snprintf(to, room, "%u", task_current()->tid);
	case 'u': return snprintf(to, room, "%u", p->cred.uid);
	case 'g': return snprintf(to, room, "%u", p->cred.gid);
	case 'd': return snprintf(to, room, "%d", !p->undumpable);
	case 's': return snprintf(to, room, "%d", sig);
	case 't': return snprintf(to, room, "%llu", (unsigned long long)(time_wall_ns() / NSEC_PER_SEC));
	case 'c': return snprintf(to, room, "%llu", (unsigned long long)rlimit_current(RLIMIT_CORE));
	case 'e':
		str_copy(name, p->comm, sizeof(name));
		for (char *at = name; *at != '\0'; at++)
			if (*at == '/')
				*at = '!';	/* the program chose it, and is not to choose the folder: core(5) */
		return snprintf(to, room, "%s", name);
	case 'h':
		machine_name(name, sizeof(name));
		return snprintf(to, room, "%s", name);
	}
	return 0;			/* what is not known is left out */
}

static void name_make(char *to, size_t room, int sig)
{
	char how[CORE_PATTERN_ROOM];
	size_t n = 0;

	core_pattern_get(how);
	for (const char *at = how; *at != '\0' && n + 1 < room; at++) {
		int more = 1;

		if (*at != '%')
			to[n] = *at;
		else if (*++at != '\0')
			more = expand(to + n, room - n, *at, sig);
		else
			break;
		n = MIN(n + more, room - 1);
	}
	to[n] = '\0';
}

/* A file of the process's own: one that has other names, or is somebody else's, stays as it is. */
static int core_open(struct task *t, int sig, struct file **out)
{
	char name[PATH_MAX / 8];
	struct attr a;
	int rc;

	name_make(name, sizeof(name), sig);
	if (name[0] == '\0')
		return -ENOENT;
	rc = fs_open(t->fs, NULL, name, O_CREAT | O_RDWR | O_NOFOLLOW, 0600, out);
	if (rc < 0)
		return rc;
	rc = (*out)->inode == NULL || (*out)->inode->type != S_IFREG || (*out)->object == NULL ? -EINVAL : fs_stat((*out)->inode, &a);
	if (rc == 0 && (a.nlink != 1 || a.uid != t->process->cred.fsuid))
		rc = -EPERM;
	if (rc == 0)
		rc = fs_resize(*out, 0);
	if (rc < 0)
		file_put(*out);
	return rc;
}

/* --- writing --- */

static void emit(struct core *c, const void *from, u64 len)
{
	const u8 *at = from;

	if (len > c->limit - c->pos)
		c->over = true;
	while (len != 0 && !c->over) {
		u64 pos = c->pos;
		s64 n = c->file->ops->write(c->file, at, MIN(len, (u64)FILE_CHUNK), &pos);

		if (n <= 0 || READ_ONCE(thread_current()->fatal_pending)) {
			c->over = true;
			return;
		}
		at += n;
		len -= n;
		c->pos += n;
	}
}

static void skip(struct core *c, u64 len)
{
	if (len > c->limit - c->pos)
		c->over = true;
	else
		c->pos += len;
}

static u64 note_size(u64 len) { return sizeof(struct elf_note) + 8 + ALIGN_UP(len, 4UL); }

static void note(struct core *c, const char *name, u32 type, const void *data, u32 len)
{
	const struct elf_note n = { strlen(name) + 1, len, type };
	static const u8 zeros[4];
	char padded[8] = { 0 };

	str_copy(padded, name, sizeof(padded));
	emit(c, &n, sizeof(n));
	emit(c, padded, sizeof(padded));
	emit(c, data, len);
	emit(c, zeros, ALIGN_UP(len, 4U) - len);
}

/* --- what there is --- */

static u64 bytes_of(const struct vma *v)
{
	if (v->flags & VMA_DONTDUMP)
		return 0;
	if (v->flags & VMA_VDSO)
		return v->prot & PROT_EXEC ? v->end - v->start : 0;
	if (v->object == 0 || (v->flags & VMA_SHARED ? v->file == NULL : v->prot & PROT_WRITE))
		return v->end - v->start;
	return !(v->flags & VMA_SHARED) && v->index == 0 && (v->prot & PROT_READ) ? PAGE_SIZE : 0;
}

static void add(const struct vma *v, void *arg)
{
	struct core *c = arg;
	struct piece *more;

	if (c->nr == PN_MAX) {
		c->over = true;
		return;
	}
	more = karray_room(c->piece, c->nr, &c->room, sizeof(*more));
	if (more == NULL) {
		c->over = true;
		return;
	}
	c->piece = more;
	c->piece[c->nr++] = (struct piece){ v->start, v->end, bytes_of(v), v->prot, v->flags, v->object == 0 };
}

static void status_fill(struct prstatus *s, const struct siginfo_abi *info)
{
	struct task *t = task_current();
	struct process *p = t->process;
	struct usage used;
	struct rusage_abi ru;

	*s = (struct prstatus){ .signo = info->signo, .code = info->code, .err = info->err, .cursig = info->signo, .fp_valid = 1 };
	spin_lock(&tree_lock);
	s->pending = t->pending.set;
	s->held = t->blocked;
	s->pid = t->tid;
	s->ppid = p->parent->pid;
	s->pgrp = p->pgid;
	s->sid = p->sid;
	usage_of_process_locked(p, &used);
	spin_unlock(&tree_lock);
	usage_to_abi(&used, &ru);
	s->utime = ru.utime;
	s->stime = ru.stime;
	user_regs_fill(&s->regs, arch_user_regs(), arch_get_fs_base(), arch_get_gs_base());
}

static void info_fill(struct prpsinfo *i, const struct prstatus *s)
{
	const struct process *p = process_current();
	const struct space *space = task_current()->space;
	u64 len = MIN(space->arg_end - space->arg_start, sizeof(i->args) - 1);

	*i = (struct prpsinfo){ .letter = 'R', .nice = thread_current()->nice, .uid = p->cred.uid, .gid = p->cred.gid, .pid = p->pid, .ppid = s->ppid,
				.pgrp = s->pgrp, .sid = s->sid };
	memcpy(i->name, p->comm, sizeof(i->name));
	if (space_read(task_current()->space, space->arg_start, i->args, len) < 0)
		memset(i->args, 0, sizeof(i->args));
	for (u64 n = 0; n + 1 < len; n++)
		if (i->args[n] == '\0')
			i->args[n] = ' ';
}

/* --- the file --- */

static u64 notes_size(u64 fpu)
{
	return note_size(sizeof(struct prstatus)) + note_size(sizeof(struct prpsinfo)) + note_size(sizeof(struct siginfo_abi)) +
	       note_size(sizeof(((struct space *)0)->auxv)) + note_size(FXSAVE_SIZE) + (fpu_components() != 0 ? note_size(fpu) : 0);
}

static void write_headers(struct core *c, u64 notes)
{
	u64 head = sizeof(struct elf_header) + (c->nr + 1) * sizeof(struct elf_segment), at = page_up(head + notes);
	const struct elf_header h = {
		.ident = { 0x7f, 'E', 'L', 'F', 2, 1, 1 }, .type = ET_CORE, .machine = EM_X86_64, .version = 1, .phoff = sizeof(h),
		.ehsize = sizeof(h), .phentsize = sizeof(struct elf_segment), .phnum = c->nr + 1,
	};
	struct elf_segment s = { .type = PT_NOTE, .offset = head, .filesz = notes, .align = 4 };

	emit(c, &h, sizeof(h));
	emit(c, &s, sizeof(s));
	for (unsigned i = 0; i < c->nr; i++) {
		const struct piece *p = &c->piece[i];

		s = (struct elf_segment){
			.type = PT_LOAD, .offset = at, .vaddr = p->start, .filesz = p->bytes, .memsz = p->end - p->start, .align = PAGE_SIZE,
			.flags = (p->prot & PROT_READ ? 4 : 0) | (p->prot & PROT_WRITE ? 2 : 0) | (p->prot & PROT_EXEC ? 1 : 0),
		};
		emit(c, &s, sizeof(s));
		at += p->bytes;
	}
}

static void write_notes(struct core *c, const struct siginfo_abi *info, u8 *fpu, u64 fpu_size)
{
	struct fxsave_image *fx = (struct fxsave_image *)fpu;
	u64 components = fpu_components();
	struct prstatus status;
	struct prpsinfo about;

	status_fill(&status, info);
	info_fill(&about, &status);
	note(c, "CORE", NT_PRSTATUS, &status, sizeof(status));
	note(c, "CORE", NT_PRPSINFO, &about, sizeof(about));
	note(c, "CORE", NT_SIGINFO, info, sizeof(*info));
	note(c, "CORE", NT_AUXV, task_current()->space->auxv, sizeof(task_current()->space->auxv));
	memset(&fx->sw, 0, sizeof(fx->sw));
	note(c, "CORE", NT_PRFPREG, fpu, FXSAVE_SIZE);
	memcpy(&fx->sw, &components, sizeof(components));
	if (components != 0)
		note(c, "LINUX", NT_X86_XSTATE, fpu, fpu_size);
}

static void write_pages(struct core *c)
{
	struct space *s = task_current()->space;

	skip(c, page_up(c->pos) - c->pos);
	for (unsigned i = 0; i < c->nr && !c->over; i++) {
		const struct piece *p = &c->piece[i];

		for (u64 va = p->start; va < p->start + p->bytes && !c->over; va += PAGE_SIZE) {
			if (READ_ONCE(thread_current()->fatal_pending))
				c->over = true;
			else if ((p->sparse && !space_touched(s, va)) || space_read(s, va, c->page, PAGE_SIZE) < 0)
				skip(c, PAGE_SIZE);	/* a hole: nothing, or nothing that can be read */
			else
				emit(c, c->page, PAGE_SIZE);
		}
	}
}

static bool core_write(struct core *c, const struct siginfo_abi *info)
{
	u64 fpu_size = fpu_image_size();
	u8 *fpu = kzalloc(MAX(fpu_size, (u64)FXSAVE_SIZE));
	int rc = 0;

	space_for_each_vma(task_current()->space, add, c);
	if (fpu == NULL || c->over) {
		kfree(fpu);
		return false;
	}
	fpu_save(fpu);
	write_headers(c, notes_size(fpu_size));
	write_notes(c, info, fpu, fpu_size);
	kfree(fpu);
	if (!c->over)
		write_pages(c);
	if (!c->over)
		rc = fs_grow(c->file, c->pos);	/* what is left out at the end is in the file, too */
	inotify_file(c->file, IN_MODIFY);
	return rc == 0;
}

void core_dump(const struct siginfo_abi *info)
{
	struct task *t = task_current();
	struct process *p = t->process;
	struct core *c;
	bool killed, done = false;

	if (rlimit_current(RLIMIT_CORE) < PAGE_SIZE || READ_ONCE(p->undumpable))
		return;
	/* what is left to do is done in full; who kills it from here on sets it again, under the lock, as whoever has done so before */
	spin_lock(&tree_lock);
	WRITE_ONCE(t->thread->fatal_pending, false);
	WRITE_ONCE(t->thread->signal_pending, false);
	killed = p->killed;
	spin_unlock(&tree_lock);
	if (killed || waitq_wait_killable(&p->task_wait, READ_ONCE(p->nr_tasks) == 1) < 0)
		return;
	c = kzalloc(sizeof(*c));
	if (c != NULL && core_open(t, info->signo, &c->file) == 0) {
		c->limit = MIN(rlimit_current(RLIMIT_CORE), FILE_SIZE_MAX);
		done = core_write(c, info);
		file_put(c->file);
	}
	if (c != NULL)
		kfree(c->piece);
	kfree(c);
	if (!done)
		return;
	spin_lock(&tree_lock);
	p->exit_status |= CORE_DUMPED;
	spin_unlock(&tree_lock);
}
