/* SPDX-License-Identifier: MIT */
/*
 * The fake memory node: keeps maps with lib/vma as the real one does, and pages with reference counts. It takes messages in any
 * order, parks what is early, answers when chance says so. It is strict: a flush or fill that names what is not mapped, a change
 * that is refused, a page written while it was being sent, each is a failure of P.
 */
#include <stdlib.h>

#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "lib/hash.h"
#include "managers/processor/pcache/sim.h"
#include "managers/protocol/memory_ops.h"

#define M_MAX_PAGES 512
#define M_MAX_SPACES 1024
#define SIM_FILE_FIRST (WIRE_OBJECT_FIRST + (1ULL << 31))	/* ids of files; below: shared memory */

struct m_page { u8 data[PAGE_SIZE]; unsigned refs; };
struct m_entry { u64 index; struct m_page *page; };
struct m_space {
	u64 id;
	bool alive;
	u64 applied;
	struct vma_map map;
	struct m_entry e[M_MAX_PAGES];
	unsigned nr;
	u64 ino, version;		/* of a file */
	u32 opens;
};
struct message {
	struct message *next;
	struct rpc *call;
	u8 req[RPC_MAX_REQ];
	u8 *bulk;
	u32 bulk_len;
	bool answered;
	int status;
	u8 *rep;
	u32 rep_len;
};

static struct waitq rpc_waitq = WAITQ_INIT(rpc_waitq);
unsigned sim_memory_slow = 1;
bool sim_memory_dead;
unsigned sim_fill_fails;
unsigned sim_memory_flushes;
bool sim_memory_takes_all;
bool sim_memory_refuses;
s64 sim_memory_limit = 1LL << 60;
bool sim_memory_tight;
u32 sim_memory_refusal = ENOMEM;
void (*sim_memory_spoil)(unsigned op, void *rep);
void (*sim_memory_asked)(unsigned op);
static struct m_space *spaces[M_MAX_SPACES];	/* objects too: id >= WIRE_OBJECT_FIRST */
static unsigned nr_spaces;
static struct message *messages;
static unsigned nr_messages;
static u64 next_space, next_object, live_pages;
static s64 reserved;
static struct refusal { u64 page; unsigned nr; } refusals[256];

u64 sim_memory_pages(void)
{
	u64 n = 0;

	for (unsigned i = 0; i < nr_spaces; i++)
		if (!wire_is_object(spaces[i]->id))
			n += spaces[i]->nr;
	return n;
}
u64 sim_memory_spaces(void)
{
	u64 n = 0;

	for (unsigned i = 0; i < nr_spaces; i++)
		n += spaces[i]->alive;
	return n;
}
unsigned sim_memory_waiting(void) { return nr_messages; }
u64 sim_file_word(u64 ino, u64 index) { return 0xf11e000000000000ULL | ino << 32 | index; }

static struct m_space *m_find(u64 id)
{
	for (unsigned i = 0; i < nr_spaces; i++)
		if (spaces[i]->id == id && spaces[i]->alive)
			return spaces[i];
	return NULL;
}

static struct m_space *m_new(u64 id)
{
	struct m_space *s = calloc(1, sizeof(*s));

	s->id = id;
	s->alive = true;
	vma_map_init(&s->map, NULL, NULL);
	if (nr_spaces == M_MAX_SPACES)
		sim_fail("too many spaces on M");
	spaces[nr_spaces++] = s;
	return s;
}

static void m_put(struct m_page *p)
{
	if (--p->refs == 0) {
		free(p);
		live_pages--;
	}
}

static struct m_entry *m_entry(struct m_space *s, u64 index)
{
	for (unsigned i = 0; i < s->nr; i++)
		if (s->e[i].index == index)
			return &s->e[i];
	return NULL;
}

static void m_set(struct m_space *s, u64 index, struct m_page *p)
{
	struct m_entry *e = m_entry(s, index);

	p->refs++;
	if (e != NULL) {
		m_put(e->page);
		e->page = p;
		return;
	}
	if (s->nr == M_MAX_PAGES)
		sim_fail("M: too many pages");
	s->e[s->nr++] = (struct m_entry){ index, p };
}

static struct m_page *m_page_new(const void *data)
{
	struct m_page *p = calloc(1, sizeof(*p));

	live_pages++;
	if (data != NULL)
		memcpy(p->data, data, PAGE_SIZE);
	return p;
}

static void m_drop(struct m_space *s, u64 first, u64 last)
{
	for (unsigned i = 0; i < s->nr; i++) {
		if (s->e[i].index >= first && s->e[i].index < last) {
			m_put(s->e[i].page);
			s->e[i--] = s->e[--s->nr];
		}
	}
}

u64 sim_object_word(u64 object, u64 index)
{
	struct m_space *o = m_find(object);
	struct m_entry *e = o == NULL ? NULL : m_entry(o, index);

	return e == NULL ? 0 : *(u64 *)e->page->data;
}

void sim_memory_reset(void)
{
	for (unsigned i = 0; i < nr_spaces; i++) {
		m_drop(spaces[i], 0, ~0ULL);
		vma_map_destroy(&spaces[i]->map);
		free(spaces[i]);
	}
	nr_spaces = 0;
	while (messages != NULL) {
		struct message *m = messages;

		messages = m->next;
		free(m->bulk);
		free(m->rep);
		free(m);
	}
	nr_messages = 0;
	memset(refusals, 0, sizeof(refusals));
	next_space = 0;
	next_object = WIRE_OBJECT_FIRST;
	reserved = 0;
	sim_memory_dead = sim_memory_tight = false;
	sim_fill_fails = 0;
	sim_memory_slow = 1;
}

u64 sim_file(u64 ino, u64 nr_pages)
{
	struct m_space *o = m_new(SIM_FILE_FIRST + ino);

	o->ino = ino;
	o->version = 1;
	for (u64 i = 0; i < nr_pages; i++) {
		struct m_page *p = m_page_new(NULL);

		*(u64 *)p->data = sim_file_word(ino, i);
		m_set(o, i, p);
	}
	o->applied = nr_pages;		/* of an object: its size in pages */
	return o->id;
}

static struct m_space *m_file(u64 ino)
{
	for (unsigned i = 0; i < nr_spaces; i++)
		if (spaces[i]->alive && spaces[i]->id >= SIM_FILE_FIRST && spaces[i]->ino == ino)
			return spaces[i];
	return NULL;
}

u64 sim_file_id(u64 ino) { return m_file(ino)->id; }

/* Another node writes the file's page: this one, having it closed, must notice when it opens it again. */
void sim_file_foreign_write(u64 ino, u64 index, u64 word)
{
	struct m_space *o = m_file(ino);
	struct m_page *p = m_page_new(m_entry(o, index)->page->data);

	if (o->opens != 0)
		sim_fail("file %llu is open", (unsigned long long)ino);
	*(u64 *)p->data = word;
	m_set(o, index, p);
	o->version++;
}

/* M had no room for its pages, and forgot the file: at the next open it has another id and version 1. */
void sim_file_forget(u64 ino)
{
	struct m_space *o = m_file(ino);

	if (o->opens != 0)
		sim_fail("file %llu is open", (unsigned long long)ino);
	o->id += 1000;
	o->version = 1;
}

/* --- what M does; false: parked --- */

static void answer(struct message *m, int status)
{
	m->status = status;
	m->answered = true;
}

static bool lags(u64 space, u64 change)
{
	struct m_space *s = m_find(space);

	return s != NULL && !wire_is_object(space) && s->applied < change;
}

static void do_fill(struct message *m)
{
	struct rpc_memory_fill_req *q = (void *)m->req;
	u64 id = le64_get(q->space), index = le64_get(q->index);
	struct m_space *s = m_find(id);
	struct m_entry *e;

	if (lags(id, le64_get(q->change)))
		return;
	if (s == NULL)
		sim_fail("fill of (%llx, %llx): no such space", (unsigned long long)id, (unsigned long long)index);
	if (!wire_is_object(id) && vma_find(&s->map, index << PAGE_SHIFT) == NULL)
		sim_fail("fill of (%llx, %llx): not mapped there", (unsigned long long)id, (unsigned long long)index);
	if (wire_is_object(id) && index >= s->applied) {
		answer(m, -EFAULT);
		return;
	}
	if (sim_fill_fails != 0 && sim_random(sim_fill_fails) == 0) {
		answer(m, (const int[]){ -EIO, FILL_DATA, 7 }[index % 3]);	/* without data */
		return;
	}
	e = m_entry(s, index);
	if (e != NULL) {
		m->rep = malloc(PAGE_SIZE);
		memcpy(m->rep, e->page->data, PAGE_SIZE);
		m->rep_len = PAGE_SIZE;
	}
	answer(m, e != NULL ? FILL_DATA : FILL_ZERO);
}

/* Pages of a file become the space's own; sometimes fewer than asked for. */
static void do_place(struct message *m)
{
	struct rpc_memory_place_req *q = (void *)m->req;
	u64 id = le64_get(q->space), index = le64_get(q->index), off = le64_get(q->off);
	struct m_space *s = m_find(id), *o = m_find(le64_get(q->object));
	u32 nr = le32_get(q->nr), i;

	if (lags(id, le64_get(q->change)))
		return;
	if (s == NULL || o == NULL || wire_is_object(id) || nr == 0 || nr > PLACE_MAX_PAGES)
		sim_fail("placing of %u pages of %llx in (%llx, %llx)", nr, (unsigned long long)le64_get(q->object),
			 (unsigned long long)id, (unsigned long long)index);
	if (sim_fill_fails != 0 && sim_random(sim_fill_fails) == 0) {
		answer(m, (const int[]){ -EIO, -ENOMEM, 0x7fff }[index % 3]);
		return;
	}
	if (!sim_memory_takes_all && sim_random(4) == 0)
		nr = sim_random(nr + 1);
	for (i = 0; i < nr && off + (i + 1) * PAGE_SIZE <= o->applied << 12; i++) {
		struct vma *v = vma_find(&s->map, (index + i) << PAGE_SHIFT);
		struct m_page *p = m_page_new(NULL);

		if (v == NULL || v->object != 0 || (v->flags & VMA_SHARED))
			sim_fail("a page is placed at (%llx, %llx), which is not private memory", (unsigned long long)id,
				 (unsigned long long)index + i);
		for (u64 k = 0; k < PAGE_SIZE; k++) {
			struct m_entry *e = m_entry(o, (off + i * PAGE_SIZE + k) >> 12);

			p->data[k] = e == NULL ? 0 : e->page->data[(off + k) & 4095];
		}
		m_set(s, index + i, p);
	}
	answer(m, i);
}

static void do_fill_ahead(struct message *m)
{
	struct rpc_memory_fill_ahead_req *q = (void *)m->req;
	struct m_space *s = m_find(le64_get(q->space));
	unsigned nr = le32_get(q->nr), last = 0;
	int came = 0;

	if (lags(le64_get(q->space), le64_get(q->change)))
		return;
	if (s == NULL || nr == 0 || nr > FILL_MANY || m->call->nr_pages != nr)
		sim_fail("%u pages ahead of space %llx", nr, (unsigned long long)le64_get(q->space));
	m->rep = calloc(nr, PAGE_SIZE);
	for (unsigned i = 0; i < nr; i++) {
		u64 index = le64_get(q->pages.index[i]);
		struct m_entry *e = m_entry(s, index);

		if (!wire_is_object(s->id) && vma_find(&s->map, index << PAGE_SHIFT) == NULL)
			sim_fail("page ahead (%llx, %llx): not mapped there", (unsigned long long)s->id, (unsigned long long)index);
		if ((wire_is_object(s->id) && index >= s->applied) || (!sim_memory_takes_all && sim_random(8) == 0))
			continue;			/* beyond the end; storage would have to be asked */
		if (e != NULL)
			memcpy(m->rep + i * PAGE_SIZE, e->page->data, PAGE_SIZE);
		came |= 1 << i;
		last = i + 1;
	}
	m->rep_len = last * PAGE_SIZE;
	if (sim_fill_fails != 0 && sim_random(sim_fill_fails) == 0) {
		answer(m, sim_random(2) != 0 ? -EIO : came | 1 << (nr - 1));
		m->rep_len = MIN(m->rep_len, (u32)(nr - 1) * PAGE_SIZE);	/* it says that the last one came */
		return;
	}
	answer(m, came);
}

static void flush_page(const struct wire_owner *w, unsigned nr, const u8 *data)
{
	struct m_page *p = m_page_new(data);

	p->refs++;
	for (unsigned i = 0; i < nr; i++) {
		struct m_space *s = m_find(le64_get(w[i].space));
		u64 index = le64_get(w[i].index);

		if (s == NULL)
			sim_fail("flush names space %llx, which is not", (unsigned long long)le64_get(w[i].space));
		if (!wire_is_object(s->id) && vma_find(&s->map, index << PAGE_SHIFT) == NULL)
			sim_fail("flush names (%llx, %llx), which is not mapped", (unsigned long long)s->id, (unsigned long long)index);
		m_set(s, index, p);
	}
	m_put(p);
}

/* No page is refused by chance six times in a row: P would give it up. */
static bool may_refuse(const struct wire_owner *w)
{
	u64 page = hash64_2(le64_get(w->space), le64_get(w->index));
	struct refusal *r = &refusals[page % ARRAY_SIZE(refusals)];

	if (r->page != page)
		*r = (struct refusal){ page, 0 };
	return ++r->nr % 6 != 0;
}

static void do_flush(struct message *m)
{
	struct rpc_memory_flush_req *q = (void *)m->req;
	u32 meta_len = le32_get(q->meta_len), at = 0;
	unsigned nr = le16_get(q->nr_pages);
	u8 *now = m->bulk + meta_len;
	unsigned refuse = !sim_memory_takes_all && sim_random(6) == 0 ? sim_random(nr) : nr;	/* it cannot take this page just now */

	if (sim_memory_refuses)
		refuse = 0;
	for (unsigned i = 0; i < nr; i++) {
		struct wire_flush_page *h = (void *)(m->bulk + at);
		struct wire_owner *w = (void *)(h + 1);

		for (unsigned k = 0; k < le16_get(h->nr_owners); k++)
			if (lags(le64_get(w[k].space), le64_get(w[k].change)))
				return;
		at += sizeof(*h) + le16_get(h->nr_owners) * sizeof(*w);
	}
	if (at != meta_len)
		sim_fail("flush: meta of %u bytes, said %u", at, meta_len);
	for (unsigned i = 0; i < nr; i++)
		if (memcmp(m->call->seg[1 + i].ptr, now + i * PAGE_SIZE, PAGE_SIZE) != 0)
			sim_fail("a page was written while it was being sent");
	at = 0;
	for (unsigned i = 0; i < nr; i++) {
		struct wire_flush_page *h = (void *)(m->bulk + at);

		if (refuse == i && !sim_memory_refuses && !may_refuse((void *)(h + 1)))
			refuse = nr;
		if (refuse != i)
			flush_page((void *)(h + 1), le16_get(h->nr_owners), now + i * PAGE_SIZE);
		at += sizeof(*h) + le16_get(h->nr_owners) * sizeof(struct wire_owner);
	}
	sim_memory_flushes++;
	m->rep = calloc(1, sizeof(struct rpc_memory_flush_rep));
	m->rep_len = sizeof(struct rpc_memory_flush_rep);
	if (refuse < nr) {
		((struct rpc_memory_flush_rep *)m->rep)->failed = le64_of(1ULL << refuse);
		((struct rpc_memory_flush_rep *)m->rep)->error = le32_of(sim_memory_refusal);
	}
	answer(m, 0);
}

/* M never has to charge what was not reserved before: it could refuse, and a change that is refused is the end of its space. */
static void check_charged(void)
{
	s64 charged = 0;

	for (unsigned i = 0; i < nr_spaces; i++)
		if (spaces[i]->alive)
			charged += spaces[i]->map.nr_accounted;
	if (charged > reserved)
		sim_fail("M has charged %lld pages, and %lld are reserved", (long long)charged, (long long)reserved);
}

static int apply_remap(struct m_space *s, const struct rpc_memory_remap_req *q)
{
	u64 start = le64_get(q->start), len = le64_get(q->len), to = le64_get(q->new_start), to_len = le64_get(q->new_len);
	int rc = vma_map_move(&s->map, start, len, to, to_len, le32_get(q->flags) & WIRE_REMAP_DONTUNMAP);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < s->nr; i++)
		if (s->e[i].index >= start >> 12 && s->e[i].index < (start + len) >> 12)
			s->e[i].index += (to >> 12) - (start >> 12);
	return 0;
}

static int apply_fork(struct m_space *s, struct message *m)
{
	struct rpc_memory_fork_rep *r = calloc(1, sizeof(*r));
	struct m_space *c;

	if (reserved + (s64)s->map.nr_accounted > sim_memory_limit) {
		free(r);
		return -ENOMEM;
	}
	c = m_new(++next_space);
	m->rep = (u8 *)r;
	m->rep_len = sizeof(*r);
	if (vma_map_copy(&c->map, &s->map) < 0)
		sim_fail("M: no memory");
	for (unsigned i = 0; i < s->nr; i++)
		m_set(c, s->e[i].index, s->e[i].page);
	reserved += c->map.nr_accounted;
	r->child = le64_of(c->id);
	r->commit = le64_of(c->map.nr_accounted);
	return 0;
}

/* Does M do it now? Else it is early. */
static bool in_turn(struct m_space *s, const struct message *m, u64 number)
{
	if (s == NULL)
		sim_fail("change of op %x for a space which is not", m->call->op);
	if (number <= s->applied)
		sim_fail("change number %llu twice", (unsigned long long)number);
	return number == s->applied + 1;
}

static int apply_one(struct m_space *s, unsigned what, const struct vma *v)
{
	switch (what) {
	case WIRE_CHANGE_MAP:
		return vma_map_add(&s->map, v);
	case WIRE_CHANGE_UNMAP:
		m_drop(s, v->start >> 12, v->end >> 12);
		return vma_map_remove(&s->map, v->start, v->end);
	case WIRE_CHANGE_PROTECT:
		return vma_map_protect(&s->map, v->start, v->end, v->prot);
	case WIRE_CHANGE_CHARGE:
		return vma_map_charge(&s->map, v->start, v->end);
	case WIRE_CHANGE_ZAP:
		m_drop(s, v->start >> 12, v->end >> 12);
		return 0;
	default:
		return what == WIRE_CHANGE_NONE ? 0 : -EINVAL;
	}
}

static void do_changes(struct message *m)
{
	struct rpc_memory_changes_req *q = (void *)m->req;
	struct m_space *s = m_find(le64_get(q->space));

	if (!in_turn(s, m, le64_get(q->change)))
		return;
	if (le32_get(q->nr) == 0 || le32_get(q->nr) > WIRE_CHANGES)
		sim_fail("%u changes in one message", le32_get(q->nr));
	for (unsigned i = 0; i < le32_get(q->nr); i++) {
		const struct wire_change *w = &q->list.of[i];
		u64 start = le64_get(w->start), len = le64_get(w->len);
		struct vma v = { .start = start, .end = start + len, .index = le64_get(w->index), .prot = le16_get(w->prot),
				 .flags = le32_get(w->flags) };
		int rc = apply_one(s, le16_get(w->what), &v);

		if (rc < 0)
			sim_fail("M refuses change %u [%llx, +%llx): %s", le16_get(w->what), (unsigned long long)start,
				 (unsigned long long)len, errno_name(rc));
		s->applied++;
	}
	check_charged();
	answer(m, 0);
}

static void do_change(struct message *m)
{
	struct rpc_memory_map_req *q = (void *)m->req;
	u64 start = le64_get(q->start), len = le64_get(q->len);
	struct m_space *s = m_find(le64_get(q->space));
	int rc = 0;

	if (!in_turn(s, m, le64_get(q->change)))
		return;
	switch (m->call->op) {
	case RPC_memory_map: {
		struct vma v = { .start = start, .end = start + len, .object = le64_get(q->object), .index = le64_get(q->index),
				 .prot = le32_get(q->prot), .flags = le32_get(q->flags) };
		struct m_space *o = m_find(v.object);

		if (o == NULL || (o->id >= SIM_FILE_FIRST && o->opens == 0))
			sim_fail("maps what is not open");
		rc = vma_map_add(&s->map, &v);
		m->rep = calloc(1, sizeof(struct rpc_memory_map_rep));
		m->rep_len = sizeof(struct rpc_memory_map_rep);
		break;
	}
	case RPC_memory_remap:
		rc = apply_remap(s, (void *)q);
		break;
	case RPC_memory_fork:
		rc = apply_fork(s, m);
		break;
	case RPC_memory_space_exit:
		m_drop(s, 0, ~0ULL);
		vma_map_destroy(&s->map);
		s->alive = false;
		break;
	}
	if (rc < 0 && m->call->op != RPC_memory_fork)
		sim_fail("M refuses op %x [%llx, +%llx): %s", m->call->op, (unsigned long long)start, (unsigned long long)len, errno_name(rc));
	s->applied++;
	check_charged();
	answer(m, rc);
}

static void *reply(struct message *m, u32 len)
{
	m->rep = calloc(1, len);
	m->rep_len = len;
	return m->rep;
}

static void do_file(struct message *m)
{
	switch (m->call->op) {
	case RPC_memory_shm_create: {
		struct m_space *o = m_new(++next_object);

		o->applied = (le64_get(((struct rpc_memory_shm_create_req *)m->req)->size) + 4095) >> 12;
		((struct rpc_memory_shm_create_rep *)reply(m, 8))->object = le64_of(o->id);
		break;
	}
	case RPC_memory_open: {
		struct m_space *o = m_file(le64_get(((struct rpc_memory_open_req *)m->req)->ino));
		struct rpc_memory_open_rep *r = reply(m, sizeof(*r));

		o->opens++;
		r->object = le64_of(o->id);
		r->version = le64_of(o->version);
		r->size = le64_of(o->applied << 12);
		break;
	}
	case RPC_memory_close: {
		struct m_space *o = m_find(le64_get(((struct rpc_memory_close_req *)m->req)->object));

		if (o->id < SIM_FILE_FIRST) {
			m_drop(o, 0, ~0ULL);
			o->alive = false;
		} else {
			if (o->opens < le32_get(((struct rpc_memory_close_req *)m->req)->count))
				sim_fail("closed more often than opened");
			o->opens -= le32_get(((struct rpc_memory_close_req *)m->req)->count);
		}
		break;
	}
	case RPC_memory_commit: {
		s64 pages = (s64)le64_get(((struct rpc_memory_commit_req *)m->req)->pages);
		struct rpc_memory_commit_rep *r = reply(m, sizeof(*r));

		if (pages > 0 && (reserved + pages > sim_memory_limit || (sim_memory_tight && pages >= 4096))) {
			answer(m, -ENOMEM);
			return;
		}
		reserved += pages;
		r->moved = le64_of((u64)pages);
		check_charged();
		break;
	}
	case RPC_memory_space_create:
		((struct rpc_memory_space_create_rep *)reply(m, 8))->space = le64_of(m_new(++next_space)->id);
		break;
	case RPC_memory_sync:
		break;
	case RPC_memory_read: {
		struct rpc_memory_read_req *q = (void *)m->req;
		struct m_space *o = m_find(le64_get(q->object));
		u64 off = le64_get(q->off), len = le32_get(q->len), size = o->applied << 12;
		u8 *out;

		len = off >= size ? 0 : MIN(len, size - off);
		out = reply(m, len + 1);
		m->rep_len = len;
		for (u64 i = 0; i < len; i++) {
			struct m_entry *e = m_entry(o, (off + i) >> 12);

			out[i] = e == NULL ? 0 : e->page->data[(off + i) & 4095];
		}
		break;
	}
	case RPC_memory_write: {
		struct rpc_memory_write_req *q = (void *)m->req;
		struct m_space *o = m_find(le64_get(q->object));
		u64 off = le64_get(q->off);
		struct rpc_memory_write_rep *r = reply(m, sizeof(*r));

		for (u64 i = 0; i < m->bulk_len; i++) {
			u64 index = (off + i) >> 12;
			struct m_entry *e = m_entry(o, index);

			if (e == NULL || e->page->refs > 1) {
				m_set(o, index, m_page_new(e == NULL ? NULL : e->page->data));
				e = m_entry(o, index);
			}
			e->page->data[(off + i) & 4095] = m->bulk[i];
		}
		o->applied = MAX(o->applied, (off + m->bulk_len + 4095) >> 12);
		r->off = le64_of(off);
		r->size = le64_of(o->applied << 12);
		break;
	}
	case RPC_memory_truncate: {
		struct rpc_memory_truncate_req *q = (void *)m->req;
		struct m_space *o = m_find(le64_get(q->object));

		o->applied = le64_get(q->size) >> 12;		/* whole pages alone */
		m_drop(o, o->applied, ~0ULL);
		break;
	}
	default:
		sim_fail("M knows no op %x", m->call->op);
	}
	answer(m, 0);
}

static void handle(struct message *m)
{
	switch (m->call->op) {
	case RPC_memory_fill: do_fill(m); break;
	case RPC_memory_fill_ahead: do_fill_ahead(m); break;
	case RPC_memory_flush: do_flush(m); break;
	case RPC_memory_place: do_place(m); break;
	case RPC_memory_changes: do_changes(m); break;
	case RPC_memory_map: case RPC_memory_remap:
	case RPC_memory_fork: case RPC_memory_space_exit: do_change(m); break;
	default: do_file(m);
	}
}

static void deliver(struct message *m)
{
	struct rpc *call = m->call;
	struct message **link = &messages;

	while (*link != m)
		link = &(*link)->next;
	*link = m->next;
	nr_messages--;
	if (m->rep_len > call->rep_size && (call->rep != NULL || call->nr_pages != 0))
		sim_fail("reply of %u bytes, room for %u, op %x", m->rep_len, call->rep_size, call->op);
	if (m->rep_len > 0 && call->rep != NULL)
		memcpy(call->rep, m->rep, m->rep_len);
	for (u32 at = 0; call->nr_pages != 0 && at < m->rep_len; at += PAGE_SIZE)
		memcpy(call->page[at / PAGE_SIZE], (u8 *)m->rep + at, PAGE_SIZE);
	if (sim_memory_spoil != NULL && call->rep != NULL)
		sim_memory_spoil(call->op, call->rep);
	call->status = m->status;
	call->rep_len = m->rep_len;
	call->arrived = true;
	free(m->bulk);
	free(m->rep);
	free(m);
	if (call->done != NULL) {
		sim_completion(call);
		return;
	}
	call->finished = true;
	waitq_wake_all(&rpc_waitq);
}

/* Its node was found dead: every call ends so, whatever it has done for it. */
static void bury(struct message *m)
{
	free(m->rep);
	m->rep = NULL;
	m->rep_len = 0;
	answer(m, -EHOSTDOWN);
	deliver(m);
}

bool sim_memory_event(void)
{
	unsigned pick;
	struct message *m;

	if (nr_messages == 0)
		return false;
	if (sim_memory_slow > 1 && sim_random(sim_memory_slow) != 0)
		return true;
	pick = sim_random(nr_messages);
	for (m = messages; pick > 0; pick--)
		m = m->next;
	if (sim_memory_dead)
		bury(m);
	else if (m->answered)
		deliver(m);
	else
		handle(m);
	return true;
}

/* --- FIT --- */

static u32 body_size(unsigned op)
{
#define OP_SIZE(nr, name, class) case nr: return sizeof(struct rpc_##name##_req);
	switch (op) {
	RPC_MEMORY_OPS(OP_SIZE)
	}
	return 0;
}

int rpc_start(struct rpc *call)
{
	struct message *m;
	u32 at = 0;

	might_sleep();
	sim_point();
	if (sim_memory_asked != NULL)
		sim_memory_asked(call->op);
	if (sim_memory_dead)
		return -EHOSTDOWN;
	m = calloc(1, sizeof(*m));
	m->call = call;
	if (call->req != NULL)
		memcpy(m->req, call->req, body_size(call->op));
	for (unsigned i = 0; i < call->nr_segs; i++)
		m->bulk_len += call->seg[i].len;
	m->bulk = malloc(m->bulk_len + 1);
	for (unsigned i = 0; i < call->nr_segs; i++) {
		memcpy(m->bulk + at, call->seg[i].ptr, call->seg[i].len);
		at += call->seg[i].len;
	}
	call->finished = false;
	m->next = messages;
	messages = m;
	nr_messages++;
	sim_point();
	return 0;
}

int rpc_try_start(struct rpc *call)
{
	return !sim_memory_takes_all && sim_random(16) == 0 ? -EAGAIN : rpc_start(call);
}

int rpc_wait(struct rpc *call)
{
	waitq_wait(&rpc_waitq, load_acquire(&call->finished));
	return call->status;
}

int rpc_call_bulk(unsigned node, unsigned op, const void *req, const void *bulk, u32 bulk_len, void *rep, u32 rep_size, u32 *rep_len)
{
	struct rpc call = { .node = node, .op = op, .rep = rep, .rep_size = rep_size };
	u8 body[RPC_MAX_REQ] = { 0 };
	int rc;

	if (req != NULL)
		memcpy(body, req, body_size(op));
	call.req = body;
	if (bulk_len > 0) {
		call.nr_segs = 1;
		call.seg[0] = (struct rpc_seg){ bulk, bulk_len };
	}
	rc = rpc_start(&call);
	if (rc == 0)
		rc = rpc_wait(&call);
	if (rep_len != NULL)
		*rep_len = call.rep_len;
	return rc;
}

int rpc_call_sure(unsigned node, unsigned op, const void *req, void *rep, u32 rep_size)
{
	return rpc_call(node, op, req, rep, rep_size);
}

int fit_wait_role(enum node_role role, u64 timeout_ns) { return sim_memory_dead ? -EHOSTDOWN : 2; }
enum node_role fit_node_role(unsigned node) { return node == 2 ? ROLE_MEMORY : ROLE_NONE; }
bool fit_node_up(unsigned node) { return node == 2 && !sim_memory_dead; }
