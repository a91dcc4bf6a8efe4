/* SPDX-License-Identifier: MIT */
/* What is kept of a file's attributes is used as long as nothing can have changed it. White box. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "managers/processor/fs/attr_cache.c"
#include "shim.h"

static u64 now_ns = 5;
u64 time_mono_ns(void) { return now_ns; }

static struct inode one = { .node = 3, .fs = 0, .ino = 12 }, two = { .node = 3, .fs = 0, .ino = 13 };
static struct inode other_name = { .node = 3, .fs = 0, .ino = 12 };		/* of the file `one` */
static const struct attr_file file_one = { 3, 0, 12 }, file_two = { 3, 0, 13 };

static void asked_and_kept(struct inode *i, u64 size, u32 lease_ms)
{
	struct attr a = { .ino = i->ino, .size = size };
	struct attr_asked asked;

	attr_ask(&asked);
	attr_keep(i, &asked, &a, lease_ms, 0);
}

static void kept(struct inode *i, u64 size)
{
	struct attr a = { 0 };

	assert_true(attr_kept(i, &a));
	assert_int_equal(a.ino, i->ino);
	assert_int_equal(a.size, size);
}

static void not_kept(struct inode *i)
{
	struct attr a;

	assert_false(attr_kept(i, &a));
}

static int forget(void **state)
{
	kfree(one.saved);
	kfree(two.saved);
	kfree(other_name.saved);
	one.saved = two.saved = other_name.saved = NULL;
	return 0;
}

static void a_lease_ends(void **state)
{
	struct attr_asked asked;

	not_kept(&one);
	asked_and_kept(&one, 7, 0);		/* nothing is promised */
	not_kept(&one);
	asked_and_kept(&one, 7, 1000);
	kept(&one, 7);
	not_kept(&two);
	now_ns += NSEC_PER_SEC - 1;
	kept(&one, 7);
	now_ns++;
	not_kept(&one);
	attr_ask(&asked);			/* the promise is as old as the question */
	now_ns += NSEC_PER_SEC / 2;
	attr_keep(&one, &asked, &(struct attr){ .ino = 12, .size = 8 }, 1000, 0);
	kept(&one, 8);
	now_ns += NSEC_PER_SEC / 2;
	not_kept(&one);
	asked_and_kept(&one, 9, 1000);
	asked_and_kept(&one, 10, 0);		/* an answer without a promise does not end one */
	kept(&one, 9);
}

static void a_change_is_seen(void **state)
{
	asked_and_kept(&one, 1, 1000);
	asked_and_kept(&other_name, 1, 1000);
	asked_and_kept(&two, 2, 1000);
	attr_change_begin(&file_one);
	not_kept(&one);				/* it may have happened already */
	not_kept(&other_name);
	kept(&two, 2);
	attr_change_end(&file_one);
	not_kept(&one);
	not_kept(&other_name);
	kept(&two, 2);
	asked_and_kept(&one, 3, 1000);
	kept(&one, 3);
	not_kept(&other_name);
	attr_change_begin(NULL);		/* it may be of any file */
	not_kept(&one);
	not_kept(&two);
	attr_change_end(NULL);
	not_kept(&one);
	not_kept(&two);
}

/* An answer that may be from before a change is not kept, wherever the change lies beside question and answer. */
static void answers_that_change_overtook(void **state)
{
	const struct attr a = { .ino = 12, .size = 1 };
	const struct attr_file *const changed[] = { &file_one, &file_two, NULL };	/* a lookup does not know which file it will be */

	for (unsigned i = 0; i < ARRAY_SIZE(changed); i++) {
		struct attr_asked asked;

		attr_ask(&asked);			/* question ( ) answer */
		attr_change_begin(changed[i]);
		attr_change_end(changed[i]);
		attr_keep(&one, &asked, &a, 1000, 0);
		not_kept(&one);
		attr_change_begin(changed[i]);		/* ( question ) answer */
		attr_ask(&asked);
		attr_change_end(changed[i]);
		attr_keep(&one, &asked, &a, 1000, 0);
		not_kept(&one);
		attr_ask(&asked);			/* question ( answer ) */
		attr_change_begin(changed[i]);
		attr_keep(&one, &asked, &a, 1000, 0);
		attr_change_end(changed[i]);
		not_kept(&one);
		attr_change_begin(changed[i]);		/* ( question answer ) */
		attr_ask(&asked);
		attr_keep(&one, &asked, &a, 1000, 0);
		not_kept(&one);
		attr_change_end(changed[i]);
		not_kept(&one);
	}
}

/* Of two changes one is still under way. */
static void changes_at_once(void **state)
{
	attr_change_begin(&file_one);
	attr_change_begin(&file_one);
	attr_change_end(&file_one);
	asked_and_kept(&one, 1, 1000);
	not_kept(&one);
	attr_change_end(&file_one);
	not_kept(&one);
	asked_and_kept(&one, 2, 1000);
	kept(&one, 2);
}

/* A change that turns out to have been of one file: the others are as they were, and were not used meanwhile. */
static void found_afterwards(void **state)
{
	const struct attr a = { .ino = 12, .size = 5 };
	struct attr_asked asked;

	asked_and_kept(&one, 1, 1000);
	asked_and_kept(&two, 2, 1000);
	attr_ask(&asked);
	attr_change_begin(NULL);
	not_kept(&one);
	not_kept(&two);
	attr_change_end_found(&file_two, 1);
	kept(&one, 1);
	not_kept(&two);
	attr_keep(&two, &asked, &(struct attr){ .ino = 13, .size = 3 }, 1000, 0);	/* asked for before */
	not_kept(&two);
	asked_and_kept(&two, 4, 1000);
	kept(&two, 4);

	attr_change_begin(&file_two);		/* two is the folder that one is made in: what it is then, is kept */
	attr_ask(&asked);
	attr_keep(&one, &asked, &a, 1000, 1);
	attr_change_end(&file_two);
	kept(&one, 5);
	not_kept(&two);
	attr_change_begin(&file_two);		/* ... unless others change something, too */
	attr_ask(&asked);
	attr_change_begin(&file_one);
	attr_keep(&one, &asked, &a, 1000, 1);
	attr_change_end(&file_one);
	attr_change_end(&file_two);
	not_kept(&one);
}

static const struct attr open_to_all = { .mode = 0666 }, closed = { .mode = 0600 };

static void rights_asked(struct inode *i)
{
	struct attr_asked asked;

	attr_ask(&asked);
	attr_rights_answered(i, &asked, &closed);
}

static void rights_set(const struct attr_file *f, struct inode *i)
{
	struct attr_asked asked;

	attr_change_begin(f);
	attr_ask(&asked);
	attr_change_end_rights(f, i, &asked, &closed);
}

/* Who may do what, as another name of the file knows it, is asked for after it was changed by this one; other changes do not matter. */
static void rights_of_all_names(void **state)
{
	struct attr_asked asked, before;

	one.rights_asked = 0;
	assert_false(attr_rights_right(&one));		/* nobody has asked: the root of a volume */
	rights_asked(&one);
	rights_asked(&other_name);
	rights_asked(&two);
	attr_change_begin(&file_one);			/* of its size or times */
	attr_change_end(&file_one);
	assert_true(attr_rights_right(&one) && attr_rights_right(&other_name) && attr_rights_right(&two));
	attr_ask(&before);
	rights_set(&file_one, &one);
	assert_true(attr_rights_right(&one) && attr_rights_right(&two));
	assert_false(attr_rights_right(&other_name));
	attr_rights_answered(&other_name, &before, &open_to_all);	/* an answer from before it */
	assert_false(attr_rights_right(&other_name));
	rights_asked(&other_name);
	assert_true(attr_rights_right(&other_name));
	attr_change_begin(&file_one);			/* two at once, by two names: which was the last is not known */
	attr_ask(&asked);
	rights_set(&file_one, &other_name);
	attr_change_end_rights(&file_one, &one, &asked, &closed);
	assert_false(attr_rights_right(&one));
	assert_false(attr_rights_right(&other_name));
}

/* Answers come in another order than they were asked for: an older one does not bring back what a newer or a change has put away. */
static void rights_of_older_answers(void **state)
{
	struct attr_asked before;

	attr_ask(&before);
	rights_set(&file_one, &one);
	attr_rights_answered(&one, &before, &open_to_all);
	assert_true(attr_rights_right(&one) && one.mode == 0600);
	rights_set(&file_one, &other_name);
	rights_asked(&one);
	attr_rights_answered(&one, &before, &open_to_all);
	assert_true(attr_rights_right(&one) && one.mode == 0600);
}

static void no_memory(void **state)
{
	shim_fail_alloc(1);
	asked_and_kept(&one, 1, 1000);
	shim_fail_alloc(0);
	not_kept(&one);
	asked_and_kept(&one, 1, 1000);
	kept(&one, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_lease_ends, forget),
		cmocka_unit_test_teardown(a_change_is_seen, forget),
		cmocka_unit_test_teardown(answers_that_change_overtook, forget),
		cmocka_unit_test_teardown(changes_at_once, forget),
		cmocka_unit_test_teardown(found_afterwards, forget),
		cmocka_unit_test(rights_of_all_names),
		cmocka_unit_test(rights_of_older_answers),
		cmocka_unit_test_teardown(no_memory, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
