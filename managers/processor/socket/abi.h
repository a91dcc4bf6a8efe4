/* SPDX-License-Identifier: MIT */
/* The Linux x86-64 user ABI around sockets: socket(2), socket(7), unix(7), ip(7), tcp(7), send(2), recv(2), cmsg(3). */
#ifndef MANAGERS_PROCESSOR_SOCKET_ABI_H
#define MANAGERS_PROCESSOR_SOCKET_ABI_H

#include "lib/base/types.h"

#define AF_UNSPEC	0
#define AF_UNIX		1
#define AF_INET		2
#define AF_MAX		46

#define SOCK_STREAM	1
#define SOCK_DGRAM	2
#define SOCK_RAW	3
#define SOCK_SEQPACKET	5
#define SOCK_TYPE_MASK	15
#define SOCK_NONBLOCK	04000
#define SOCK_CLOEXEC	02000000

#define IPPROTO_IP	0
#define IPPROTO_TCP	6
#define IPPROTO_UDP	17

#define SHUT_RD		0
#define SHUT_WR		1
#define SHUT_RDWR	2
#define SOMAXCONN	4096

#define MSG_OOB		0x1
#define MSG_PEEK	0x2
#define MSG_DONTROUTE	0x4
#define MSG_CTRUNC	0x8
#define MSG_TRUNC	0x20
#define MSG_DONTWAIT	0x40
#define MSG_EOR		0x80
#define MSG_WAITALL	0x100
#define MSG_CONFIRM	0x800
#define MSG_ERRQUEUE	0x2000
#define MSG_NOSIGNAL	0x4000
#define MSG_MORE	0x8000
#define MSG_WAITFORONE	0x10000
#define MSG_CMSG_CLOEXEC 0x40000000

#define SOL_SOCKET	1
#define SCM_RIGHTS	1
#define SCM_CREDENTIALS	2
#define SCM_MAX_FD	253

enum {	/* options of SOL_SOCKET */
	SO_DEBUG = 1, SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST, SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE, SO_OOBINLINE,
	SO_NO_CHECK, SO_PRIORITY, SO_LINGER, SO_BSDCOMPAT, SO_REUSEPORT, SO_PASSCRED, SO_PEERCRED, SO_RCVLOWAT, SO_SNDLOWAT,
	SO_RCVTIMEO, SO_SNDTIMEO, SO_BINDTODEVICE = 25, SO_TIMESTAMP = 29, SO_ACCEPTCONN = 30, SO_SNDBUFFORCE = 32, SO_RCVBUFFORCE, SO_PROTOCOL = 38, SO_DOMAIN = 39,
	SO_TIMESTAMPNS = 35, SO_PEEK_OFF = 42, SO_COOKIE = 57, SO_BINDTOIFINDEX = 62
};
enum {	/* of IPPROTO_TCP */
	TCP_NODELAY = 1, TCP_MAXSEG, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_LINGER2, TCP_DEFER_ACCEPT,
	TCP_WINDOW_CLAMP, TCP_INFO, TCP_QUICKACK, TCP_CONGESTION, TCP_USER_TIMEOUT = 18
};
enum {	/* of IPPROTO_IP */
	IP_TOS = 1, IP_TTL, IP_PKTINFO = 8, IP_RECVTTL = 12, IP_RECVTOS, IP_MTU_DISCOVER = 10, IP_RECVERR = 11, IP_MULTICAST_TTL = 33, IP_MULTICAST_LOOP = 34
};

#define SIOCGSTAMP	0x8906
#define FIOSETOWN	0x8901
#define SIOCSPGRP	0x8902
#define FIOGETOWN	0x8903
#define SIOCGPGRP	0x8904
#define SIOCATMARK	0x8905
#define SIOCGIFNAME	0x8910
#define SIOCGIFCONF	0x8912
#define SIOCGIFFLAGS	0x8913
#define SIOCSIFFLAGS	0x8914
#define SIOCGIFADDR	0x8915
#define SIOCGIFDSTADDR	0x8917
#define SIOCGIFBRDADDR	0x8919
#define SIOCGIFNETMASK	0x891b
#define SIOCGIFMETRIC	0x891d
#define SIOCGIFMTU	0x8921
#define SIOCGIFHWADDR	0x8927
#define SIOCGIFINDEX	0x8933
#define SIOCOUTQ	0x5411

#define SOCKADDR_MAX	128
struct sockaddr_un_abi { u16 family; char path[108]; };
struct sockaddr_in_abi { u16 family; u16 port; u32 addr; u8 zero[8]; };	/* port and addr in network order */
_Static_assert(sizeof(struct sockaddr_un_abi) == 110 && sizeof(struct sockaddr_in_abi) == 16, "as programs see it");

struct msghdr_abi {
	u64 name;
	u32 name_len, pad;
	u64 iov, iov_len, control, control_len;
	u32 flags, pad2;
};
struct mmsghdr_abi { struct msghdr_abi hdr; u32 len, pad; };
struct cmsghdr_abi { u64 len; s32 level, type; };
_Static_assert(sizeof(struct msghdr_abi) == 56 && sizeof(struct mmsghdr_abi) == 64, "as programs see it");
#define CMSG_ALIGN(n)	ALIGN_UP((u64)(n), 8ULL)

#define IFNAMSIZ	16
#define LOOPBACK_NAME	"lo"		/* the one interface there is */
#define LOOPBACK_INDEX	1
struct in_pktinfo_abi { s32 index; u32 local, to; };
/* What MSG_ERRQUEUE tells: ip(7), IP_RECVERR; behind it whose fault it was. */
struct extended_err_abi { u32 error; u8 origin, type, code, pad; u32 info, data; struct sockaddr_in_abi offender; };
_Static_assert(sizeof(struct in_pktinfo_abi) == 12 && sizeof(struct extended_err_abi) == 32, "as programs see it");

struct ucred_abi { s32 pid; u32 uid, gid; };
struct linger_abi { s32 on, seconds; };

/* Of TCP_INFO what there is to say without packets: the state, sizes, and of a listener its queue. */
struct tcp_info_abi {
	u8 state, ca_state, retransmits, probes, backoff, options, scales, limits;
	u32 rto, ato, snd_mss, rcv_mss, unacked, sacked, lost, retrans, fackets, last_sent[4], pmtu, rest[10];
};
_Static_assert(sizeof(struct tcp_info_abi) == 104, "as programs see it");

#endif
