/* SPDX-License-Identifier: MIT */
/*
 * What the handlers of a storage node share: taking a request apart. Every handler first decodes all of its request,
 * then takes the volume's lock and acts.
 */
#ifndef MANAGERS_STORAGE_SERVE_H
#define MANAGERS_STORAGE_SERVE_H

#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/protocol/protocol.h"
#include "managers/storage/volume.h"
#include "mm/slab.h"

/* A file's or directory's name on the wire. An inode number beyond 32 bits cannot be one of ours. */
static inline int decode_id(le64 ino, le32 gen, struct ext4_id *id)
{
	if (le64_get(ino) == 0 || le64_get(ino) >> 32)
		return -ESTALE;
	*id = (struct ext4_id){ .ino = (u32)le64_get(ino), .gen = le32_get(gen) };
	return 0;
}

static inline int decode_time(le64 sec, le32 nsec, struct ext4_time *t)
{
	*t = (struct ext4_time){ .sec = (s64)le64_get(sec), .nsec = le32_get(nsec) };
	return t->nsec < NSEC_PER_SEC ? 0 : -EINVAL;
}

/* What is changed, and when. */
static inline int decode_change(le64 ino, le32 gen, le64 sec, le32 nsec, struct ext4_id *id, struct ext4_time *now)
{
	int rc = decode_id(ino, gen, id);

	return rc == 0 ? decode_time(sec, nsec, now) : rc;
}

/* Volume locked; node: who is answered, and may be promised that it stays so. */
void attr_to_wire(struct volume *v, const struct ext4_attr *a, unsigned node, struct wire_attr *w);
/* Ends a handler: counts; volume_unlock() when v is not NULL. Returns rc. */
int serve_end(struct volume *v, bool changed, int rc);

#endif
