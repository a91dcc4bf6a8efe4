/* SPDX-License-Identifier: MIT */
/*
 * tangram-wire: an Ethernet switch in user space for QEMU's `-netdev stream` on unix sockets.
 *
 * On a stream socket each frame travels as a *record*: its length as 4 bytes, big endian, then the frame. Records are
 * forwarded as they lie in the input buffer of the port they came in on; only a record that cannot leave at once, or
 * that a fault rule holds or changes, is ever copied.
 */
#ifndef TOOLS_WIRE_WIRE_H
#define TOOLS_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/uio.h>

#define RECORD_PREFIX	4u			/* the length before each frame */
#define FRAME_MIN	14u			/* an Ethernet header */
#define FRAME_MAX	65550u			/* larger than any NIC of QEMU sends: more is a broken stream */
#define INPUT_SIZE	(256u * 1024)		/* one read; holds several of the largest records */
#define GATHER_MAX	256			/* records written by one writev */

enum source_kind { SOURCE_LISTEN, SOURCE_PORT, SOURCE_CONTROL, SOURCE_CLIENT, SOURCE_SIGNAL };

struct source {				/* what epoll hands back: the first member of each thing with a descriptor */
	enum source_kind kind;
	int fd;
};

struct port {
	struct source source;
	struct port *next;
	unsigned number;		/* order of arrival, from 1: for messages and statistics only */
	uint64_t mac;			/* the last source address seen; 0: none yet */
	bool dead;			/* closed; freed at the end of this turn of the loop */
	bool wants_out;			/* EPOLLOUT is asked for */

	uint8_t *input;			/* INPUT_SIZE bytes; a partial record stays at the start between reads */
	size_t input_len;

	struct iovec gather[GATHER_MAX]; /* records to write in this turn; empty whenever the queue is not */
	unsigned nr_gather;

	uint8_t *queue;			/* bytes that the socket would not take yet: [queue_head, queue_tail) */
	size_t queue_head, queue_tail, queue_size;

	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes, queue_drops, bad_frames;
};

struct client;				/* a connection to the control socket */

struct wire {
	int epoll_fd;
	struct source listener, control, signals;
	struct port *ports;
	struct client *clients;
	unsigned nr_accepted;
	size_t queue_limit;		/* bytes a port may have waiting before frames to it are dropped */
	bool stop;
};

/* port.c: sockets, learning, forwarding */
int  listen_unix(const char *path);
void source_add(struct wire *w, struct source *s, uint32_t events);
void port_accept(struct wire *w);
void port_input(struct wire *w, struct port *p);
void port_output(struct wire *w, struct port *p);
void port_send(struct wire *w, struct port *out, const uint8_t *record, size_t len);
void port_flush(struct wire *w, struct port *out);
void ports_reap(struct wire *w);
void ports_stats(struct wire *w, FILE *out);

/* faults.c: the seeded schedule, and the frames it holds back */
int  faults_set(const char *spec, char *error, size_t error_size);	/* "" or "off": none; 0 or -1 with a message */
bool faults_active(void);
void faults_deliver(struct wire *w, struct port *out, const uint8_t *record, size_t len);
int64_t faults_next_ns(void);		/* time until the next held frame is due; -1: none is held */
void faults_run(struct wire *w);	/* send what is due */
void faults_port_gone(struct port *p);
void faults_stats(FILE *out);
void faults_help(FILE *out);

/* pcap.c: the capture of what is delivered */
int  pcap_open(const char *path);	/* 0 or -1 with errno; replaces a capture under way */
void pcap_limit(uint64_t frames);	/* record no more than so many of each capture; 0: all */
void pcap_close(void);
void pcap_frame(const uint8_t *frame, size_t len);
int64_t pcap_next_ns(void);		/* time until pcap_flush is due; -1: nothing is buffered */
void pcap_flush(void);
void pcap_stats(FILE *out);

/* control.c: text commands over a unix socket */
void control_accept(struct wire *w);
void control_input(struct wire *w, struct client *c);
void control_close_all(struct wire *w);

/* tangram-wire.c */
uint64_t now_ns(void);			/* monotonic */
void *must_alloc(size_t size);		/* zeroed; the switch ends with a message when there is no memory */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static inline uint64_t mac_read(const uint8_t *p)
{
	return (uint64_t)p[0] << 40 | (uint64_t)p[1] << 32 | (uint64_t)p[2] << 24 |
	       (uint64_t)p[3] << 16 | (uint64_t)p[4] << 8 | p[5];
}

static inline bool mac_is_group(uint64_t mac)
{
	return mac >> 40 & 1;
}

#endif
