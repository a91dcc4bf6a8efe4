/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/memory/elf.c */
/* The ELF parser on programs of this host, on cut ones and on damaged ones: whatever comes through can be mapped. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/errno.h"
#include "lib/vma.h"
#include "managers/memory/elf.h"

static u8 *bytes;
static size_t nr_bytes;

static void load_file(const char *name)
{
	int fd = open(name, O_RDONLY);

	assert_true(fd >= 0);
	free(bytes);
	nr_bytes = lseek(fd, 0, SEEK_END);
	bytes = malloc(nr_bytes);
	assert_int_equal(pread(fd, bytes, nr_bytes, 0), nr_bytes);
	close(fd);
}

static s64 read_bytes(void *arg, u64 off, void *buf, u64 len)
{
	u64 size = *(u64 *)arg;

	if (off >= size)
		return 0;
	len = MIN(len, size - off);
	memcpy(buf, bytes + off, len);
	return len;
}

static int parse(u64 size, struct elf_image *im)
{
	struct elf_source src = { read_bytes, &size, size };
	const char *why = NULL;
	int rc = elf_parse(&src, im, &why);

	assert_true(rc == 0 || rc == -ENOEXEC);
	assert_int_equal(rc < 0, why[0] != '\0');
	if (rc < 0)
		return rc;
	assert_true(im->nr_segments > 0 && im->nr_segments <= ELF_MAX_SEGMENTS);
	assert_true(im->low < im->high && im->high <= 0x7ffffffff000ULL);
	assert_true(im->align >= PAGE_SIZE && (im->align & (im->align - 1)) == 0);
	assert_true(im->entry >= im->low && im->entry < im->high);
	assert_true(strlen(im->interp) <= ELF_MAX_INTERP);
	for (unsigned i = 0; i < im->nr_segments; i++) {
		struct elf_segment *s = &im->segment[i];

		assert_true(s->memsz > 0 && s->filesz <= s->memsz);
		assert_true(s->vaddr + s->memsz > s->vaddr && s->vaddr + s->memsz <= im->high);
		assert_true(s->filesz == 0 || (s->off + s->filesz >= s->off && s->off + s->filesz <= size));
		assert_int_equal(s->vaddr % PAGE_SIZE, s->off % PAGE_SIZE);
		assert_int_equal(s->prot & ~PROT_MASK, 0);
		if (i > 0)
			assert_true(page_down(s->vaddr) >= page_up(s[-1].vaddr + s[-1].memsz));
	}
	return 0;
}

static void real_programs(void **state)
{
	struct elf_image im;

	load_file("/bin/sh");
	assert_int_equal(parse(nr_bytes, &im), 0);
	assert_true(im.pie);
	assert_string_equal(im.interp, "/lib64/ld-linux-x86-64.so.2");
	assert_true(im.phdr != 0);
	assert_false(im.exec_stack);
	load_file("/lib64/ld-linux-x86-64.so.2");
	assert_int_equal(parse(nr_bytes, &im), 0);
	assert_true(im.pie);
	assert_string_equal(im.interp, "");
	load_file("/proc/self/exe");
	assert_int_equal(parse(nr_bytes, &im), 0);
}

static void other_files(void **state)
{
	struct elf_image im;

	load_file("/etc/passwd");
	assert_int_equal(parse(nr_bytes, &im), -ENOEXEC);
	load_file("/bin/sh");
	bytes[18] = 0x28;		/* machine: ARM */
	assert_int_equal(parse(nr_bytes, &im), -ENOEXEC);
	bytes[18] = 62;
	bytes[4] = 1;			/* 32 bit */
	assert_int_equal(parse(nr_bytes, &im), -ENOEXEC);
}

static void truncated(void **state)
{
	struct elf_image im;

	load_file("/bin/sh");
	for (u64 size = 0; size < 2000; size++)
		assert_int_equal(parse(size, &im), -ENOEXEC);
	for (u64 size = 2000; size < nr_bytes; size += 991)
		(void)parse(size, &im);		/* section headers are not needed; loaded bytes are */
	assert_int_equal(parse(nr_bytes / 2, &im), -ENOEXEC);
}

static void damaged(void **state)
{
	static u8 head[1024];
	struct elf_image im;
	unsigned good = 0;

	load_file("/bin/sh");
	memcpy(head, bytes, sizeof(head));
	srandom(3);
	for (int n = 0; n < 200000; n++) {
		memcpy(bytes, head, sizeof(head));
		for (int k = random() % 4; k >= 0; k--) {
			unsigned at = random() % 4 == 0 ? random() % 64 : 64 + random() % (13 * 56);

			if (random() % 2)
				bytes[at] = random();
			else
				memset(bytes + (at & ~7u), random() % 2 ? 0xff : 0x7f, 8);
		}
		good += parse(nr_bytes, &im) == 0;
	}
	assert_true(good > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_programs), cmocka_unit_test(other_files), cmocka_unit_test(truncated), cmocka_unit_test(damaged),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	free(bytes);
	return rc;
}
