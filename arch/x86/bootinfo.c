/* SPDX-License-Identifier: MIT */
/* Reads Multiboot2 information and PVH's hvm_start_info. */
#include "arch/x86/bootinfo.h"
#include "arch/x86/layout.h"
#include "lib/base/string.h"

/* Adds whole pages of [start, end), keeping the list sorted. A piece that is known already is not added again. */
static void ram_add(struct bootinfo *b, u64 start, u64 end)
{
	unsigned i = 0;

	start = page_up(start);
	end = page_down(end);
	if (start >= end || start >= 1ULL << 46)
		return;
	while (i < b->nr_ram && b->ram[i].end < start)
		i++;
	if (i < b->nr_ram && b->ram[i].start <= end) {	/* touches the ranges i..j-1: one range of all */
		unsigned j = i;

		while (j < b->nr_ram && b->ram[j].start <= end) {
			start = MIN(start, b->ram[j].start);
			end = MAX(end, b->ram[j].end);
			j++;
		}
		memmove(&b->ram[i + 1], &b->ram[j], (b->nr_ram - j) * sizeof(b->ram[0]));
		b->nr_ram -= j - i - 1;
	} else {
		if (b->nr_ram == BOOT_RANGES_MAX)
			return;
		memmove(&b->ram[i + 1], &b->ram[i], (b->nr_ram - i) * sizeof(b->ram[0]));
		b->nr_ram++;
	}
	b->ram[i].start = start;
	b->ram[i].end = end;
}

struct hvm_start_info {
	u32 magic, version, flags, nr_modules;
	u64 modules, command_line, rsdp;
	u64 memmap;			/* version 1 */
	u32 nr_memmap, reserved;
};
struct hvm_memmap { u64 addr, size; u32 type, reserved; };
#define HVM_MAGIC	0x336ec578
#define MEMMAP_RAM	1

static void pvh_read(struct bootinfo *b, const struct hvm_start_info *h, const void *(*at)(paddr_t pa))
{
	if (h->magic != HVM_MAGIC)
		return;
	if (h->command_line != 0)
		str_copy(b->command_line, at(h->command_line), sizeof(b->command_line));
	b->rsdp_phys = h->rsdp;
	if (h->version < 1)
		return;
	const struct hvm_memmap *m = at(h->memmap);

	for (unsigned i = 0; i < h->nr_memmap; i++)
		if (m[i].type == MEMMAP_RAM)
			ram_add(b, m[i].addr, m[i].addr + m[i].size);
}

struct mb2_tag { u32 type, size; u8 data[]; };
struct mb2_mmap { u32 entry_size, entry_version; u8 entries[]; };
struct mb2_mmap_entry { u64 addr, len; u32 type, reserved; };
enum { MB2_END = 0, MB2_COMMAND_LINE = 1, MB2_LOADER_NAME = 2, MB2_MMAP = 6, MB2_EFI32 = 11, MB2_EFI64 = 12,
       MB2_RSDP_OLD = 14, MB2_RSDP_NEW = 15 };

static void mb2_memory(struct bootinfo *b, const struct mb2_tag *tag)
{
	const struct mb2_mmap *m = (const void *)tag->data;
	u32 left = tag->size - sizeof(*tag) - sizeof(*m);

	if (tag->size < sizeof(*tag) + sizeof(*m) || m->entry_size < sizeof(struct mb2_mmap_entry))
		return;
	for (const u8 *p = m->entries; left >= m->entry_size; p += m->entry_size, left -= m->entry_size) {
		const struct mb2_mmap_entry *e = (const void *)p;

		if (e->type == MEMMAP_RAM)
			ram_add(b, e->addr, e->addr + e->len);
	}
}

static void mb2_read(struct bootinfo *b, const void *info)
{
	const u8 *p = info, *end = p + *(const u32 *)info;

	for (p += 8; p + sizeof(struct mb2_tag) <= end; ) {
		const struct mb2_tag *tag = (const void *)p;

		if (tag->type == MB2_END || tag->size < sizeof(*tag))
			break;
		switch (tag->type) {
		case MB2_COMMAND_LINE:
			str_copy(b->command_line, (const char *)tag->data, sizeof(b->command_line));
			break;
		case MB2_LOADER_NAME:
			str_copy(b->loader, (const char *)tag->data, sizeof(b->loader));
			break;
		case MB2_EFI32:
		case MB2_EFI64:
			b->uefi = true;
			break;
		case MB2_MMAP:
			mb2_memory(b, tag);
			break;
		case MB2_RSDP_OLD:
		case MB2_RSDP_NEW:	/* the newer one follows the older, or stands alone */
			b->rsdp_len = MIN(tag->size - (u32)sizeof(*tag), (u32)sizeof(b->rsdp));
			memcpy(b->rsdp, tag->data, b->rsdp_len);
			break;
		}
		p += ALIGN_UP(tag->size, 8);
	}
}

void bootinfo_read(struct bootinfo *b, int kind, const void *info, const void *(*at)(paddr_t pa))
{
	memset(b, 0, sizeof(*b));
	if (kind == BOOT_BY_PVH) {
		str_copy(b->loader, "PVH", sizeof(b->loader));
		pvh_read(b, info, at);
	} else {
		mb2_read(b, info);
	}
}
