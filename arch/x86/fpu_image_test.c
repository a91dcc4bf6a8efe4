/* SPDX-License-Identifier: MIT */
/* Signal-frame images: the marks, and what is refused before XRSTOR could fault on it. */
/* SOURCES: arch/x86/fpu_image.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "arch/x86/fpu_image.h"
#include "lib/base/errno.h"

#define SIZE	832			/* x87, SSE, AVX */
static union {
	u8 bytes[SIZE];
	struct { struct fxsave_image fx; struct xsave_header h; };
} image;

static int setup(void **state)
{
	memset(&image, 0, sizeof(image));
	image.fx.mxcsr = 0x1f80;
	image.h.xstate_bv = 7;
	fpu_image_mark(&image.fx, SIZE, 7);
	return 0;
}

static void marks_are_linux_ones(void **state)
{
	const u32 *sw = (const u32 *)(image.bytes + 464);

	assert_int_equal(sw[0], 0x46505853);
	assert_int_equal(sw[1], SIZE + 4);
	assert_int_equal(sw[2], 7);
	assert_int_equal(sw[4], SIZE);
	assert_true(fpu_image_extended(&image.fx, SIZE, 7));
	assert_int_equal(fpu_image_check(&image, true, 7, 0xffff), 0);
}

static void foreign_sizes_are_legacy(void **state)
{
	assert_false(fpu_image_extended(&image.fx, SIZE + 64, 7));
	image.fx.sw.xstate_size = ~0u;
	assert_false(fpu_image_extended(&image.fx, SIZE, 7));
	setup(NULL);
	image.fx.sw.xfeatures = 0xe7;
	assert_false(fpu_image_extended(&image.fx, SIZE, 7));
	setup(NULL);
	image.fx.sw.magic1 = 0;
	assert_false(fpu_image_extended(&image.fx, SIZE, 7));
}

static void what_would_fault_is_refused(void **state)
{
	image.fx.mxcsr = 0x10000;
	assert_int_equal(fpu_image_check(&image, true, 7, 0xffff), -EINVAL);
	assert_int_equal(fpu_image_check(&image, false, 7, 0xffff), -EINVAL);
	setup(NULL);
	image.h.xstate_bv = 8;
	assert_int_equal(fpu_image_check(&image, true, 7, 0xffff), -EINVAL);
	assert_int_equal(fpu_image_check(&image, false, 7, 0xffff), 0);		/* the header is not looked at then */
	setup(NULL);
	image.h.xcomp_bv = 1ULL << 63;
	assert_int_equal(fpu_image_check(&image, true, 7, 0xffff), -EINVAL);
	for (int i = 0; i < 6; i++) {
		setup(NULL);
		image.h.reserved[i] = 1;
		assert_int_equal(fpu_image_check(&image, true, 7, 0xffff), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(marks_are_linux_ones, setup),
		cmocka_unit_test_setup(foreign_sizes_are_legacy, setup),
		cmocka_unit_test_setup(what_would_fault_is_refused, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
