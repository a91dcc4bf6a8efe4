/* SPDX-License-Identifier: MIT */
/*
 * layout: what a program finds when it begins (the auxiliary vector), what of it may not be written or executed, and where it lies: of
 * several runs the addresses differ, with ADDR_NO_RANDOMIZE they are the same. To be linked as a position-independent program with
 * everything bound at its start (layout-dyn). The same output on Linux.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/personality.h>

#include "check.h"

#define RUNS	4
#define PLACES(X) X(stack) X(mapping) X(heap) X(text) X(library) X(vdso)

#define AS_NAME(n) #n,
static const char *const places[] = { PLACES(AS_NAME) };
#define NR_PLACES (sizeof(places) / sizeof(places[0]))

static int some;
static int *const bound[2] = { &some };		/* in .data.rel.ro: written when it is relocated, and never after */
static unsigned char code[] = { 0xc3 };
static sigjmp_buf back;
static siginfo_t told;

static void note(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	told = *info;
	siglongjmp(back, 1);
}

static void run_at(void *p) { ((void (*)(void))(uintptr_t)p)(); }
static void write_at(void *p) { *(volatile unsigned char *)p = 0xc3; }

static void attempt(const char *what, void (*fn)(void *), void *at)
{
	memset(&told, 0, sizeof(told));
	if (sigsetjmp(back, 1) == 0)
		fn(at);
	printf("%s: signal %d, %s%s\n", what, told.si_signo,
	       told.si_code == SEGV_ACCERR ? "not permitted" : told.si_code == SEGV_MAPERR ? "nothing there" : "another code",
	       told.si_addr == at ? ", there" : "");
}

static void protections(void)
{
	struct sigaction act = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };
	unsigned char *heap = malloc(100), here[16] = { 0xc3 };
	unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(sigaction(SIGSEGV, &act, NULL) == 0 && sigaction(SIGBUS, &act, NULL) == 0 && heap != NULL && page != MAP_FAILED);
	heap[0] = page[0] = 0xc3;
	attempt("write bound data", write_at, (void *)(uintptr_t)bound);
	attempt("write text", write_at, (void *)(uintptr_t)&write_at);
	attempt("write the vdso", write_at, (void *)getauxval(AT_SYSINFO_EHDR));
	attempt("run the stack", run_at, here);
	attempt("run the heap", run_at, heap);
	attempt("run data", run_at, code);
	attempt("run a mapping", run_at, page);
	CHECK(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
	attempt("run a mapping that may be", run_at, page);
	attempt("write it", write_at, page);
	CHECK(munmap(page, 4096) == 0);
	attempt("write where it was", write_at, page);
	CHECK(*(int *const volatile *)bound == &some);
}

/* Which types there are. Two tell of restartable sequences, which not all kernels have. */
static void vector(void)
{
	char **p = environ, there[128] = { 0 };
	const unsigned long *v;

	while (*p != NULL)
		p++;
	for (v = (unsigned long *)(p + 1); v[0] != AT_NULL; v += 2) {
		CHECK(v[0] < sizeof(there) && !there[v[0]]);
		there[v[0]] = 1;
	}
	printf("vector:");
	for (unsigned i = 0; i < sizeof(there); i++)
		if (there[i] && i != 27 && i != 28)
			printf(" %u", i);
	printf("\n");
	CHECK(getauxval(AT_PAGESZ) == 4096 && getauxval(AT_CLKTCK) == 100 && getauxval(AT_SECURE) == 0 && getauxval(AT_FLAGS) == 0);
	CHECK(getauxval(AT_UID) == getuid() && getauxval(AT_EUID) == geteuid() && getauxval(AT_GID) == getgid() && getauxval(AT_EGID) == getegid());
	CHECK(strcmp((char *)getauxval(AT_PLATFORM), "x86_64") == 0 && strstr((char *)getauxval(AT_EXECFN), "layout") != NULL);
	CHECK(getauxval(AT_BASE) % 4096 == 0 && getauxval(AT_ENTRY) != 0 && getauxval(AT_PHNUM) > 3 && getauxval(AT_PHENT) == 56);
	CHECK(memcmp((void *)getauxval(AT_SYSINFO_EHDR), "\177ELF", 4) == 0 && getauxval(AT_MINSIGSTKSZ) >= 1000);
}

static void say_addresses(void)
{
	int here;
	void *at[NR_PLACES] = { &here, mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), sbrk(0), (void *)(uintptr_t)&say_addresses,
				stdout, (void *)getauxval(AT_SYSINFO_EHDR) };

	CHECK(write(STDOUT_FILENO, at, sizeof(at)) == sizeof(at));
}

static void addresses(const char *how, unsigned long persona)
{
	uint64_t at[RUNS][NR_PLACES];
	int p[2], status;

	fflush(stdout);
	for (unsigned i = 0; i < RUNS; i++) {
		pid_t child;

		CHECK(pipe(p) == 0);
		child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			CHECK(dup2(p[1], STDOUT_FILENO) >= 0 && (persona == 0 || personality(persona) != -1));
			close(p[0]);
			close(p[1]);
			execl("/proc/self/exe", "layout", "addresses", NULL);
			fail("exec");
		}
		close(p[1]);
		CHECK(read(p[0], at[i], sizeof(at[i])) == sizeof(at[i]) && close(p[0]) == 0);
		CHECK(waitpid(child, &status, 0) == child && status == 0);
	}
	printf("%s:", how);
	for (size_t k = 0; k < NR_PLACES; k++) {
		int differ = 0;

		for (unsigned i = 1; i < RUNS; i++)
			differ |= at[i][k] != at[0][k];
		printf(" %s %s", places[k], differ ? "differs" : "stays");
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "addresses") == 0) {
		say_addresses();
		return 0;
	}
	vector();
	protections();
	addresses("as it comes", 0);
	addresses("not at random", ADDR_NO_RANDOMIZE);
	return ok("");
}
