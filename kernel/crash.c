/* SPDX-License-Identifier: MIT */
/* Crash points: the power goes at a named place. */
#include "kernel/crash.h"

#include "arch/x86/cpu.h"

#include "kernel/param.h"
#include "kernel/power.h"
#include "kernel/printk.h"
#include "kernel/time.h"
#include "lib/base/atomic.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"

static const char *const name_of[NR_CRASH_POINTS] = {
#define AS_NAME(name, where) #name,
	CRASH_POINTS(AS_NAME)
#undef AS_NAME
};

static int armed = -1;			/* [I] after crash_init() */
static char op_armed[48];		/* [I] "": any */
static int left;			/* [a] times until it happens */

/* "STEP.OP:N", each but STEP optional. false: it names nothing. */
static bool parse(const char *word)
{
	size_t step = 0, op = 0;

	while (word[step] != '\0' && word[step] != '.' && word[step] != ':')
		step++;
	for (unsigned i = 0; i < NR_CRASH_POINTS; i++)
		if (strlen(name_of[i]) == step && strncmp(word, name_of[i], step) == 0)
			armed = i;
	word += step;
	if (*word == '.') {
		while (word[op + 1] != '\0' && word[op + 1] != ':' && op + 1 < sizeof(op_armed)) {
			op_armed[op] = word[op + 1];
			op++;
		}
		word += op + 1;
	}
	left = 1;
	if (*word == ':') {
		left = 0;
		while (*++word >= '0' && *word <= '9' && left < 1000000)
			left = left * 10 + *word - '0';
	}
	return armed >= 0 && *word == '\0' && left > 0;
}

void crash_init(void)
{
	const char *word = param_str("crash", NULL);

	if (word == NULL)
		return;
	if (!parse(word))
		panic("crash=%s names no crash point (Documentation/debugging.md)", word);
	pr_warn("crash: armed at %s", word);
}

void crash_point(enum crash_point p, const char *op)
{
	if (__builtin_expect(armed != (int)p, 1) || (op_armed[0] != '\0' && (op == NULL || strcmp(op, op_armed) != 0)))
		return;
	if (__atomic_sub_fetch(&left, 1, __ATOMIC_SEQ_CST) != 0)
		return;
	pr_err("crash: the power goes at %s%s%s", name_of[p], op != NULL ? "." : "", op != NULL ? op : "");
	/*
	 * The log thread of another CPU may have the line in its hands: it would go with them. What it has not taken yet power_cut() writes,
	 * as it must where nobody else can run.
	 */
	for (u64 end = time_mono_ns() + 2 * NSEC_PER_SEC; !printk_all_out() && time_mono_ns() < end;)
		cpu_relax();
	power_cut();
}
