/* SPDX-License-Identifier: MIT */
/* ELF64 headers of x86-64, checked field by field. Names and values are those of the System V ABI. */
#include "managers/memory/elf.h"

#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "lib/vma.h"

#define USER_LOW	0x10000ULL		/* below, nothing is mapped: null pointers fault */
#define USER_HIGH	0x7ffffffff000ULL
#define MAX_HEADERS	128
#define MAX_ALIGN	MIB(2)

struct elf_header {
	u8 ident[16];
	le16 type, machine;
	le32 version;
	le64 entry, phoff, shoff;
	le32 flags;
	le16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
} __packed;

struct program_header {
	le32 type, flags;
	le64 offset, vaddr, paddr, filesz, memsz, align;
} __packed;

enum { ET_EXEC = 2, ET_DYN = 3, EM_X86_64 = 62, EV_CURRENT = 1 };
enum { PT_LOAD = 1, PT_INTERP = 3, PT_GNU_STACK = 0x6474e551 };
enum { PF_X = 1, PF_W = 2, PF_R = 4 };

static int refuse(const char **why, const char *text)
{
	*why = text;
	return -ENOEXEC;
}

/* All of [off, off+len) or an error: what a header names and the file does not have is a truncated file. */
static int read_all(const struct elf_source *src, u64 off, void *buf, u64 len, const char **why)
{
	s64 n;

	if (off > src->size || len > src->size - off)
		return refuse(why, "truncated");
	n = src->read(src->arg, off, buf, len);
	if (n < 0)
		return n;
	return n == (s64)len ? 0 : refuse(why, "truncated");
}

static int check_header(const struct elf_header *h, const char **why)
{
	static const u8 ident[7] = { 0x7f, 'E', 'L', 'F', 2 /* 64 bit */, 1 /* little endian */, EV_CURRENT };

	if (memcmp(h->ident, ident, 4) != 0)
		return refuse(why, "not an ELF file");
	if (memcmp(h->ident, ident, sizeof(ident)) != 0)
		return refuse(why, "not a 64-bit little-endian ELF file");
	if (le16_get(h->machine) != EM_X86_64)
		return refuse(why, "for another machine");
	if (le16_get(h->type) != ET_EXEC && le16_get(h->type) != ET_DYN)
		return refuse(why, "not an executable");
	if (le32_get(h->version) != EV_CURRENT || le16_get(h->phentsize) != sizeof(struct program_header))
		return refuse(why, "unknown version");
	if (le16_get(h->phnum) == 0 || le16_get(h->phnum) > MAX_HEADERS)
		return refuse(why, "number of program headers");
	return 0;
}

static int add_segment(struct elf_image *im, const struct program_header *p, const struct elf_source *src, const char **why)
{
	struct elf_segment *s = &im->segment[im->nr_segments];
	u64 align = le64_get(p->align);
	u32 flags = le32_get(p->flags);

	if (le64_get(p->memsz) == 0)
		return 0;
	if (im->nr_segments == ELF_MAX_SEGMENTS)
		return refuse(why, "too many segments");
	s->vaddr = le64_get(p->vaddr);
	s->memsz = le64_get(p->memsz);
	s->off = le64_get(p->offset);
	s->filesz = le64_get(p->filesz);
	s->prot = (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) | (flags & PF_X ? PROT_EXEC : 0);
	if (s->filesz > s->memsz)
		return refuse(why, "segment larger in the file than in memory");
	if (s->vaddr >= USER_HIGH || s->memsz > USER_HIGH - s->vaddr)
		return refuse(why, "segment outside the addresses of a program");
	if ((s->off ^ s->vaddr) % PAGE_SIZE != 0)
		return refuse(why, "segment not aligned with its pages");
	if (s->filesz > 0 && (s->off > src->size || s->filesz > src->size - s->off))
		return refuse(why, "truncated");
	if (im->nr_segments > 0 && page_down(s->vaddr) < im->high)
		return refuse(why, "segments overlap or are not in order");
	if (im->nr_segments == 0)
		im->low = page_down(s->vaddr);
	im->high = page_up(s->vaddr + s->memsz);
	if (align > im->align && (align & (align - 1)) == 0)
		im->align = MIN(align, MAX_ALIGN);
	im->nr_segments++;
	return 0;
}

static int read_interp(struct elf_image *im, const struct program_header *p, const struct elf_source *src, const char **why)
{
	u64 len = le64_get(p->filesz);
	int rc;

	if (im->interp[0] != '\0')
		return refuse(why, "two interpreters");
	if (len < 2 || len > sizeof(im->interp))
		return refuse(why, "length of the interpreter's path");
	rc = read_all(src, le64_get(p->offset), im->interp, len, why);
	if (rc < 0)
		return rc;
	if (im->interp[len - 1] != '\0' || im->interp[0] == '\0')
		return refuse(why, "path of the interpreter");
	return 0;
}

/* Where the program headers are in memory: the program reads them there (AT_PHDR). */
static u64 headers_address(const struct elf_image *im, u64 phoff, u64 len)
{
	for (unsigned i = 0; i < im->nr_segments; i++) {
		const struct elf_segment *s = &im->segment[i];

		if (phoff >= s->off && phoff - s->off <= s->filesz && len <= s->filesz - (phoff - s->off))
			return s->vaddr + (phoff - s->off);
	}
	return 0;
}

int elf_parse(const struct elf_source *src, struct elf_image *im, const char **why)
{
	struct elf_header h;
	u64 phoff;
	int rc;

	*why = "";
	*im = (struct elf_image){ .align = PAGE_SIZE };
	rc = read_all(src, 0, &h, sizeof(h), why);
	if (rc == 0)
		rc = check_header(&h, why);
	if (rc < 0)
		return rc;
	phoff = le64_get(h.phoff);
	im->pie = le16_get(h.type) == ET_DYN;
	im->entry = le64_get(h.entry);
	im->phnum = le16_get(h.phnum);
	im->phent = sizeof(struct program_header);
	for (unsigned i = 0; i < im->phnum; i++) {
		struct program_header p;

		if (phoff > src->size)
			return refuse(why, "truncated");
		rc = read_all(src, phoff + i * sizeof(p), &p, sizeof(p), why);
		if (rc < 0)
			return rc;
		switch (le32_get(p.type)) {
		case PT_LOAD:
			rc = add_segment(im, &p, src, why);
			break;
		case PT_INTERP:
			rc = read_interp(im, &p, src, why);
			break;
		case PT_GNU_STACK:
			im->exec_stack = (le32_get(p.flags) & PF_X) != 0;
			break;
		}
		if (rc < 0)
			return rc;
	}
	if (im->nr_segments == 0)
		return refuse(why, "nothing to load");
	if (!im->pie && im->low < USER_LOW)
		return refuse(why, "loads at address 0");
	if (im->entry < im->low || im->entry >= im->high)
		return refuse(why, "entry point outside the program");
	im->phdr = headers_address(im, phoff, (u64)im->phnum * im->phent);
	return 0;
}
