/* SPDX-License-Identifier: MIT */
/*
 * net_rights: what of sockets takes a capability: ports below 1024, buffers beyond the limit, priorities, debugging. Prints each call with
 * its outcome as an ordinary user meets it, for comparison with Linux.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "plain.h"
#include "said.h"

static int set(int s, int level, int name, int value) { return setsockopt(s, level, name, &value, sizeof(value)); }

static int bind_to(int s, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return bind(s, (void *)&a, sizeof(a));
}

static int about(int s, int what, const char *name)
{
	struct ifreq r = { 0 };
	int rc;

	strcpy(r.ifr_name, name);
	rc = ioctl(s, what, &r);
	if (rc == 0 && what == SIOCGIFINDEX)
		return r.ifr_ifindex;
	if (rc == 0 && what == SIOCGIFFLAGS)
		return r.ifr_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING);
	if (rc == 0 && what == SIOCGIFADDR)
		return ntohl(((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr);
	if (rc == 0 && what == SIOCGIFHWADDR)
		return r.ifr_hwaddr.sa_family;
	return rc;
}

static void kinds(int type)
{
	int s = socket(AF_INET, type, 0);

	CHECK(s >= 0);
	TRY(bind_to(s, 1));
	TRY(bind_to(s, 1023));
	TRY(set(s, SOL_SOCKET, SO_SNDBUFFORCE, 1 << 20));
	TRY(set(s, SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20));
	TRY(set(s, SOL_SOCKET, SO_PRIORITY, 6));
	TRY(set(s, SOL_SOCKET, SO_PRIORITY, 7));
	TRY(set(s, SOL_SOCKET, SO_PRIORITY, -1));
	TRY(set(s, SOL_SOCKET, SO_DEBUG, 0));
	TRY(set(s, SOL_SOCKET, SO_DEBUG, 1));
	TRY(set(s, SOL_SOCKET, SO_SNDBUF, 1 << 30));
	TRY(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	TRY(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
	TRY(about(s, SIOCGIFINDEX, "lo"));
	TRY(about(s, SIOCGIFFLAGS, "lo"));
	TRY(about(s, SIOCGIFADDR, "lo"));
	TRY(about(s, SIOCGIFHWADDR, "lo"));
	TRY(about(s, SIOCGIFINDEX, "none"));
	TRY(about(s, SIOCSIFFLAGS, "lo"));
	TRY(ioctl(s, SIOCATMARK, &(int){ 7 }));
	TRY(ioctl(s, SIOCATMARK, 8));
	TRY(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	close(s);
}

int main(void)
{
	be_nobody();
	kinds(SOCK_STREAM);
	kinds(SOCK_DGRAM);
	return ok("");
}
