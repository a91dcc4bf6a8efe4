/* SPDX-License-Identifier: MIT */
/*
 * Files without a name. While somebody holds one it stands on the volume's orphan list (the super block names the
 * first, each inode's dtime the next), so that e2fsck or the next mount frees it if we never come to it.
 */
#include "managers/storage/ext4/impl.h"

struct hold {
	struct list link;
	u32 ino, count;
};

static struct hold *hold_find(struct ext4 *fs, u32 ino)
{
	struct hold *h;

	list_for_each(h, &fs->holds[ino % HOLD_BUCKETS], link) {
		if (h->ino == ino)
			return h;
	}
	return NULL;
}

bool hold_exists(struct ext4 *fs, u32 ino)
{
	return hold_find(fs, ino) != NULL;
}

void holds_destroy(struct ext4 *fs)
{
	for (u32 i = 0; i < HOLD_BUCKETS; i++) {
		struct hold *h, *tmp;

		list_for_each_safe(h, tmp, &fs->holds[i], link) {
			list_del(&h->link);
			kfree(h);
		}
	}
}

int orphan_add(struct inode *in)
{
	struct ext4_super *sb = &in->fs->sb;

	in->d->dtime = sb->last_orphan;
	sb->last_orphan = le32_of(in->ino);
	inode_dirty(in);
	return 0;
}

int orphan_del(struct inode *in)
{
	struct ext4 *fs = in->fs;
	u32 at = le32_get(fs->sb.last_orphan);

	if (at == in->ino) {
		fs->sb.last_orphan = in->d->dtime;
		return 0;
	}
	for (u32 steps = 0; at != 0 && steps < fs->nr_inodes; steps++) {
		struct inode prev;
		int rc = inode_load(fs, at, &prev);

		if (rc < 0)
			return ext4_corrupt(fs, "the orphan list names inode %u", at);
		at = le32_get(prev.d->dtime);
		if (at == in->ino) {
			prev.d->dtime = in->d->dtime;
			inode_dirty(&prev);
		}
		inode_put(&prev);
		if (at == in->ino)
			return 0;
	}
	return ext4_corrupt(fs, "inode %u is not on the orphan list", in->ino);
}

int orphan_inode_delete(struct inode *in)
{
	int rc = map_truncate(in, 0);

	if (rc == 0)
		rc = inode_free_xattr(in);
	if (rc == 0)
		return inode_free(in);
	inode_put(in);
	return rc;
}

int orphan_last_link_gone(struct inode *in)
{
	int rc;

	if (!hold_exists(in->fs, in->ino))
		return orphan_inode_delete(in);
	rc = orphan_add(in);
	inode_put(in);
	return rc;
}

/* Delete or cut what is on the list. A list that cannot be walked is left to e2fsck. */
void orphan_cleanup(struct ext4 *fs)
{
	u32 nr = 0;

	for (u32 at; (at = le32_get(fs->sb.last_orphan)) != 0; nr++) {
		struct inode in;
		int rc = inode_load(fs, at, &in);

		if (rc < 0 || nr > fs->nr_inodes) {
			if (rc == 0)
				inode_put(&in);
			ext4_corrupt(fs, "the orphan list names inode %u", at);
			return;
		}
		fs->sb.last_orphan = in.d->dtime;
		if (inode_links(&in) == 0) {
			rc = orphan_inode_delete(&in);
		} else {	/* a truncate that was cut short */
			rc = map_truncate(&in, (u32)((inode_size(&in) + fs->bs - 1) >> fs->bs_shift));
			in.d->dtime = le32_of(0);
			inode_dirty(&in);
			inode_put(&in);
		}
		if (rc < 0)
			return;
	}
	if (nr > 0)
		pr_info("ext4 %s: %u files without a name deleted", fs->dev->name, nr);
}

int ext4_hold(struct ext4 *fs, struct ext4_id id, struct ext4_attr *attr)
{
	struct hold *h;
	int rc = ext4_getattr(fs, id, attr);

	if (rc < 0)
		return rc;
	h = hold_find(fs, id.ino);
	if (h == NULL) {
		h = kzalloc(sizeof(*h));
		if (h == NULL)
			return -ENOMEM;
		h->ino = id.ino;
		list_add_head(&fs->holds[id.ino % HOLD_BUCKETS], &h->link);
	}
	h->count++;
	return 0;
}

int ext4_release(struct ext4 *fs, struct ext4_id id, struct ext4_time now)
{
	struct hold *h = hold_find(fs, id.ino);
	struct inode in;
	int rc;

	if (h == NULL)
		return -EINVAL;
	rc = inode_get(fs, id, &in);
	if (rc < 0)
		return rc;
	if (--h->count > 0) {
		inode_put(&in);
		return 0;
	}
	list_del(&h->link);
	kfree(h);
	if (inode_links(&in) > 0) {
		inode_put(&in);
		return 0;
	}
	rc = super_modify(fs, now);
	if (rc == 0)
		rc = orphan_del(&in);
	if (rc == 0)
		return orphan_inode_delete(&in);
	inode_put(&in);
	return rc;
}
