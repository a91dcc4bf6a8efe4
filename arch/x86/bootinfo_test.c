/* SPDX-License-Identifier: MIT */
/* Both loaders' information, well-formed and cut short. */
/* SOURCES: arch/x86/bootinfo.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "arch/x86/bootinfo.h"
#include "arch/x86/layout.h"

static u8 memory[65536] __aligned(4096);	/* "physical" addresses are offsets into it */
static struct bootinfo b;

static const void *at(paddr_t pa)
{
	assert_true(pa < sizeof(memory));
	return memory + pa;
}

static int setup(void **state)
{
	memset(memory, 0, sizeof(memory));
	return 0;
}

static void put32(u32 at, u32 v) { memcpy(memory + at, &v, 4); }
static void put64(u32 at, u64 v) { memcpy(memory + at, &v, 8); }

static void pvh(void **state)
{
	const u64 map[][3] = {
		{ 0x100000, 0x1ff00000, 1 }, { 0, 0x9fc00, 1 }, { 0xf0000, 0x10000, 2 },
		{ 0x100000000, 0x40000123, 1 }, { 0x80000000, 0x100, 1 },	/* less than a page: none */
	};

	put32(0, 0x336ec578);
	put32(4, 1);
	put64(24, 0x2000);
	put64(32, 0xf5000);
	put64(40, 0x1000);
	put32(48, ARRAY_SIZE(map));
	for (u32 i = 0; i < ARRAY_SIZE(map); i++) {
		put64(0x1000 + i * 24, map[i][0]);
		put64(0x1000 + i * 24 + 8, map[i][1]);
		put32(0x1000 + i * 24 + 16, map[i][2]);
	}
	strcpy((char *)memory + 0x2000, "fit.node=1 a=b");
	bootinfo_read(&b, BOOT_BY_PVH, memory, at);
	assert_string_equal(b.command_line, "fit.node=1 a=b");
	assert_string_equal(b.loader, "PVH");
	assert_false(b.uefi);
	assert_int_equal(b.rsdp_phys, 0xf5000);
	assert_int_equal(b.nr_ram, 3);
	assert_int_equal(b.ram[0].start, 0);
	assert_int_equal(b.ram[0].end, 0x9f000);
	assert_int_equal(b.ram[1].start, 0x100000);
	assert_int_equal(b.ram[1].end, 0x20000000);
	assert_int_equal(b.ram[2].start, 0x100000000);
	assert_int_equal(b.ram[2].end, 0x140000000);
	put32(0, 0);					/* not one */
	bootinfo_read(&b, BOOT_BY_PVH, memory, at);
	assert_int_equal(b.nr_ram, 0);
}

/* tags: command line, memory map of pieces that touch, both RSDPs, end */
static u32 mb2_make(void)
{
	u32 p = 8;

	put32(p, 1);
	put32(p + 4, 8 + 6);
	strcpy((char *)memory + p + 8, "x=1 y");
	p += 16;
	put32(p, 6);
	put32(p + 4, 16 + 4 * 24);
	put32(p + 8, 24);
	for (u32 i = 0; i < 4; i++) {			/* 0-1, 2-3, 3-4 and 1-2 MiB: one range */
		static const u32 order[] = { 0, 2, 3, 1 };

		put64(p + 16 + i * 24, order[i] * 0x100000ULL);
		put64(p + 16 + i * 24 + 8, 0x100000);
		put32(p + 16 + i * 24 + 16, 1);
	}
	p += 16 + 4 * 24;
	put32(p, 14);
	put32(p + 4, 8 + 20);
	memcpy(memory + p + 8, "RSD PTR old", 11);
	p += 32;
	put32(p, 15);
	put32(p + 4, 8 + 36);
	memcpy(memory + p + 8, "RSD PTR new", 11);
	p += 48;
	put32(p, 2);
	put32(p + 4, 8 + 10);
	strcpy((char *)memory + p + 8, "GRUB 2.06");
	p += 24;
	put32(p, 12);
	put32(p + 4, 16);
	p += 16;
	put32(p, 0);
	put32(p + 4, 8);
	p += 8;
	put32(0, p);
	return p;
}

static void multiboot2(void **state)
{
	mb2_make();
	bootinfo_read(&b, BOOT_BY_MULTIBOOT2, memory, at);
	assert_string_equal(b.command_line, "x=1 y");
	assert_int_equal(b.nr_ram, 1);
	assert_int_equal(b.ram[0].start, 0);
	assert_int_equal(b.ram[0].end, 0x400000);
	assert_int_equal(b.rsdp_len, 36);
	assert_memory_equal(b.rsdp, "RSD PTR new", 11);
	assert_string_equal(b.loader, "GRUB 2.06");
	assert_true(b.uefi);
}

static void multiboot2_cut_short(void **state)
{
	u32 size = mb2_make();

	for (u32 n = 8; n < size; n++) {
		mb2_make();
		put32(0, n);
		bootinfo_read(&b, BOOT_BY_MULTIBOOT2, memory, at);	/* the sanitizers look on */
	}
	mb2_make();
	put32(8 + 4, 3);				/* a tag smaller than its head ends the list */
	bootinfo_read(&b, BOOT_BY_MULTIBOOT2, memory, at);
	assert_int_equal(b.nr_ram, 0);
	mb2_make();
	put32(8 + 16 + 8, 0);				/* entries of no size */
	bootinfo_read(&b, BOOT_BY_MULTIBOOT2, memory, at);
	assert_int_equal(b.nr_ram, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(pvh, setup),
		cmocka_unit_test_setup(multiboot2, setup),
		cmocka_unit_test_setup(multiboot2_cut_short, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
