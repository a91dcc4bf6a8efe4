/* SPDX-License-Identifier: MIT */
/*
 * The way of a page fault: VMA and PTE give the page's identity, pcache/ finds it or brings it. No map lock is taken. The
 * sequence number is read before the VMA is looked up and compared under the set and page-table locks; whatever waits
 * comes back here and looks at everything again.
 */
#include "managers/processor/pcache/fault.h"

#include "arch/x86/regs.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/printk.h"
#include "managers/protocol/memory_ops.h"

/* A fault below a mapping that grows down: extend it. -EAGAIN: look again; -EFAULT: nothing grows there. */
static int grow_stack(struct space *s, u64 va)
{
	u64 start = page_down(va);
	struct vma *v, add;
	int rc;

	rc = mutex_lock_killable(&s->map_lock);
	if (rc < 0)
		return rc;
	v = vma_find_from(&s->map, va);
	rc = -EAGAIN;
	if (v != NULL && v->start <= va)
		goto out;			/* another thread did it */
	rc = -EFAULT;
	if (v == NULL || !(v->flags & VMA_GROWSDOWN) || v->end - start > READ_ONCE(s->stack_limit) || start < VMA_STACK_GUARD ||
	    !vma_range_free(&s->map, start - VMA_STACK_GUARD, v->start))
		goto out;
	add = *v;
	add.start = start;
	add.end = v->start;
	add.index = start >> PAGE_SHIFT;
	rc = commit_charge(s, v->flags & VMA_ACCOUNTED ? (add.end - start) >> PAGE_SHIFT : 0);
	if (rc < 0)
		goto out;
	rc = space_add_anonymous(s, &add);
	if (rc < 0)
		commit_return(s, v->flags & VMA_ACCOUNTED ? (add.end - start) >> PAGE_SHIFT : 0);
	else
		rc = -EAGAIN;
out:
	mutex_unlock(&s->map_lock);
	return rc == -ENOMEM ? -EFAULT : rc;
}

static int allowed(const struct fault *f)
{
	if (f->write && f->force && (f->vma.prot & PROT_MASK) && !(f->vma.flags & (VMA_SHARED | VMA_VDSO)))
		return 0;
	if (f->write)
		return f->vma.prot & PROT_WRITE ? 0 : -EACCES;
	if (f->exec)
		return f->vma.prot & PROT_EXEC ? 0 : -EACCES;
	return f->vma.prot & PROT_MASK ? 0 : -EACCES;
}

/* The PTE forbids what the vma by now allows: only ever more rights, so no shootdown. */
static int gain_exec(struct fault *f)
{
	struct pcache_line *line = line_of_pte(f->pte);
	struct pcache_set *set = line == NULL ? NULL : READ_ONCE(line->page.set);
	pte_t old = f->pte;

	if (set == NULL || !fault_lock(f, set))
		return -EAGAIN;
	if (line->page.set == set && line_of_pte(f->pte) == line) {
		while (!pte_cmpxchg(f->slot, &old, old & ~PTE_NX))
			;
	}
	fault_unlock(f, set);
	return FAULT_HIT;
}

static int act(struct fault *f)
{
	bool need_write, need_exec;

	if (pte_present(f->pte)) {
		need_write = f->write && !(f->pte & PTE_WRITE);
		need_exec = f->exec && (f->pte & PTE_NX);
		if (need_write)
			return fault_write_protected(f);
		return need_exec ? gain_exec(f) : FAULT_SPURIOUS;
	}
	if (pte_private(f->pte))
		return fault_private(f);
	if (f->object == NULL)
		return fault_zero(f);
	if (f->write && !(f->vma.flags & VMA_SHARED))
		return fault_copy_object(f);
	return fault_object(f);
}

/* PTE slot and value; waits for what must be waited for. 0, or as act(). */
static int look_at_pte(struct fault *f)
{
	bool closed;

	spin_lock(&f->s->pt_lock);
	f->slot = pte_slot(&f->s->pgd, f->va, true);
	closed = space_closed(f->s, f->vpn);
	f->pte = f->slot == NULL ? 0 : pte_read(f->slot);
	spin_unlock(&f->s->pt_lock);
	if (f->slot == NULL)
		return -ENOMEM;
	if (closed) {
		pcache_token_release();
		return space_wait_open(f->s, f->vpn);
	}
	if (pte_busy(f->pte)) {
		count(nr_pgfault_due_to_concurrent_eviction);
		f->waited = true;
		return pte_wait(f->s, f->vpn, f->slot);
	}
	return 0;
}

static int fault_once(struct fault *f)
{
	struct vma_file *vf = NULL;
	int rc;

	f->seq = load_acquire(&f->s->seq);
	f->object = NULL;
	rc = space_vma_get(f->s, f->va, &f->vma, &vf);
	if (rc < 0)
		return grow_stack(f->s, f->va);
	if (vf != NULL && f->vma.object != 0) {
		f->object = vf->object;
		f->object_index = f->vma.index + ((f->va - f->vma.start) >> PAGE_SHIFT);
	}
	rc = allowed(f);
	if (rc == 0 && (f->vma.flags & VMA_VDSO))
		return fault_vdso(f);
	if (rc == 0)
		rc = look_at_pte(f);
	if (rc == 0)
		rc = act(f);
	if (rc == FAULT_SPURIOUS && f->waited)
		prefetch_waited(f);
	if (rc >= 0 && f->used_ahead)
		prefetch_found(f);
	shadow_fault(f, rc);
	if (vf != NULL) {
		vma_file_put(vf);
		vma_files_reap();
	}
	return rc;
}

static void count_outcome(struct space *s, int rc, bool exec)
{
	count(nr_pgfault);
	__atomic_fetch_add(rc == FAULT_MEMORY ? &s->major_faults : &s->minor_faults, 1, __ATOMIC_RELAXED);
	++*(rc == FAULT_MEMORY ? &thread_current()->major_faults : &thread_current()->minor_faults);
	if (exec)
		count(nr_pgfault_code);
	switch (rc) {
#define FAULT_COUNT(o, c) case FAULT_##o: count(c); break;
	FAULT_OUTCOMES(FAULT_COUNT)
	default: count(nr_pgfault_failed);
	}
	if (rc == FAULT_COW || rc == FAULT_REUSE || rc == FAULT_SHARED)
		count(nr_pgfault_wp);
}

int space_fault(struct space *s, u64 va, unsigned flags)
{
	struct fault f = { .s = s, .va = page_down(va), .vpn = va >> PAGE_SHIFT, .write = flags & FAULT_WRITE,
			   .exec = flags & FAULT_EXEC, .force = flags & FAULT_FORCE };
	u64 start = time_mono_ns();
	int rc;

	if (va >= USER_END)
		return -EFAULT;
	token_fault(f.vpn);
	turn_fault();
	do {
		rc = READ_ONCE(s->lost);
		if (rc == 0)
			rc = fault_once(&f);
	} while (rc == -EAGAIN);
	turn_fault_done(rc == FAULT_MEMORY);
	token_fault_done();
	if (rc == FAULT_MEMORY || f.waited)
		count_n(nr_pcache_fill_ns, time_mono_ns() - start);
	count_outcome(s, rc, f.exec);
	return rc < 0 ? rc : 0;
}

void space_moves_on(void)
{
	pcache_token_moves_on();
	turn_ends();
}

void space_thread_ends(void)
{
	pcache_token_release();
	turn_ends();
}
