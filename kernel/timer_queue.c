/* SPDX-License-Identifier: MIT */
#include "kernel/timer_queue.h"

void timer_queue_add(struct timer_queue *q, struct timer *t)
{
	struct rb_node **link = &q->tree.root, *parent = NULL;

	while (*link != NULL) {
		parent = *link;
		link = t->when_ns < rb_entry(parent, struct timer, node)->when_ns ? &parent->left : &parent->right;
	}
	rb_insert(&q->tree, &t->node, parent, link);
	if (q->first == NULL || t->when_ns < q->first->when_ns)
		q->first = t;
}

void timer_queue_del(struct timer_queue *q, struct timer *t)
{
	if (q->first == t) {
		struct rb_node *next = rb_next(&t->node);

		q->first = next == NULL ? NULL : rb_entry(next, struct timer, node);
	}
	rb_erase(&q->tree, &t->node);
}
