/* SPDX-License-Identifier: MIT */
/*
 * Programs into address spaces. File pages are mapped, not copied; only the page in which the bytes of a segment end and its
 * .bss begins is made here, privately (L3: its tail is zero, whatever follows in the file).
 */
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "lib/hash.h"
#include "managers/memory/elf.h"
#include "managers/memory/memory.h"
#include "managers/memory/object.h"
#include "managers/memory/space.h"
#include "mm/slab.h"

/*
 * The layout of an address space, from above: stack, gap for its growth, mappings downwards, the heap upwards, the program.
 * Random offsets are bits of a page number.
 */
#define STACK_PAGES	33			/* mapped at first; it grows */
#define STACK_RANDOM	22
#define GAP_MIN		MIB(128)
#define GAP_MAX		(USER_END / 6 * 5)
#define MMAP_RANDOM	28
#define PIE_BASE	0x555555554000ULL
#define PIE_RANDOM	28
#define BRK_RANDOM	13

#define MAX_PRIVATE	(2 * ELF_MAX_SEGMENTS)
#define MAX_VMAS	(4 * ELF_MAX_SEGMENTS + 4)

/* --- reading --- */

static s64 read_object(void *arg, u64 off, void *buf, u64 len) { return cache_read(arg, off, buf, len); }

static int parse(struct object *o, struct elf_image *im)
{
	struct elf_source src = { read_object, o, o->size };
	const char *why;
	int rc = elf_parse(&src, im, &why);

	if (rc == -ENOEXEC)
		pr_note("memory: exec of inode %llu of %s refused: %s", (unsigned long long)o->ino,
			fit_node_name(o->storage_node), why);
	return rc;
}

/* "#!" at the start: the rest of the first line, up to what fits. */
static int probe_script(struct object *o, struct rpc_memory_exec_probe_rep *r, struct rpc_call *c)
{
	char line[2 + 256];
	s64 n = cache_read(o, 0, line, sizeof(line));
	char *end;
	u32 len;

	if (n < 0)
		return n;
	if (n < 2 || line[0] != '#' || line[1] != '!')
		return 1;
	end = memchr(line + 2, '\n', n - 2);
	len = end == NULL ? n - 2 : end - (line + 2);
	len = MIN(len, 255U);
	r->kind = le32_of(EXEC_SCRIPT);
	r->len = le32_of(len);
	return len == 0 ? -ENOEXEC : rpc_reply_bulk_copy(c, line + 2, len);
}

static int probe(struct object *o, struct rpc_memory_exec_probe_rep *r, struct rpc_call *c)
{
	struct elf_image *im;
	int rc = probe_script(o, r, c);

	if (rc <= 0)
		return rc;
	im = kmalloc(sizeof(*im));
	if (im == NULL)
		return -ENOMEM;
	rc = parse(o, im);
	if (rc == 0) {
		u32 len = strlen(im->interp);

		cache_text(o);
		r->kind = le32_of(len > 0 ? EXEC_INTERP : EXEC_STATIC);
		r->len = le32_of(len);
		if (len > 0)
			rc = rpc_reply_bulk_copy(c, im->interp, len);
	}
	kfree(im);
	return rc;
}

int serve_memory_exec_probe(const struct rpc_memory_exec_probe_req *q, struct rpc_memory_exec_probe_rep *r, struct rpc_call *c)
{
	struct object *o = object_find(le64_get(q->object), c->node);
	int rc;

	if (o == NULL)
		return -ESRCH;
	rc = probe(o, r, c);
	object_put(o);
	return rc;
}

/* --- loading --- */

struct loading {
	struct space *space;
	u64 seed;			/* 0: nothing is random */
	u64 private[MAX_PRIVATE];
	unsigned nr_private;
	u64 mmap_top;
};

static u64 random_pages(struct loading *l, unsigned bits)
{
	if (l->seed == 0)
		return 0;
	l->seed = hash64(l->seed + 0x9e3779b97f4a7c15ULL);
	return (l->seed >> (64 - bits)) << PAGE_SHIFT;
}

static int add_vma(struct loading *l, u64 start, u64 end, struct object *o, u64 index, u32 prot, u32 flags)
{
	struct vma v = {
		.start = start, .end = end, .object = o == NULL ? 0 : o->id, .index = o == NULL ? start >> PAGE_SHIFT : index,
		.prot = prot, .flags = flags | (vma_accountable(prot, flags) ? VMA_ACCOUNTED : 0), .file = o,
	};
	u64 pages = v.flags & VMA_ACCOUNTED ? (end - start) >> PAGE_SHIFT : 0;
	int rc = commit_grant(l->space->node, pages);

	if (rc < 0)
		return rc;
	if (o != NULL)
		object_mapped(o);
	spin_lock(&l->space->lock);
	l->space->charged += pages;		/* comes back with the space, whatever happens below */
	rc = l->space->dead ? -ESRCH : vma_map_add(&l->space->map, &v);
	spin_unlock(&l->space->lock);
	if (rc < 0 && o != NULL)
		object_unmapped(o);
	return rc;
}

/* The page in which the file's bytes end: those, then zeros. */
static int add_tail_page(struct loading *l, struct object *o, u64 va, u64 off, u64 len)
{
	struct frame *f = page_alloc(FRAME_USER);
	void *old = NULL;
	s64 n;
	int rc = 0;

	if (f == NULL)
		return -ENOMEM;
	memset(frame_virt(f), 0, PAGE_SIZE);
	n = cache_read(o, off, frame_virt(f), len);
	if (n != (s64)len)
		rc = n < 0 ? n : -EIO;
	if (rc == 0) {
		spin_lock(&l->space->lock);
		rc = l->space->dead ? -ESRCH : page_tree_set(&l->space->pages, va >> PAGE_SHIFT, f, &old);
		spin_unlock(&l->space->lock);
	}
	if (old != NULL)
		page_put(old);
	if (rc < 0)
		page_put(f);
	else
		l->private[l->nr_private++] = va >> PAGE_SHIFT;
	return rc;
}

static int load_segment(struct loading *l, struct object *o, const struct elf_segment *s, u64 bias)
{
	u64 start = page_down(s->vaddr + bias), file_end = s->vaddr + bias + s->filesz;
	u64 end = page_up(s->vaddr + bias + s->memsz), mapped = start;
	int rc = 0;

	if (s->filesz > 0) {
		mapped = page_up(file_end);
		rc = add_vma(l, start, mapped, o, page_down(s->off) >> PAGE_SHIFT, s->prot, 0);
		if (rc == 0 && s->memsz > s->filesz && !page_aligned(file_end))
			rc = add_tail_page(l, o, page_down(file_end), page_down(s->off + s->filesz), file_end % PAGE_SIZE);
	}
	if (rc == 0 && end > mapped)
		rc = add_vma(l, mapped, end, NULL, 0, s->prot, 0);
	return rc;
}

static int load_image(struct loading *l, struct object *o, const struct elf_image *im, u64 bias)
{
	int rc = 0;

	if (im->low + bias < PAGE_SIZE || im->high + bias > USER_END)
		return -ENOEXEC;
	for (unsigned i = 0; i < im->nr_segments && rc == 0; i++)
		rc = load_segment(l, o, &im->segment[i], bias);
	return rc;
}

/* What is added to the program's addresses. */
static u64 program_bias(struct loading *l, const struct elf_image *im)
{
	if (!im->pie)
		return 0;
	return ALIGN_DOWN(PIE_BASE + random_pages(l, PIE_RANDOM), im->align) - im->low;
}

static int add_stack(struct loading *l, u64 limit, bool exec, struct rpc_memory_exec_rep *r)
{
	u64 top = USER_END - random_pages(l, STACK_RANDOM);
	u64 gap = MIN(MAX(page_up(MIN(limit, GAP_MAX)), GAP_MIN), GAP_MAX);

	if (l->seed != 0)
		gap += (1ULL << STACK_RANDOM << PAGE_SHIFT) + VMA_STACK_GUARD;
	l->mmap_top = page_down(USER_END - gap) - random_pages(l, MMAP_RANDOM);
	r->stack_top = le64_of(top);
	r->mmap_top = le64_of(l->mmap_top);
	return add_vma(l, top - STACK_PAGES * PAGE_SIZE, top, NULL, 0, PROT_READ | PROT_WRITE | (exec ? PROT_EXEC : 0),
		       VMA_STACK | VMA_GROWSDOWN);
}

static int add_interp(struct loading *l, struct object *o, const struct elf_image *im, struct rpc_memory_exec_rep *r)
{
	u64 span = im->high - im->low, base = im->low;
	int rc;

	if (im->pie) {
		spin_lock(&l->space->lock);
		base = vma_find_gap(&l->space->map, PAGE_SIZE * 16, l->mmap_top, span + im->align - PAGE_SIZE);
		spin_unlock(&l->space->lock);
		if (base == 0)
			return -ENOMEM;
		base = ALIGN_UP(base, im->align);
	}
	rc = load_image(l, o, im, base - im->low);
	r->at_base = le64_of(base - im->low);
	r->entry = le64_of(im->entry + base - im->low);
	return rc;
}

static void say_program(struct loading *l, const struct elf_image *im, u64 bias, struct rpc_memory_exec_rep *r)
{
	u64 code_start = ~0ULL, code_end = 0;

	for (unsigned i = 0; i < im->nr_segments; i++) {
		const struct elf_segment *s = &im->segment[i];

		if (!(s->prot & PROT_EXEC))
			continue;
		code_start = MIN(code_start, s->vaddr + bias);
		code_end = MAX(code_end, s->vaddr + s->filesz + bias);
	}
	r->code_start = le64_of(code_end == 0 ? 0 : code_start);
	r->code_end = le64_of(code_end);
	r->entry = le64_of(im->entry + bias);
	r->at_entry = r->entry;
	r->at_phdr = le64_of(im->phdr == 0 ? 0 : im->phdr + bias);
	r->at_phnum = le32_of(im->phnum);
	r->at_phent = le32_of(im->phent);
	r->brk = le64_of(MIN(im->high + bias + random_pages(l, BRK_RANDOM), USER_END));
	r->exec_stack = le32_of(im->exec_stack);
}

/* All mappings and the list of private pages, behind the reply. */
static int say_map(struct loading *l, struct rpc_memory_exec_rep *r, struct rpc_call *c)
{
	u32 size = MAX_VMAS * sizeof(struct wire_vma) + MAX_PRIVATE * sizeof(le64), nr = 0;
	struct wire_vma *w = kzalloc(size);
	le64 *private;
	int rc;

	if (w == NULL)
		return -ENOMEM;
	spin_lock(&l->space->lock);
	for (struct vma *v = vma_find_from(&l->space->map, 0); v != NULL && nr < MAX_VMAS; v = vma_next(v))
		w[nr++] = (struct wire_vma){
			.start = le64_of(v->start), .end = le64_of(v->end), .object = le64_of(v->object),
			.index = le64_of(v->index), .prot = le32_of(v->prot), .flags = le32_of(v->flags),
		};
	r->commit = le64_of(l->space->charged);
	spin_unlock(&l->space->lock);
	private = (le64 *)&w[nr];
	for (unsigned i = 0; i < l->nr_private; i++)
		private[i] = le64_of(l->private[i]);
	r->nr_vmas = le32_of(nr);
	r->nr_private = le32_of(l->nr_private);
	size = nr * sizeof(*w) + l->nr_private * sizeof(le64);
	rc = size > c->rep_room ? -EINVAL : rpc_reply_bulk_copy(c, w, size);
	kfree(w);
	return rc;
}

struct exec_files {
	struct object *program, *interp;
	struct elf_image image, interp_image;
};

static int load(struct loading *l, struct exec_files *x, struct rpc_call *c)
{
	const struct rpc_memory_exec_req *q = c->req;
	struct rpc_memory_exec_rep *r = c->rep;
	u64 bias;
	int rc;

	rc = parse(x->program, &x->image);
	if (rc == 0 && x->interp != NULL) {
		cache_text(x->interp);		/* the program's has begun when it was probed */
		rc = parse(x->interp, &x->interp_image);
	}
	if (rc == 0 && (x->image.interp[0] != '\0') != (x->interp != NULL))
		rc = -ENOEXEC;			/* changed since it was probed, or the caller is confused */
	if (rc < 0)
		return rc == -ENOEXEC && x->interp != NULL && x->image.nr_segments > 0 ? -ELIBBAD : rc;
	bias = program_bias(l, &x->image);
	rc = load_image(l, x->program, &x->image, bias);
	if (rc < 0)
		return rc;
	say_program(l, &x->image, bias, r);
	rc = add_stack(l, le64_get(q->stack_limit), x->image.exec_stack, r);
	if (rc == 0 && x->interp != NULL)
		rc = add_interp(l, x->interp, &x->interp_image, r);
	return rc == 0 ? say_map(l, r, c) : rc;
}

/* What a failed load has brought goes, and what was granted for it. */
static void unload(struct space *s)
{
	u64 charged;

	space_drop_pages(s, 0, PAGE_TREE_MAX);
	spin_lock(&s->lock);
	vma_map_destroy(&s->map);
	charged = s->charged;
	s->charged = 0;
	spin_unlock(&s->lock);
	commit_ungrant(s->node, charged);
}

static int exec_act(struct space *s, struct rpc_call *c)
{
	const struct rpc_memory_exec_req *q = c->req;
	struct exec_files *x = kzalloc(sizeof(*x));
	struct loading *l = kzalloc(sizeof(*l));
	u64 interp = le64_get(q->interp);
	int rc = -ESRCH;

	if (s->map.nr_vmas != 0) {
		rc = -EINVAL;			/* into fresh spaces only */
		goto out;
	}
	if (x == NULL || l == NULL) {
		rc = -ENOMEM;
		goto out;
	}
	l->space = s;
	if (le32_get(q->flags) & WIRE_EXEC_RANDOM)
		l->seed = le64_get(q->random_seed) | 1;
	x->program = object_find(le64_get(q->object), c->node);
	x->interp = interp == 0 ? NULL : object_find(interp, c->node);
	if (x->program != NULL && (interp == 0 || x->interp != NULL))
		rc = load(l, x, c);
	if (rc == 0)
		count(nr_memory_exec);
	else
		unload(s);
	if (x->program != NULL)
		object_put(x->program);
	if (x->interp != NULL)
		object_put(x->interp);
out:
	kfree(x);
	kfree(l);
	return rc;
}

int serve_memory_exec(const struct rpc_memory_exec_req *q, struct rpc_memory_exec_rep *r, struct rpc_call *c)
{
	return change_run(c, le64_get(q->space), le64_get(q->change), exec_act);
}
