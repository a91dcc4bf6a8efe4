/* SPDX-License-Identifier: MIT */
/* /proc/PID/maps: what is mapped where, with the names of the files; smaps, smaps_rollup: and how much of it is here. proc(5). */
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/string.h"
#include "managers/processor/fs/dentry.h"
#include "managers/processor/fs/synthfs.h"
#include "managers/processor/process/process.h"
#include "mm/slab.h"

struct mapping {			/* one line: taken under the map's lock, named after it */
	u64 start, end, offset;
	u32 prot, flags;
	struct inode *inode;		/* with a reference, or NULL */
	struct dentry *dentry;		/* with a reference, or NULL */
};

struct mappings {
	struct mapping *at;
	unsigned nr, room;
	bool failed;
};

static void add(const struct vma *v, void *arg)
{
	struct mappings *m = arg;
	const struct file *f = v->file;
	struct mapping *to;

	to = karray_room(m->at, m->nr, &m->room, sizeof(*to));
	if (to == NULL) {
		m->failed = true;
		return;
	}
	m->at = to;
	to += m->nr++;
	*to = (struct mapping){ v->start, v->end, v->object ? v->index << PAGE_SHIFT : 0, v->prot, v->flags, NULL, NULL };
	if (f != NULL && f->inode != NULL)
		inode_get(to->inode = f->inode);
	if (f != NULL && f->dentry != NULL)
		dentry_get(to->dentry = f->dentry);
}

static const char *kind_of(const struct mapping *m)
{
	if (m->flags & VMA_VDSO)
		return m->prot & PROT_EXEC ? "[vdso]" : "[vvar]";
	return m->flags & VMA_HEAP ? "[heap]" : m->flags & VMA_STACK ? "[stack]" : "";
}

static void line(struct text *t, const struct mapping *m, char *name)
{
	const char *what = kind_of(m);
	u64 dev = m->inode != NULL ? m->inode->dev : 0;
	char text[100];

	snprintf(text, sizeof(text), "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu", (unsigned long long)m->start, (unsigned long long)m->end,
		 m->prot & PROT_READ ? 'r' : '-', m->prot & PROT_WRITE ? 'w' : '-', m->prot & PROT_EXEC ? 'x' : '-',
		 m->flags & VMA_SHARED ? 's' : 'p', (unsigned long long)m->offset, (unsigned)(dev >> 8), (unsigned)(dev & 255),
		 (unsigned long long)(m->inode != NULL ? m->inode->ino : 0));
	if (m->dentry != NULL && dentry_show(m->dentry, name, PATH_MAX) >= 0)
		what = name;
	else if (m->inode != NULL && nameless_show(m->inode, name, PATH_MAX) >= 0)
		what = name;
	else if (*what == '\0' && (m->flags & VMA_SHARED))
		what = "/dev/zero (deleted)";
	if (*what != '\0')
		text_printf(t, "%-72s %s\n", text, what);
	else
		text_printf(t, "%s\n", text);
}

/* --- smaps: of what is here, how it is shared is not told page by page: a mapping's kind decides --- */

struct amount { u64 size, resident, shared, anonymous, locked; };

static void measure(struct amount *a, struct space *s, const struct mapping *m)
{
	u64 pages = m->flags & VMA_VDSO ? 0 : space_resident(s, m->start, m->end);

	a->size += (m->end - m->start) >> PAGE_SHIFT;
	a->resident += pages;
	a->shared += m->flags & VMA_SHARED ? pages : 0;
	a->anonymous += m->inode == NULL ? pages : 0;
	a->locked += m->flags & VMA_LOCKED ? pages : 0;
}

static void amount_line(struct text *t, const char *name, u64 pages)
{
	text_printf(t, "%-15s %8llu kB\n", name, (unsigned long long)pages << PAGE_SHIFT >> 10);
}

static void show_amount(struct text *t, const struct amount *a)
{
	u64 private = a->resident - a->shared;

	amount_line(t, "Rss:", a->resident);
	amount_line(t, "Pss:", a->resident);
	amount_line(t, "Shared_Clean:", 0);
	amount_line(t, "Shared_Dirty:", a->shared);
	amount_line(t, "Private_Clean:", a->anonymous > private ? 0 : private - a->anonymous);
	amount_line(t, "Private_Dirty:", MIN(private, a->anonymous));
	amount_line(t, "Referenced:", a->resident);
	amount_line(t, "Anonymous:", a->anonymous);
	amount_line(t, "LazyFree:", 0);
	amount_line(t, "AnonHugePages:", 0);
	amount_line(t, "ShmemPmdMapped:", 0);
	amount_line(t, "FilePmdMapped:", 0);
	amount_line(t, "Shared_Hugetlb:", 0);
	amount_line(t, "Private_Hugetlb:", 0);
	amount_line(t, "Swap:", 0);
	amount_line(t, "SwapPss:", 0);
	amount_line(t, "Locked:", a->locked);
}

static void show_flags(struct text *t, const struct mapping *m)
{
	static const struct { u32 prot, flag; const char *name; } of[] = {
		{ PROT_READ, 0, "rd" }, { PROT_WRITE, 0, "wr" }, { PROT_EXEC, 0, "ex" }, { 0, VMA_SHARED, "sh" }, { 0, VMA_GROWSDOWN, "gd" },
		{ 0, VMA_LOCKED, "lo" }, { 0, VMA_SEQUENTIAL, "sr" }, { 0, VMA_RANDOM, "rr" }, { 0, VMA_DONTFORK, "dc" },
		{ 0, VMA_ACCOUNTED, "ac" }, { 0, VMA_NORESERVE, "nr" }, { 0, VMA_WIPEONFORK, "wf" }, { 0, VMA_DONTDUMP, "dd" },
	};

	text_printf(t, "VmFlags:");
	for (unsigned i = 0; i < ARRAY_SIZE(of); i++)
		if ((m->prot & of[i].prot) || (m->flags & of[i].flag))
			text_printf(t, " %s", of[i].name);
	text_printf(t, "\n");
}

static void one_of_smaps(struct text *t, struct space *s, const struct mapping *m)
{
	struct amount a = { 0 };

	measure(&a, s, m);
	amount_line(t, "Size:", a.size);
	amount_line(t, "KernelPageSize:", 1);
	amount_line(t, "MMUPageSize:", 1);
	show_amount(t, &a);
	show_flags(t, m);
}

static void rollup(struct text *t, struct space *s, const struct mappings *m)
{
	struct amount a = { 0 };

	for (unsigned i = 0; i < m->nr; i++)
		measure(&a, s, &m->at[i]);
	text_printf(t, "%08llx-%08llx ---p 00000000 00:00 0 %s[rollup]\n", (unsigned long long)(m->nr ? m->at[0].start : 0),
		    (unsigned long long)(m->nr ? m->at[m->nr - 1].end : 0), "                                  ");
	show_amount(t, &a);
}

enum maps_kind { MAPS, SMAPS, SMAPS_ROLLUP };

static void show(struct text *t, u32 pid, enum maps_kind kind)
{
	struct space *s = process_space(pid);
	struct mappings m = { 0 };
	char *name;

	if (s == NULL)
		return;
	space_for_each_vma(s, add, &m);
	name = kmalloc(PATH_MAX);
	t->failed |= m.failed || name == NULL;
	if (kind == SMAPS_ROLLUP && !t->failed)
		rollup(t, s, &m);
	for (unsigned i = 0; i < m.nr; i++) {
		if (!t->failed && kind != SMAPS_ROLLUP)
			line(t, &m.at[i], name);
		if (!t->failed && kind == SMAPS)
			one_of_smaps(t, s, &m.at[i]);
		if (m.at[i].dentry != NULL)
			dentry_put(m.at[i].dentry);
		if (m.at[i].inode != NULL)
			inode_put(m.at[i].inode);
	}
	space_put(s);
	kfree(name);
	kfree(m.at);
}

void show_maps(struct text *t, u32 pid) { show(t, pid, MAPS); }
void show_smaps(struct text *t, u32 pid) { show(t, pid, SMAPS); }
void show_smaps_rollup(struct text *t, u32 pid) { show(t, pid, SMAPS_ROLLUP); }
