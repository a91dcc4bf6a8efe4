/* SPDX-License-Identifier: MIT */
/*
 * What a process does with its signals. All its threads have the same, and processes that clone() makes with CLONE_SIGHAND share
 * theirs with their maker until one of them execs.
 */
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/process/process.h"
#include "mm/slab.h"

struct handlers *handlers_create(void)
{
	struct handlers *h = kzalloc(sizeof(*h));

	if (h == NULL)
		return NULL;
	ref_init(&h->refs, 1);
	spin_init(&h->lock, "handlers", RANK_HANDLERS);
	return h;
}

void handlers_put(struct handlers *h)
{
	if (h != NULL && ref_put(&h->refs))
		kfree(h);
}

void handlers_reset(struct handlers *h)
{
	spin_lock(&h->lock);
	for (int sig = 1; sig <= NR_SIGNALS; sig++) {
		bool keep = h->action[sig].handler == SIG_IGN;

		memset(&h->action[sig], 0, sizeof(h->action[sig]));
		if (keep)
			h->action[sig].handler = SIG_IGN;
	}
	spin_unlock(&h->lock);
}

int handlers_unshare(struct process *p)
{
	struct handlers *was = p->handlers, *own;	/* only the process itself changes it, and it is alone in here */

	if (ref_read(&was->refs) == 1)
		return 0;
	own = handlers_create();
	if (own == NULL)
		return -ENOMEM;
	spin_lock(&was->lock);
	memcpy(own->action, was->action, sizeof(own->action));
	spin_unlock(&was->lock);
	spin_lock(&tree_lock);
	spin_lock(&p->signal_lock);
	p->handlers = own;
	spin_unlock(&p->signal_lock);
	spin_unlock(&tree_lock);
	handlers_put(was);
	return 0;
}

struct sigaction_abi handlers_set(struct process *p, int sig, const struct sigaction_abi *act)
{
	struct handlers *h = p->handlers;
	struct sigaction_abi was;

	spin_lock(&h->lock);
	was = h->action[sig];
	if (act != NULL)
		h->action[sig] = *act;
	spin_unlock(&h->lock);
	return was;
}
