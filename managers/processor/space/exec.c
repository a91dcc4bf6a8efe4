/* SPDX-License-Identifier: MIT */
/* Loading a program: M does it (it has the file and the map's home); P takes over the map that came of it. */
#include "managers/processor/space/space_impl.h"

#include "arch/x86/platform.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/fs/file.h"
#include "managers/processor/space/exec_reply.h"
#include "managers/protocol/memory_ops.h"
#include "mm/slab.h"

#define REPLY_MAX	(RPC_MAX_BULK_IN)

int space_exec_probe(struct file *program, u32 *kind, char *text)
{
	struct rpc_memory_exec_probe_req req;
	struct { struct rpc_memory_exec_probe_rep r; char text[256]; } *rep;
	u32 len;
	int rc;

	if (program->object == NULL)
		return -EACCES;
	rc = object_clean(program->object);		/* M reads its own copy */
	if (rc < 0)
		return rc;
	rep = kzalloc(sizeof(*rep));
	if (rep == NULL)
		return -ENOMEM;
	req.object = le64_of(program->object->id);
	rc = rpc_call_bulk(program->object->memory_node, RPC_memory_exec_probe, &req, NULL, 0, rep, sizeof(*rep), NULL);
	if (rc >= 0) {
		*kind = le32_get(rep->r.kind);
		len = MIN(le32_get(rep->r.len), 255U);
		memcpy(text, rep->text, len);
		text[len] = '\0';
		rc = 0;
	}
	kfree(rep);
	return rc;
}

/* Which of the files a vma of the reply maps */
static struct vma_file *file_of(u64 object, struct vma_file *program, struct vma_file *interp)
{
	if (program->object->id == object)
		return program;
	return interp != NULL && interp->object->id == object ? interp : NULL;
}

static int take_vmas(struct space *s, const struct exec_reply *rep, struct vma_file *program, struct vma_file *interp)
{
	const struct wire_vma *w = exec_reply_vmas(rep);
	int rc = 0;

	for (u32 i = 0; i < le32_get(rep->r.nr_vmas) && rc == 0; i++) {
		struct vma v = {
			.start = le64_get(w[i].start), .end = le64_get(w[i].end), .object = le64_get(w[i].object),
			.index = le64_get(w[i].index), .prot = le32_get(w[i].prot), .flags = le32_get(w[i].flags),
		};

		if (v.object != 0) {
			v.file = file_of(v.object, program, interp);
			if (v.file == NULL)
				return -EIO;
			vma_file_map(v.file);
		}
		spin_lock(&s->vma_lock);
		rc = vma_map_add(&s->map, &v);
		spin_unlock(&s->vma_lock);
		if (rc < 0)
			vma_file_unmap(v.file);
	}
	return rc;
}

/* Pages that M has made private already: their PTEs say so. */
static int take_private(struct space *s, const struct exec_reply *rep)
{
	const le64 *page = exec_reply_private(rep);
	int rc = 0;

	for (u32 i = 0; i < le32_get(rep->r.nr_private) && rc == 0; i++) {
		u64 vpn = le64_get(page[i]);
		pte_t *slot;

		spin_lock(&s->pt_lock);
		slot = pte_slot(&s->pgd, vpn << PAGE_SHIFT, true);
		if (slot != NULL)
			(void)pte_xchg(slot, PTE_MARK_PRIVATE);
		else
			rc = -ENOMEM;
		spin_unlock(&s->pt_lock);
	}
	return rc;
}

static void take_numbers(struct space *s, const struct rpc_memory_exec_rep *r, struct exec_image *image)
{
	s->brk_start = s->brk = page_up(le64_get(r->brk));
	s->mmap_top = le64_get(r->mmap_top);
	s->stack_top = le64_get(r->stack_top);
	s->code_start = le64_get(r->code_start);
	s->code_end = le64_get(r->code_end);
	*image = (struct exec_image){
		.entry = le64_get(r->entry), .at_entry = le64_get(r->at_entry), .at_phdr = le64_get(r->at_phdr),
		.at_base = le64_get(r->at_base), .stack_top = le64_get(r->stack_top), .at_phnum = le32_get(r->at_phnum),
		.at_phent = le32_get(r->at_phent), .exec_stack = le32_get(r->exec_stack) != 0,
	};
}

int space_exec(struct space *s, struct file *program, struct file *interp, bool randomise, u64 stack_limit,
	       struct exec_image *image)
{
	struct vma_file *pf = vma_file_create(program, program->object);
	struct vma_file *xf = interp == NULL ? NULL : vma_file_create(interp, interp->object);
	struct exec_reply *rep = kzalloc(REPLY_MAX);
	struct change *c = change_alloc();
	u32 life = memory_life(s->memory_node);
	int rc = -ENOMEM;

	mutex_lock(&s->map_lock);
	if (pf == NULL || (interp != NULL && xf == NULL) || rep == NULL || c == NULL)
		goto out;
	rc = object_clean(program->object);
	if (rc == 0 && interp != NULL)
		rc = object_clean(interp->object);
	if (rc < 0)
		goto out;
	*(struct rpc_memory_exec_req *)&c->req = (struct rpc_memory_exec_req){
		.object = le64_of(program->object->id), .interp = le64_of(interp == NULL ? 0 : interp->object->id),
		.stack_limit = le64_of(stack_limit), .random_seed = le64_of(arch_random()),
		.flags = le32_of(randomise ? WIRE_EXEC_RANDOM : 0),
	};
	c->big_rep = rep;
	c->big_size = REPLY_MAX;
	rc = change_call_charged(s, c, RPC_memory_exec);
	if (rc < 0)
		goto out;
	rc = -EIO;
	if (!exec_reply_ok(rep, c->rpc.rep_len)) {
		pr_warn("space: %s says of a program what cannot be", fit_node_name(s->memory_node));
		goto out;
	}
	commit_adopt(s, le64_get(rep->r.commit), life);
	s->stack_limit = stack_limit;
	take_numbers(s, &rep->r, image);
	rc = take_vmas(s, rep, pf, xf);
	if (rc == 0)
		rc = take_private(s, rep);
	space_bump(s);
out:
	mutex_unlock(&s->map_lock);
	change_free(c);
	kfree(rep);
	vma_file_put(pf);
	vma_file_put(xf);
	vma_files_reap();
	return rc;
}
