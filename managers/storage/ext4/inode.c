/* SPDX-License-Identifier: MIT */
/* Inodes of an ext4 volume: finding one in its table, its checksum, and the fields that are spread over several words. */
#include "lib/crc32c.h"
#include "managers/storage/ext4/impl.h"

static u32 seed_of(struct ext4 *fs, u32 ino, le32 gen)
{
	le32 nr = le32_of(ino);

	return crc32c(crc32c(fs->csum_seed, &nr, 4), &gen, 4);
}

int inode_get_raw(struct ext4 *fs, u32 ino, struct inode *in)
{
	u32 index = (ino - 1) % fs->inodes_per_group;
	struct ext4_group_desc *d;
	int rc;

	memset(in, 0, sizeof(*in));
	if (ino == 0 || ino > fs->nr_inodes)
		return -ESTALE;
	d = group_desc(fs, (ino - 1) / fs->inodes_per_group);
	rc = bcache_read(fs, group_inode_table(fs, d) + index / fs->inodes_per_block, &in->buf);
	if (rc < 0)
		return rc;
	in->fs = fs;
	in->ino = ino;
	in->d = (void *)(in->buf->data + index % fs->inodes_per_block * fs->inode_size);
	in->csum_seed = seed_of(fs, ino, in->d->generation);
	return 0;
}

static bool inode_in_use(struct ext4 *fs, u32 ino)
{
	struct ext4_group_desc *d = group_desc(fs, (ino - 1) / fs->inodes_per_group);

	if (ino != EXT4_ROOT_INO && ino < le32_get(fs->sb.first_ino))
		return false;		/* the volume's own: bad blocks, journal, ... */
	return !(le16_get(d->flags) & EXT4_BG_INODE_UNINIT) &&
	       (ino - 1) % fs->inodes_per_group < fs->inodes_per_group - group_itable_unused(fs, d);
}

static int inode_verify(struct inode *in)
{
	struct ext4 *fs = in->fs;
	u32 n = (in->ino - 1) % fs->inodes_per_group % fs->inodes_per_block, want, have, extra;
	bool wide;

	if (in->buf->verified >> n & 1)
		return 0;
	if (fs->inode_size > EXT4_OLD_INODE_SIZE) {
		extra = le16_get(in->d->extra_isize);
		if (extra > fs->inode_size - EXT4_OLD_INODE_SIZE || extra % 4 != 0)
			return ext4_corrupt(fs, "inode %u says that it has %u extra bytes", in->ino, extra);
	}
	if (fs->metadata_csum) {
		have = csum_inode(fs, in->ino, in->d, &wide);
		want = le16_get(in->d->checksum_lo);
		if (wide)
			want |= (u32)le16_get(in->d->checksum_hi) << 16;
		else
			have &= 0xffff;
		if (want != have)
			return ext4_corrupt(fs, "inode %u has a wrong checksum", in->ino);
	}
	in->buf->verified |= 1ull << n;
	return 0;
}

int inode_load(struct ext4 *fs, u32 ino, struct inode *in)
{
	int rc;

	memset(in, 0, sizeof(*in));
	if (ino == 0 || ino > fs->nr_inodes || !inode_in_use(fs, ino))
		return -ESTALE;
	rc = inode_get_raw(fs, ino, in);
	if (rc < 0)
		return rc;
	rc = inode_verify(in);
	if (rc == 0 && inode_mode(in) == 0)
		rc = -ESTALE;
	if (rc < 0)
		inode_put(in);
	return rc;
}

int inode_get_any(struct ext4 *fs, u32 ino, struct inode *in)
{
	int rc = inode_load(fs, ino, in);

	if (rc == 0 && inode_links(in) == 0 && !hold_exists(fs, ino)) {
		inode_put(in);
		rc = -ESTALE;
	}
	return rc;
}

int inode_get(struct ext4 *fs, struct ext4_id id, struct inode *in)
{
	int rc = inode_get_any(fs, id.ino, in);

	if (rc == 0 && le32_get(in->d->generation) != id.gen) {
		inode_put(in);
		rc = -ESTALE;
	}
	return rc;
}

void inode_put(struct inode *in)
{
	if (in->buf != NULL)
		bcache_put(in->fs, in->buf);
	in->buf = NULL;
	in->d = NULL;
}

void inode_dirty(struct inode *in)
{
	bool wide;
	u32 c;

	if (in->fs->metadata_csum) {
		c = csum_inode(in->fs, in->ino, in->d, &wide);
		in->d->checksum_lo = le16_of((u16)c);
		if (wide)
			in->d->checksum_hi = le16_of((u16)(c >> 16));
	}
	bcache_dirty(in->fs, in->buf);
}

u64 inode_size(const struct inode *in)
{
	u64 size = le32_get(in->d->size_lo);

	if (inode_type(in) == EXT4_S_IFREG)
		size |= (u64)le32_get(in->d->size_hi) << 32;
	return size;
}

void inode_set_size(struct inode *in, u64 size)
{
	struct ext4_super *sb = &in->fs->sb;

	in->d->size_lo = le32_of((u32)size);
	in->d->size_hi = le32_of((u32)(size >> 32));
	if (size >> 31)
		sb->feature_ro_compat = le32_of(le32_get(sb->feature_ro_compat) | EXT4_RO_COMPAT_LARGE_FILE);
}

static bool has_huge_files(const struct inode *in)
{
	return le32_get(in->fs->sb.feature_ro_compat) & EXT4_RO_COMPAT_HUGE_FILE;
}

u64 inode_blocks(const struct inode *in)
{
	u64 n = le32_get(in->d->blocks_lo);

	if (!has_huge_files(in))
		return n;
	n |= (u64)le16_get(in->d->blocks_hi) << 32;
	if (inode_flags(in) & EXT4_HUGE_FILE_FL)
		n <<= in->fs->bs_shift - 9;
	return n;
}

int inode_add_blocks(struct inode *in, s64 blocks)
{
	u64 have = inode_blocks(in), n = have + ((u64)blocks << (in->fs->bs_shift - 9));
	u32 flags = inode_flags(in) & ~EXT4_HUGE_FILE_FL;

	if (blocks < 0 && n > have)
		return ext4_corrupt(in->fs, "inode %u has more blocks than it counts", in->ino);
	if (n >> 48 || (n >> 32 && !has_huge_files(in))) {
		if (!has_huge_files(in))
			return -EFBIG;
		flags |= EXT4_HUGE_FILE_FL;
		n >>= in->fs->bs_shift - 9;
	}
	in->d->flags = le32_of(flags);
	in->d->blocks_lo = le32_of((u32)n);
	if (has_huge_files(in))
		in->d->blocks_hi = le16_of((u16)(n >> 32));
	return 0;
}

/* Does the inode reach as far as the field that ends there? */
static bool has_extra(const struct inode *in, u32 end)
{
	return in->fs->inode_size > EXT4_OLD_INODE_SIZE && EXT4_OLD_INODE_SIZE + (u32)le16_get(in->d->extra_isize) >= end;
}
#define HAS_EXTRA(in, field) \
	has_extra(in, offsetof(struct ext4_dinode, field) + sizeof(((struct ext4_dinode *)0)->field))

/* Seconds are 34 bits, signed in their low 32, then nanoseconds. A time outside is the nearest that there is, as Linux has it. */
static void time_set(le32 *sec, le32 *extra, struct ext4_time t)
{
	s64 least = -(1LL << 31), most = (extra != NULL ? 1LL << 34 : 1LL << 32) - (1LL << 31) - 1, low;

	if (t.sec <= least || t.sec >= most)
		t = (struct ext4_time){ MIN(MAX(t.sec, least), most), 0 };
	low = (s32)(u32)t.sec;
	*sec = le32_of((u32)t.sec);
	if (extra != NULL)
		*extra = le32_of((u32)((u64)(t.sec - low) >> 32 & 3) | t.nsec << 2);
}

static struct ext4_time time_get(le32 sec, const le32 *extra)
{
	struct ext4_time t = { .sec = (s32)le32_get(sec) };

	if (extra != NULL) {
		t.sec += (s64)(le32_get(*extra) & 3) << 32;
		t.nsec = le32_get(*extra) >> 2;
		if (t.nsec >= NSEC_PER_SEC)
			t.nsec = 0;
	}
	return t;
}

void inode_stamp(struct inode *in, unsigned which, struct ext4_time t)
{
	struct ext4_dinode *d = in->d;

	if (which & STAMP_ATIME)
		time_set(&d->atime, HAS_EXTRA(in, atime_extra) ? &d->atime_extra : NULL, t);
	if (which & STAMP_MTIME)
		time_set(&d->mtime, HAS_EXTRA(in, mtime_extra) ? &d->mtime_extra : NULL, t);
	if (which & STAMP_CTIME)
		time_set(&d->ctime, HAS_EXTRA(in, ctime_extra) ? &d->ctime_extra : NULL, t);
	if ((which & STAMP_BTIME) && HAS_EXTRA(in, crtime_extra))
		time_set(&d->crtime, &d->crtime_extra, t);
}

static u32 device_number(const struct inode *in)
{
	le32 old, wide;
	u32 v;

	if (inode_type(in) != EXT4_S_IFCHR && inode_type(in) != EXT4_S_IFBLK)
		return 0;
	memcpy(&old, in->d->block, 4);
	memcpy(&wide, in->d->block + 4, 4);
	v = le32_get(old);
	/* 8 bits major, 8 bits minor: the same bits in the wide form */
	return v != 0 ? v & 0xffff : le32_get(wide);
}

void inode_attr(const struct inode *in, struct ext4_attr *a)
{
	const struct ext4_dinode *d = in->d;

	*a = (struct ext4_attr){
		.ino = in->ino, .gen = le32_get(d->generation),
		.size = inode_size(in), .blocks = inode_blocks(in),
		.atime = time_get(d->atime, HAS_EXTRA(in, atime_extra) ? &d->atime_extra : NULL),
		.mtime = time_get(d->mtime, HAS_EXTRA(in, mtime_extra) ? &d->mtime_extra : NULL),
		.ctime = time_get(d->ctime, HAS_EXTRA(in, ctime_extra) ? &d->ctime_extra : NULL),
		.mode = inode_mode(in), .nlink = inode_links(in),
		.uid = le16_get(d->uid_lo) | (u32)le16_get(d->uid_hi) << 16,
		.gid = le16_get(d->gid_lo) | (u32)le16_get(d->gid_hi) << 16,
		.rdev = device_number(in), .blksize = in->fs->bs,
	};
	if (HAS_EXTRA(in, crtime_extra))
		a->btime = time_get(d->crtime, &d->crtime_extra);
}

int ext4_getattr(struct ext4 *fs, struct ext4_id id, struct ext4_attr *attr)
{
	struct inode in;
	int rc = inode_get(fs, id, &in);

	if (rc < 0)
		return rc;
	inode_attr(&in, attr);
	inode_put(&in);
	return 0;
}

static void set_owner(struct inode *in, u32 uid, u32 gid)
{
	in->d->uid_lo = le16_of((u16)uid);
	in->d->uid_hi = le16_of((u16)(uid >> 16));
	in->d->gid_lo = le16_of((u16)gid);
	in->d->gid_hi = le16_of((u16)(gid >> 16));
}

int ext4_setattr(struct ext4 *fs, struct ext4_id id, unsigned mask, struct ext4_attr *attr, struct ext4_time now)
{
	struct ext4_attr have;
	struct inode in;
	int rc;

	if ((mask & ~0x1fu) || ((mask & EXT4_SET_ATIME) && attr->atime.nsec >= NSEC_PER_SEC) ||
	    ((mask & EXT4_SET_MTIME) && attr->mtime.nsec >= NSEC_PER_SEC))
		return -EINVAL;
	rc = inode_get(fs, id, &in);
	if (rc < 0)
		return rc;
	if (mask != 0) {
		rc = super_modify(fs, now);
		if (rc < 0)
			goto put;
		inode_attr(&in, &have);
		if (mask & EXT4_SET_MODE)
			in.d->mode = le16_of((u16)((have.mode & EXT4_S_IFMT) | (attr->mode & 07777)));
		set_owner(&in, mask & EXT4_SET_UID ? attr->uid : have.uid, mask & EXT4_SET_GID ? attr->gid : have.gid);
		if (mask & EXT4_SET_ATIME)
			inode_stamp(&in, STAMP_ATIME, attr->atime);
		if (mask & EXT4_SET_MTIME)
			inode_stamp(&in, STAMP_MTIME, attr->mtime);
		inode_stamp(&in, STAMP_CTIME, now);
		inode_dirty(&in);
	}
	inode_attr(&in, attr);
put:
	inode_put(&in);
	return rc;
}

bool inode_fast_link(const struct inode *in)
{
	u64 acl = le32_get(in->d->file_acl_lo) | (u64)le16_get(in->d->file_acl_hi) << 32;

	return inode_type(in) == EXT4_S_IFLNK && inode_size(in) <= EXT4_FAST_LINK_MAX &&
	       inode_blocks(in) == (acl != 0 ? in->fs->bs >> 9 : 0);
}

bool inode_has_map(const struct inode *in)
{
	u32 type = inode_type(in);

	return type == EXT4_S_IFREG || type == EXT4_S_IFDIR || (type == EXT4_S_IFLNK && !inode_fast_link(in));
}

int inode_new(struct ext4 *fs, struct inode *dir, u32 mode, u32 uid, u32 gid, struct inode *in)
{
	u32 type = mode & EXT4_S_IFMT, ino, gen;
	int rc = ialloc(fs, dir->ino, type == EXT4_S_IFDIR, &ino);

	if (rc < 0)
		return rc;
	rc = inode_get_raw(fs, ino, in);
	if (rc < 0) {
		ifree(fs, ino, type == EXT4_S_IFDIR);
		return rc;
	}
	gen = ++fs->next_gen;
	if (gen == le32_get(in->d->generation))
		gen = ++fs->next_gen;
	memset(in->d, 0, fs->inode_size);
	in->d->mode = le16_of((u16)mode);
	in->d->generation = le32_of(gen);
	in->csum_seed = seed_of(fs, ino, in->d->generation);
	in->buf->verified |= 1ull << ((ino - 1) % fs->inodes_per_group % fs->inodes_per_block);
	if (fs->inode_size > EXT4_OLD_INODE_SIZE) {
		u32 extra = MAX((u32)le16_get(fs->sb.want_extra_isize),
				(u32)(sizeof(struct ext4_dinode) - EXT4_OLD_INODE_SIZE));

		in->d->extra_isize = le16_of((u16)MIN(extra & ~3u, fs->inode_size - EXT4_OLD_INODE_SIZE));
	}
	set_owner(in, uid, gid);
	inode_stamp(in, STAMP_ATIME | STAMP_MTIME | STAMP_CTIME | STAMP_BTIME, fs->now);
	if (type == EXT4_S_IFREG || type == EXT4_S_IFDIR)
		extent_root_init(in);
	inode_dirty(in);
	return 0;
}

int inode_free(struct inode *in)
{
	struct ext4 *fs = in->fs;
	bool dir = inode_type(in) == EXT4_S_IFDIR;
	u32 ino = in->ino;

	in->d->links = le16_of(0);
	/* 0 says that it is in use, a number below that of the inodes that it stands on the orphan list: whatever a clock says */
	in->d->dtime = le32_of(MAX((u32)fs->now.sec, fs->nr_inodes));
	inode_set_size(in, 0);
	inode_dirty(in);
	inode_put(in);
	return ifree(fs, ino, dir);
}

/* Extended attributes in a block of their own, shared by reference count. */
int inode_free_xattr(struct inode *in)
{
	struct ext4 *fs = in->fs;
	u64 blk = le32_get(in->d->file_acl_lo) | (u64)le16_get(in->d->file_acl_hi) << 32;
	struct ext4_xattr_header *h;
	struct bbuf *b;
	u32 refs;
	int rc;

	if (blk == 0)
		return 0;
	in->d->file_acl_lo = le32_of(0);
	in->d->file_acl_hi = le16_of(0);
	if (!block_valid(fs, blk, 1))
		return ext4_corrupt(fs, "inode %u has its attributes outside", in->ino);
	rc = bcache_read(fs, blk, &b);
	if (rc < 0)
		return rc;
	h = (void *)b->data;
	refs = le32_get(h->refcount);
	if (le32_get(h->magic) != EXT4_XATTR_MAGIC || refs == 0 ||
	    (fs->metadata_csum && b->verified == 0 && le32_get(h->checksum) != csum_xattr(fs, blk, h))) {
		bcache_put(fs, b);
		return ext4_corrupt(fs, "attribute block %llu is damaged", (unsigned long long)blk);
	}
	b->verified = 1;
	if (refs > 1) {
		h->refcount = le32_of(refs - 1);
		if (fs->metadata_csum)
			h->checksum = le32_of(csum_xattr(fs, blk, h));
		bcache_dirty(fs, b);
	}
	bcache_put(fs, b);
	rc = inode_add_blocks(in, -1);
	inode_dirty(in);
	if (refs == 1)
		rc = bfree(fs, blk, 1);
	return rc;
}
