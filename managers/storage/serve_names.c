/* SPDX-License-Identifier: MIT */
/* A storage node's answers about names and attributes, asked by processor nodes. */
#include "managers/storage/serve.h"

void attr_to_wire(struct volume *v, const struct ext4_attr *a, unsigned node, struct wire_attr *w)
{
	*w = (struct wire_attr){
		.ino = le64_of(a->ino), .size = le64_of(a->size), .blocks = le64_of(a->blocks),
		.atime = le64_of((u64)a->atime.sec), .mtime = le64_of((u64)a->mtime.sec),
		.ctime = le64_of((u64)a->ctime.sec), .btime = le64_of((u64)a->btime.sec),
		.atime_ns = le32_of(a->atime.nsec), .mtime_ns = le32_of(a->mtime.nsec),
		.ctime_ns = le32_of(a->ctime.nsec), .btime_ns = le32_of(a->btime.nsec),
		.fs = le32_of(v->nr), .gen = le32_of(a->gen), .mode = le32_of(a->mode), .nlink = le32_of(a->nlink),
		.uid = le32_of(a->uid), .gid = le32_of(a->gid), .rdev = le32_of(a->rdev),
		.blksize = le32_of(a->blksize), .lease_ms = le32_of(lease_promise(&v->lease, node)),
	};
}

int serve_end(struct volume *v, bool changed, int rc)
{
	if (v != NULL)
		volume_unlock(v, changed);
	count(nr_storage_requests);
	if (rc < 0)
		count(nr_storage_refused);
	return rc;
}

/* Bulk that is one name. */
static int decode_name(const struct rpc_call *c)
{
	return c->bulk_len == 0 ? -EINVAL : c->bulk_len > 255 ? -ENAMETOOLONG : 0;
}

/* A symlink's target, sent along so that it need not be asked for. What cannot be read is the affair of who asks for it. */
static int send_target(struct volume *v, const struct ext4_attr *a, struct rpc_call *c)
{
	char target[WIRE_TARGET_MAX];
	int len;

	if ((a->mode & EXT4_S_IFMT) != EXT4_S_IFLNK || a->size > MIN((u32)sizeof(target), c->rep_room))
		return 0;
	len = ext4_readlink(v->fs, (struct ext4_id){ a->ino, a->gen }, target, sizeof(target));
	return len > 0 && (u32)len <= MIN((u32)sizeof(target), c->rep_room) ? rpc_reply_bulk_copy(c, target, (u32)len) : 0;
}

int serve_storage_lookup(const struct rpc_storage_lookup_req *q, struct rpc_storage_lookup_rep *r, struct rpc_call *c)
{
	struct volume *v = NULL;
	struct ext4_attr a;
	struct ext4_id dir;
	int rc = decode_id(q->ino, q->gen, &dir);

	if (rc == 0)
		rc = decode_name(c);
	if (rc < 0)
		return serve_end(NULL, false, rc);
	count(nr_storage_lookups);
	v = volume_lock(le32_get(q->fs));
	rc = v == NULL ? -ESTALE : ext4_lookup(v->fs, dir, c->bulk, c->bulk_len, &a);
	if (rc == 0)
		rc = send_target(v, &a, c);
	if (rc == 0)
		attr_to_wire(v, &a, c->node, &r->attr);
	return serve_end(v, false, rc);
}

int serve_storage_getattr(const struct rpc_storage_getattr_req *q, struct rpc_storage_getattr_rep *r, struct rpc_call *c)
{
	struct volume *v;
	struct ext4_attr a;
	struct ext4_id id;
	int rc = decode_id(q->ino, q->gen, &id);

	if (rc < 0)
		return serve_end(NULL, false, rc);
	v = volume_lock(le32_get(q->fs));
	rc = v == NULL ? -ESTALE : ext4_getattr(v->fs, id, &a);
	if (rc == 0)
		attr_to_wire(v, &a, c->node, &r->attr);
	return serve_end(v, false, rc);
}

int serve_storage_setattr(const struct rpc_storage_setattr_req *q, struct rpc_storage_setattr_rep *r, struct rpc_call *c)
{
	struct ext4_attr a = { .mode = le32_get(q->mode), .uid = le32_get(q->uid), .gid = le32_get(q->gid) };
	u32 mask = le32_get(q->mask), set = 0;
	struct volume *v;
	struct ext4_id id;
	int rc = decode_id(q->ino, q->gen, &id);

	if (rc == 0 && (mask & ~(WIRE_SET_MODE | WIRE_SET_UID | WIRE_SET_GID | WIRE_SET_ATIME | WIRE_SET_MTIME)))
		rc = -EINVAL;
	if (rc == 0 && (mask & WIRE_SET_ATIME))
		rc = decode_time(q->atime, q->atime_ns, &a.atime);
	if (rc == 0 && (mask & WIRE_SET_MTIME))
		rc = decode_time(q->mtime, q->mtime_ns, &a.mtime);
	if (rc < 0)
		return serve_end(NULL, false, rc);
	set |= mask & WIRE_SET_MODE ? EXT4_SET_MODE : 0;
	set |= mask & WIRE_SET_UID ? EXT4_SET_UID : 0;
	set |= mask & WIRE_SET_GID ? EXT4_SET_GID : 0;
	set |= mask & WIRE_SET_ATIME ? EXT4_SET_ATIME : 0;
	set |= mask & WIRE_SET_MTIME ? EXT4_SET_MTIME : 0;
	rc = volume_lock_to_change(le32_get(q->fs), c, &v);
	if (rc == 0)
		rc = ext4_setattr(v->fs, id, set, &a, storage_now());
	if (rc == 0)
		attr_to_wire(v, &a, c->node, &r->attr);
	return serve_end(v, true, rc);
}

/* A file without a name is the asking node's to hold, before it has nothing else. */
static int create_nameless(struct volume *v, struct ext4_id dir, struct ext4_attr *a, struct ext4_time now, unsigned node)
{
	int rc = ext4_create_nameless(v->fs, dir, a, now), gone;
	struct ext4_attr held;
	struct ext4_id id;

	if (rc < 0)
		return rc;
	id = (struct ext4_id){ a->ino, a->gen };
	rc = volume_hold(v, node, id, &held);
	gone = ext4_unname(v->fs, id, now);
	a->nlink = 0;
	if (rc == 0 && gone < 0)
		(void)volume_release(v, node, id, now);	/* who is told of an error does not release it */
	return rc < 0 ? rc : gone;
}

int serve_storage_create(const struct rpc_storage_create_req *q, struct rpc_storage_create_rep *r, struct rpc_call *c)
{
	struct ext4_attr a = {
		.mode = le32_get(q->mode), .uid = le32_get(q->uid), .gid = le32_get(q->gid), .rdev = le32_get(q->rdev),
	};
	struct ext4_time now;
	struct volume *v;
	struct ext4_id dir;
	int rc = decode_change(q->ino, q->gen, q->now, q->now_ns, &dir, &now);

	if (rc == 0 && c->bulk_len != 0)
		rc = decode_name(c);
	if (rc < 0)
		return serve_end(NULL, false, rc);
	rc = volume_lock_to_change(le32_get(q->fs), c, &v);
	if (rc == 0)
		rc = c->bulk_len == 0 ? create_nameless(v, dir, &a, now, c->node) : ext4_create(v->fs, dir, c->bulk, c->bulk_len, &a, now);
	if (rc == 0)
		attr_to_wire(v, &a, c->node, &r->attr);
	return serve_end(v, true, rc);
}

int serve_storage_symlink(const struct rpc_storage_symlink_req *q, struct rpc_storage_symlink_rep *r, struct rpc_call *c)
{
	struct ext4_attr a = { .uid = le32_get(q->uid), .gid = le32_get(q->gid) };
	u32 name_len = le32_get(q->name_len);
	const char *name = c->bulk;
	struct ext4_time now;
	struct volume *v;
	struct ext4_id dir;
	int rc = decode_change(q->ino, q->gen, q->now, q->now_ns, &dir, &now);

	if (rc == 0 && (name_len == 0 || name_len > c->bulk_len))
		rc = -EINVAL;
	if (rc < 0)
		return serve_end(NULL, false, rc);
	rc = volume_lock_to_change(le32_get(q->fs), c, &v);
	if (rc == 0)
		rc = ext4_symlink(v->fs, dir, name, name_len, name + name_len, c->bulk_len - name_len, &a, now);
	if (rc == 0)
		attr_to_wire(v, &a, c->node, &r->attr);
	return serve_end(v, true, rc);
}

int serve_storage_link(const struct rpc_storage_link_req *q, struct rpc_storage_link_rep *r, struct rpc_call *c)
{
	struct ext4_attr a;
	struct ext4_time now;
	struct volume *v;
	struct ext4_id file, dir;
	int rc = decode_id(q->ino, q->gen, &file);

	if (rc == 0)
		rc = decode_id(q->dir_ino, q->dir_gen, &dir);
	if (rc == 0)
		rc = decode_time(q->now, q->now_ns, &now);
	if (rc == 0)
		rc = decode_name(c);
	if (rc < 0)
		return serve_end(NULL, false, rc);
	rc = volume_lock_to_change(le32_get(q->fs), c, &v);
	if (rc < 0)
		return serve_end(NULL, false, rc);
	if (le32_get(q->first) != 0)
		rc = ext4_link_first(v->fs, file, dir, c->bulk, c->bulk_len, &a, now);
	else
		rc = ext4_link(v->fs, file, dir, c->bulk, c->bulk_len, &a, now);
	if (rc == 0)
		attr_to_wire(v, &a, c->node, &r->attr);
	return serve_end(v, true, rc);
}

int serve_storage_unlink(const struct rpc_storage_unlink_req *q, struct rpc_storage_unlink_rep *r, struct rpc_call *c)
{
	struct ext4_attr a;
	struct ext4_time now;
	struct volume *v;
	struct ext4_id dir;
	int rc = decode_change(q->ino, q->gen, q->now, q->now_ns, &dir, &now);

	if (rc == 0)
		rc = decode_name(c);
	if (rc < 0)
		return serve_end(NULL, false, rc);
	rc = volume_lock_to_change(le32_get(q->fs), c, &v);
	if (rc == 0)
		rc = ext4_unlink(v->fs, dir, c->bulk, c->bulk_len, le32_get(q->rmdir) != 0, &a, now);
	if (rc == 0)
		attr_to_wire(v, &a, c->node, &r->attr);
	return serve_end(v, true, rc);
}

/* The inode of a name; 0: there is none. */
static u64 ino_of(struct volume *v, struct ext4_id dir, const char *name, u32 len)
{
	struct ext4_attr a;

	return ext4_lookup(v->fs, dir, name, len, &a) == 0 ? a.ino : 0;
}

int serve_storage_rename(const struct rpc_storage_rename_req *q, struct rpc_storage_rename_rep *r, struct rpc_call *c)
{
	u32 name_len = le32_get(q->name_len);
	const char *name = c->bulk;
	struct ext4_id from, to;
	struct ext4_time now;
	struct volume *v;
	int rc = decode_id(q->ino, q->gen, &from);

	if (rc == 0)
		rc = decode_id(q->new_ino, q->new_gen, &to);
	if (rc == 0)
		rc = decode_time(q->now, q->now_ns, &now);
	if (rc == 0 && (name_len == 0 || name_len >= c->bulk_len))
		rc = -EINVAL;
	if (rc < 0)
		return serve_end(NULL, false, rc);
	rc = volume_lock_to_change(le32_get(q->fs), c, &v);
	if (rc < 0)
		return serve_end(NULL, false, rc);
	r->moved = le64_of(ino_of(v, from, name, name_len));
	r->replaced = le64_of(ino_of(v, to, name + name_len, c->bulk_len - name_len));
	rc = ext4_rename(v->fs, from, name, name_len, to, name + name_len, c->bulk_len - name_len, le32_get(q->flags), now);
	return serve_end(v, true, rc);
}

int serve_storage_readlink(const struct rpc_storage_readlink_req *q, struct rpc_storage_readlink_rep *r,
			   struct rpc_call *c)
{
	struct volume *v = NULL;
	struct ext4_id id;
	char *buf = NULL;
	int rc = decode_id(q->ino, q->gen, &id), len;

	if (rc < 0)
		return serve_end(NULL, false, rc);
	buf = kmalloc(4096);
	if (buf == NULL)
		return serve_end(NULL, false, -ENOMEM);
	v = volume_lock(le32_get(q->fs));
	len = v == NULL ? -ESTALE : ext4_readlink(v->fs, id, buf, 4096);
	rc = len < 0 ? len : (u32)len > c->rep_room ? -ERANGE : 0;
	rc = serve_end(v, false, rc);
	if (rc == 0) {
		r->len = le32_of((u32)len);
		rc = rpc_reply_bulk_copy(c, buf, (u32)len);
	}
	kfree(buf);
	return rc;
}

struct listing {
	u8 *buf;
	u32 at, room, nr;
	bool full;
};

static bool list_entry_out(void *arg, const struct ext4_dent *d)
{
	struct listing *l = arg;
	u32 len = ALIGN_UP((u32)sizeof(struct wire_dirent) + d->len, 8u);
	struct wire_dirent *w = (void *)(l->buf + l->at);

	l->full = len > l->room - l->at;
	if (l->full)
		return false;
	memset(w, 0, len);
	w->ino = le64_of(d->ino);
	w->cookie = le64_of(d->cookie);
	w->reclen = le16_of((u16)len);
	w->type = d->type;
	w->name_len = d->len;
	memcpy(w->name, d->name, d->len);
	l->at += len;
	l->nr++;
	return true;
}

int serve_storage_readdir(const struct rpc_storage_readdir_req *q, struct rpc_storage_readdir_rep *r, struct rpc_call *c)
{
	struct listing l = { .room = MIN(c->rep_room, (u32)RPC_MAX_BULK_IN) };
	struct volume *v;
	struct ext4_id id;
	int rc = decode_id(q->ino, q->gen, &id);

	if (rc == 0 && l.room < sizeof(struct wire_dirent) + 256)
		rc = -EINVAL;		/* there has to be room for any one entry */
	if (rc < 0)
		return serve_end(NULL, false, rc);
	l.buf = kmalloc(l.room);
	if (l.buf == NULL)
		return serve_end(NULL, false, -ENOMEM);
	v = volume_lock(le32_get(q->fs));
	rc = v == NULL ? -ESTALE : ext4_readdir(v->fs, id, le64_get(q->cookie), list_entry_out, &l);
	rc = serve_end(v, false, rc);
	r->nr = le32_of(l.nr);
	r->end = le32_of(!l.full);
	if (rc < 0 || l.nr == 0) {
		kfree(l.buf);
		return rc;
	}
	rpc_reply_bulk_ref(c, l.buf, l.at, kfree, l.buf);
	return 0;
}
