/* SPDX-License-Identifier: MIT */
/*
 * vdso: the shared object that the kernel maps: its symbols, that they say what the system calls say, that it is in a child
 * and after execve, cannot be written, and can be unmapped.
 */
#define _GNU_SOURCE
#include "check.h"

#include <elf.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static uintptr_t base;

/* A symbol of the object at base, by its dynamic section as a dynamic linker reads it. */
static void *symbol(const char *name)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)base;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(base + e->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *sym = NULL;
	const char *str = NULL;
	const uint32_t *hash = NULL;
	uintptr_t bias = 0;

	for (int i = 0; i < e->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			bias = base + ph[i].p_offset - ph[i].p_vaddr;
		else if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const Elf64_Dyn *)(base + ph[i].p_offset);
	}
	CHECK(dyn != NULL);
	for (; dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_SYMTAB)
			sym = (const Elf64_Sym *)(bias + dyn->d_un.d_ptr);
		else if (dyn->d_tag == DT_STRTAB)
			str = (const char *)(bias + dyn->d_un.d_ptr);
		else if (dyn->d_tag == DT_HASH)
			hash = (const uint32_t *)(bias + dyn->d_un.d_ptr);
	}
	if (hash == NULL)		/* some have only the other table: as many symbols as any has */
		hash = (const uint32_t[]){ 0, 20 };
	CHECK(sym != NULL && str != NULL);
	for (uint32_t i = 1; i < hash[1]; i++)
		if (strcmp(str + sym[i].st_name, name) == 0 && sym[i].st_shndx != 0)
			return (void *)(bias + sym[i].st_value);
	fail("no symbol %s", name);
}

static int (*gettime)(clockid_t, struct timespec *);
static int (*timeofday)(struct timeval *, void *);
static time_t (*seconds)(time_t *);
static long (*cpu_of)(unsigned *, unsigned *, void *);

static long long ns_of(const struct timespec *ts) { return ts->tv_sec * 1000000000LL + ts->tv_nsec; }

static void clocks(void)
{
	static const clockid_t clock[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_TAI,
					   CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID };
	struct timespec before, here, after;

	for (unsigned i = 0; i < sizeof(clock) / sizeof(clock[0]); i++) {
		for (int n = 0; n < 1000; n++) {
			CHECK(syscall(SYS_clock_gettime, clock[i], &before) == 0 && gettime(clock[i], &here) == 0 &&
			      syscall(SYS_clock_gettime, clock[i], &after) == 0);
			CHECK(here.tv_nsec >= 0 && here.tv_nsec < 1000000000);
			if (ns_of(&here) < ns_of(&before) || ns_of(&here) > ns_of(&after))
				fail("clock %d: %lld not between %lld and %lld", clock[i], ns_of(&here), ns_of(&before), ns_of(&after));
		}
	}
	CHECK(gettime(CLOCK_REALTIME_COARSE, &here) == 0 && gettime(CLOCK_MONOTONIC_COARSE, &here) == 0);
	CHECK(gettime(12345, &here) == -EINVAL);
}

static void others(void)
{
	struct timeval tv, tv2;
	struct timezone zone = { 1, 1 };
	time_t t, now;
	cpu_set_t set, one;
	unsigned cpu, node;

	CHECK(syscall(SYS_gettimeofday, &tv, NULL) == 0 && timeofday(&tv2, &zone) == 0);
	CHECK(tv2.tv_usec >= 0 && tv2.tv_usec < 1000000 && zone.tz_minuteswest == 0);
	CHECK(tv2.tv_sec * 1000000LL + tv2.tv_usec >= tv.tv_sec * 1000000LL + tv.tv_usec);
	CHECK(timeofday(NULL, NULL) == 0);
	now = seconds(&t);
	CHECK(now == t && seconds(NULL) >= now && now >= tv.tv_sec);
	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
	for (int c = 0; c < CPU_SETSIZE; c++) {
		if (!CPU_ISSET(c, &set))
			continue;
		CPU_ZERO(&one);
		CPU_SET(c, &one);
		CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
		CHECK(cpu_of(&cpu, &node, NULL) == 0 && cpu == (unsigned)c);
	}
	CHECK(sched_setaffinity(0, sizeof(set), &set) == 0 && cpu_of(NULL, NULL, NULL) == 0);
}

static sigjmp_buf back;
static volatile int code;
static void on_fault(int sig, siginfo_t *si, void *context)
{
	(void)context;
	code = si->si_code;
	siglongjmp(back, sig);
}

static void not_writable(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	CHECK(sigaction(SIGSEGV, &sa, NULL) == 0);
	if (sigsetjmp(back, 1) == 0) {
		*(volatile char *)base = 1;
		fail("the vDSO can be written");
	}
	CHECK(code == SEGV_ACCERR);
	signal(SIGSEGV, SIG_DFL);
}

/* "[vdso]" and "[vvar]" in /proc/self/maps: where, and with which rights. */
static void mapped(uintptr_t *vvar, uintptr_t *end)
{
	char line[512], rights[8], *at;
	unsigned long from, to;
	bool both[2] = { false };
	FILE *f = fopen("/proc/self/maps", "r");

	CHECK(f != NULL);
	*vvar = *end = 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		CHECK(sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3);
		at = strchr(line, '[');
		if (at != NULL && strncmp(at, "[vdso]", 6) == 0) {
			CHECK(from == base && strcmp(rights, "r-xp") == 0);
			*end = to;
			both[0] = true;
		} else if (at != NULL && strncmp(at, "[vvar]", 6) == 0) {
			CHECK(strcmp(rights, "r--p") == 0);
			*vvar = from;
			both[1] = true;
		}
	}
	CHECK(fclose(f) == 0 && both[0] && both[1]);
}

int main(int argc, char **argv)
{
	uintptr_t vvar, end;
	pid_t child;
	int status;

	base = getauxval(AT_SYSINFO_EHDR);
	CHECK(base != 0 && memcmp((void *)base, ELFMAG, SELFMAG) == 0);
	gettime = symbol("__vdso_clock_gettime");
	timeofday = symbol("__vdso_gettimeofday");
	seconds = symbol("__vdso_time");
	cpu_of = symbol("__vdso_getcpu");
	clocks();
	others();
	if (argc > 1)
		return 33;
	not_writable();
	mapped(&vvar, &end);
	child = fork();
	if (child == 0) {
		clocks();
		others();
		/* without it, too: the C library of this program has looked it up already, so the calls are made by hand */
		CHECK(munmap((void *)vvar, end - vvar) == 0);
		CHECK(syscall(SYS_getpid) > 0);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	clocks();
	child = fork();
	if (child == 0) {
		execl("/proc/self/exe", argv[0], "again", NULL);
		_exit(1);
	}
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 33);
	return ok("");
}
