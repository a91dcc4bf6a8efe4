/* SPDX-License-Identifier: MIT */
/* The control socket: one command per line; the answer ends with a line `ok` or `error TEXT`. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

#define LINE_SIZE	4096

struct client {
	struct source source;
	struct client *next;
	size_t len;
	char line[LINE_SIZE];
};

void control_accept(struct wire *w)
{
	int fd = accept4(w->control.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *c;

	if (fd < 0)
		return;
	c = must_alloc(sizeof(*c));
	c->source = (struct source){ .kind = SOURCE_CLIENT, .fd = fd };
	c->next = w->clients;
	w->clients = c;
	source_add(w, &c->source, EPOLLIN);
}

static void client_close(struct wire *w, struct client *c)
{
	struct client **at = &w->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	close(c->source.fd);
	free(c);
}

void control_close_all(struct wire *w)
{
	while (w->clients != NULL)
		client_close(w, w->clients);
}

static void run_command(struct wire *w, char *line, FILE *out)
{
	char *argument = strchr(line, ' ');
	char error[256];

	if (argument != NULL)
		*argument++ = '\0';
	else
		argument = line + strlen(line);
	if (strcmp(line, "ping") == 0) {
		;
	} else if (strcmp(line, "stats") == 0) {
		ports_stats(w, out);
		faults_stats(out);
		pcap_stats(out);
	} else if (strcmp(line, "faults") == 0) {
		if (faults_set(argument, error, sizeof(error)) < 0) {
			fprintf(out, "error %s\n", error);
			return;
		}
	} else if (strcmp(line, "pcap") == 0 && strcmp(argument, "off") == 0) {
		pcap_close();
	} else if (strcmp(line, "pcap") == 0 && argument[0] != '\0') {
		if (pcap_open(argument) < 0) {
			fprintf(out, "error %s: %s\n", argument, strerror(errno));
			return;
		}
	} else if (strcmp(line, "pcap-limit") == 0) {
		pcap_limit(strtoull(argument, NULL, 10));
	} else if (strcmp(line, "flush") == 0) {
		pcap_flush();
	} else if (strcmp(line, "quit") == 0) {
		w->stop = true;
	} else {
		fprintf(out, "error unknown command '%s': ping, stats, faults SPEC|off, pcap FILE|off, pcap-limit FRAMES, flush, quit\n", line);
		return;
	}
	fputs("ok\n", out);
}

void control_input(struct wire *w, struct client *c)
{
	ssize_t n = read(c->source.fd, c->line + c->len, LINE_SIZE - c->len);
	char *reply = NULL, *end;
	size_t reply_len = 0;
	FILE *out;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(w, c);
		return;
	}
	c->len += (size_t)n;
	out = open_memstream(&reply, &reply_len);
	if (out == NULL)
		die("out of memory");
	while ((end = memchr(c->line, '\n', c->len)) != NULL) {
		size_t used = (size_t)(end - c->line) + 1;

		*end = '\0';
		run_command(w, c->line, out);
		memmove(c->line, c->line + used, c->len - used);
		c->len -= used;
	}
	fclose(out);
	/* A client that does not read its answers loses them: the switch waits for nobody. */
	n = reply_len > 0 ? send(c->source.fd, reply, reply_len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	free(reply);
	if (n < (ssize_t)reply_len || c->len == LINE_SIZE)
		client_close(w, c);
}
