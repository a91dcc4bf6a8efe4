/* SPDX-License-Identifier: MIT */
/* /proc/net/{tcp,udp,unix}: the columns that Linux's have, with what there is to say. proc(5). */
#include "lib/base/string.h"
#include "managers/processor/fs/synthfs.h"
#include "managers/processor/socket/socket.h"

struct show { struct text *t; const struct socket_kind *kind; unsigned nr; };

/* The numbers that Linux has for states: of TCP, and of AF_UNIX. */
static unsigned inet_state(const struct socket *s)
{
	bool over = s->fin;		/* they said they will send no more */

	switch (s->state) {
	case SOCKET_LISTENING: return 0x0a;
	case SOCKET_CONNECTING: return 0x02;
	case SOCKET_CONNECTED: break;
	default: return 0x07;
	}
	if (s->kind == &inet_udp)
		return 0x01;
	if (s->shut & SHUT_SEND)
		return over ? 0x06 : 0x05;
	return over ? 0x08 : 0x01;
}

static u16 port(const struct address *a)
{
	return a->len == 0 ? 0 : (u16)(a->in.port >> 8 | a->in.port << 8);
}

static void one_inet(struct socket *s, void *arg)
{
	struct show *sh = arg;
	const struct file *f = s->file;

	if (s->kind != sh->kind || s->local.len == 0)
		return;
	text_printf(sh->t, "%4u: %08X:%04X %08X:%04X %02X %08X:%08X 00:00000000 00000000 %5u        0 %llu 2 0000000000000000 0\n", sh->nr++,
		    s->local.in.addr, port(&s->local), s->remote.len ? s->remote.in.addr : 0, port(&s->remote), inet_state(s),
		    (u32)atomic_read(&s->sent), s->state == SOCKET_LISTENING ? s->nr_accept : (u32)s->queue.bytes, f->inode->uid,
		    (unsigned long long)f->inode->ino);
}

static void show_inet(struct text *t, const struct socket_kind *kind)
{
	struct show sh = { t, kind, 0 };

	text_printf(t, "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n");
	sockets_for_each(one_inet, &sh);
}

void show_net_tcp(struct text *t, u32 pid) { show_inet(t, &inet_tcp); }
void show_net_udp(struct text *t, u32 pid) { show_inet(t, &inet_udp); }

static void one_unix(struct socket *s, void *arg)
{
	struct show *sh = arg;
	char name[sizeof(s->local.un.path) + 1];
	u32 n = s->local.len > 2 ? s->local.len - 2 : 0;

	if (s->kind->family != AF_UNIX)
		return;
	memcpy(name, s->local.un.path, MIN(n, (u32)sizeof(s->local.un.path)));
	if (n != 0 && name[0] != '\0')
		n--;				/* the NUL behind a path */
	for (u32 i = 0; i < n; i++)
		if (name[i] == '\0')
			name[i] = '@';
	name[n] = '\0';
	text_printf(sh->t, "0000000000000000: %08X 00000000 %08X %04X %02X %5llu%s%s\n", (unsigned)ref_read(&s->refs),
		    s->state == SOCKET_LISTENING ? 0x10000 : 0, s->kind->type, s->state == SOCKET_CONNECTED ? 3 : 1,
		    (unsigned long long)s->file->inode->ino, n ? " " : "", name);
}

void show_net_unix(struct text *t, u32 pid)
{
	struct show sh = { t, NULL, 0 };

	text_printf(t, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	sockets_for_each(one_unix, &sh);
}
