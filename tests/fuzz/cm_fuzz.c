/* SPDX-License-Identifier: MIT */
/* SOURCES: net/roce/cm_mad.c net/roce/packet.c */
/* PARSERS: net/roce/cm_mad.c */
/* RoCE packets and connection messages: what is parsed is built again, and must be parsed to the same. */
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "net/roce/cm_mad.h"
#include "net/roce/packet.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u8 mad[256] = { 0 }, built[256];
	struct cm_msg m, again;
	struct roce_pkt p;

	memcpy(mad, data, MIN(size, sizeof(mad)));
	memset(&m, 0, sizeof(m));
	memset(&again, 0, sizeof(again));
	if (cm_mad_parse(mad, &m)) {
		cm_mad_build(built, &m);
		BUG_ON(!cm_mad_parse(built, &again));
	}
	(void)roce_parse(data, size, &p);
	return 0;
}
