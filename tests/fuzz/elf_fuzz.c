/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/memory/elf.c */
/* PARSERS: managers/memory/elf.c */
/* Programs: what elf_parse() lets through lies within the file and within a program's addresses. */
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/memory/elf.h"

struct bytes { const u8 *data; u64 size; };

static s64 read_bytes(void *arg, u64 off, void *buf, u64 len)
{
	struct bytes *b = arg;

	if (off >= b->size)
		return 0;
	len = MIN(len, b->size - off);
	memcpy(buf, b->data + off, len);
	return len;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct bytes b = { data, size };
	struct elf_source src = { read_bytes, &b, size };
	struct elf_image im;
	const char *why = NULL;

	if (elf_parse(&src, &im, &why) < 0)
		return 0;
	BUG_ON(im.nr_segments == 0 || im.nr_segments > ELF_MAX_SEGMENTS);
	BUG_ON(im.low >= im.high || im.high > 0x7ffffffff000ULL);
	for (unsigned i = 0; i < im.nr_segments; i++) {
		struct elf_segment *s = &im.segment[i];

		BUG_ON(s->filesz > s->memsz);
		BUG_ON(s->filesz != 0 && (s->off > size || s->filesz > size - s->off));	/* of nothing it says nothing */
		BUG_ON(s->vaddr < im.low || s->vaddr + s->memsz > im.high);
	}
	return 0;
}
