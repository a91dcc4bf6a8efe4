/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/tty/ldisc.c */
/* The line discipline: what keys become, what the screen shows, what a program reads. */
#include "managers/processor/tty/ldisc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "managers/processor/process/abi.h"

static struct ldisc l;

static int fresh(void **state)
{
	ldisc_init(&l, true);
	return 0;
}

static void type(const char *keys)
{
	assert_int_equal(ldisc_input(&l, (const u8 *)keys, strlen(keys)), strlen(keys));
}

/* The program reads at most n bytes and finds `want`. */
static void reads_n(size_t n, const char *want)
{
	char buf[8192];
	s64 got = ldisc_read(&l, (u8 *)buf, n);

	assert_true(got >= 0);
	buf[got] = '\0';
	assert_string_equal(buf, want);
}
static void reads(const char *want) { reads_n(4096, want); }
static void reads_nothing(void) { assert_int_equal(ldisc_read(&l, (u8 *)(char[8]){ 0 }, 8), -1); }

static void shows(const char *want)
{
	char buf[LDISC_OUT + 1];

	buf[ldisc_take(&l, (u8 *)buf, LDISC_OUT)] = '\0';
	assert_string_equal(buf, want);
}

static void mode(u32 clear, u32 set)
{
	struct termios_abi t = l.t;

	t.lflag = (t.lflag & ~clear) | set;
	ldisc_set_termios(&l, &t);
}

static void lines_come_whole(void **state)
{
	type("ab");
	reads_nothing();
	assert_false(ldisc_readable(&l, 1));
	type("c\rnext\npart");
	assert_true(ldisc_readable(&l, 1));
	assert_int_equal(ldisc_input_bytes(&l), 9);
	reads("abc\n");
	reads_n(2, "ne");
	reads("xt\n");
	reads_nothing();
	shows("abc\r\nnext\r\npart");
}

static void keys_that_edit(void **state)
{
	type("abx\177c\n");
	reads("abc\n");
	shows("abx\b \bc\r\n");
	type("one two  \027three\n");			/* word erase takes the blanks before it */
	reads("one three\n");
	shows("one two  \b \b\b \b\b \b\b \b\b \bthree\r\n");
	type("gone\025kept\n");
	reads("kept\n");
	shows("gone\b \b\b \b\b \b\b \bkept\r\n");
	type("\177\027\025");				/* nothing to erase: nothing shown */
	shows("");
	type("a\026\003b\n");				/* the key after LNEXT stands for itself */
	reads("a\003b\n");
	shows("a^\b^Cb\r\n");
	assert_int_equal(l.signals, 0);
	type("ab\022\n");				/* reprint */
	shows("ab^R\r\nab\r\n");
	reads("ab\n");
}

static void erasing_what_is_wide(void **state)
{
	type("\303\274x\177\177\n");			/* a character of two bytes is one column */
	reads("\n");
	shows("\303\274x\b \b\b \b\r\n");
	type("a\001\177b\n");				/* a control character is shown in two */
	reads("ab\n");
	shows("a^A\b \b\b \bb\r\n");
	type("ab\t\177c\n");				/* a tab goes back to where it began */
	reads("abc\n");
	shows("ab\t\b\b\b\b\b\bc\r\n");
	ldisc_write(&l, (const u8 *)"> ", 2);		/* ... also behind a prompt */
	type("a\t\177\n");
	shows("> a\t\b\b\b\b\b\r\n");
}

static void typed_end_of_file(void **state)
{
	type("\004");
	assert_true(ldisc_readable(&l, 1));
	assert_int_equal(ldisc_input_bytes(&l), 0);
	reads("");
	reads_nothing();
	type("half\004");				/* ends the line without an end of file ... */
	reads("half");
	reads_nothing();
	type("half\004");
	reads_n(4, "half");				/* ... though the reader took just that many */
	reads_nothing();
	shows("halfhalf");
}

static void end_of_the_keys(void **state)
{
	type("rest");
	ldisc_input_end(&l);
	reads("rest");
	reads("");
	reads("");
	assert_true(ldisc_readable(&l, 1));
	type("not any more\n");
	reads("");
}

static void raw_bytes(void **state)
{
	mode(ICANON | ECHO | ISIG, 0);
	type("a\003\004\177");
	assert_false(ldisc_readable(&l, 5));
	assert_true(ldisc_readable(&l, 4));
	reads_n(2, "a\003");
	reads("\004\177");
	reads_nothing();
	shows("");
	assert_int_equal(l.signals, 0);
}

static void typed_ahead_of_a_change(void **state)
{
	type("early");					/* a shell's line editor takes over what was typed before */
	mode(ICANON, 0);
	reads_n(2, "ea");
	mode(0, ICANON);
	assert_true(ldisc_readable(&l, 1));		/* and what it left is a line */
	reads("rly");
	type("x\n");
	reads("x\n");
}

static void signals(void **state)
{
	type("dropped\003");
	assert_int_equal(l.signals, 1 << SIGINT);
	reads_nothing();
	shows("^C");					/* what was not yet shown is dropped, too */
	l.signals = 0;
	type("\032\034");
	assert_int_equal(l.signals, 1 << SIGTSTP | 1 << SIGQUIT);
	l.signals = 0;
	mode(0, NOFLSH);
	type("kept\003\n");
	assert_int_equal(l.signals, 1 << SIGINT);
	reads("kept\n");
	l.signals = 0;
	l.t.cc[VINTR] = 0;				/* no key at all, NUL neither */
	type("\003\n");
	assert_int_equal(ldisc_input(&l, (const u8 *)"\0\n", 2), 2);
	assert_int_equal(l.signals, 0);
}

static void flow(void **state)
{
	type("\023");
	assert_int_equal(ldisc_write(&l, (const u8 *)"later", 5), 0);
	type("ab");
	shows("");
	type("\021");
	shows("ab");
	assert_int_equal(ldisc_write(&l, (const u8 *)"later", 5), 5);
	shows("later");
	type("\023");
	struct termios_abi t = l.t;
	t.iflag &= ~IXON;
	ldisc_set_termios(&l, &t);			/* nobody could start it any more */
	assert_false(l.stopped);
	type("\023");
	assert_false(l.stopped);
	ldisc_stop(&l, true);
	t.iflag |= IXON | IXANY;
	ldisc_set_termios(&l, &t);
	type("x");
	assert_true(l.stopped);				/* stopped by a call: no key but START ends it */
	type("\021");
	assert_false(l.stopped);
	type("\023");
	type("y");
	assert_false(l.stopped);
}

static void output_processing(void **state)
{
	assert_int_equal(ldisc_write(&l, (const u8 *)"a\nb", 3), 3);
	shows("a\r\nb");
	l.t.oflag |= XTABS;
	ldisc_write(&l, (const u8 *)"\r12\t3", 5);
	shows("\r12      3");
	l.t.oflag = OPOST | OCRNL | OLCUC;
	ldisc_write(&l, (const u8 *)"ab\r", 3);
	shows("AB\n");
	l.t.oflag = OPOST | OCRNL | ONLCR;
	ldisc_write(&l, (const u8 *)"b\r\n", 3);
	shows("b\n\r\n");
	l.t.oflag = OPOST | ONOCR;
	l.column = 0;
	ldisc_write(&l, (const u8 *)"\rx\r", 3);
	shows("x\r");
	l.t.oflag = 0;
	ldisc_write(&l, (const u8 *)"\n\t\r", 3);
	shows("\n\t\r");
}

static void input_mapping(void **state)
{
	l.t.iflag = IGNCR | INLCR | ISTRIP | IUCLC;
	mode(ICANON | ECHO, 0);
	type("\r\nA\341");
	reads("\raa");
	ldisc_init(&l, false);
	mode(ECHO, ECHONL);
	type("quiet\n");
	shows("\r\n");
	mode(ECHONL, 0);
	l.t.cc[VEOL] = ';';
	type("one;two\n");
	reads("quiet\n");
	reads("one;");
	reads("two\n");
}

static void full_buffers(void **state)
{
	static u8 many[LDISC_IN * 2];
	char buf[LDISC_IN];

	memset(many, 'x', sizeof(many));
	/* a line that is too long loses its tail, and can still be ended */
	assert_int_equal(ldisc_input(&l, many, sizeof(many)), sizeof(many));
	type("\n");
	assert_int_equal(ldisc_read(&l, (u8 *)buf, sizeof(buf)), LDISC_IN);
	assert_int_equal(buf[LDISC_IN - 1], '\n');
	/* whole lines wait for a reader */
	type("\n");
	assert_true(ldisc_input(&l, many, sizeof(many)) < LDISC_IN);
	assert_false(ldisc_input_room(&l));
	reads("\n");
	assert_true(ldisc_input_room(&l));
	ldisc_flush_input(&l);
	ldisc_flush_output(&l);
	mode(ICANON | ECHO, 0);
	assert_int_equal(ldisc_input(&l, many, sizeof(many)), LDISC_IN - 1);
	reads_n(1, "x");
	assert_int_equal(ldisc_input(&l, many, 2), 1);
	/* output stops short of the room for echoes */
	assert_int_equal(ldisc_write(&l, many, LDISC_OUT / 2), LDISC_OUT / 2);
	assert_true(ldisc_write(&l, many, sizeof(many)) < sizeof(many));
	assert_false(ldisc_write_room(&l));
	ldisc_flush_input(&l);
	mode(0, ECHO | ICANON);
	for (unsigned i = 0; i < LDISC_OUT; i++)
		ldisc_input(&l, (const u8 *)"\001", 1);	/* echoes are lost, keys are not */
	type("\003");
	assert_int_equal(l.signals, 1 << SIGINT);
}

/* Whatever is typed and set: nothing is read that was not typed, indices stay in order, ends come out. */
static void random_keys(void **state)
{
	u64 seed = 7;
	u8 buf[64];

	for (unsigned i = 0; i < 200000; i++) {
		u32 r = (seed = seed * 6364136223846793005ULL + 1442695040888963407ULL) >> 33;
		struct termios_abi t = l.t;

		switch (r % 8) {
		case 0:
			t.lflag ^= 1U << (r >> 8) % 16;
			t.iflag ^= 1U << (r >> 16) % 15;
			if (r % 64 == 0)
				t.oflag ^= 1U << (r >> 12) % 12;
			ldisc_set_termios(&l, &t);
			break;
		case 1:
		case 2:
			(void)ldisc_read(&l, buf, r >> 8 & 63);
			break;
		case 3:
			(void)ldisc_take(&l, buf, sizeof(buf));
			break;
		case 4:
			memset(buf, r >> 8, sizeof(buf));
			(void)ldisc_write(&l, buf, r >> 16 & 63);
			break;
		case 5:
			if (r % 1000 == 5)
				ldisc_flush_input(&l);
			break;
		default:
			buf[0] = r >> 8;
			buf[1] = r >> 16;
			(void)ldisc_input(&l, buf, 2);
		}
		assert_true(l.head - l.tail <= LDISC_IN);
		assert_true(!(l.t.lflag & ICANON) || l.canon - l.tail <= l.head - l.tail);
		assert_true(l.out_head - l.out_tail <= LDISC_OUT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lines_come_whole, fresh), cmocka_unit_test_setup(keys_that_edit, fresh),
		cmocka_unit_test_setup(erasing_what_is_wide, fresh), cmocka_unit_test_setup(typed_end_of_file, fresh),
		cmocka_unit_test_setup(end_of_the_keys, fresh), cmocka_unit_test_setup(raw_bytes, fresh),
		cmocka_unit_test_setup(typed_ahead_of_a_change, fresh), cmocka_unit_test_setup(signals, fresh),
		cmocka_unit_test_setup(flow, fresh), cmocka_unit_test_setup(output_processing, fresh),
		cmocka_unit_test_setup(input_mapping, fresh), cmocka_unit_test_setup(full_buffers, fresh),
		cmocka_unit_test_setup(random_keys, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
