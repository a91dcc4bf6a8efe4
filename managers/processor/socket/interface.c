/* SPDX-License-Identifier: MIT */
/* netdevice(7): what sockets are asked about network interfaces, of which there is one, the loopback. */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/process/process.h"
#include "managers/processor/socket/socket.h"

#define LOOPBACK_MTU	65536
#define LOOPBACK_FLAGS	0x49		/* up, loopback, running */
#define ARPHRD_LOOPBACK	772

struct ifreq_abi {
	char name[IFNAMSIZ];
	union {
		struct sockaddr_in_abi addr;
		s32 value;
		s16 flags;
		u8 bytes[24];
	};
};
struct ifconf_abi { s32 len, pad; u64 buf; };
_Static_assert(sizeof(struct ifreq_abi) == 40 && sizeof(struct ifconf_abi) == 16, "as programs see it");

static void fill(struct ifreq_abi *r)
{
	memset(r, 0, sizeof(*r));
	str_copy(r->name, LOOPBACK_NAME, sizeof(r->name));
}

static s64 list(u64 user)
{
	struct ifconf_abi c;
	struct ifreq_abi r;

	if (copy_from_user(&c, user, sizeof(c)) < 0)
		return -EFAULT;
	fill(&r);
	r.addr = (struct sockaddr_in_abi){ AF_INET, 0, INET_LOOPBACK, { 0 } };
	if (c.buf != 0 && c.len >= (s32)sizeof(r) && copy_to_user(c.buf, &r, sizeof(r)) < 0)
		return -EFAULT;
	return put_user32(user, c.buf == 0 || c.len >= (s32)sizeof(r) ? sizeof(r) : 0);
}

static s64 name_of(u64 user)
{
	struct ifreq_abi r;

	if (copy_from_user(&r, user, sizeof(r)) < 0)
		return -EFAULT;
	if (r.value != LOOPBACK_INDEX)
		return -ENODEV;
	str_copy(r.name, LOOPBACK_NAME, sizeof(r.name));
	return copy_to_user(user, &r, sizeof(r));
}

/* It cannot be made another. */
static s64 flags_set(const struct ifreq_abi *r)
{
	return !capable(CAP_NET_ADMIN) ? -EPERM : (u16)r->flags == LOOPBACK_FLAGS ? 0 : -EOPNOTSUPP;
}

static bool is_known(u32 cmd)
{
	switch (cmd) {
	case SIOCGIFFLAGS:
	case SIOCSIFFLAGS:
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFNETMASK:
	case SIOCGIFMETRIC:
	case SIOCGIFMTU:
	case SIOCGIFHWADDR:
	case SIOCGIFINDEX: return true;
	}
	return false;
}

s64 interface_ioctl(u32 cmd, u64 user)
{
	struct ifreq_abi r;

	if (cmd == SIOCGIFCONF)
		return list(user);
	if (cmd == SIOCGIFNAME)
		return name_of(user);
	if (cmd >> 8 != SIOCGIFCONF >> 8)
		return -ENOTTY;
	if (copy_from_user(&r, user, sizeof(r)) < 0)
		return -EFAULT;
	if (!is_known(cmd))
		return -ENOTTY;
	r.name[IFNAMSIZ - 1] = '\0';
	if (strcmp(r.name, LOOPBACK_NAME) != 0)
		return -ENODEV;
	if (cmd == SIOCSIFFLAGS)
		return flags_set(&r);
	fill(&r);
	switch (cmd) {
	case SIOCGIFFLAGS: r.flags = LOOPBACK_FLAGS; break;
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR: r.addr = (struct sockaddr_in_abi){ AF_INET, 0, INET_LOOPBACK, { 0 } }; break;
	case SIOCGIFBRDADDR: r.addr = (struct sockaddr_in_abi){ AF_INET, 0, 0, { 0 } }; break;
	case SIOCGIFNETMASK: r.addr = (struct sockaddr_in_abi){ AF_INET, 0, 0x000000ff, { 0 } }; break;
	case SIOCGIFMETRIC: r.value = 0; break;
	case SIOCGIFMTU: r.value = LOOPBACK_MTU; break;
	case SIOCGIFHWADDR: r.addr.family = ARPHRD_LOOPBACK; break;
	case SIOCGIFINDEX: r.value = LOOPBACK_INDEX; break;
	}
	return copy_to_user(user, &r, sizeof(r));
}
