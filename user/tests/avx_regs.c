/* SPDX-License-Identifier: MIT */
/*
 * avx_regs [THREADS [MILLISECONDS]]: threads keep their own values in all vector registers over preemption and system
 * calls (lesson: L1), with AVX where the CPU has it and SSE2 otherwise. More threads than CPUs, so that they do switch.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "check.h"

static unsigned long milliseconds;

/* Load 16 registers, spend some time, store them again: one asm block, so the compiler cannot save them itself. */
#define ALL(X)	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define LOAD_AVX(n)	"vmovdqu 32*" #n "(%[from]), %%ymm" #n "\n"
#define STORE_AVX(n)	"vmovdqu %%ymm" #n ", 32*" #n "(%[to])\n"
#define LOAD_SSE(n)	"movdqu 32*" #n "(%[from]), %%xmm" #n "\n"
#define STORE_SSE(n)	"movdqu %%xmm" #n ", 32*" #n "(%[to])\n"
#define CLOBBER		"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
			"xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#define SPIN		"mov %[spins], %%rcx\n1: pause\n dec %%rcx\n jnz 1b\n"
#define YIELD		"mov $24, %%eax\n syscall\n"	/* sched_yield, with the values still in the registers */

static void hold_avx(const uint64_t *from, uint64_t *to, unsigned long spins)
{
	__asm__ volatile(ALL(LOAD_AVX) SPIN YIELD ALL(STORE_AVX) "vzeroupper\n"
			 : : [from] "r"(from), [to] "r"(to), [spins] "r"(spins)
			 : "rax", "rcx", "r11", "memory", "cc", CLOBBER);
}

static void hold_sse(const uint64_t *from, uint64_t *to, unsigned long spins)
{
	__asm__ volatile(ALL(LOAD_SSE) SPIN YIELD ALL(STORE_SSE)
			 : : [from] "r"(from), [to] "r"(to), [spins] "r"(spins)
			 : "rax", "rcx", "r11", "memory", "cc", CLOBBER);
}

static unsigned long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (unsigned long)ts.tv_sec * 1000 + (unsigned long)ts.tv_nsec / 1000000;
}

static void *run(void *arg)
{
	int avx = __builtin_cpu_supports("avx");
	unsigned long end = now_ms() + milliseconds, seed = (unsigned long)arg, rounds = 0;
	uint64_t from[64], to[64];

	do {
		pattern_write(from, 64, seed * 1000, rounds);
		memcpy(to, from, sizeof(to));		/* SSE stores half of each slot only */
		if (avx) {
			memset(to, 0, sizeof(to));
			hold_avx(from, to, 1000 + rounds % 7 * 3000);
		} else {
			hold_sse(from, to, 1000 + rounds % 7 * 3000);
		}
		pattern_check(to, 64, seed * 1000, rounds);
		rounds++;
	} while (now_ms() < end);
	return (void *)rounds;
}

int main(int argc, char **argv)
{
	unsigned long nr = number_arg(argc, argv, 1, 8), rounds = 0;
	pthread_t threads[64];
	void *result;

	milliseconds = number_arg(argc, argv, 2, 500);
	CHECK(nr >= 1 && nr <= 64);
	for (unsigned long i = 0; i < nr; i++) {
		errno = pthread_create(&threads[i], NULL, run, (void *)(i + 1));
		CHECK(errno == 0);
	}
	for (unsigned long i = 0; i < nr; i++) {
		errno = pthread_join(threads[i], &result);
		CHECK(errno == 0);
		rounds += (unsigned long)result;
	}
	return ok("%s, %lu threads, %lu rounds", __builtin_cpu_supports("avx") ? "avx" : "sse2", nr, rounds);
}
