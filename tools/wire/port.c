/* SPDX-License-Identifier: MIT */
/*
 * The ports of the switch. A slow VM must never hold up the others: nothing here blocks, and what a port cannot take
 * waits in its own bounded queue; what does not fit there is dropped and counted, as on any switch.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire.h"

#define SOCKET_BUFFER	(1024 * 1024)	/* asked for; the host's limit may cut it */

/* Which port an address lives behind: open addressing, forgotten when the port closes. */
#define MAC_SLOTS	4096u
static struct { uint64_t mac; struct port *port; } mac_table[MAC_SLOTS];
static unsigned mac_used;

static unsigned mac_slot(uint64_t mac)
{
	unsigned i = (unsigned)(mac * 0x9e3779b97f4a7c15ull >> 52);

	while (mac_table[i].mac != 0 && mac_table[i].mac != mac)
		i = (i + 1) % MAC_SLOTS;
	return i;
}

static void mac_learn(uint64_t mac, struct port *p)
{
	unsigned i;

	if (p->mac == mac && mac_table[mac_slot(mac)].port == p)
		return;
	i = mac_slot(mac);
	if (mac_table[i].mac == 0) {
		if (mac_used == MAC_SLOTS / 2)		/* a guest that invents addresses: they are flooded */
			return;
		mac_used++;
	}
	mac_table[i].mac = mac;
	mac_table[i].port = p;
	p->mac = mac;
}

/* Bound by another name first: who sees the path finds somebody who listens. */
int listen_unix(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t most = sizeof(addr.sun_path) - sizeof("~");
	int fd;

	if (strlen(path) > most)
		die("socket path is longer than %zu bytes: %s", most, path);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s~", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("cannot listen on %s: %s", path, strerror(errno));
	if (listen(fd, 64) < 0 || link(addr.sun_path, path) < 0) {
		int error = errno;

		unlink(addr.sun_path);
		die("cannot listen on %s: %s", path, strerror(error));
	}
	unlink(addr.sun_path);
	return fd;
}

void source_add(struct wire *w, struct source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) < 0)
		die("epoll_ctl: %s", strerror(errno));
}

void port_accept(struct wire *w)
{
	int fd, size = SOCKET_BUFFER;
	struct port *p, **end;

	fd = accept4(w->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	p = must_alloc(sizeof(*p));
	p->source = (struct source){ .kind = SOURCE_PORT, .fd = fd };
	p->number = ++w->nr_accepted;
	p->input = must_alloc(INPUT_SIZE);
	p->queue_size = w->queue_limit + RECORD_PREFIX + FRAME_MAX;	/* room to end a record that was begun */
	p->queue = must_alloc(p->queue_size);
	for (end = &w->ports; *end != NULL; end = &(*end)->next)
		;
	*end = p;
	source_add(w, &p->source, EPOLLIN);
}

static void port_kill(struct port *p)
{
	p->dead = true;
	p->nr_gather = 0;
}

/* Free the ports that died in this turn: until then events and lists may still name them. */
void ports_reap(struct wire *w)
{
	struct port **at = &w->ports, *p;

	while ((p = *at) != NULL) {
		if (!p->dead) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		for (unsigned i = 0; i < MAC_SLOTS; i++)
			if (mac_table[i].port == p)
				mac_table[i].port = NULL;	/* the address stays a slot, to be learned again */
		faults_port_gone(p);
		close(p->source.fd);
		free(p->input);
		free(p->queue);
		free(p);
	}
}

static void port_want_out(struct wire *w, struct port *p, bool want)
{
	struct epoll_event ev = { .events = want ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = &p->source };

	if (p->wants_out == want)
		return;
	p->wants_out = want;
	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, p->source.fd, &ev) < 0)
		port_kill(p);
}

static void queue_append(struct port *p, const uint8_t *bytes, size_t len)
{
	if (p->queue_tail + len > p->queue_size) {
		memmove(p->queue, p->queue + p->queue_head, p->queue_tail - p->queue_head);
		p->queue_tail -= p->queue_head;
		p->queue_head = 0;
	}
	memcpy(p->queue + p->queue_tail, bytes, len);
	p->queue_tail += len;
}

/* A whole record into the queue, or dropped. */
static void queue_record(struct wire *w, struct port *out, const uint8_t *record, size_t len)
{
	if (out->queue_tail - out->queue_head + len > w->queue_limit) {
		out->queue_drops++;
		return;
	}
	queue_append(out, record, len);
	out->tx_frames++;
	out->tx_bytes += len - RECORD_PREFIX;
}

/* Give a record to a port. Its bytes must stay where they are until port_flush. */
void port_send(struct wire *w, struct port *out, const uint8_t *record, size_t len)
{
	if (out->dead)
		return;
	if (out->queue_tail != out->queue_head) {		/* behind what waits already */
		queue_record(w, out, record, len);
		return;
	}
	out->gather[out->nr_gather++] = (struct iovec){ .iov_base = (void *)record, .iov_len = len };
	if (out->nr_gather == GATHER_MAX)
		port_flush(w, out);
}

/* Write what was gathered; what the socket does not take is queued. */
void port_flush(struct wire *w, struct port *out)
{
	unsigned i = 0, nr = out->nr_gather;
	ssize_t n;

	if (nr == 0 || out->dead)
		return;
	out->nr_gather = 0;
	n = writev(out->source.fd, out->gather, (int)nr);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR) {
			port_kill(out);
			return;
		}
		n = 0;
	}
	for (; i < nr && (size_t)n >= out->gather[i].iov_len; i++) {
		n -= (ssize_t)out->gather[i].iov_len;
		out->tx_frames++;
		out->tx_bytes += out->gather[i].iov_len - RECORD_PREFIX;
	}
	if (i == nr)
		return;
	if (n > 0) {		/* a record that was begun must be ended, whatever the limit says */
		queue_append(out, (uint8_t *)out->gather[i].iov_base + n, out->gather[i].iov_len - (size_t)n);
		out->tx_frames++;
		out->tx_bytes += out->gather[i].iov_len - RECORD_PREFIX;
		i++;
	}
	for (; i < nr; i++)
		queue_record(w, out, out->gather[i].iov_base, out->gather[i].iov_len);
	port_want_out(w, out, true);
}

/* The socket takes bytes again. */
void port_output(struct wire *w, struct port *p)
{
	ssize_t n;

	if (p->dead)
		return;
	if (p->queue_head != p->queue_tail) {
		n = write(p->source.fd, p->queue + p->queue_head, p->queue_tail - p->queue_head);
		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				port_kill(p);
			return;
		}
		p->queue_head += (size_t)n;
	}
	if (p->queue_head == p->queue_tail) {
		p->queue_head = p->queue_tail = 0;
		port_want_out(w, p, false);
	}
}

static void deliver(struct wire *w, struct port *out, const uint8_t *record, size_t len)
{
	if (faults_active())
		faults_deliver(w, out, record, len);
	else
		port_send(w, out, record, len);
}

static void forward(struct wire *w, struct port *in, const uint8_t *record, size_t len)
{
	const uint8_t *frame = record + RECORD_PREFIX;
	uint64_t dst = mac_read(frame), src = mac_read(frame + 6);
	struct port *out = NULL;

	in->rx_frames++;
	in->rx_bytes += len - RECORD_PREFIX;
	if (!mac_is_group(src) && src != 0)
		mac_learn(src, in);
	if (!faults_active())		/* with faults, the capture shows what they let through */
		pcap_frame(frame, len - RECORD_PREFIX);
	if (!mac_is_group(dst))
		out = mac_table[mac_slot(dst)].port;
	if (out != NULL) {
		if (out != in)
			deliver(w, out, record, len);
		return;
	}
	for (out = w->ports; out != NULL; out = out->next)
		if (out != in)
			deliver(w, out, record, len);
}

/* One large read, then every whole record in it. */
void port_input(struct wire *w, struct port *p)
{
	size_t at = 0, len;
	ssize_t n;

	if (p->dead)
		return;
	n = read(p->source.fd, p->input + p->input_len, INPUT_SIZE - p->input_len);
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			port_kill(p);
		return;
	}
	p->input_len += (size_t)n;
	while (p->input_len - at >= RECORD_PREFIX) {
		const uint8_t *r = p->input + at;

		len = (size_t)r[0] << 24 | (size_t)r[1] << 16 | (size_t)r[2] << 8 | r[3];
		if (len > FRAME_MAX) {			/* no way to find the next record: the stream is lost */
			p->bad_frames++;
			fprintf(stderr, "tangram-wire: port %u: frame of %zu bytes: closed\n", p->number, len);
			port_kill(p);
			break;
		}
		if (p->input_len - at < RECORD_PREFIX + len)
			break;
		if (len < FRAME_MIN)
			p->bad_frames++;
		else
			forward(w, p, r, RECORD_PREFIX + len);
		at += RECORD_PREFIX + len;
	}
	for (struct port *out = w->ports; out != NULL; out = out->next)
		port_flush(w, out);			/* they point into the buffer that moves now */
	memmove(p->input, p->input + at, p->input_len - at);
	p->input_len -= at;
}

void ports_stats(struct wire *w, FILE *out)
{
	for (struct port *p = w->ports; p != NULL; p = p->next)
		fprintf(out, "port %u mac %012llx rx_frames %llu rx_bytes %llu tx_frames %llu tx_bytes %llu "
			"queued %zu queue_drops %llu bad_frames %llu\n", p->number, (unsigned long long)p->mac,
			(unsigned long long)p->rx_frames, (unsigned long long)p->rx_bytes,
			(unsigned long long)p->tx_frames, (unsigned long long)p->tx_bytes,
			p->queue_tail - p->queue_head, (unsigned long long)p->queue_drops,
			(unsigned long long)p->bad_frames);
}
