/* SPDX-License-Identifier: MIT */
/*
 * rename: one name to another, over what was there, or the two exchanged. Everything that can refuse it comes first;
 * then the new name is made (this may find the disk full), and only then is the old one removed.
 */
#include "managers/storage/ext4/impl.h"

struct rename {
	struct ext4 *fs;
	struct inode from, to;		/* the directories, possibly the same */
	struct dir_slot old, new;	/* new.buf NULL: no such name yet */
	struct inode in, over;		/* what is moved; what stood at the new name */
	bool same_dir;
};

static bool is_dots(const char *name, u32 len)
{
	return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

/* Is `ino` the directory `at`, or above it? 1, 0 or negative. */
static int is_above(struct ext4 *fs, u32 ino, u32 at)
{
	for (u32 steps = 0; steps < fs->nr_inodes; steps++) {
		struct inode dir;
		struct dir_slot s;
		int rc;

		if (at == ino)
			return 1;
		if (at == EXT4_ROOT_INO)
			return 0;
		rc = inode_get_any(fs, at, &dir);
		if (rc < 0)
			return rc == -ESTALE ? ext4_corrupt(fs, "a \"..\" names inode %u, not in use", at) : rc;
		rc = inode_type(&dir) == EXT4_S_IFDIR ? dir_find(&dir, "..", 2, &s) : -ENOENT;
		if (rc == 0) {
			at = le32_get(s.de->inode);
			bcache_put(fs, s.buf);
		}
		inode_put(&dir);
		if (rc < 0)
			return rc == -ENOENT ? ext4_corrupt(fs, "directory %u has no \"..\"", at) : rc;
	}
	return ext4_corrupt(fs, "the directories above %u run in a circle", at);
}

/* A directory may not move into itself. */
static int check_loop(struct rename *r, const struct inode *moved, const struct inode *into)
{
	int rc;

	if (inode_type(moved) != EXT4_S_IFDIR || r->same_dir)
		return 0;
	rc = is_above(r->fs, moved->ino, into->ino);
	return rc < 0 ? rc : rc == 1 ? -EINVAL : 0;
}

/* A directory was moved: its ".." and the link counts of its parents. */
static int reparent(struct rename *r, struct inode *dir, struct inode *from, struct inode *to)
{
	struct dir_slot s;
	int rc;

	if (inode_type(dir) != EXT4_S_IFDIR || r->same_dir)
		return 0;
	rc = dir_find(dir, "..", 2, &s);
	if (rc < 0)
		return rc == -ENOENT ? ext4_corrupt(r->fs, "directory %u has no \"..\"", dir->ino) : rc;
	dir_replace(dir, &s, to->ino, EXT4_S_IFDIR);
	bcache_put(r->fs, s.buf);
	dir_links_less(from);
	return dir_links_more(to);
}

static int do_exchange(struct rename *r)
{
	u32 mode = inode_mode(&r->in), over_mode = inode_mode(&r->over);
	int rc = check_loop(r, &r->in, &r->to);

	if (rc == 0)
		rc = check_loop(r, &r->over, &r->from);
	if (rc == 0)
		rc = super_modify(r->fs, r->fs->now);
	if (rc < 0)
		return rc;
	dir_replace(&r->from, &r->old, r->over.ino, over_mode);
	dir_replace(&r->to, &r->new, r->in.ino, mode);
	rc = reparent(r, &r->in, &r->from, &r->to);
	if (rc == 0)
		rc = reparent(r, &r->over, &r->to, &r->from);
	inode_stamp(&r->over, STAMP_CTIME, r->fs->now);
	inode_dirty(&r->over);
	return rc;
}

static int do_move(struct rename *r, const char *name, u32 len, const char *new_name, u32 new_len)
{
	bool is_dir = inode_type(&r->in) == EXT4_S_IFDIR;
	int rc = r->new.buf != NULL ? removable(&r->over, is_dir) : 0;

	if (rc == 0)
		rc = check_loop(r, &r->in, &r->to);
	if (rc == 0 && is_dir && !r->same_dir && inode_links(&r->to) + 1 >= EXT4_LINK_MAX &&
	    !(le32_get(r->fs->sb.feature_ro_compat) & EXT4_RO_COMPAT_DIR_NLINK))
		rc = -EMLINK;
	if (rc == 0)
		rc = super_modify(r->fs, r->fs->now);
	if (rc < 0)
		return rc;
	if (r->new.buf != NULL) {
		dir_replace(&r->to, &r->new, r->in.ino, inode_mode(&r->in));
	} else {
		bcache_put(r->fs, r->old.buf);	/* adding a name may move the old one */
		r->old.buf = NULL;
		rc = dir_add(&r->to, new_name, new_len, r->in.ino, inode_mode(&r->in));
		if (rc == 0)
			rc = dir_find(&r->from, name, len, &r->old);
		if (rc < 0)
			return rc;
	}
	dir_remove(&r->from, &r->old);
	rc = reparent(r, &r->in, &r->from, &r->to);
	if (r->new.buf == NULL)
		return rc;
	if (is_dir)
		dir_links_less(&r->to);
	return rc < 0 ? rc : inode_link_gone(&r->over);
}

/* Find both names; put everything in rename_put() whatever this returns. */
static int rename_find(struct rename *r, const char *name, u32 len, const char *new_name, u32 new_len)
{
	int rc = dir_find(&r->from, name, len, &r->old);

	if (rc == 0)
		rc = slot_inode(r->fs, &r->old, &r->in);
	if (rc < 0)
		return rc;
	rc = dir_find(&r->to, new_name, new_len, &r->new);
	if (rc == 0)
		return slot_inode(r->fs, &r->new, &r->over);
	return rc == -ENOENT ? 0 : rc;
}

static void rename_put(struct rename *r)
{
	inode_put(&r->over);
	inode_put(&r->in);
	bcache_put(r->fs, r->new.buf);
	bcache_put(r->fs, r->old.buf);
	inode_put(&r->to);
	inode_put(&r->from);
}

int ext4_rename(struct ext4 *fs, struct ext4_id from, const char *name, u32 len, struct ext4_id to,
		const char *new_name, u32 new_len, unsigned flags, struct ext4_time now)
{
	struct rename r = { .fs = fs };
	int rc;

	if (flags > EXT4_RENAME_EXCHANGE)	/* both at once contradict each other */
		return -EINVAL;
	rc = dir_get(fs, from, name, len, &r.from);
	if (rc == 0)
		rc = dir_get(fs, to, new_name, new_len, &r.to);
	if (rc == 0 && (is_dots(name, len) || is_dots(new_name, new_len)))
		rc = -EBUSY;
	if (rc == 0)
		rc = rename_find(&r, name, len, new_name, new_len);
	if (rc < 0)
		goto put;
	r.same_dir = r.from.ino == r.to.ino;
	fs->now = now;
	if (r.new.buf == NULL)
		rc = flags == EXT4_RENAME_EXCHANGE ? -ENOENT : do_move(&r, name, len, new_name, new_len);
	else if (flags == EXT4_RENAME_NOREPLACE)
		rc = -EEXIST;
	else if (r.in.ino == r.over.ino)
		goto put;		/* two names of one file: nothing happens */
	else
		rc = flags == EXT4_RENAME_EXCHANGE ? do_exchange(&r) : do_move(&r, name, len, new_name, new_len);
	if (rc == 0) {
		inode_stamp(&r.in, STAMP_CTIME, now);
		inode_dirty(&r.in);
	}
put:
	rename_put(&r);
	return rc;
}
