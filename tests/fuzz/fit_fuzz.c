/* SPDX-License-Identifier: MIT */
/* SOURCES: */
/* FIT: requests and replies of any bytes, in any order, at a connected node. The unit test's fake verbs carry them. lesson: L43 */
#define main fit_test_main
#include "net/fit/fit_test.c"
#undef main

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	void *state = NULL;

	setup(&state);
	while (size >= 4) {
		u32 len = data[1] | (data[2] & 3) << 8;
		u8 kind = data[0];
		u32 imm = (u32)data[3] << 24 | data[2] << 16 | data[1];
		struct recv_buf *r;

		data += 4;
		size -= 4;
		len = MIN(len, size);
		if (kind % 4 == 3) {
			call_reply_arrived(up, imm, len);
		} else {
			r = request(0, kind % 4 + 1, NULL, 0, 0, 64);
			if (kind & 64) {	/* any bytes; else a sound header and any body */
				memcpy(r->data, data, len);
				r->len = len;
			} else {
				memcpy(r->data + sizeof(struct fit_request), data, len);
				r->len += len;
			}
			if (le16_get(((struct fit_request *)r->data)->op) == OP_PAGE)	/* a handler looks whether there is room */
				((struct fit_request *)r->data)->rep_room = le32_of(PAGE_SIZE);
			serve_request_arrived(up, r);
		}
		data += len;
		size -= len;
		for (unsigned i = 0; i < nr_sent; i++)
			reply_acknowledged(i);
		nr_sent = 0;
		while (nr_kept != 0)
			rpc_reply(kept[--nr_kept], 0);
		for (unsigned i = 0; i < nr_sent; i++)
			reply_acknowledged(i);
		nr_sent = 0;
	}
	conn_bury(up);
	up = NULL;
	return 0;
}
