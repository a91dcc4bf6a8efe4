/* SPDX-License-Identifier: MIT */
/* The kernel command line, cut into words once; each word remembers whether anybody asked for it. */
#include "kernel/param.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "lib/pct.h"

#define MAX_WORDS 256

static char text[4096];
static struct word {
	const char *name, *value;	/* value NULL: the bare word */
	bool asked;
} words[MAX_WORDS];
static unsigned nr_words, nr_errors;

void param_init(const char *command_line)
{
	char *s = text;

	nr_words = nr_errors = 0;
	if (str_copy(text, command_line, sizeof(text)) >= sizeof(text)) {
		nr_errors++;
		pr_err("command line longer than %zu bytes: the rest is lost", sizeof(text) - 1);
	}
	for (;;) {
		struct word w = { .value = NULL };
		char *name, *value, *end;

		while (*s == ' ' || *s == '\t' || *s == '\n')
			s++;
		if (*s == '\0')
			break;
		for (end = name = s; *end != '\0' && *end != ' ' && *end != '\t' && *end != '\n'; end++)
			;
		s = *end == '\0' ? end : end + 1;
		*end = '\0';
		w.name = name;
		value = strchr(name, '=');
		if (value != NULL) {
			*value++ = '\0';
			w.value = value;
			if (pct_decode(value) < 0) {
				nr_errors++;
				pr_err("parameter %s: bad percent-encoding; the word is left out", name);
				continue;
			}
		}
		if (nr_words == MAX_WORDS) {
			nr_errors++;
			pr_err("more than %u words on the command line: the rest is lost", MAX_WORDS);
			break;
		}
		words[nr_words++] = w;
	}
}

const char *param_nth(const char *name, unsigned n)
{
	const char *found = NULL;

	for (unsigned i = 0; i < nr_words; i++) {
		if (strcmp(words[i].name, name) != 0)
			continue;
		words[i].asked = true;
		if (n-- == 0)
			found = words[i].value == NULL ? "" : words[i].value;
	}
	return found;
}

/* The last occurrence; NULL: none. */
static const struct word *find(const char *name)
{
	const struct word *last = NULL;

	for (unsigned i = 0; i < nr_words; i++) {
		if (strcmp(words[i].name, name) == 0) {
			words[i].asked = true;
			last = &words[i];
		}
	}
	return last;
}

const char *param_str(const char *name, const char *dflt)
{
	const struct word *w = find(name);

	if (w == NULL)
		return dflt;
	return w->value == NULL ? "" : w->value;
}

bool param_bool(const char *name, bool dflt)
{
	static const char *const yes[] = { "1", "y", "on", "yes" }, *const no[] = { "0", "n", "off", "no" };
	const struct word *w = find(name);

	if (w == NULL)
		return dflt;
	if (w->value == NULL)
		return true;
	for (unsigned i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcmp(w->value, yes[i]) == 0)
			return true;
		if (strcmp(w->value, no[i]) == 0)
			return false;
	}
	nr_errors++;
	pr_err("parameter %s=%s: not one of 1 0 y n on off yes no; %d is used", name, w->value, dflt);
	return dflt;
}

static int parse_plain(const char *s, u64 *out) { return str_to_u64(s, out); }

static int parse_ns(const char *s, u64 *out)
{
	static const struct { const char *unit; u64 ns; } units[] = {
		{ "ns", 1 }, { "us", NSEC_PER_USEC }, { "ms", NSEC_PER_MSEC }, { "s", NSEC_PER_SEC },
	};
	char digits[24];
	size_t n = 0;
	u64 v;

	while (s[n] >= '0' && s[n] <= '9' && n < sizeof(digits) - 1) {
		digits[n] = s[n];
		n++;
	}
	digits[n] = '\0';
	if (str_to_u64(digits, &v) < 0)
		return -EINVAL;
	for (unsigned i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(s + n, units[i].unit) == 0)
			return __builtin_mul_overflow(v, units[i].ns, out) ? -EINVAL : 0;
	}
	return -EINVAL;
}

/* How a person would write it. */
static const char *show(char *buf, size_t size, u64 v, int (*parse)(const char *, u64 *))
{
	const char *unit = "";

	if (parse == str_to_size && v != 0) {
		static const char *const names[] = { "", "k", "M", "G", "T" };
		unsigned i = 0;

		for (; v % 1024 == 0 && i + 1 < ARRAY_SIZE(names); i++)
			v /= 1024;
		unit = names[i];
	} else if (parse == parse_ns) {
		unit = "ns";
		if (v != 0 && v % NSEC_PER_SEC == 0) {
			v /= NSEC_PER_SEC;
			unit = "s";
		} else if (v != 0 && v % NSEC_PER_MSEC == 0) {
			v /= NSEC_PER_MSEC;
			unit = "ms";
		}
	}
	snprintf(buf, size, "%llu%s", (unsigned long long)v, unit);
	return buf;
}

static u64 number(const char *name, u64 dflt, u64 min, u64 max, int (*parse)(const char *, u64 *))
{
	const struct word *w = find(name);
	char lo[24], hi[24], used[24];
	u64 v;

	if (w == NULL)
		return dflt;
	if (w->value != NULL && parse(w->value, &v) == 0 && v >= min && v <= max)
		return v;
	nr_errors++;
	pr_err("parameter %s=%s: not a value from %s to %s; %s is used", name, w->value == NULL ? "" : w->value,
	       show(lo, sizeof(lo), min, parse), show(hi, sizeof(hi), max, parse), show(used, sizeof(used), dflt, parse));
	return dflt;
}

u64 param_u64(const char *name, u64 dflt, u64 min, u64 max) { return number(name, dflt, min, max, parse_plain); }
u64 param_size(const char *name, u64 dflt, u64 min, u64 max) { return number(name, dflt, min, max, str_to_size); }
u64 param_ns(const char *name, u64 dflt, u64 min, u64 max) { return number(name, dflt, min, max, parse_ns); }

unsigned param_errors(void) { return nr_errors; }

void param_warn_unknown(void)
{
	for (unsigned i = 0; i < nr_words; i++) {
		if (!words[i].asked)
			pr_warn("parameter %s is not known here", words[i].name);
	}
}
