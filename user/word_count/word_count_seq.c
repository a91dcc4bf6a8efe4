/* SPDX-License-Identifier: MIT */
/* word_count-seq FILE [TOP]: the same result as word_count by one thread, without any thread library call. */
#include <stdio.h>

#include "text.h"

int main(int argc, char **argv)
{
	struct options options;
	struct table table = { 0 };
	struct text text;
	double started;

	options_parse(&options, argc, argv);
	text_load(&text, options.file);
	puts("Wordcount: Running...");

	started = seconds_now();
	text_count(text.bytes, text.len, &table, 1);
	result_print(&table, 1, started, options.top);
	return 0;
}
