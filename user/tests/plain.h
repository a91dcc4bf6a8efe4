/* SPDX-License-Identifier: MIT */
/* For programs that show what an ordinary user meets, whoever starts them. */
#ifndef USER_TESTS_PLAIN_H
#define USER_TESTS_PLAIN_H

#include <grp.h>

#include "check.h"

#define NOBODY 65534

static void be_nobody(void)
{
	if (geteuid() == 0)
		CHECK(setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0);
}

#endif
