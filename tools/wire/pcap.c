/* SPDX-License-Identifier: MIT */
/*
 * The capture: a pcap file with nanosecond time stamps. Records are gathered in memory and written when the buffer
 * fills and at least every FLUSH_NS, so that a reader sees the wire as it is and a killed switch loses little.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define BUFFER_SIZE	(1024u * 1024)
#define FLUSH_NS	200000000ull

struct pcap_header {
	uint32_t magic;			/* a1b23c4d: nanoseconds */
	uint16_t major, minor;
	int32_t zone;
	uint32_t accuracy, snap_len, link_type;
};

struct pcap_record {
	uint32_t seconds, nanoseconds, captured, length;
};

static int pcap_fd = -1;
static uint8_t buffer[BUFFER_SIZE];
static size_t buffered;
static uint64_t buffered_since;
static uint64_t nr_frames;
static uint64_t max_frames;		/* 0: no limit */

void pcap_flush(void)
{
	size_t at = 0;
	ssize_t n;

	while (pcap_fd >= 0 && at < buffered) {
		n = write(pcap_fd, buffer + at, buffered - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {		/* a full disk ends the capture, not the cluster */
			fprintf(stderr, "tangram-wire: capture ended: %s\n", strerror(errno));
			close(pcap_fd);
			pcap_fd = -1;
			break;
		}
		at += (size_t)n;
	}
	buffered = 0;
}

static void append(const void *bytes, size_t len)
{
	if (buffered == 0)
		buffered_since = now_ns();
	memcpy(buffer + buffered, bytes, len);
	buffered += len;
}

int pcap_open(const char *path)
{
	struct pcap_header header = {
		.magic = 0xa1b23c4d, .major = 2, .minor = 4, .snap_len = FRAME_MAX, .link_type = 1,
	};
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return -1;
	pcap_close();
	pcap_fd = fd;
	nr_frames = 0;
	append(&header, sizeof(header));
	pcap_flush();
	return 0;
}

void pcap_limit(uint64_t frames) { max_frames = frames; }

void pcap_close(void)
{
	if (pcap_fd < 0)
		return;
	pcap_flush();
	if (pcap_fd >= 0)
		close(pcap_fd);
	pcap_fd = -1;
}

void pcap_frame(const uint8_t *frame, size_t len)
{
	struct timespec ts;
	struct pcap_record record;

	if (pcap_fd < 0 || (max_frames != 0 && nr_frames >= max_frames))
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	record = (struct pcap_record){ (uint32_t)ts.tv_sec, (uint32_t)ts.tv_nsec, (uint32_t)len, (uint32_t)len };
	if (buffered + sizeof(record) + len > BUFFER_SIZE)
		pcap_flush();
	if (pcap_fd < 0)
		return;
	append(&record, sizeof(record));
	append(frame, len);
	nr_frames++;
}

int64_t pcap_next_ns(void)
{
	uint64_t age;

	if (pcap_fd < 0 || buffered == 0)
		return -1;
	age = now_ns() - buffered_since;
	return age >= FLUSH_NS ? 0 : (int64_t)(FLUSH_NS - age);
}

void pcap_stats(FILE *out)
{
	if (pcap_fd >= 0)
		fprintf(out, "pcap frames %llu\n", (unsigned long long)nr_frames);
}
