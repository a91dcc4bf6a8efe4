/* SPDX-License-Identifier: MIT */
/* The main program of the switch: options, signals and the one epoll loop. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define DEFAULT_QUEUE	(4u * 1024 * 1024)

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void die(const char *format, ...)
{
	va_list ap;

	fputs("tangram-wire: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void *must_alloc(size_t size)
{
	void *p = calloc(1, size);

	if (p == NULL)
		die("out of memory");
	return p;
}

static void usage(FILE *out)
{
	fputs("usage: tangram-wire --listen PATH [--control PATH] [--pcap FILE] [--faults SPEC] [--queue BYTES]\n"
	      "An Ethernet switch for QEMU VMs. Start it first, then each VM with\n"
	      "  -netdev stream,id=wire,server=off,addr.type=unix,addr.path=PATH -device virtio-net-pci,netdev=wire,...\n"
	      "  --listen PATH    the unix socket that VMs connect to\n"
	      "  --control PATH   a unix socket that takes commands, one per line:\n"
	      "                   ping | stats | faults SPEC|off | pcap FILE|off | flush | quit\n"
	      "  --pcap FILE      record what is delivered, with nanosecond times\n"
	      "  --queue BYTES    what may wait for a slow VM before its frames are dropped (default 4 MiB)\n"
	      "  --faults SPEC    what the wire does to frames\n"
	      "It ends on SIGTERM, SIGINT, `quit`, or when its parent dies.\n\n", out);
	faults_help(out);
}

static void signals_open(struct wire *w)
{
	sigset_t set;
	pid_t parent = getppid();

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	w->signals = (struct source){ SOURCE_SIGNAL, signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC) };
	if (w->signals.fd < 0)
		die("signalfd: %s", strerror(errno));
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)	/* it died before the line above */
		exit(0);
	source_add(w, &w->signals, EPOLLIN);
}

static void handle(struct wire *w, struct source *s, uint32_t events)
{
	switch (s->kind) {
	case SOURCE_LISTEN:
		port_accept(w);
		break;
	case SOURCE_PORT:
		if (events & EPOLLOUT)
			port_output(w, (struct port *)s);
		if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			port_input(w, (struct port *)s);
		break;
	case SOURCE_CONTROL:
		control_accept(w);
		break;
	case SOURCE_CLIENT:
		control_input(w, (struct client *)s);
		break;
	case SOURCE_SIGNAL:
		w->stop = true;
		break;
	}
}

static void loop(struct wire *w)
{
	struct epoll_event events[64];

	while (!w->stop) {
		int64_t fault_ns = faults_next_ns(), pcap_ns = pcap_next_ns();
		int64_t wait_ns = fault_ns < 0 || (pcap_ns >= 0 && pcap_ns < fault_ns) ? pcap_ns : fault_ns;
		struct timespec ts = { wait_ns / 1000000000, wait_ns % 1000000000 };
		int n = epoll_pwait2(w->epoll_fd, events, 64, wait_ns < 0 ? NULL : &ts, NULL);

		if (n < 0 && errno != EINTR)
			die("epoll: %s", strerror(errno));
		for (int i = 0; i < n; i++)
			handle(w, events[i].data.ptr, events[i].events);
		faults_run(w);
		if (pcap_next_ns() == 0)
			pcap_flush();
		ports_reap(w);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' }, { "control", required_argument, NULL, 'c' },
		{ "pcap", required_argument, NULL, 'p' }, { "faults", required_argument, NULL, 'f' },
		{ "queue", required_argument, NULL, 'q' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	const char *listen_path = NULL, *control_path = NULL, *pcap_path = NULL;
	struct wire w = { .queue_limit = DEFAULT_QUEUE };
	char error[256], *end;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			listen_path = optarg;
			break;
		case 'c':
			control_path = optarg;
			break;
		case 'p':
			pcap_path = optarg;
			break;
		case 'f':
			if (faults_set(optarg, error, sizeof(error)) < 0)
				die("%s (see --help)", error);
			break;
		case 'q':
			w.queue_limit = strtoul(optarg, &end, 0);
			if (*end != '\0' || w.queue_limit < RECORD_PREFIX + FRAME_MIN || w.queue_limit > 1u << 30)
				die("bad size for --queue: %s", optarg);
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (listen_path == NULL || optind != argc) {
		usage(stderr);
		return 2;
	}
	w.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w.epoll_fd < 0)
		die("epoll: %s", strerror(errno));
	signals_open(&w);
	if (pcap_path != NULL && pcap_open(pcap_path) < 0)
		die("%s: %s", pcap_path, strerror(errno));
	if (control_path != NULL) {
		w.control = (struct source){ SOURCE_CONTROL, listen_unix(control_path) };
		source_add(&w, &w.control, EPOLLIN);
	}
	w.listener = (struct source){ SOURCE_LISTEN, listen_unix(listen_path) };
	source_add(&w, &w.listener, EPOLLIN);

	loop(&w);

	pcap_close();
	unlink(listen_path);
	if (control_path != NULL)
		unlink(control_path);
	return 0;
}
