/* SPDX-License-Identifier: MIT */
/*
 * Touches pages so that their faults are answered in each way that there is, with a mark around each touch for a machine that
 * counts instructions (bench/mark.h): `fault_kinds PAGES`, several times what the cache holds. Says how each was answered, by the
 * counters of /proc/pcache, a letter each in the order of the touches: Zeros, set Hit, Victim hit, fetched from Memory, - none
 * or several of them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>

#include "bench/mark.h"
#include "check.h"

#define PAGE		4096
#define SHARED_PAGES	64

static const char *const names[] = { "nr_pgfault", "nr_pcache_fill_zerofill", "nr_pgfault_set_hit", "nr_pcache_fill_from_victim",
				     "nr_pcache_fill_from_memory" };
static const char letters[] = "-ZHVM";
#define NR_NAMES	(sizeof(names) / sizeof(names[0]))

static char text[65536];
static char *answers;
static size_t nr_answers;

static void counters(unsigned long *out)
{
	int fd = open("/proc/pcache", O_RDONLY);
	ssize_t n = 0, got;

	CHECK(fd >= 0);
	while ((got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += got;
	CHECK(got == 0);
	close(fd);
	text[n] = '\0';
	for (size_t i = 0; i < NR_NAMES; i++) {
		char key[64];
		const char *at;

		snprintf(key, sizeof(key), "\n%s: ", names[i]);
		at = strstr(text, key);
		CHECK(at != NULL);
		out[i] = strtoul(at + strlen(key), NULL, 10);
	}
}

static void touch(volatile char *p, int write)
{
	unsigned long before[NR_NAMES], after[NR_NAMES];
	char answer = '-';

	counters(before);
	MARK(1);
	if (write)
		*p = 1;
	else
		(void)*p;
	MARK(0);
	counters(after);
	for (size_t i = 1; i < NR_NAMES; i++)
		if (after[0] == before[0] + 1 && after[i] == before[i] + 1)
			answer = letters[i];
	answers[nr_answers++] = answer;
}

int main(int argc, char **argv)
{
	size_t pages = number_arg(argc, argv, 1, 1024);
	char *area = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create("shared", 0);
	char *shared, *again;

	answers = calloc(3 * pages + SHARED_PAGES + 1, 1);
	CHECK(area != MAP_FAILED && answers != NULL && fd >= 0 && ftruncate(fd, SHARED_PAGES * PAGE) == 0);
	shared = mmap(NULL, SHARED_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	again = mmap(NULL, SHARED_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(shared != MAP_FAILED && again != MAP_FAILED);
	for (size_t i = 0; i < SHARED_PAGES; i++)
		shared[i * PAGE] = 1;
	for (size_t i = 0; i < SHARED_PAGES; i++)
		touch(again + i * PAGE, 0);
	for (size_t i = 0; i < pages; i++)
		touch(area + i * PAGE, 1);
	for (size_t i = pages; i-- > 0;)		/* the last ones first: some are in the victim cache still */
		touch(area + i * PAGE, 0);
	for (size_t i = 0; i < pages; i++)
		touch(area + i * 7 % pages * PAGE, 0);
	puts(answers);
	return 0;
}
