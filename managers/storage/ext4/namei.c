/* SPDX-License-Identifier: MIT */
/* Names: look one up, make, link and remove. What a call refuses it refuses before it has changed anything. */
#include "managers/storage/ext4/impl.h"

int name_check(const char *name, u32 len)
{
	if (len == 0 || memchr(name, '/', len) != NULL || memchr(name, 0, len) != NULL)
		return -EINVAL;
	return len > EXT4_NAME_MAX ? -ENAMETOOLONG : 0;
}

int dir_get(struct ext4 *fs, struct ext4_id id, const char *name, u32 len, struct inode *dir)
{
	int rc = name_check(name, len);

	if (rc < 0)
		return rc;
	rc = inode_get(fs, id, dir);
	if (rc < 0)
		return rc;
	if (inode_type(dir) != EXT4_S_IFDIR)
		rc = -ENOTDIR;
	else if (inode_links(dir) == 0)
		rc = -ENOENT;		/* removed, but held */
	if (rc < 0)
		inode_put(dir);
	return rc;
}

/* The directory, to put a new name in. */
static int dir_get_for_new(struct ext4 *fs, struct ext4_id id, const char *name, u32 len, struct ext4_time now,
			   struct inode *dir)
{
	struct dir_slot s;
	int rc = dir_get(fs, id, name, len, dir);

	if (rc < 0)
		return rc;
	rc = dir_find(dir, name, len, &s);
	if (rc == 0) {
		bcache_put(fs, s.buf);
		rc = -EEXIST;
	} else if (rc == -ENOENT) {
		rc = super_modify(fs, now);
	}
	if (rc < 0)
		inode_put(dir);
	return rc;
}

int slot_inode(struct ext4 *fs, const struct dir_slot *s, struct inode *in)
{
	u32 ino = le32_get(s->de->inode);
	int rc = inode_get_any(fs, ino, in);

	return rc == -ESTALE ? ext4_corrupt(fs, "an entry names inode %u, which is not in use", ino) : rc;
}

int ext4_lookup(struct ext4 *fs, struct ext4_id id, const char *name, u32 len, struct ext4_attr *attr)
{
	struct inode dir, in;
	struct dir_slot s;
	int rc = dir_get(fs, id, name, len, &dir);

	if (rc < 0)
		return rc;
	rc = dir_find(&dir, name, len, &s);
	if (rc == 0) {
		rc = slot_inode(fs, &s, &in);
		if (rc == 0) {
			inode_attr(&in, attr);
			inode_put(&in);
		}
		bcache_put(fs, s.buf);
	}
	inode_put(&dir);
	return rc;
}

int dir_links_more(struct inode *dir)
{
	u32 n = inode_links(dir);

	if (n == 1 && (le32_get(dir->fs->sb.feature_ro_compat) & EXT4_RO_COMPAT_DIR_NLINK))
		return 0;		/* already not counted any more */
	if (n + 1 < EXT4_LINK_MAX) {
		n++;
	} else {
		if (!(le32_get(dir->fs->sb.feature_ro_compat) & EXT4_RO_COMPAT_DIR_NLINK))
			return -EMLINK;
		n = 1;
	}
	dir->d->links = le16_of((u16)n);
	inode_dirty(dir);
	return 0;
}

void dir_links_less(struct inode *dir)
{
	if (inode_links(dir) > 2)
		dir->d->links = le16_of((u16)(inode_links(dir) - 1));
	inode_dirty(dir);
}

/* Take back a new inode that got no name. */
static void inode_undo(struct inode *in)
{
	in->d->links = le16_of(0);
	orphan_inode_delete(in);
}

static void device_set(struct inode *in, u32 rdev)
{
	u32 major = rdev >> 8 & 0xfff, minor = (rdev & 0xff) | (rdev >> 12 & 0xfff00);
	le32 old = le32_of(0), wide = le32_of(0);

	if (major < 256 && minor < 256)
		old = le32_of(major << 8 | minor);
	else
		wide = le32_of(rdev);
	memcpy(in->d->block, &old, 4);
	memcpy(in->d->block + 4, &wide, 4);
}

int ext4_create(struct ext4 *fs, struct ext4_id id, const char *name, u32 len, struct ext4_attr *attr,
		struct ext4_time now)
{
	u32 type = attr->mode & EXT4_S_IFMT;
	bool is_dir = type == EXT4_S_IFDIR;
	struct inode dir, in;
	int rc;

	if (dirent_type(type) == 0 || type == EXT4_S_IFLNK || attr->mode >> 16)
		return -EINVAL;
	rc = dir_get_for_new(fs, id, name, len, now, &dir);
	if (rc < 0)
		return rc;
	rc = is_dir ? dir_links_more(&dir) : 0;
	if (rc < 0)
		goto put_dir;
	rc = inode_new(fs, &dir, attr->mode, attr->uid, attr->gid, &in);
	if (rc < 0)
		goto unlink_dir;
	if (type == EXT4_S_IFCHR || type == EXT4_S_IFBLK)
		device_set(&in, attr->rdev);
	in.d->links = le16_of(is_dir ? 2 : 1);
	inode_dirty(&in);
	rc = is_dir ? dir_make_empty(&in, dir.ino) : 0;
	if (rc == 0)
		rc = dir_add(&dir, name, len, in.ino, attr->mode);
	if (rc < 0) {
		inode_undo(&in);
		goto unlink_dir;
	}
	inode_attr(&in, attr);
	inode_put(&in);
	inode_put(&dir);
	return 0;
unlink_dir:
	if (is_dir)
		dir_links_less(&dir);
put_dir:
	inode_put(&dir);
	return rc;
}

static int link_write(struct inode *in, const char *target, u32 len)
{
	struct ext4 *fs = in->fs;
	struct bbuf *b;
	u64 blk;
	u32 got;
	int rc;

	inode_set_size(in, len);
	if (len <= EXT4_FAST_LINK_MAX) {
		memcpy(in->d->block, target, len);
		inode_dirty(in);
		return 0;
	}
	extent_root_init(in);
	rc = balloc(fs, map_goal(in, 0), 1, &blk, &got);
	if (rc < 0)
		return rc;
	rc = bcache_new(fs, blk, &b);
	if (rc == 0) {
		memcpy(b->data, target, len);
		bcache_put(fs, b);
		rc = map_insert(in, 0, blk, 1);
	}
	if (rc < 0)
		bfree(fs, blk, 1);
	return rc;
}

int ext4_symlink(struct ext4 *fs, struct ext4_id id, const char *name, u32 len, const char *target, u32 target_len,
		 struct ext4_attr *attr, struct ext4_time now)
{
	struct inode dir, in;
	int rc;

	if (target_len == 0)
		return -ENOENT;
	if (target_len >= fs->bs)
		return -ENAMETOOLONG;
	if (memchr(target, 0, target_len) != NULL)
		return -EINVAL;
	rc = dir_get_for_new(fs, id, name, len, now, &dir);
	if (rc < 0)
		return rc;
	rc = inode_new(fs, &dir, EXT4_S_IFLNK | 0777, attr->uid, attr->gid, &in);
	if (rc < 0)
		goto put_dir;
	in.d->links = le16_of(1);
	rc = link_write(&in, target, target_len);
	if (rc == 0)
		rc = dir_add(&dir, name, len, in.ino, EXT4_S_IFLNK);
	if (rc < 0) {
		inode_undo(&in);
		goto put_dir;
	}
	inode_attr(&in, attr);
	inode_put(&in);
put_dir:
	inode_put(&dir);
	return rc;
}

int ext4_readlink(struct ext4 *fs, struct ext4_id id, char *buf, u32 size)
{
	struct inode in;
	struct bbuf *b;
	struct map m;
	u32 len;
	int rc = inode_get(fs, id, &in);

	if (rc < 0)
		return rc;
	rc = -EINVAL;
	if (inode_type(&in) != EXT4_S_IFLNK)
		goto put;
	len = (u32)MIN(inode_size(&in), (u64)fs->bs);
	if (inode_fast_link(&in)) {
		memcpy(buf, in.d->block, MIN(len, size));
		rc = (int)len;
		goto put;
	}
	rc = map_get(&in, 0, &m);
	if (rc == 0 && (m.blk == 0 || inode_size(&in) >= fs->bs))
		rc = ext4_corrupt(fs, "symlink %u has no target", in.ino);
	if (rc == 0)
		rc = bcache_read(fs, m.blk, &b);
	if (rc == 0) {
		memcpy(buf, b->data, MIN(len, size));
		bcache_put(fs, b);
		rc = (int)len;
	}
put:
	inode_put(&in);
	return rc;
}

static int link_file(struct ext4 *fs, struct ext4_id file, struct ext4_id id, const char *name, u32 len,
		     struct ext4_attr *attr, struct ext4_time now, bool first)
{
	struct inode dir, in;
	int rc = inode_get(fs, file, &in);

	if (rc < 0)
		return rc;
	if (inode_type(&in) == EXT4_S_IFDIR)
		rc = -EPERM;
	else if (inode_links(&in) == 0 && !first)
		rc = -ENOENT;
	else if (inode_links(&in) >= EXT4_LINK_MAX)
		rc = -EMLINK;
	else
		rc = dir_get_for_new(fs, id, name, len, now, &dir);
	if (rc < 0)
		goto put;
	rc = dir_add(&dir, name, len, in.ino, inode_mode(&in));
	inode_put(&dir);
	if (rc == 0 && inode_links(&in) == 0) {
		rc = orphan_del(&in);
		in.d->dtime = le32_of(0);
	}
	if (rc < 0)
		goto put;
	in.d->links = le16_of((u16)(inode_links(&in) + 1));
	inode_stamp(&in, STAMP_CTIME, now);
	inode_dirty(&in);
	inode_attr(&in, attr);
put:
	inode_put(&in);
	return rc;
}

int ext4_link(struct ext4 *fs, struct ext4_id file, struct ext4_id dir, const char *name, u32 len,
	      struct ext4_attr *attr, struct ext4_time now)
{
	return link_file(fs, file, dir, name, len, attr, now, false);
}

int ext4_link_first(struct ext4 *fs, struct ext4_id file, struct ext4_id dir, const char *name, u32 len,
		    struct ext4_attr *attr, struct ext4_time now)
{
	return link_file(fs, file, dir, name, len, attr, now, true);
}

int ext4_create_nameless(struct ext4 *fs, struct ext4_id id, struct ext4_attr *attr, struct ext4_time now)
{
	struct inode dir, in;
	int rc;

	if ((attr->mode & EXT4_S_IFMT) != EXT4_S_IFREG || attr->mode >> 16)
		return -EINVAL;
	rc = inode_get(fs, id, &dir);
	if (rc < 0)
		return rc;
	if (inode_type(&dir) != EXT4_S_IFDIR)
		rc = -ENOTDIR;
	else if (inode_links(&dir) == 0)
		rc = -ENOENT;
	else
		rc = super_modify(fs, now);
	if (rc == 0)
		rc = inode_new(fs, &dir, attr->mode, attr->uid, attr->gid, &in);
	inode_put(&dir);
	if (rc < 0)
		return rc;
	in.d->links = le16_of(1);
	inode_dirty(&in);
	inode_attr(&in, attr);
	inode_put(&in);
	return 0;
}

int ext4_unname(struct ext4 *fs, struct ext4_id id, struct ext4_time now)
{
	struct inode in;
	int rc = inode_get(fs, id, &in);

	if (rc < 0)
		return rc;
	rc = inode_links(&in) != 1 ? -EINVAL : super_modify(fs, now);
	if (rc == 0)
		return inode_link_gone(&in);
	inode_put(&in);
	return rc;
}

/* One name of it is gone; in is put. */
int inode_link_gone(struct inode *in)
{
	u32 links = inode_type(in) == EXT4_S_IFDIR ? 0 : inode_links(in) - 1;

	in->d->links = le16_of((u16)links);
	inode_stamp(in, STAMP_CTIME, in->fs->now);
	inode_dirty(in);
	if (links == 0)
		return orphan_last_link_gone(in);
	inode_put(in);
	return 0;
}

/* May this be removed, or replaced, as a directory or as a file? */
int removable(struct inode *in, bool as_dir)
{
	int rc;

	if (as_dir != (inode_type(in) == EXT4_S_IFDIR))
		return as_dir ? -ENOTDIR : -EISDIR;
	if (!as_dir)
		return inode_links(in) > 0 ? 0 : ext4_corrupt(in->fs, "inode %u has a name and no link", in->ino);
	if (in->ino == EXT4_ROOT_INO)
		return -EBUSY;
	rc = dir_is_empty(in);
	return rc < 0 ? rc : rc == 0 ? -ENOTEMPTY : 0;
}

int ext4_unlink(struct ext4 *fs, struct ext4_id id, const char *name, u32 len, bool rmdir, struct ext4_attr *attr,
		struct ext4_time now)
{
	struct inode dir, in;
	struct dir_slot s;
	int rc = dir_get(fs, id, name, len, &dir);

	if (rc < 0)
		return rc;
	rc = -EINVAL;
	if (len == 1 && name[0] == '.')
		goto put_dir;
	rc = rmdir ? -ENOTEMPTY : -EISDIR;
	if (len == 2 && name[0] == '.' && name[1] == '.')
		goto put_dir;
	rc = dir_find(&dir, name, len, &s);
	if (rc < 0)
		goto put_dir;
	rc = slot_inode(fs, &s, &in);
	if (rc < 0)
		goto put_slot;
	rc = removable(&in, rmdir);
	if (rc == 0)
		rc = super_modify(fs, now);
	if (rc < 0) {
		inode_put(&in);
		goto put_slot;
	}
	dir_remove(&dir, &s);
	if (rmdir)
		dir_links_less(&dir);
	inode_attr(&in, attr);
	attr->nlink = rmdir ? 0 : attr->nlink - 1;
	rc = inode_link_gone(&in);
	goto put_dir;
put_slot:
	bcache_put(fs, s.buf);
put_dir:
	inode_put(&dir);
	return rc;
}
