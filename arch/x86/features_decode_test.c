/* SPDX-License-Identifier: MIT */
/* CPUID decoding over recorded leaves, among them CPUs with AVX-512, x2APIC, PCID and TSC deadline, which QEMU's TCG lacks. */
/* SOURCES: arch/x86/features_decode.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "arch/x86/features.h"

struct leaf { u32 leaf, sub; struct cpuid c; };
static const struct leaf *recorded;
static unsigned nr_recorded;

static struct cpuid replay(u32 leaf, u32 sub)
{
	for (unsigned i = 0; i < nr_recorded; i++)
		if (recorded[i].leaf == leaf && recorded[i].sub == sub)
			return recorded[i].c;
	return (struct cpuid){ 0 };
}

static struct cpu_features decode(const struct leaf *leaves, unsigned nr)
{
	struct cpu_features f;

	recorded = leaves;
	nr_recorded = nr;
	features_decode(&f, replay);
	return f;
}

/* an Intel server: everything that this kernel asks for */
static const struct leaf server[] = {
	{ 0, 0, { 0x16, 0x756e6547, 0x6c65746e, 0x49656e69 } },
	{ 1, 0, { 0x50654, 0x100800, 0x7ffefbff, 0xbfebfbff } },
	{ 7, 0, { 0, 0xd39ffffb, 0x0000000c | 1 << 2, 0xbc000400 } },
	{ 0xd, 0, { 0x2ff, 0xa88, 0xa88, 0 } },
	{ 0xd, 1, { 0xf, 0xa08, 0, 0 } },
	{ 0xd, 2, { 0x100, 0x240, 0, 0 } },
	{ 0xd, 3, { 0x40, 0x3c0, 0, 0 } },
	{ 0xd, 4, { 0x40, 0x400, 0, 0 } },
	{ 0xd, 5, { 0x40, 0x440, 0, 0 } },
	{ 0xd, 6, { 0x200, 0x480, 0, 0 } },
	{ 0xd, 7, { 0x400, 0x680, 0, 0 } },
	{ 0xd, 9, { 0x8, 0xa80, 0, 0 } },
	{ 0x80000000, 0, { 0x80000008, 0, 0, 0 } },
	{ 0x80000001, 0, { 0, 0, 0x121, 0x2c100800 } },
	{ 0x80000002, 0, { 0x65746e49, 0x2952286c, 0x6f655820, 0x2952286e } },
	{ 0x80000007, 0, { 0, 0, 0, 0x100 } },
};

static void server_has_all(void **state)
{
	struct cpu_features f = decode(server, ARRAY_SIZE(server));

	assert_true(f.x2apic && f.tsc_deadline && f.pcid && f.invpcid && f.tsc_invariant);
	assert_true(f.smep && f.smap && f.umip && f.nx && f.gbpages && f.fsgsbase && f.rdtscp);
	assert_true(f.xsave && f.xsaveopt && f.xsavec && f.avx && f.avx512);
	assert_int_equal(f.xcr0, 0xe7);		/* neither bound registers nor protection keys, though they are there */
	assert_int_equal(f.xsave_size, 0xa80);	/* the end of component 7, with the unused ones' room in between */
	assert_string_equal(f.brand, "Intel(R) Xeon(R)");
}

/* -cpu max of QEMU 7.2 under TCG: AVX, no AVX-512 */
static const struct leaf tcg[] = {
	{ 0, 0, { 0x14, 0, 0, 0 } },
	{ 1, 0, { 0x60fb1, 0x800, 0xfefa3203 & ~(1u << 21) & ~(1u << 17) & ~(1u << 24), 0x178bfbff } },
	{ 7, 0, { 0, 0x219c07ab, 0x00400004, 0 } },
	{ 0xd, 0, { 0x207, 0xa88, 0xa88, 0 } },
	{ 0xd, 1, { 0x5, 0, 0, 0 } },
	{ 0xd, 2, { 0x100, 0x240, 0, 0 } },
	{ 0xd, 9, { 0x8, 0xa80, 0, 0 } },
	{ 0x80000000, 0, { 0x8000000a, 0, 0, 0 } },
	{ 0x80000001, 0, { 0, 0, 0, 0x2d93fbff } },
};

static void tcg_has_avx(void **state)
{
	struct cpu_features f = decode(tcg, ARRAY_SIZE(tcg));

	assert_true(f.xsave && f.xsaveopt && f.avx && f.smep && f.smap && f.umip && f.nx);
	assert_false(f.avx512 || f.x2apic || f.pcid || f.tsc_deadline || f.xsavec);
	assert_int_equal(f.xcr0, 7);
	assert_int_equal(f.xsave_size, 0x340);
}

/* the least a 64-bit CPU has: no leaf 7, no XSAVE */
static const struct leaf old[] = {
	{ 0, 0, { 5, 0, 0, 0 } },
	{ 1, 0, { 0, 0, 1 << 13, 0x178bfbff } },
	{ 7, 0, { ~0u, ~0u, ~0u, ~0u } },	/* beyond the maximum: data of the last leaf on Intel, not to be believed */
	{ 0xd, 0, { ~0u, ~0u, ~0u, ~0u } },
	{ 0x80000000, 0, { 0x80000001, 0, 0, 0 } },
	{ 0x80000001, 0, { 0, 0, 0, 1 << 29 | 1 << 20 } },
};

static void old_has_fxsave(void **state)
{
	struct cpu_features f = decode(old, ARRAY_SIZE(old));

	assert_true(f.nx);
	assert_false(f.smep || f.smap || f.xsave || f.avx || f.fsgsbase || f.rdseed || f.gbpages);
	assert_int_equal(f.xsave_size, 512);
	assert_int_equal(f.xcr0, 0);
}

static void sets_of_features(void **state)
{
	assert_int_equal(xsave_choose(0x3), 0x3);
	assert_int_equal(xsave_choose(0x7), 0x7);
	assert_int_equal(xsave_choose(0xe7), 0xe7);
	assert_int_equal(xsave_choose(0xe3), 0x3);	/* AVX-512 stands on AVX */
	assert_int_equal(xsave_choose(0x67), 0x7);	/* and is three features together */
	assert_int_equal(xsave_choose(~0ULL), 0xe7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_has_all),
		cmocka_unit_test(tcg_has_avx),
		cmocka_unit_test(old_has_fxsave),
		cmocka_unit_test(sets_of_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
