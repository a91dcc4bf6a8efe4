/* SPDX-License-Identifier: MIT */
/* Block groups of an ext4 volume: their descriptors, and which of their blocks hold the volume's own structures. */
#include "managers/storage/ext4/impl.h"

struct ext4_group_desc *group_desc(struct ext4 *fs, u32 group)
{
	BUG_ON(group >= fs->nr_groups);
	return (void *)(fs->gdt[group / fs->descs_per_block]->data + group % fs->descs_per_block * fs->desc_size);
}

void group_dirty(struct ext4 *fs, u32 group)
{
	struct ext4_group_desc *d = group_desc(fs, group);

	if (fs->metadata_csum || fs->gdt_csum)
		d->checksum = le16_of(csum_group(fs, group, d));
	bcache_dirty(fs, fs->gdt[group / fs->descs_per_block]);
}

u64 group_first_block(struct ext4 *fs, u32 group)
{
	return fs->first_block + (u64)group * fs->blocks_per_group;
}

u32 group_nr_blocks(struct ext4 *fs, u32 group)
{
	u64 left = fs->nr_blocks - group_first_block(fs, group);

	return left < fs->blocks_per_group ? (u32)left : fs->blocks_per_group;
}

static bool is_power_of(u32 n, u32 base)
{
	while (n % base == 0)
		n /= base;
	return n == 1;
}

bool group_has_super(struct ext4 *fs, u32 group)
{
	if (group == 0)
		return true;
	if (le32_get(fs->sb.feature_compat) & EXT4_COMPAT_SPARSE2)
		return group == le32_get(fs->sb.backup_bgs[0]) || group == le32_get(fs->sb.backup_bgs[1]);
	if (!(le32_get(fs->sb.feature_ro_compat) & EXT4_RO_COMPAT_SPARSE_SUPER) || group == 1)
		return true;
	return is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7);
}

static bool group_in_meta_bg(struct ext4 *fs, u32 gdt_index)
{
	return (le32_get(fs->sb.feature_incompat) & EXT4_INCOMPAT_META_BG) &&
	       gdt_index >= le32_get(fs->sb.first_meta_bg);
}

u64 group_gdt_block(struct ext4 *fs, u32 index)
{
	u32 group = index * fs->descs_per_block;

	if (!group_in_meta_bg(fs, index))
		return EXT4_SB_OFFSET / fs->bs + 1 + index;	/* behind the super block's block */
	return group_first_block(fs, group) + group_has_super(fs, group);
}

u32 group_nr_meta(struct ext4 *fs, u32 group)
{
	u32 index = group / fs->descs_per_block, in_meta = group % fs->descs_per_block;
	u32 n = group_has_super(fs, group);

	if (group == 0)		/* bigalloc with blocks of 1024 bytes counts the boot block too */
		n += EXT4_SB_OFFSET / fs->bs - fs->first_block;
	if (group_in_meta_bg(fs, index))
		return n + (in_meta == 0 || in_meta == 1 || in_meta == fs->descs_per_block - 1);
	if (n == 0)
		return 0;
	if (le32_get(fs->sb.feature_incompat) & EXT4_INCOMPAT_META_BG)
		n += MIN(le32_get(fs->sb.first_meta_bg), fs->nr_gdt);
	else
		n += fs->nr_gdt + le16_get(fs->sb.reserved_gdt_blocks);
	return n;
}

/* Keep fs->zones sorted and joined. Zones that overlap: damage. */
static int zone_add(struct ext4 *fs, u64 first, u64 count)
{
	struct ext4_zone *z = fs->zones;
	u32 at = fs->nr_zones;

	if (count == 0)
		return 0;
	if (first < fs->first_block || first >= fs->nr_blocks || count > fs->nr_blocks - first)
		return -EINVAL;
	while (at > 0 && z[at - 1].first > first)
		at--;
	if ((at > 0 && z[at - 1].behind > first) || (at < fs->nr_zones && z[at].first < first + count))
		return -EINVAL;
	if (at > 0 && z[at - 1].behind == first) {
		z[at - 1].behind += count;
		return 0;
	}
	memmove(&z[at + 1], &z[at], (fs->nr_zones - at) * sizeof(*z));
	z[at] = (struct ext4_zone){ first, first + count };
	fs->nr_zones++;
	return 0;
}

static int zones_add_group(struct ext4 *fs, u32 g)
{
	struct ext4_group_desc *d = group_desc(fs, g);
	u32 itable = DIV_ROUND_UP(fs->inodes_per_group, fs->inodes_per_block);
	int rc = zone_add(fs, group_first_block(fs, g), MIN(group_nr_meta(fs, g), group_nr_blocks(fs, g)));

	if (rc == 0)
		rc = zone_add(fs, group_block_bitmap(fs, d), 1);
	if (rc == 0)
		rc = zone_add(fs, group_inode_bitmap(fs, d), 1);
	if (rc == 0)
		rc = zone_add(fs, group_inode_table(fs, d), itable);
	return rc;
}

int group_check_all(struct ext4 *fs)
{
	fs->zones = kcalloc(fs->nr_groups, 4 * sizeof(*fs->zones));
	if (fs->zones == NULL)
		return -ENOMEM;
	for (u32 g = 0; g < fs->nr_groups; g++) {
		struct ext4_group_desc *d = group_desc(fs, g);

		if ((fs->metadata_csum || fs->gdt_csum) && le16_get(d->checksum) != csum_group(fs, g, d)) {
			pr_err("ext4 %s: group descriptor %u has a wrong checksum", fs->dev->name, g);
			return -EINVAL;
		}
		if (zones_add_group(fs, g) < 0 || group_free_blocks(fs, d) > group_nr_blocks(fs, g) ||
		    group_free_inodes(fs, d) > fs->inodes_per_group ||
		    group_itable_unused(fs, d) > fs->inodes_per_group) {
			pr_err("ext4 %s: group descriptor %u is damaged", fs->dev->name, g);
			return -EINVAL;
		}
		if (!fs->metadata_csum && !fs->gdt_csum) {	/* without checksums these mean nothing */
			d->flags = le16_of(0);
			group_set_itable_unused(fs, d, 0);
		}
		fs->free_blocks += group_free_blocks(fs, d);
		fs->free_inodes += (u32)group_free_inodes(fs, d);
	}
	return 0;
}
