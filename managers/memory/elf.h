/* SPDX-License-Identifier: MIT */
/*
 * ELF programs, as far as loading them needs: parsed and checked, nothing mapped. No byte of a file is trusted: all that
 * elf_parse() lets through lies within the file and within the addresses of a program.
 */
#ifndef MANAGERS_MEMORY_ELF_H
#define MANAGERS_MEMORY_ELF_H

#include "lib/base/types.h"

#define ELF_MAX_SEGMENTS	32
#define ELF_MAX_INTERP		255	/* bytes of the interpreter's path, without the NUL */

struct elf_source {
	s64 (*read)(void *arg, u64 off, void *buf, u64 len);	/* bytes read, short at the end, or negative errno */
	void *arg;
	u64 size;						/* of the file */
};

struct elf_segment {			/* of type PT_LOAD, in the order of addresses, not overlapping by page */
	u64 vaddr, memsz;		/* memsz > 0 */
	u64 off, filesz;		/* off agrees with vaddr below the page; within the file */
	u32 prot;			/* PROT_* */
};

struct elf_image {
	bool pie;			/* ET_DYN: may be loaded anywhere */
	bool exec_stack;
	u64 entry;
	u64 phdr;			/* address of the program headers when loaded; 0: not loaded */
	u32 phnum, phent;
	u64 low, high;			/* pages of all segments: [low, high) */
	u64 align;			/* of the whole, a power of two >= a page */
	unsigned nr_segments;
	struct elf_segment segment[ELF_MAX_SEGMENTS];
	char interp[ELF_MAX_INTERP + 1];	/* "" : none */
};

/*
 * 0; -ENOEXEC: not a program for this machine, or broken (why: a text for the log); or an error of the source.
 */
int elf_parse(const struct elf_source *src, struct elf_image *image, const char **why);

#endif
