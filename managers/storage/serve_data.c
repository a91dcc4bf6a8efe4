/* SPDX-License-Identifier: MIT */
/* A storage node's answers about volumes and file data: reads, writes, sizes and syncs, asked by memory nodes. */
#include "kernel/power.h"
#include "kernel/thread.h"
#include "lib/base/printk.h"
#include "managers/storage/serve.h"

int serve_storage_mounts(const struct rpc_storage_mounts_req *q, struct rpc_storage_mounts_rep *r, struct rpc_call *c)
{
	u32 nr = volumes_count(), n = 0;
	struct wire_mount *list;
	int rc;

	if (c->rep_room < nr * sizeof(*list))
		return serve_end(NULL, false, -ERANGE);
	list = kcalloc(MAX(nr, 1u), sizeof(*list));
	if (list == NULL)
		return serve_end(NULL, false, -ENOMEM);
	for (u32 i = 0; i < nr; i++) {
		struct volume *v = volume_lock(i);
		struct ext4_id root;

		if (v == NULL)
			continue;
		root = ext4_root(v->fs);
		list[n].fs = le32_of(v->nr);
		list[n].root_ino = le64_of(root.ino);
		list[n].root_gen = le32_of(root.gen);
		list[n].flags = le32_of(ext4_read_only(v->fs) ? WIRE_MOUNT_RO : 0);
		str_copy(list[n].path, v->path, sizeof(list[n].path));
		volume_unlock(v, false);
		n++;
	}
	r->nr = le32_of(n);
	rc = n > 0 ? rpc_reply_bulk_copy(c, list, n * sizeof(*list)) : 0;
	kfree(list);
	return serve_end(NULL, false, rc);
}

#define EXT4_STATFS_TYPE 0xef53

int serve_storage_statfs(const struct rpc_storage_statfs_req *q, struct rpc_storage_statfs_rep *r, struct rpc_call *c)
{
	struct volume *v = volume_lock(le32_get(q->fs));
	struct ext4_stat st;

	if (v == NULL)
		return serve_end(NULL, false, -ESTALE);
	ext4_statfs(v->fs, &st);
	r->st = (struct wire_statfs){
		.blocks = le64_of(st.blocks), .bfree = le64_of(st.bfree), .bavail = le64_of(st.bavail),
		.files = le64_of(st.files), .ffree = le64_of(st.ffree), .type = le32_of(EXT4_STATFS_TYPE),
		.bsize = le32_of(st.bsize), .namelen = le32_of(255),
		.flags = le32_of(ext4_read_only(v->fs) ? 1 : 0),	/* ST_RDONLY */
		.fsid = le64_of(st.fsid),
	};
	return serve_end(v, false, 0);
}

int serve_storage_read(const struct rpc_storage_read_req *q, struct rpc_storage_read_rep *r, struct rpc_call *c)
{
	u32 len = le32_get(q->len);
	struct volume *v;
	struct ext4_id id;
	u8 *buf;
	s64 n;
	int rc = decode_id(q->ino, q->gen, &id);

	if (rc == 0 && (len > c->rep_room || len > RPC_MAX_BULK_IN || le64_get(q->off) >> 63))
		rc = -EINVAL;
	if (rc < 0)
		return serve_end(NULL, false, rc);
	buf = kmalloc(MAX(len, 1u));
	if (buf == NULL)
		return serve_end(NULL, false, -ENOMEM);
	v = volume_lock(le32_get(q->fs));
	n = v == NULL ? -ESTALE : ext4_read(v->fs, id, le64_get(q->off), buf, len);
	rc = serve_end(v, false, n < 0 ? (int)n : 0);
	if (n <= 0) {
		kfree(buf);
		return rc;
	}
	count_n(nr_storage_read_bytes, (u64)n);
	rpc_reply_bulk_ref(c, buf, (u32)n, kfree, buf);
	return 0;
}

int serve_storage_write(const struct rpc_storage_write_req *q, struct rpc_storage_write_rep *r, struct rpc_call *c)
{
	struct ext4_time now;
	struct volume *v;
	struct ext4_id id;
	u64 size = 0;
	s64 n;
	int rc = decode_change(q->ino, q->gen, q->now, q->now_ns, &id, &now);

	if (rc == 0 && le64_get(q->off) >> 63)
		rc = -EFBIG;
	if (rc < 0)
		return serve_end(NULL, false, rc);
	rc = volume_lock_to_change(le32_get(q->fs), c, &v);
	n = rc < 0 ? rc : ext4_write(v->fs, id, le64_get(q->off), c->bulk, c->bulk_len, now, &size);
	r->size = le64_of(size);
	if (n > 0)
		count_n(nr_storage_write_bytes, (u64)n);
	/* the memory node keeps what was not written as dirty: only all of it is a success */
	rc = n < 0 ? (int)n : (u64)n < c->bulk_len ? -ENOSPC : 0;
	return serve_end(v, true, rc);
}

int serve_storage_truncate(const struct rpc_storage_truncate_req *q, struct rpc_storage_truncate_rep *r,
			   struct rpc_call *c)
{
	struct ext4_time now;
	struct volume *v;
	struct ext4_id id;
	int rc = decode_change(q->ino, q->gen, q->now, q->now_ns, &id, &now);

	if (rc == 0 && le64_get(q->size) >> 63)
		rc = -EINVAL;
	if (rc < 0)
		return serve_end(NULL, false, rc);
	rc = volume_lock_to_change(le32_get(q->fs), c, &v);
	if (rc == 0)
		rc = ext4_truncate(v->fs, id, le64_get(q->size), now);
	return serve_end(v, true, rc);
}

int serve_storage_range(const struct rpc_storage_range_req *q, struct rpc_storage_range_rep *r, struct rpc_call *c)
{
	u64 off = le64_get(q->off), len = le64_get(q->len), at = off;
	u32 what = le32_get(q->what);
	bool changes = what == WIRE_RANGE_PUNCH || what == WIRE_RANGE_ALLOCATE;
	struct ext4_time now;
	struct volume *v;
	struct ext4_id id;
	int rc = decode_change(q->ino, q->gen, q->now, q->now_ns, &id, &now);

	if (rc == 0 && (what > WIRE_RANGE_ALLOCATE || off >> 62 || len >> 62))
		rc = -EINVAL;
	if (rc < 0)
		return serve_end(NULL, false, rc);
	rc = changes ? volume_lock_to_change(le32_get(q->fs), c, &v) : volume_lock_for(le32_get(q->fs), c, &v);
	if (rc < 0)
		return serve_end(NULL, false, rc);
	if (what == WIRE_RANGE_PUNCH)
		rc = ext4_punch(v->fs, id, off, len, now);
	else if (what == WIRE_RANGE_ALLOCATE)
		rc = ext4_allocate(v->fs, id, off, len, now);
	else
		rc = ext4_seek(v->fs, id, off, what == WIRE_RANGE_HOLE, &at);
	r->off = le64_of(at);
	return serve_end(v, changes, rc);
}

/* One file or all: metadata is written back for the whole volume, data never waits. */
int serve_storage_sync(const struct rpc_storage_sync_req *q, struct rpc_storage_sync_rep *r, struct rpc_call *c)
{
	struct volume *v;
	int rc;

	v = volume_lock(le32_get(q->fs));
	if (v == NULL)
		return serve_end(NULL, false, -ESTALE);
	count(nr_storage_syncs);
	rc = ext4_sync(v->fs, false, storage_now());
	return serve_end(v, false, rc);
}

int serve_storage_hold(const struct rpc_storage_hold_req *q, struct rpc_storage_hold_rep *r, struct rpc_call *c)
{
	struct volume *v;
	struct ext4_attr a;
	struct ext4_id id;
	int rc = decode_id(q->ino, q->gen, &id);

	if (rc < 0)
		return serve_end(NULL, false, rc);
	rc = volume_lock_for(le32_get(q->fs), c, &v);	/* of one that died nobody would come to release it */
	if (rc == 0)
		rc = volume_hold(v, c->node, id, &a);
	if (rc == 0)
		attr_to_wire(v, &a, c->node, &r->attr);
	return serve_end(v, false, rc);
}

int serve_storage_release(const struct rpc_storage_release_req *q, struct rpc_storage_release_rep *r,
			  struct rpc_call *c)
{
	struct volume *v;
	struct ext4_id id;
	int rc = decode_id(q->ino, q->gen, &id);

	if (rc < 0)
		return serve_end(NULL, false, rc);
	rc = volume_lock_for(le32_get(q->fs), c, &v);	/* one that died and is there again may have its own hold by now */
	if (rc == 0)
		rc = volume_release(v, c->node, id, storage_now());
	return serve_end(v, true, rc);
}

static void power_off_soon(void *arg)
{
	thread_sleep_ns(100 * NSEC_PER_MSEC);	/* the reply has to get out */
	power_off();
}

int serve_storage_shutdown(const struct rpc_storage_shutdown_req *q, struct rpc_storage_shutdown_rep *r,
			   struct rpc_call *c)
{
	pr_info("storage: node %u asks for power-off", c->node);
	volumes_unmount();
	return serve_end(NULL, false, thread_spawn(power_off_soon, NULL, PRIO_NORMAL, "power-off"));
}
