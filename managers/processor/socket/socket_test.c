/* SPDX-License-Identifier: MIT */
/* The parts of sockets that know nothing of programs: queues of messages, taken ports, files in flight. White box. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#undef WNOWAIT		/* ours is unsigned */

#include "managers/processor/socket/ports.c"
#include "managers/processor/socket/queue.c"
#include "managers/processor/socket/rights.c"

DEFINE_MUTEX(net_lock, RANK_SOCKET_NET);
const struct socket_kind unix_stream = { .family = AF_UNIX, .stream = true, .connected = true };
const struct socket_kind inet_tcp = { .family = AF_INET, .type = SOCK_STREAM, .stream = true, .connected = true };
const struct socket_kind inet_udp = { .family = AF_INET, .type = SOCK_DGRAM };

void random_bytes(void *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((u8 *)buf)[i] = rand();
}

/* --- queues --- */

static struct message *text(const char *s, size_t room)
{
	struct message *m = message_alloc(room);

	assert_non_null(m);
	m->len = strlen(s);
	memcpy(m->data, s, m->len);
	return m;
}

static void bytes_keep_their_order(void **state)
{
	static u8 out[1 << 20];
	struct message_queue q;
	size_t put = 0, taken = 0;
	u64 charged = 0;

	queue_init(&q);
	srand(1);
	for (int round = 0; round < 20000; round++) {
		if (rand() % 2 == 0 && put < sizeof(out) - 100) {
			struct message *m = message_alloc(rand() % 2 ? 200 : 100);

			m->len = 1 + rand() % 100;
			for (u32 i = 0; i < m->len; i++)
				m->data[i] = (put + i) * 7 % 251;
			put += m->len;
			if (queue_join(&q, m)) {
				message_free(m);
			} else {
				charged += m->charge;
				queue_put(&q, m);
			}
		} else if (queue_first(&q) != NULL) {
			struct message *m = queue_first(&q);
			size_t n = 1 + rand() % (m->len - m->off);

			for (size_t i = 0; i < n; i++)
				assert_int_equal(m->data[m->off + i], (taken + i) * 7 % 251);
			taken += n;
			if (queue_take(&q, m, n)) {
				charged -= m->charge;
				message_free(m);
			}
		}
		assert_int_equal(q.bytes, put - taken);
		assert_int_equal(q.charged, charged);
		assert_int_equal(q.count == 0, q.bytes == 0);
	}
	while (queue_first(&q) != NULL) {
		struct message *m = queue_first(&q);

		assert_true(queue_take(&q, m, m->len - m->off));
		message_free(m);
	}
	assert_int_equal(q.bytes + q.charged + q.count, 0);
}

static void what_is_not_joined(void **state)
{
	struct message *first = text("abc", 16), *m = text("def", 16);
	struct rights r = { 0 };
	struct message_queue q;

	queue_init(&q);
	assert_false(queue_join(&q, m));		/* nothing to join */
	queue_put(&q, first);
	m->rights = &r;
	assert_false(queue_join(&q, m));
	m->rights = NULL;
	first->rights = &r;
	assert_false(queue_join(&q, m));
	first->rights = NULL;
	m->cred.pid = 7;
	assert_false(queue_join(&q, m));
	m->cred.pid = 0;
	m->len = 14;
	assert_false(queue_join(&q, m));		/* no room */
	m->len = 3;
	assert_int_equal(q.bytes, 3);
	assert_true(queue_join(&q, m));
	assert_int_equal(q.bytes, 6);
	assert_memory_equal(first->data, "abcdef", 6);
	assert_null(queue_next(&q, first));
	assert_false(queue_take(&q, first, 2));
	assert_true(queue_take(&q, first, 4));
	message_free(first);
	message_free(m);
}

static void empty_messages_count(void **state)
{
	struct message *m = text("", 0);
	struct message_queue q;

	queue_init(&q);
	queue_put(&q, m);
	assert_int_equal(q.count, 1);
	assert_true(queue_take(&q, m, 0));
	assert_int_equal(q.count, 0);
	message_free(m);
}

/* However many urgent bytes come, there is one mark, where the last one is: marks cost nobody anything. */
static void one_mark(void **state)
{
	struct message *m = text("abc", 16), *behind = text("def", 16), *mark[100];
	struct message_queue q;
	u64 charged;

	queue_init(&q);
	queue_put(&q, m);
	charged = q.charged;
	for (unsigned i = 0; i < ARRAY_SIZE(mark); i++) {
		mark[i] = text("", 0);
		if (i == 1)
			queue_put(&q, behind);
		assert_ptr_equal(queue_mark(&q, mark[i]), i == 0 ? NULL : mark[i - 1]);
		assert_int_equal(q.count, i == 0 ? 2 : 3);
		if (i != 0)
			message_free(mark[i - 1]);
	}
	assert_int_equal(q.bytes, 6);
	assert_int_equal(q.charged, charged + behind->charge);
	assert_ptr_equal(queue_next(&q, m), behind);
	assert_ptr_equal(queue_next(&q, behind), mark[ARRAY_SIZE(mark) - 1]);
	assert_true(mark[ARRAY_SIZE(mark) - 1]->mark);
	while ((m = queue_first(&q)) != NULL) {
		assert_true(queue_take(&q, m, m->len));
		message_free(m);
	}
	assert_int_equal(q.charged, 0);
}

/* --- ports --- */

static struct socket *new_socket(const struct socket_kind *kind)
{
	struct socket *s = calloc(1, sizeof(*s));

	s->kind = kind;
	spin_init(&s->lock, "socket", RANK_SOCKET);
	queue_init(&s->queue);
	list_init(&s->name_link);
	list_init(&s->accept_queue);
	list_init(&s->flight_link);
	ref_init(&s->refs, 1);
	waitq_init(&s->write_wait);
	return s;
}

#define ONE	0x0100007fU		/* 127.0.0.1 and .2 as they stand in addresses */
#define TWO	0x0200007fU

static int try(const struct socket_kind *kind, u32 a1, u32 a2, int reuse_addr, int reuse_port, bool listens)
{
	struct socket *a = new_socket(kind), *b = new_socket(kind);
	int rc;

	a->opt.reuse_addr = b->opt.reuse_addr = reuse_addr;
	a->opt.reuse_port = b->opt.reuse_port = reuse_port;
	assert_int_equal(port_bind(a, a1, 4000), 0);
	a->state = listens ? SOCKET_LISTENING : SOCKET_FREE;
	rc = port_bind(b, a2, 4000);
	if (rc == 0 && listens)
		rc = port_may_listen(b);
	port_release(a);
	port_release(b);
	free(a);
	free(b);
	return rc;
}

static void who_may_share_a_port(void **state)
{
	const struct socket_kind *kind[] = { &inet_tcp, &inet_udp };

	for (int k = 0; k < 2; k++) {
		assert_int_equal(try(kind[k], ONE, ONE, 0, 0, false), -EADDRINUSE);
		assert_int_equal(try(kind[k], 0, ONE, 0, 0, false), -EADDRINUSE);
		assert_int_equal(try(kind[k], ONE, 0, 0, 0, false), -EADDRINUSE);
		assert_int_equal(try(kind[k], ONE, TWO, 0, 0, false), 0);
		assert_int_equal(try(kind[k], ONE, ONE, 1, 0, false), 0);
		assert_int_equal(try(kind[k], ONE, ONE, 0, 1, false), 0);
	}
	assert_int_equal(try(&inet_tcp, ONE, ONE, 1, 0, true), -EADDRINUSE);
	assert_int_equal(try(&inet_tcp, ONE, ONE, 0, 1, true), 0);
}

static void any_port_is_a_free_one(void **state)
{
	static struct socket *s[EPHEMERAL_LAST - EPHEMERAL_FIRST + 1];
	static bool seen[65536];
	const int n = 3000;
	struct socket *udp;

	for (int i = 0; i < n; i++) {
		s[i] = new_socket(&inet_tcp);
		assert_int_equal(port_bind(s[i], ONE, 0), 0);
		assert_in_range(port_of(s[i]), EPHEMERAL_FIRST, EPHEMERAL_LAST);
		assert_false(seen[port_of(s[i])]);
		seen[port_of(s[i])] = true;
	}
	udp = new_socket(&inet_udp);
	assert_int_equal(port_bind(udp, 0, port_of(s[0])), 0);		/* a space of their own */
	port_release(udp);
	free(udp);
	for (int i = 0; i < n; i++) {
		port_release(s[i]);
		free(s[i]);
	}
}

static void who_is_found(void **state)
{
	struct socket *any = new_socket(&inet_udp), *one = new_socket(&inet_udp), *peer = new_socket(&inet_udp);
	struct sockaddr_in_abi from = { AF_INET, 99, ONE, { 0 } }, other = { AF_INET, 98, ONE, { 0 } };
	u16 port = swap16(5000);

	any->opt.reuse_addr = one->opt.reuse_addr = peer->opt.reuse_addr = 1;
	assert_null(port_find(&inet_udp, ONE, port, &from));
	assert_int_equal(port_bind(any, 0, 5000), 0);
	assert_ptr_equal(port_find(&inet_udp, TWO, port, &from), any);
	assert_int_equal(port_bind(one, ONE, 5000), 0);
	assert_ptr_equal(port_find(&inet_udp, ONE, port, &from), one);
	assert_ptr_equal(port_find(&inet_udp, TWO, port, &from), any);
	assert_int_equal(port_bind(peer, ONE, 5000), 0);
	peer->state = SOCKET_CONNECTED;
	peer->remote.in = from;
	assert_ptr_equal(port_find(&inet_udp, ONE, port, &from), peer);
	assert_ptr_equal(port_find(&inet_udp, ONE, port, &other), one);
	assert_null(port_find(&inet_tcp, ONE, port, &from));
	port_release(any);
	port_release(one);
	port_release(peer);
	free(any);
	free(one);
	free(peer);
}

/* --- files in flight --- */

static int nr_files;

void file_get(struct file *f)
{
	ref_get(&f->refs);
}

void socket_put(struct socket *s)
{
}

/* As socket_release() does it. */
void file_put(struct file *f)
{
	struct list unread = LIST_INIT(unread);
	struct socket *s = f->private;

	if (!ref_put(&f->refs))
		return;
	nr_files--;
	s->file = NULL;
	list_splice_tail(&unread, &s->queue.messages);
	queue_init(&s->queue);
	messages_discard(&unread);
	free(s);
	free(f);
}

struct socket *file_socket(const struct file *f)
{
	return f->private;
}

static struct file *new_file(void)
{
	struct file *f = calloc(1, sizeof(*f));
	struct socket *s = new_socket(&unix_stream);

	ref_init(&f->refs, 1);
	f->private = s;
	s->file = f;
	nr_files++;
	return f;
}

/* f is sent to the socket behind `to`. */
static void send_file(struct file *f, struct file *to)
{
	struct socket *s = to->private;
	struct message *m = message_alloc(0);

	m->rights = rights_alloc(1);
	file_get(m->rights->file[m->rights->nr++] = f);
	mutex_lock(&rights_lock);
	rights_take_off(m->rights);
	queue_put(&s->queue, m);
	mutex_unlock(&rights_lock);
}

static void unreachable_goes(void **state)
{
	struct file *self = new_file(), *a = new_file(), *b = new_file(), *held = new_file();

	send_file(self, self);
	send_file(a, b);
	send_file(b, a);
	send_file(held, a);
	file_put(held);
	rights_collect();
	assert_int_equal(nr_files, 4);
	file_put(self);
	rights_collect();
	assert_int_equal(nr_files, 3);
	file_put(a);
	rights_collect();
	assert_int_equal(nr_files, 3);		/* b is in use, and a is in its queue */
	file_put(b);
	rights_collect();
	assert_int_equal(nr_files, 0);
	assert_true(list_empty(&flying));
	assert_int_equal(nr_flying, 0);
}

static void reachable_stays(void **state)
{
	struct file *used = new_file(), *a = new_file(), *b = new_file(), *c = new_file();

	send_file(a, used);			/* used never flew itself */
	send_file(b, a);
	send_file(a, b);
	send_file(c, b);
	file_put(a);
	file_put(b);
	file_put(c);
	rights_collect();
	assert_int_equal(nr_files, 4);
	file_put(used);
	rights_collect();
	assert_int_equal(nr_files, 0);
}

static void chains_do_not_nest(void **state)
{
	struct file *f = new_file();

	for (int i = 0; i < 200000; i++) {	/* each in the queue of the next: closing it by recursion would run out of stack */
		struct file *next = new_file();

		send_file(f, next);
		file_put(f);
		f = next;
	}
	file_put(f);
	assert_int_equal(nr_files, 0);
}

/* Random graphs, against the definition: what can be reached from a file that a program has open. */
static void random_graphs(void **state)
{
	enum { N = 12 };

	srand(3);
	for (int round = 0; round < 3000; round++) {
		struct file *f[N];
		bool edge[N][N] = { { false } }, open[N], live[N];
		int expect = 0;

		for (int i = 0; i < N; i++)
			f[i] = new_file();
		for (int e = rand() % 25; e > 0; e--) {
			int from = rand() % N, to = rand() % N;

			send_file(f[from], f[to]);
			edge[to][from] = true;
		}
		for (int i = 0; i < N; i++)
			live[i] = open[i] = rand() % 4 == 0;
		for (int pass = 0; pass < N; pass++)
			for (int i = 0; i < N; i++)
				for (int k = 0; k < N; k++)
					live[k] |= live[i] && edge[i][k];
		for (int i = 0; i < N; i++) {
			expect += live[i];
			if (!open[i])
				file_put(f[i]);
		}
		rights_collect();
		assert_int_equal(nr_files, expect);
		for (int i = 0; i < N; i++)
			if (open[i])
				file_put(f[i]);
		rights_collect();
		assert_int_equal(nr_files, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_keep_their_order), cmocka_unit_test(what_is_not_joined), cmocka_unit_test(empty_messages_count),
		cmocka_unit_test(one_mark),
		cmocka_unit_test(who_may_share_a_port), cmocka_unit_test(any_port_is_a_free_one), cmocka_unit_test(who_is_found),
		cmocka_unit_test(unreachable_goes), cmocka_unit_test(reachable_stays), cmocka_unit_test(chains_do_not_nest),
		cmocka_unit_test(random_graphs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
