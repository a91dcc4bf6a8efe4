/* SPDX-License-Identifier: MIT */
/* Which rule is taken away: see lib/base/rule.h. */
#include "lib/base/rule.h"

#include "kernel/param.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"

int rule_gone = -1;

static const struct { const char *name, *lesson; } rules[NR_RULES] = {
#define RULE_ROW(rule, from) [RULE_##rule] = { #rule, from },
	PCACHE_RULES(RULE_ROW) OTHER_RULES(RULE_ROW)
};

const char *rule_name(int rule)
{
	return rule >= 0 && rule < NR_RULES ? rules[rule].name : "none";
}

const char *rule_lesson(int rule)
{
	return rule >= 0 && rule < NR_RULES ? rules[rule].lesson : "";
}

int rule_find(const char *word)
{
	for (int i = 0; i < NR_RULES; i++)
		if (strcmp(rules[i].name, word) == 0)
			return i;
	for (int i = 0; i < NR_RULES; i++)
		if (*word != '\0' && strcmp(rules[i].lesson, word) == 0)
			return i;
	return -1;
}

/* A word that names no rule is a wrong parameter: the test that asked for it would prove nothing. */
void rules_init(void)
{
	const char *word = param_str("debug.mutant", NULL);

	if (word == NULL)
		return;
	rule_gone = rule_find(word);
	if (rule_gone < 0)
		panic("debug.mutant=%s names no rule", word);
	pr_warn("debug.mutant: rule %s is gone", rule_name(rule_gone));
}
