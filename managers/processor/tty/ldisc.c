/* SPDX-License-Identifier: MIT */
/* See ldisc.h. */
#include "managers/processor/tty/ldisc.h"

#include "lib/base/atomic.h"
#include "lib/base/string.h"
#include "managers/processor/process/abi.h"

#define BELL	'\a'
#define TAB	8

static const u8 default_cc[NR_CC] = {
	[VINTR] = 3, [VQUIT] = 28, [VERASE] = 127, [VKILL] = 21, [VEOF] = 4, [VMIN] = 1, [VSTART] = 17, [VSTOP] = 19,
	[VSUSP] = 26, [VREPRINT] = 18, [VDISCARD] = 15, [VWERASE] = 23, [VLNEXT] = 22,
};

void ldisc_init(struct ldisc *l, bool utf8)
{
	memset(l, 0, sizeof(*l));
	l->t.iflag = ICRNL | IXON | (utf8 ? IUTF8 : 0);
	l->t.oflag = OPOST | ONLCR;
	l->t.cflag = B38400 | CS8 | CREAD;
	l->t.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
	memcpy(l->t.cc, default_cc, sizeof(default_cc));
}

static bool local(const struct ldisc *l, u32 flag) { return l->t.lflag & flag; }
/* Does c do what cc[which] is for? NUL there: nothing does. */
static bool is_key(const struct ldisc *l, u8 c, int which) { return c == l->t.cc[which] && c != 0; }
static bool is_extended_key(const struct ldisc *l, u8 c, int which) { return local(l, IEXTEN) && is_key(l, c, which); }
static bool is_control(u8 c) { return c < 32 || c == 127; }
/* Not the first byte of a character? */
static bool continues(const struct ldisc *l, u8 c) { return (l->t.iflag & IUTF8) && (c & 0xc0) == 0x80; }
static bool in_word(u8 c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c >= 128;
}

static u8 in_at(const struct ldisc *l, u32 at) { return l->in[at % LDISC_IN]; }
static bool ends_at(const struct ldisc *l, u32 at) { return l->ends[at % LDISC_IN / 8] >> at % 8 & 1; }

static void in_put(struct ldisc *l, u8 c, bool end)
{
	u32 at = l->head % LDISC_IN;

	l->in[at] = c;
	l->ends[at / 8] = (l->ends[at / 8] & ~(1 << at % 8)) | end << at % 8;
	WRITE_ONCE(l->head, l->head + 1);
	if (end)
		WRITE_ONCE(l->canon, l->head);
}

/* --- output --- */

u32 ldisc_output_bytes(const struct ldisc *l) { return READ_ONCE(l->out_head) - READ_ONCE(l->out_tail); }

static void out_put(struct ldisc *l, u8 c)
{
	l->out[l->out_head % LDISC_OUT] = c;
	WRITE_ONCE(l->out_head, l->out_head + 1);
}

/* What c does to the cursor. */
static void follow_cursor(struct ldisc *l, u8 c)
{
	if (c == '\r')
		l->column = 0;
	else if (c == '\b')
		l->column -= l->column != 0;
	else if (c == '\t')
		l->column += TAB - l->column % TAB;
	else if (!is_control(c) && !continues(l, c))
		l->column++;
}

/* One byte through OPOST; it becomes at most TAB bytes, for which there is room. */
static void out_char(struct ldisc *l, u8 c)
{
	u32 o = l->t.oflag;

	if (!(o & OPOST)) {
		out_put(l, c);
		return;
	}
	if (c == '\r' && (o & ONOCR) && l->column == 0)
		return;
	if (c == '\r' && (o & OCRNL)) {		/* and that is all that becomes of it */
		if (o & ONLRET)
			l->column = 0;
		out_put(l, '\n');
		return;
	}
	if (c == '\n') {
		if (o & ONLCR)
			out_put(l, '\r');
		if (o & (ONLCR | ONLRET))
			l->column = 0;
	} else if (c == '\t' && (o & XTABS) == XTABS) {
		u32 spaces = TAB - l->column % TAB;

		l->column += spaces;
		while (spaces-- != 0)
			out_put(l, ' ');
		return;
	} else {
		if ((o & OLCUC) && c >= 'a' && c <= 'z')
			c -= 'a' - 'A';
		follow_cursor(l, c);
	}
	out_put(l, c);
}

bool ldisc_write_room(const struct ldisc *l)
{
	return !READ_ONCE(l->stopped) && LDISC_OUT - ldisc_output_bytes(l) >= LDISC_ECHO + TAB;
}

size_t ldisc_write(struct ldisc *l, const u8 *buf, size_t n)
{
	size_t done = 0;

	while (done < n && ldisc_write_room(l))
		out_char(l, buf[done++]);
	return done;
}

size_t ldisc_take(struct ldisc *l, u8 *buf, size_t n)
{
	size_t done = 0;

	if (l->stopped)
		return 0;
	while (done < n && l->out_tail != l->out_head)
		buf[done++] = l->out[l->out_tail++ % LDISC_OUT];
	return done;
}

void ldisc_flush_output(struct ldisc *l)
{
	WRITE_ONCE(l->out_tail, l->out_head);
	l->events |= TIOCPKT_FLUSHWRITE;
}

void ldisc_stop(struct ldisc *l, bool by_call)
{
	if (!l->stopped)
		l->events = (l->events & ~TIOCPKT_START) | TIOCPKT_STOP;
	WRITE_ONCE(l->stopped, true);
	l->stopped_by_call |= by_call;
}

void ldisc_start(struct ldisc *l)
{
	if (l->stopped)
		l->events = (l->events & ~TIOCPKT_STOP) | TIOCPKT_START;
	WRITE_ONCE(l->stopped, false);
	l->stopped_by_call = false;
}

/* --- echo: lost when there is no room at all, so that keys are always heard --- */

static bool echo_room(const struct ldisc *l) { return LDISC_OUT - ldisc_output_bytes(l) >= 2 * TAB; }

static void echo_raw(struct ldisc *l, u8 c)
{
	if (echo_room(l))
		out_char(l, c);
}

/* As the user is to see it: control characters as ^X. */
static void echo_shown(struct ldisc *l, u8 c)
{
	if (local(l, ECHOCTL) && is_control(c) && c != '\t') {
		echo_raw(l, '^');
		echo_raw(l, c ^ 0100);
	} else {
		echo_raw(l, c);
	}
}

static void echo_back(struct ldisc *l, u32 columns)
{
	while (columns-- != 0) {
		echo_raw(l, '\b');
		echo_raw(l, ' ');
		echo_raw(l, '\b');
	}
}

/* --- editing the line --- */

/* How many columns the typed bytes [from, to) take, the first standing in column `column`. */
static u32 width(const struct ldisc *l, u32 from, u32 to, u32 column)
{
	u32 start = column;

	for (; from != to; from++) {
		u8 c = in_at(l, from);

		if (c == '\t')
			column += TAB - column % TAB;
		else if (is_control(c))
			column += local(l, ECHOCTL) ? 2 : 0;
		else if (!continues(l, c))
			column++;
	}
	return column - start;
}

/* Where the last character of the line begins. */
static u32 last_character(const struct ldisc *l)
{
	u32 at = l->head - 1;

	while (at != l->canon && continues(l, in_at(l, at)))
		at--;
	return at;
}

/* Take the typed bytes from `from` on away, on the screen too. */
static void erase_from(struct ldisc *l, u32 from)
{
	u32 column = l->line_column + width(l, l->canon, from, l->line_column);

	if (local(l, ECHO)) {
		u32 columns = width(l, from, l->head, column);

		/* a tab is walked back over, not written over: what is left of it is blank anyway */
		if (l->head - from == 1 && in_at(l, from) == '\t') {
			while (columns-- != 0)
				echo_raw(l, '\b');
		} else {
			echo_back(l, columns);
		}
	}
	WRITE_ONCE(l->head, from);
}

static void erase_character(struct ldisc *l)
{
	if (l->head == l->canon)
		return;
	if (local(l, ECHO) && !local(l, ECHOE)) {
		echo_shown(l, l->t.cc[VERASE]);
		WRITE_ONCE(l->head, last_character(l));
	} else {
		erase_from(l, last_character(l));
	}
}

/* Blanks and the like at the end, and the word before them. */
static void erase_word(struct ldisc *l)
{
	bool word = false;

	while (l->head != l->canon) {
		u8 c = in_at(l, last_character(l));

		if (in_word(c))
			word = true;
		else if (word)
			break;
		erase_from(l, last_character(l));
	}
}

static void erase_line(struct ldisc *l)
{
	if (l->head == l->canon)
		return;
	if (local(l, ECHO) && local(l, ECHOK) && local(l, ECHOKE) && local(l, ECHOE)) {
		while (l->head != l->canon)
			erase_from(l, last_character(l));
		return;
	}
	WRITE_ONCE(l->head, l->canon);
	if (local(l, ECHO)) {
		echo_shown(l, l->t.cc[VKILL]);
		if (local(l, ECHOK))
			echo_raw(l, '\n');
	}
}

static void reprint(struct ldisc *l, u8 key)
{
	echo_shown(l, key);
	echo_raw(l, '\n');
	l->line_column = l->column;
	for (u32 at = l->canon; at != l->head; at++)
		echo_shown(l, in_at(l, at));
}

/* --- input --- */

static u32 in_used(const struct ldisc *l) { return l->head - READ_ONCE(l->tail); }

bool ldisc_input_room(const struct ldisc *l)
{
	/* a line that is too long must not shut out the key that ends it */
	return in_used(l) < LDISC_IN - 1 || (local(l, ICANON) && l->canon == READ_ONCE(l->tail));
}

static void signal_key(struct ldisc *l, u8 c, int sig)
{
	if (!local(l, NOFLSH)) {
		ldisc_flush_output(l);
		ldisc_flush_input(l);
	}
	if (l->t.iflag & IXON)
		ldisc_start(l);
	if (local(l, ECHO))
		echo_shown(l, c);
	l->signals |= 1U << sig;
}

/* Keys that act at once, whatever is typed or read. */
static bool flow_or_signal(struct ldisc *l, u8 c)
{
	if (l->t.iflag & IXON) {
		if (is_key(l, c, VSTART)) {
			ldisc_start(l);
			return true;
		}
		if (is_key(l, c, VSTOP)) {
			ldisc_stop(l, false);
			return true;
		}
	}
	if (local(l, ISIG)) {
		int sig = is_key(l, c, VINTR) ? SIGINT : is_key(l, c, VQUIT) ? SIGQUIT : is_key(l, c, VSUSP) ? SIGTSTP : 0;

		if (sig != 0) {
			signal_key(l, c, sig);
			return true;
		}
	}
	return false;
}

static void store(struct ldisc *l, u8 c, bool end)
{
	if (in_used(l) >= LDISC_IN - 1 && !(end && in_used(l) < LDISC_IN)) {
		if (l->t.iflag & IMAXBEL)
			echo_raw(l, BELL);
		return;
	}
	if (l->head == l->canon)
		l->line_column = l->column;
	if (local(l, ECHO) && !(end && c == 0)) {
		if (c == '\n')
			echo_raw(l, c);
		else
			echo_shown(l, c);
	} else if (c == '\n' && local(l, ICANON) && local(l, ECHONL)) {
		echo_raw(l, c);
	}
	in_put(l, c, end);
}

/* Keys of canonical mode; true: c was one. */
static bool editing(struct ldisc *l, u8 c)
{
	if (is_key(l, c, VERASE)) {
		erase_character(l);
	} else if (is_key(l, c, VKILL)) {
		erase_line(l);
	} else if (is_extended_key(l, c, VWERASE)) {
		erase_word(l);
	} else if (is_extended_key(l, c, VREPRINT) && local(l, ECHO)) {
		reprint(l, c);
	} else if (is_extended_key(l, c, VLNEXT)) {
		l->literal = true;
		if (local(l, ECHO) && local(l, ECHOCTL)) {
			echo_raw(l, '^');
			echo_raw(l, '\b');
		}
	} else if (c == '\n' || is_key(l, c, VEOL) || is_extended_key(l, c, VEOL2)) {
		store(l, c, true);
	} else if (is_key(l, c, VEOF)) {
		store(l, 0, true);
	} else {
		return false;
	}
	return true;
}

static void input_byte(struct ldisc *l, u8 c)
{
	u32 i = l->t.iflag;

	if (i & ISTRIP)
		c &= 0x7f;
	if ((i & IUCLC) && local(l, IEXTEN) && c >= 'A' && c <= 'Z')
		c += 'a' - 'A';
	if (l->literal) {
		l->literal = false;
		store(l, c, false);
		return;
	}
	if (l->stopped && !l->stopped_by_call && (i & IXON) && (i & IXANY))
		ldisc_start(l);
	if (flow_or_signal(l, c))
		return;
	if (c == '\r') {
		if (i & IGNCR)
			return;
		if (i & ICRNL)
			c = '\n';
	} else if (c == '\n' && (i & INLCR)) {
		c = '\r';
	}
	if (!local(l, ICANON) || !editing(l, c))
		store(l, c, false);
}

size_t ldisc_input(struct ldisc *l, const u8 *buf, size_t n)
{
	size_t done = 0;

	if (l->eof)
		return n;
	while (done < n && ldisc_input_room(l))
		input_byte(l, buf[done++]);
	return done;
}

void ldisc_input_end(struct ldisc *l)
{
	WRITE_ONCE(l->canon, l->head);
	WRITE_ONCE(l->eof, true);
}

void ldisc_flush_input(struct ldisc *l)
{
	WRITE_ONCE(l->canon, l->head);
	WRITE_ONCE(l->tail, l->head);
	l->literal = false;
	l->events |= TIOCPKT_FLUSHREAD;
}

/* --- reading --- */

bool ldisc_readable(const struct ldisc *l, u32 min)
{
	u32 tail = READ_ONCE(l->tail);

	if (READ_ONCE(l->eof))
		return true;
	if (READ_ONCE(l->t.lflag) & ICANON)
		return READ_ONCE(l->canon) != tail;
	return READ_ONCE(l->head) - tail >= MAX(min, 1);
}

u32 ldisc_input_bytes(const struct ldisc *l)
{
	u32 end = local(l, ICANON) ? l->canon : l->head, n = 0;

	for (u32 at = l->tail; at != end; at++)
		n += !(ends_at(l, at) && in_at(l, at) == 0);
	return n;
}

static s64 read_line(struct ldisc *l, u8 *buf, size_t n)
{
	size_t done = 0;

	while (l->tail != l->canon) {
		u8 c = in_at(l, l->tail);
		bool end = ends_at(l, l->tail);

		if (end && c == 0) {		/* an end of file that was typed: it ends the line, and is seen alone only */
			WRITE_ONCE(l->tail, l->tail + 1);
			break;
		}
		if (done == n)
			break;
		buf[done++] = c;
		WRITE_ONCE(l->tail, l->tail + 1);
		if (end)
			break;
	}
	return done;
}

s64 ldisc_read(struct ldisc *l, u8 *buf, size_t n)
{
	size_t done = 0;

	if (local(l, ICANON) && l->tail != l->canon)
		return read_line(l, buf, n);
	if (local(l, ICANON) || l->tail == l->head)
		return l->eof ? 0 : -1;
	while (done < n && l->tail != l->head) {
		buf[done++] = in_at(l, l->tail);
		WRITE_ONCE(l->tail, l->tail + 1);
	}
	return done;
}

void ldisc_set_termios(struct ldisc *l, const struct termios_abi *t)
{
	u32 changed = l->t.lflag ^ t->lflag;
	bool ixon = l->t.iflag & IXON;

	l->t = *t;
	if (changed & ICANON) {
		/* what was typed under the other rules stays readable: as one line, or as bytes */
		memset(l->ends, 0, sizeof(l->ends));
		WRITE_ONCE(l->canon, local(l, ICANON) ? l->head : l->tail);
		l->literal = false;
		l->line_column = l->column;
	}
	if (ixon && !(t->iflag & IXON) && l->stopped && !l->stopped_by_call)
		ldisc_start(l);
	if (ixon != !!(t->iflag & IXON))
		l->events |= t->iflag & IXON ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP;
}
