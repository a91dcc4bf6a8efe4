/* SPDX-License-Identifier: MIT */
/* The volume: mounting with its checks, the super block, sync, unmounting. */
#include "lib/crc32c.h"
#include "managers/storage/ext4/impl.h"

#define SUPPORTED_INCOMPAT	(EXT4_INCOMPAT_FILETYPE | EXT4_INCOMPAT_RECOVER | EXT4_INCOMPAT_META_BG |	\
				 EXT4_INCOMPAT_EXTENTS | EXT4_INCOMPAT_64BIT | EXT4_INCOMPAT_FLEX_BG |		\
				 EXT4_INCOMPAT_CSUM_SEED)
#define SUPPORTED_RO_COMPAT	(EXT4_RO_COMPAT_SPARSE_SUPER | EXT4_RO_COMPAT_LARGE_FILE | EXT4_RO_COMPAT_HUGE_FILE | \
				 EXT4_RO_COMPAT_GDT_CSUM | EXT4_RO_COMPAT_DIR_NLINK | EXT4_RO_COMPAT_EXTRA_ISIZE | \
				 EXT4_RO_COMPAT_METADATA_CSUM)
#define DEFAULT_CACHE		MIB(8)
#define MAX_COMPLAINTS		20

struct feature {
	u32 bit;
	const char *name;
};
#define FEATURE_ROW(bit, NAME, name)	{ bit, #name },
static const struct feature incompat_features[] = { EXT4_INCOMPAT_LIST(FEATURE_ROW) };
static const struct feature ro_compat_features[] = { EXT4_RO_COMPAT_LIST(FEATURE_ROW) };

static void feature_name(const struct feature *list, u32 nr, u32 bits, char *buf, u32 size)
{
	u32 bit = bits & -bits;

	for (u32 i = 0; i < nr; i++) {
		if (list[i].bit == bit) {
			str_copy(buf, list[i].name, size);
			return;
		}
	}
	snprintf(buf, size, "0x%x", bit);
}

int ext4_corrupt(struct ext4 *fs, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	if (fs->nr_complaints++ < MAX_COMPLAINTS) {
		va_start(ap, fmt);
		vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		pr_err("ext4 %s: %s%s", fs->dev->name, text, fs->corrupt ? "" : "; nothing is written any more");
	}
	fs->corrupt = true;
	return -EUCLEAN;
}

/* The 1024 bytes at offset 1024, also on a disk whose sectors are larger. */
static int super_io(struct blkdev *dev, struct ext4_super *sb, bool write)
{
	bool small = dev->sector_size <= EXT4_SB_OFFSET;
	size_t len = small ? sizeof(*sb) : dev->sector_size;
	u64 off = small ? EXT4_SB_OFFSET : 0;
	u8 *buf = kmalloc(len);
	int rc;

	if (buf == NULL)
		return -ENOMEM;
	rc = dev->ops->read(dev, off, buf, len);
	if (rc == 0 && write) {
		memcpy(buf + EXT4_SB_OFFSET - off, sb, sizeof(*sb));
		rc = dev->ops->write(dev, off, buf, len);
	} else if (rc == 0) {
		memcpy(sb, buf + EXT4_SB_OFFSET - off, sizeof(*sb));
	}
	kfree(buf);
	return rc;
}

int super_write(struct ext4 *fs)
{
	struct ext4_super *sb = &fs->sb;

	sb->free_blocks_lo = le32_of((u32)fs->free_blocks);
	if (le32_get(sb->feature_incompat) & EXT4_INCOMPAT_64BIT)
		sb->free_blocks_hi = le32_of((u32)(fs->free_blocks >> 32));
	sb->free_inodes = le32_of(fs->free_inodes);
	sb->wtime = le32_of((u32)fs->now.sec);
	if (fs->metadata_csum)
		sb->checksum = le32_of(csum_super(sb));
	return super_io(fs->dev, sb, true);
}

static int device_flush(struct ext4 *fs)
{
	return fs->dev->ops->flush(fs->dev);
}

int super_modify(struct ext4 *fs, struct ext4_time now)
{
	int rc;

	if (fs->read_only || fs->corrupt)
		return -EROFS;
	fs->now = now;
	if (fs->dirtied)
		return 0;
	fs->sb.state = le16_of(le16_get(fs->sb.state) & ~EXT4_STATE_VALID);
	rc = super_write(fs);
	if (rc == 0)
		rc = device_flush(fs);
	if (rc == 0)
		fs->dirtied = true;
	return rc;
}

int ext4_sync(struct ext4 *fs, bool clean, struct ext4_time now)
{
	int rc;

	if (!fs->dirtied)
		return fs->read_only ? 0 : device_flush(fs);
	fs->now = now;
	rc = bcache_flush(fs);
	if (rc == 0)
		rc = super_write(fs);
	if (rc == 0)
		rc = device_flush(fs);
	if (rc < 0 || !clean)
		return rc;
	fs->sb.state = le16_of(le16_get(fs->sb.state) | (fs->corrupt ? EXT4_STATE_ERROR : EXT4_STATE_VALID));
	rc = super_write(fs);
	if (rc == 0)
		rc = device_flush(fs);
	fs->dirtied = rc < 0;
	return rc;
}

bool ext4_dirty(const struct ext4 *fs)
{
	return fs->dirtied;
}

static void fs_destroy(struct ext4 *fs)
{
	if (fs->gdt != NULL) {
		for (u32 i = 0; i < fs->nr_gdt; i++)
			bcache_put(fs, fs->gdt[i]);
		kfree(fs->gdt);
	}
	bcache_destroy(fs);
	holds_destroy(fs);
	kfree(fs->zones);
	kfree(fs->bounce);
	kfree(fs);
}

int ext4_unmount(struct ext4 *fs, struct ext4_time now)
{
	int rc = 0;

	if (le32_get(fs->sb.last_orphan) != 0 && super_modify(fs, now) == 0)
		orphan_cleanup(fs);
	if (fs->dirtied)
		rc = ext4_sync(fs, true, now);
	fs_destroy(fs);
	return rc;
}

bool ext4_read_only(const struct ext4 *fs)
{
	return fs->read_only || fs->corrupt;
}

/* --- mounting ------------------------------------------------------------------------------------------- */

static int refuse(struct ext4 *fs, const char *why)
{
	pr_err("ext4 %s: not mounted: %s", fs->dev->name, why);
	return -EINVAL;
}

static void read_only_because(struct ext4 *fs, const char *why)
{
	if (!fs->read_only)
		pr_warn("ext4 %s: mounted read-only: %s", fs->dev->name, why);
	fs->read_only = true;
}

static int check_features(struct ext4 *fs)
{
	u32 incompat = le32_get(fs->sb.feature_incompat), ro = le32_get(fs->sb.feature_ro_compat);
	char name[24], text[64];

	if (incompat & ~SUPPORTED_INCOMPAT) {
		feature_name(incompat_features, ARRAY_SIZE(incompat_features), incompat & ~SUPPORTED_INCOMPAT, name,
			     sizeof(name));
		pr_err("ext4 %s: not mounted: feature %s is not supported", fs->dev->name, name);
		return -EPROTONOSUPPORT;
	}
	if (ro & ~SUPPORTED_RO_COMPAT) {
		feature_name(ro_compat_features, ARRAY_SIZE(ro_compat_features), ro & ~SUPPORTED_RO_COMPAT, name,
			     sizeof(name));
		snprintf(text, sizeof(text), "feature %s is not supported for writing", name);
		read_only_because(fs, text);
	}
	if (incompat & EXT4_INCOMPAT_RECOVER)
		read_only_because(fs, "its journal was not played back (run e2fsck); files may show an older state");
	if (!(le16_get(fs->sb.state) & EXT4_STATE_VALID))
		read_only_because(fs, "it was not unmounted in order (run e2fsck)");
	if (le16_get(fs->sb.state) & EXT4_STATE_ERROR)
		read_only_because(fs, "it is known to have errors (run e2fsck)");
	if (!(incompat & EXT4_INCOMPAT_EXTENTS))
		read_only_because(fs, "it has no extents (an ext2 or ext3)");
	if (fs->dev->read_only)
		read_only_because(fs, "the disk is");
	fs->metadata_csum = ro & EXT4_RO_COMPAT_METADATA_CSUM;
	fs->gdt_csum = ro & EXT4_RO_COMPAT_GDT_CSUM;
	fs->filetype = incompat & EXT4_INCOMPAT_FILETYPE;
	fs->dir_index = le32_get(fs->sb.feature_compat) & EXT4_COMPAT_DIR_INDEX;
	if (!fs->metadata_csum)
		return 0;
	if (fs->sb.checksum_type != 1)
		return refuse(fs, "its checksums are of an unknown kind");
	if (le32_get(fs->sb.checksum) != csum_super(&fs->sb))
		return refuse(fs, "its super block has a wrong checksum");
	fs->csum_seed = incompat & EXT4_INCOMPAT_CSUM_SEED ? le32_get(fs->sb.checksum_seed) :
			crc32c(~0u, fs->sb.uuid, sizeof(fs->sb.uuid));
	return 0;
}

static bool is_power_of_2(u32 n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* Sizes and counts; everything that later code divides by or indexes with. */
static int check_geometry(struct ext4 *fs)
{
	struct ext4_super *sb = &fs->sb;
	bool wide = le32_get(sb->feature_incompat) & EXT4_INCOMPAT_64BIT, old = le32_get(sb->rev_level) == 0;
	bool bigalloc = le32_get(sb->feature_ro_compat) & EXT4_RO_COMPAT_BIGALLOC;
	u64 groups;

	if (le32_get(sb->log_block_size) > 2)
		return refuse(fs, "blocks larger than 4096 bytes");
	fs->bs_shift = 10 + le32_get(sb->log_block_size);
	fs->bs = 1u << fs->bs_shift;
	if (fs->bs < fs->dev->sector_size)
		return refuse(fs, "its blocks are smaller than the disk's sectors");
	fs->nr_blocks = le32_get(sb->blocks_count_lo) | (wide ? (u64)le32_get(sb->blocks_count_hi) << 32 : 0);
	if (fs->nr_blocks > fs->dev->size >> fs->bs_shift || fs->nr_blocks < 16)
		return refuse(fs, "it is larger than its disk");
	fs->first_block = le32_get(sb->first_data_block);
	if (fs->first_block != (fs->bs == EXT4_MIN_BLOCK && !bigalloc))
		return refuse(fs, "damaged: first block");
	fs->blocks_per_group = le32_get(sb->blocks_per_group);
	fs->inodes_per_group = le32_get(sb->inodes_per_group);
	if (fs->blocks_per_group < 64 || fs->blocks_per_group % 8 != 0 || fs->blocks_per_group > (1u << 28) ||
	    (!bigalloc && fs->blocks_per_group > fs->bs * 8) ||
	    fs->inodes_per_group == 0 || fs->inodes_per_group % 8 != 0 || fs->inodes_per_group > fs->bs * 8)
		return refuse(fs, "damaged: group size");
	groups = (fs->nr_blocks - fs->first_block + fs->blocks_per_group - 1) / fs->blocks_per_group;
	if (groups > 1u << 24 || groups * fs->inodes_per_group != le32_get(sb->inodes_count))
		return refuse(fs, "damaged: inode count");
	fs->nr_groups = (u32)groups;
	fs->nr_inodes = le32_get(sb->inodes_count);
	fs->inode_size = old ? EXT4_OLD_INODE_SIZE : le16_get(sb->inode_size);
	if (!is_power_of_2(fs->inode_size) || fs->inode_size < EXT4_OLD_INODE_SIZE || fs->inode_size > fs->bs)
		return refuse(fs, "damaged: inode size");
	fs->inodes_per_block = fs->bs / fs->inode_size;
	if (old || le32_get(sb->first_ino) < 11)
		sb->first_ino = le32_of(11);
	fs->desc_size = wide ? le16_get(sb->desc_size) : 32;
	if (!is_power_of_2(fs->desc_size) || fs->desc_size < (wide ? 64u : 32u) || fs->desc_size > fs->bs)
		return refuse(fs, "damaged: descriptor size");
	fs->descs_per_block = fs->bs / fs->desc_size;
	fs->nr_gdt = DIV_ROUND_UP(fs->nr_groups, fs->descs_per_block);
	return 0;
}

static int read_groups(struct ext4 *fs)
{
	fs->gdt = kcalloc(fs->nr_gdt, sizeof(struct bbuf *));
	if (fs->gdt == NULL)
		return -ENOMEM;
	for (u32 i = 0; i < fs->nr_gdt; i++) {
		int rc = bcache_read(fs, group_gdt_block(fs, i), &fs->gdt[i]);

		if (rc < 0)
			return rc;
	}
	return group_check_all(fs);
}

static int check_root(struct ext4 *fs)
{
	struct inode root;
	int rc = inode_get_any(fs, EXT4_ROOT_INO, &root);

	if (rc == 0 && inode_type(&root) != EXT4_S_IFDIR)
		rc = -EINVAL;
	inode_put(&root);
	return rc == -EIO || rc == -ENOMEM ? rc : rc < 0 ? refuse(fs, "it has no root directory") : 0;
}

static void set_up_hash(struct ext4 *fs)
{
	for (int i = 0; i < 4; i++)
		fs->hash_seed[i] = le32_get(fs->sb.hash_seed[i]);
	fs->hash_unsigned = le32_get(fs->sb.flags) & EXT4_FLAG_UNSIGNED_HASH ? 3 : 0;
}

int ext4_mount(struct blkdev *dev, const struct ext4_opts *opts, struct ext4 **out)
{
	struct ext4 *fs = kzalloc(sizeof(*fs));
	int rc;

	*out = NULL;
	if (fs == NULL)
		return -ENOMEM;
	fs->dev = dev;
	fs->read_only = opts->read_only;
	fs->now = opts->now;
	for (u32 i = 0; i < HOLD_BUCKETS; i++)
		list_init(&fs->holds[i]);
	rc = dev->size < 16 * EXT4_MIN_BLOCK ? -EINVAL : super_io(dev, &fs->sb, false);
	if (rc == 0 && le16_get(fs->sb.magic) != EXT4_MAGIC)
		rc = refuse(fs, "it holds no ext4");
	if (rc == 0)
		rc = check_features(fs);
	if (rc == 0)
		rc = check_geometry(fs);
	if (rc < 0)
		goto destroy;
	rc = bcache_init(fs, opts->cache_bytes != 0 ? opts->cache_bytes : (u32)DEFAULT_CACHE);
	if (rc < 0)
		goto destroy;
	rc = -ENOMEM;
	fs->bounce = kmalloc(fs->bs);
	if (fs->bounce == NULL)
		goto destroy;
	rc = read_groups(fs);
	if (rc < 0)
		goto destroy;
	set_up_hash(fs);
	fs->next_gen = (u32)opts->now.sec * 2654435761u ^ opts->now.nsec ^ le32_get(fs->sb.wtime);
	rc = check_root(fs);
	if (rc < 0)
		goto destroy;
	if (le32_get(fs->sb.last_orphan) != 0 && super_modify(fs, opts->now) == 0)
		orphan_cleanup(fs);
	*out = fs;
	return 0;
destroy:
	fs_destroy(fs);
	return rc;
}

struct ext4_id ext4_root(struct ext4 *fs)
{
	struct ext4_id id = { .ino = EXT4_ROOT_INO };
	struct inode root;

	if (inode_get_any(fs, EXT4_ROOT_INO, &root) == 0) {
		id.gen = le32_get(root.d->generation);
		inode_put(&root);
	}
	return id;
}

void ext4_statfs(struct ext4 *fs, struct ext4_stat *st)
{
	bool wide = le32_get(fs->sb.feature_incompat) & EXT4_INCOMPAT_64BIT;
	u64 reserved = le32_get(fs->sb.r_blocks_count_lo), own = fs->first_block, id[2];

	if (wide)
		reserved |= (u64)le32_get(fs->sb.r_blocks_count_hi) << 32;
	for (u32 i = 0; i < fs->nr_zones; i++)
		own += fs->zones[i].behind - fs->zones[i].first;
	if (le32_get(fs->sb.overhead_clusters) != 0)
		own = le32_get(fs->sb.overhead_clusters);
	memcpy(id, fs->sb.uuid, sizeof(id));
	*st = (struct ext4_stat){
		.blocks = fs->nr_blocks - MIN(own, fs->nr_blocks), .bfree = fs->free_blocks,
		.bavail = fs->free_blocks > reserved ? fs->free_blocks - reserved : 0,
		.files = fs->nr_inodes, .ffree = fs->free_inodes, .bsize = fs->bs, .fsid = id[0] ^ id[1],
	};
}
