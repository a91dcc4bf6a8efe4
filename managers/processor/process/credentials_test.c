/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/process/credentials.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/errno.h"
#include "managers/processor/process/credentials.h"

#define SAME ((u32)-1)

static struct credentials user(u32 real, u32 effective, u32 saved)
{
	struct credentials c = { .uid = real, .euid = effective, .suid = saved, .fsuid = effective, .bounding = CAP_ALL };

	return c;
}

#define IDS(c, r, e, s) do { \
	assert_int_equal((c).uid, r); assert_int_equal((c).euid, e); assert_int_equal((c).suid, s); assert_int_equal((c).fsuid, e); \
} while (0)

static void hands(void **state)
{
	struct credentials old = user(10, 20, 30), now = old;

	assert_false(cred_changed_hands(&old, &now));
	assert_int_equal(cred_set_uids(&now, 20, SAME, 10), 0);		/* whom it acts for is the same */
	assert_false(cred_changed_hands(&old, &now));
	assert_int_equal(cred_set_uids(&now, SAME, 10, SAME), 0);
	assert_true(cred_changed_hands(&old, &now));
	now = old;
	assert_int_equal(cred_setfsuid(&now, 10), 20);
	assert_true(cred_changed_hands(&old, &now));
	now = old;
	now.egid++;
	assert_true(cred_changed_hands(&old, &now));
	now = old;
	now.permitted = 1;
	assert_true(cred_changed_hands(&old, &now));
	assert_false(cred_changed_hands(&now, &old));
}

static void users(void **state)
{
	struct credentials c = user(10, 20, 30);

	assert_int_equal(cred_set_uids(&c, 30, 10, 20), 0);
	IDS(c, 30, 10, 20);
	assert_int_equal(cred_set_uids(&c, 30, 11, 20), -EPERM);
	IDS(c, 30, 10, 20);
	assert_int_equal(cred_set_uids(&c, SAME, 20, SAME), 0);
	IDS(c, 30, 20, 20);
	c = user(10, 20, 30);
	assert_int_equal(cred_setuid(&c, 20), -EPERM);		/* neither real nor saved */
	assert_int_equal(cred_setuid(&c, 30), 0);
	IDS(c, 10, 30, 30);
	c = user(10, 20, 30);
	assert_int_equal(cred_setreuid(&c, 30, SAME), -EPERM);	/* the saved id may not become the real one */
	assert_int_equal(cred_setreuid(&c, SAME, 30), 0);
	IDS(c, 10, 30, 30);
	assert_int_equal(cred_setreuid(&c, SAME, 10), 0);	/* to the real one: the saved id stays */
	IDS(c, 10, 10, 30);
	c = user(10, 20, 30);
	assert_int_equal(cred_setreuid(&c, 20, 10), 0);		/* swapped: the saved id follows */
	IDS(c, 20, 10, 10);
	assert_int_equal(cred_setfsuid(&c, 20), 10);
	assert_int_equal(cred_setfsuid(&c, 99), 20);
	assert_int_equal(cred_setfsuid(&c, SAME), 20);
	cred_init_root(&c);
	assert_int_equal(cred_setfsuid(&c, 20), 0);		/* rights to files go and come with it */
	assert_false(cred_has(&c, CAP_DAC_OVERRIDE) || cred_has(&c, CAP_CHOWN) || cred_has(&c, CAP_FOWNER));
	assert_true(cred_has(&c, CAP_KILL) && cred_has(&c, CAP_SETUID));
	assert_int_equal(cred_setfsuid(&c, 0), 20);
	assert_true(c.effective == CAP_ALL);
}

static void capabilities_follow(void **state)
{
	struct credentials c;

	cred_init_root(&c);
	assert_int_equal(cred_set_uids(&c, SAME, 5, SAME), 0);
	assert_true(c.effective == 0 && c.permitted == CAP_ALL);
	assert_false(cred_has(&c, CAP_KILL));
	assert_int_equal(cred_set_uids(&c, SAME, 0, SAME), 0);
	assert_true(c.effective == CAP_ALL);
	assert_int_equal(cred_setuid(&c, 5), 0);
	IDS(c, 5, 5, 5);
	assert_true(c.effective == 0 && c.permitted == 0);
	assert_int_equal(cred_setuid(&c, 0), -EPERM);
	cred_init_root(&c);
	assert_int_equal(cred_keep_caps(&c, true), 0);
	c.inheritable = c.ambient = 1 << CAP_KILL;
	assert_int_equal(cred_setuid(&c, 5), 0);
	assert_true(c.effective == 0 && c.permitted == CAP_ALL && c.ambient == 0);	/* these go in any case */
	assert_int_equal(cred_set_caps(&c, 1 << CAP_KILL, 1 << CAP_KILL, 0), 0);
	assert_true(cred_has(&c, CAP_KILL) && c.permitted == 1 << CAP_KILL);
	assert_int_equal(cred_set_caps(&c, 0, 3 << CAP_KILL, 0), -EPERM);	/* what was given up */
	assert_int_equal(cred_set_caps(&c, 1 << CAP_KILL, 0, 0), -EPERM);	/* effective, not permitted */
}

static void programs(void **state)
{
	struct credentials c = user(10, 10, 10);

	assert_false(cred_exec(&c, 0755, 0, 0));
	IDS(c, 10, 10, 10);
	assert_true(c.permitted == 0);
	assert_true(cred_exec(&c, 04755, 0, 0));		/* set-user-ID root */
	IDS(c, 10, 0, 0);
	assert_true(c.effective == CAP_ALL);
	c = user(10, 10, 10);
	c.no_new_privs = true;
	assert_false(cred_exec(&c, 06755, 0, 0));
	IDS(c, 10, 10, 10);
	c = user(10, 10, 10);
	assert_true(cred_exec(&c, 02755, 0, 7));
	assert_int_equal(c.egid, 7);
	assert_int_equal(c.sgid, 7);
	c = user(10, 10, 10);
	assert_false(cred_exec(&c, 02745, 0, 7));		/* without group execution: mandatory locking's mark, not ours */
	assert_int_equal(c.egid, 0);
	cred_init_root(&c);
	c.bounding &= ~(1ULL << CAP_SYS_TIME);
	assert_false(cred_exec(&c, 0755, 0, 0));
	assert_true(c.permitted == (CAP_ALL & ~(1ULL << CAP_SYS_TIME)));
}

static void secure_bits(void **state)
{
	struct credentials c = user(10, 10, 10);

	assert_int_equal(cred_set_secure(&c, SECURE_KEEP_CAPS), -EPERM);
	cred_init_root(&c);
	assert_int_equal(cred_set_secure(&c, 0x100), -EPERM);
	assert_int_equal(cred_set_secure(&c, SECURE_NO_FIXUP | SECURE_NO_FIXUP << 1), 0);
	assert_int_equal(cred_set_secure(&c, SECURE_NO_FIXUP << 1), -EPERM);		/* locked */
	assert_int_equal(cred_set_secure(&c, SECURE_NO_FIXUP), -EPERM);			/* the lock itself */
	assert_int_equal(cred_set_secure(&c, SECURE_NO_FIXUP | SECURE_NO_FIXUP << 1 | SECURE_NOROOT), 0);
	assert_int_equal(cred_setfsuid(&c, 7), 0);
	assert_int_equal(cred_setuid(&c, 5), 0);
	assert_true(c.effective == CAP_ALL && c.permitted == CAP_ALL);
	assert_int_equal(cred_setuid(&c, 0), 0);
	assert_false(cred_exec(&c, 0755, 0, 0));
	assert_true(c.effective == 0 && c.permitted == 0);				/* root, and no more than others */
	cred_init_root(&c);
	assert_int_equal(cred_keep_caps(&c, true), 0);
	assert_int_equal(cred_set_secure(&c, SECURE_KEEP_CAPS | SECURE_KEEP_CAPS << 1), 0);
	assert_int_equal(cred_keep_caps(&c, false), -EPERM);
	assert_false(cred_exec(&c, 0755, 0, 0));
	assert_true(c.secure == SECURE_KEEP_CAPS << 1);
}

static void nothing_handed_on(void **state)
{
	struct credentials c = user(10, 20, 20);

	c.inheritable = c.ambient = c.permitted = 1 << CAP_KILL;
	assert_true(cred_exec(&c, 0755, 0, 0));			/* not who it seems to be: nothing is handed on */
	assert_true(c.ambient == 0 && c.permitted == 0);
}

static void no_new_privileges(void **state)
{
	struct credentials c;

	cred_init_root(&c);
	c.no_new_privs = true;
	assert_false(cred_exec(&c, 0755, 0, 0));
	assert_true(c.permitted == CAP_ALL && c.effective == CAP_ALL);
	assert_int_equal(cred_set_caps(&c, 1 << CAP_KILL, 1 << CAP_KILL, 0), 0);
	assert_false(cred_exec(&c, 0755, 0, 0));
	assert_true(c.permitted == 1 << CAP_KILL && c.effective == 1 << CAP_KILL);	/* what root gave up it does not get back */
	c = user(10, 10, 10);
	c.no_new_privs = true;
	assert_false(cred_exec(&c, 04755, 0, 0));
	assert_true(c.euid == 10 && c.permitted == 0);
}

static void others(void **state)
{
	struct credentials me = user(10, 10, 10), it = user(20, 20, 20), root;

	cred_init_root(&root);
	assert_false(cred_may_signal(&me, &it));
	assert_true(cred_may_signal(&root, &it));
	it.suid = 10;
	assert_true(cred_may_signal(&me, &it));
	it = user(20, 10, 20);					/* the other's effective id does not count */
	assert_false(cred_may_signal(&me, &it));
	it = user(10, 10, 10);
	assert_true(cred_may_inspect(&me, &it));
	assert_false(cred_may_inspect(&me, &root));
	it.suid = 0;
	assert_false(cred_may_inspect(&me, &it));
}

/* Who traces without rights does not get any by what the other execs. */
static void traced_programs(void **state)
{
	struct credentials c = user(10, 10, 10);

	assert_false(cred_exec_traced(&c, 06755, 0, 0));
	IDS(c, 10, 10, 10);
	assert_true(c.permitted == 0 && c.gid == c.egid);
	cred_init_root(&c);
	assert_int_equal(cred_set_caps(&c, 0, 1 << CAP_KILL, 0), 0);
	assert_false(cred_exec_traced(&c, 0755, 0, 0));
	assert_int_equal(c.permitted, 1 << CAP_KILL);		/* uid 0 alone gives no others */
	assert_int_equal(c.effective, 1 << CAP_KILL);
	assert_false(cred_exec(&c, 0755, 0, 0));
	assert_int_equal(c.permitted, CAP_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hands), cmocka_unit_test(users), cmocka_unit_test(capabilities_follow), cmocka_unit_test(secure_bits), cmocka_unit_test(programs),
		cmocka_unit_test(nothing_handed_on), cmocka_unit_test(no_new_privileges), cmocka_unit_test(others), cmocka_unit_test(traced_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
