/* SPDX-License-Identifier: MIT */
/* /proc/PID/maps: what is mapped where, with the names of the files. proc(5). */
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

	if (m->nr == m->room) {
		unsigned room = m->room ? m->room * 2 : 64;

		to = kmalloc(room * sizeof(*to));
		if (to == NULL) {
			m->failed = true;
			return;
		}
		if (m->nr != 0)
			memcpy(to, m->at, m->nr * sizeof(*to));
		kfree(m->at);
		m->at = to;
		m->room = room;
	}
	to = &m->at[m->nr++];
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
	else if (m->inode != NULL && memfd_name(m->inode, name, PATH_MAX) >= 0)
		what = name;
	else if (*what == '\0' && (m->flags & VMA_SHARED))
		what = "/dev/zero (deleted)";
	if (*what != '\0')
		text_printf(t, "%-72s %s\n", text, what);
	else
		text_printf(t, "%s\n", text);
}

void show_maps(struct text *t, u32 pid)
{
	struct space *s = process_space(pid);
	struct mappings m = { 0 };
	char *name;

	if (s == NULL)
		return;
	space_for_each_vma(s, add, &m);
	space_put(s);
	name = kmalloc(PATH_MAX);
	t->failed |= m.failed || name == NULL;
	for (unsigned i = 0; i < m.nr; i++) {
		if (!t->failed)
			line(t, &m.at[i], name);
		if (m.at[i].dentry != NULL)
			dentry_put(m.at[i].dentry);
		if (m.at[i].inode != NULL)
			inode_put(m.at[i].inode);
	}
	kfree(name);
	kfree(m.at);
}
