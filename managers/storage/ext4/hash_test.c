/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/storage/ext4/hash.c */
/* Hashes of names: the same as debugfs computes, for every kind, seed and length. */
#include "managers/storage/ext4/testlib.h"

static const char *const kinds[] = { "legacy", "half_md4", "tea", "3", "4", "5" };
static const char *const names[] = {
	"a", "file-1", "file-2", "lost+found", "a-name-of-exactly-thirty-two-byt", "one-of-thirty-three-bytes-in-all!",
	"\xc3\xa4\xc3\xb6\xc3\xbc", "\xff\xfe\x80 high bytes", "sixteen bytes ..", "0123456789abcdef0123456789abcdef0123456789abcdef",
};

static void as_debugfs(void **state)
{
	static const u32 seeds[2][4] = { { 0 }, { 0x04030201, 0x08070605, 0x0c0b0a09, 0x100f0e0d } };
	static const char *const uuid[2] = { "", "-s 01020304-0506-0708-090a-0b0c0d0e0f10" };
	char path[128], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/commands", test_dir);
	f = fopen(path, "w");
	for (u32 s = 0; s < 2; s++)
		for (u32 k = 0; k < ARRAY_SIZE(kinds); k++)
			for (u32 n = 0; n < ARRAY_SIZE(names); n++)
				fprintf(f, "dx_hash -h %s %s \"%s\"\n", kinds[k], uuid[s], names[n]);
	fclose(f);
	sh("debugfs -f commands 2>&1 | grep -v '^debugfs' > hashes");
	snprintf(path, sizeof(path), "%s/hashes", test_dir);
	f = fopen(path, "r");
	for (u32 s = 0; s < 2; s++) {
		for (u32 k = 0; k < ARRAY_SIZE(kinds); k++) {
			for (u32 n = 0; n < ARRAY_SIZE(names); n++) {
				struct ext4 fs = { 0 };
				struct dx_hash h;
				unsigned major, minor;
				char *at;

				memcpy(fs.hash_seed, seeds[s], sizeof(fs.hash_seed));
				assert_int_equal(dx_hash_name(&fs, k, names[n], (u32)strlen(names[n]), &h), 0);
				do {
					assert_non_null(fgets(line, sizeof(line), f));
					at = strstr(line, "(minor ");
				} while (at == NULL);
				assert_int_equal(sscanf(at, "(minor 0x%x)", &minor), 1);
				while (at > line && strncmp(at, " 0x", 3) != 0)
					at--;
				assert_int_equal(sscanf(at, " 0x%x", &major), 1);
				assert_int_equal(h.major, major);
				assert_int_equal(h.minor, minor);
			}
		}
	}
	fclose(f);
}

static void unsigned_volumes(void **state)
{
	struct ext4 plain = { 0 }, other = { .hash_unsigned = 3 };
	struct dx_hash a, b;

	assert_int_equal(dx_hash_name(&plain, 4, "\xff\xfe", 2, &a), 0);
	assert_int_equal(dx_hash_name(&other, 1, "\xff\xfe", 2, &b), 0);
	assert_int_equal(a.major, b.major);
	assert_int_equal(dx_hash_name(&plain, 6, "x", 1, &a), -EUCLEAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_debugfs),
		cmocka_unit_test(unsigned_volumes),
	};

	return cmocka_run_group_tests(tests, test_begin, test_end);
}
