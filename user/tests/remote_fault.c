/* SPDX-License-Identifier: MIT */
/*
 * Touches pages that are not in the cache, one touch a page, and times each:
 * `remote_fault PATTERN HOW MEGABYTES [THREADS [ROUNDS]]`. PATTERN: seq, random, or a stride in pages; HOW: read or write. All
 * of the memory was written before, in an order that no prefetcher follows, so that what the cache does not hold is elsewhere.
 * Each thread has a part of its own, of consecutive pages, and touches all of it in each round (0: nothing is touched, which is
 * what the rest of the program costs). Every page's content is checked. One line, over all threads and rounds:
 * `PATTERN-HOW threads N pages N ms N pages/s N median N p99 N ns remote N median N ns`; the first median is that of touches,
 * faults or not, the last that of the touches that waited for another machine: all above REMOTE_NS.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "check.h"

#define PAGE		4096ULL
#define WORDS		(PAGE / 8)
#define MAX_THREADS	64
#define REMOTE_NS	50000	/* a fault that is answered here takes a tenth of it, one that is not several times as much */

struct part {			/* of the memory: one thread's */
	pthread_t thread;
	uint64_t first, pages;
	uint64_t wrong, begin, end;
};

static uint64_t *area;
static uint32_t *at;		/* page i of a part, by the order of touches */
static uint64_t *took;		/* ns */
static unsigned rounds = 1;
static int writes;
static pthread_barrier_t start_line;

static uint64_t mix(uint64_t i) { return (i + 1) * 0x9e3779b97f4a7c15ULL; }

static void shuffle(uint32_t *list, uint64_t n)
{
	static uint64_t state = 88172645463325252ULL;

	for (uint64_t i = n; i > 1; i--) {
		uint64_t k;
		uint32_t t = list[i - 1];

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		k = state % i;
		list[i - 1] = list[k];
		list[k] = t;
	}
}

/* The pages [first, first + n) in the order of the pattern. */
static void arrange(uint32_t *list, uint64_t first, uint64_t n, const char *pattern)
{
	uint64_t stride = strcmp(pattern, "seq") == 0 ? 1 : strtoull(pattern, NULL, 0), from = 0, page = 0;

	for (uint64_t i = 0; i < n; i++) {
		list[i] = first + page;
		page += stride == 0 ? 1 : stride;
		if (page >= n)
			page = ++from;
	}
	if (stride == 0)
		shuffle(list, n);
}

static void *touch(void *arg)
{
	struct part *p = arg;

	pthread_barrier_wait(&start_line);
	p->begin = now_ns();
	for (uint64_t n = 0; n < rounds * p->pages; n++) {
		uint64_t page = at[p->first + n % p->pages];
		volatile uint64_t *words = area + page * WORDS;
		uint64_t start = now_ns(), word = words[0];

		if (writes)
			words[1] = n;
		took[p->first * rounds + n] = now_ns() - start;
		p->wrong += word != mix(page);
	}
	p->end = now_ns();
	return NULL;
}

static void *must(void *p)
{
	if (p != NULL && p != MAP_FAILED)
		return p;
	fputs("remote_fault: out of memory\n", stderr);
	exit(1);
}

static void usage(void)
{
	fputs("usage: remote_fault seq|random|STRIDE read|write MEGABYTES [THREADS [ROUNDS]]\n", stderr);
	exit(2);
}

static void fill(uint64_t pages)
{
	arrange(at, 0, pages, "random");
	for (uint64_t i = 0; i < pages; i++)
		area[at[i] * WORDS] = mix(at[i]);
}

int main(int argc, char **argv)
{
	static struct part parts[MAX_THREADS];
	uint64_t pages = argc > 3 ? strtoull(argv[3], NULL, 0) << 8 : 0, samples, begin = ~0ULL, end = 0, wrong = 0;
	unsigned threads = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 0) : 1;

	if (argc > 5)
		rounds = (unsigned)strtoul(argv[5], NULL, 0);
	if (argc < 4 || argc > 6 || pages == 0 || threads == 0 || threads > MAX_THREADS || pages > UINT32_MAX ||
	    (strcmp(argv[1], "seq") != 0 && strcmp(argv[1], "random") != 0 && strtoull(argv[1], NULL, 0) == 0) ||
	    (strcmp(argv[2], "read") != 0 && strcmp(argv[2], "write") != 0))
		usage();
	writes = strcmp(argv[2], "write") == 0;
	samples = pages * rounds;
	at = must(malloc(pages * sizeof(*at)));
	took = must(malloc((samples + 1) * sizeof(*took)));
	memset(took, 1, samples * sizeof(*took));
	area = must(mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	fill(pages);
	pthread_barrier_init(&start_line, NULL, threads);
	for (unsigned i = 0; i < threads; i++) {
		parts[i].first = pages * i / threads;
		parts[i].pages = pages * (i + 1) / threads - parts[i].first;
		arrange(at + parts[i].first, parts[i].first, parts[i].pages, argv[1]);
	}
	for (unsigned i = 1; i < threads; i++) {
		if (pthread_create(&parts[i].thread, NULL, touch, &parts[i]) != 0)
			must(NULL);
	}
	touch(&parts[0]);
	for (unsigned i = 0; i < threads; i++) {
		if (i > 0)
			pthread_join(parts[i].thread, NULL);
		begin = parts[i].begin < begin ? parts[i].begin : begin;
		end = parts[i].end > end ? parts[i].end : end;
		wrong += parts[i].wrong;
	}
	if (samples > 0) {
		uint64_t here = 0;

		qsort(took, samples, sizeof(took[0]), u64_order);
		while (here < samples && took[here] <= REMOTE_NS)
			here++;
		printf("%s-%s threads %u pages %llu ms %llu pages/s %llu median %llu p99 %llu ns remote %llu median %llu ns\n", argv[1], argv[2],
		       threads, (unsigned long long)samples, (unsigned long long)((end - begin) / 1000000),
		       (unsigned long long)(samples * 1000000000ULL / (end - begin)), (unsigned long long)took[samples / 2],
		       (unsigned long long)took[samples * 99 / 100], (unsigned long long)(samples - here),
		       here < samples ? (unsigned long long)took[(here + samples) / 2] : 0ULL);
	}
	if (wrong != 0)
		fprintf(stderr, "%llu pages are wrong\n", (unsigned long long)wrong);
	return wrong != 0;
}
