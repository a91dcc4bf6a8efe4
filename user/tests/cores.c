/* SPDX-License-Identifier: MIT */
/*
 * cores: which signals leave a core file behind, where, and what is in it; who leaves none. core(5), signal(7). With "must" it has to be
 * so; else nothing is looked at where the machine's core files go elsewhere (/proc/sys/kernel/core_pattern).
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "shown.h"

#define PAGE 4096UL

static rlim_t most = RLIM_INFINITY;
static int of_child;			/* each child's own, after fork() */

static void limit(void)
{
	struct rlimit r = { most, RLIM_INFINITY };

	CHECK(setrlimit(RLIMIT_CORE, &r) == 0);
}

static int end_of(void (*fn)(void), pid_t *pid)
{
	siginfo_t si;
	int status;

	*pid = fork();
	CHECK(*pid >= 0);
	if (*pid == 0) {
		limit();
		for (int sig = 1; sig < 32; sig++)	/* whoever runs the tests may ignore some */
			signal(sig, SIG_DFL);
		of_child = getpid();
		fn();
		_exit(0);
	}
	CHECK(waitid(P_PID, *pid, &si, WEXITED | WNOWAIT) == 0 && waitpid(*pid, &status, 0) == *pid && WIFSIGNALED(status));
	CHECK(si.si_code == (WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED) && si.si_status == WTERMSIG(status));
	return status;
}

static bool is_there(const char *name)
{
	struct stat st;

	if (stat(name, &st) < 0)
		return false;
	CHECK(S_ISREG(st.st_mode) && st.st_size > 0 && (st.st_mode & 07777) == 0600);
	return true;
}

static int signal_now;
static void raises(void) { raise(signal_now); }

static void signals(void)
{
	static const int dumps[] = { SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS };
	static const int ends[] = { SIGTERM, SIGKILL, SIGUSR1, SIGPIPE, SIGALRM, SIGHUP, 34 };
	pid_t pid;

	for (size_t i = 0; i < sizeof(dumps) / sizeof(dumps[0]); i++) {
		signal_now = dumps[i];
		CHECK(end_of(raises, &pid) == (dumps[i] | 0x80) && is_there("core") && unlink("core") == 0);
	}
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		signal_now = ends[i];
		CHECK(end_of(raises, &pid) == ends[i] && !is_there("core"));
	}
}

/* --- what is in it --- */

static char *kept, *left_out, *common, *mine;
static long in_data = 0x1122334455667788;

static void faults(void)
{
	in_data = of_child * 3L;
	kept[PAGE] = 'k';
	left_out[0] = 'l';
	common[0] = 'c';
	CHECK(madvise(left_out, PAGE, MADV_DONTDUMP) == 0);
	*(volatile char *)(mine + 123) = 1;
}

struct segments { const char *file; size_t size; const Elf64_Ehdr *head; const Elf64_Phdr *ph; };

/* What the file has at an address: NULL: nothing. */
static const void *at(const struct segments *s, const volatile void *va)
{
	uintptr_t a = (uintptr_t)va;

	for (int i = 0; i < s->head->e_phnum; i++)
		if (s->ph[i].p_type == PT_LOAD && s->ph[i].p_vaddr <= a && a < s->ph[i].p_vaddr + s->ph[i].p_filesz)
			return s->file + s->ph[i].p_offset + (a - s->ph[i].p_vaddr);
	return NULL;
}

static const void *note(const struct segments *s, unsigned type, size_t size)
{
	const Elf64_Phdr *p = s->ph;

	while (p->p_type != PT_NOTE)
		p++;
	CHECK(p->p_offset + p->p_filesz <= s->size);
	for (size_t off = 0; off < p->p_filesz;) {
		const Elf64_Nhdr *n = (const void *)(s->file + p->p_offset + off);

		off += sizeof(*n) + (n->n_namesz + 3) / 4 * 4;
		if (n->n_type == type) {
			CHECK(size == 0 || n->n_descsz == size);
			return s->file + p->p_offset + off;
		}
		off += (n->n_descsz + 3) / 4 * 4;
	}
	fail("there is no note %#x", type);
}

static struct segments load(const char *name)
{
	struct segments s;
	struct stat st;
	int fd = open(name, O_RDONLY);

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	s.size = st.st_size;
	s.file = mmap(NULL, s.size, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(s.file != MAP_FAILED && close(fd) == 0);
	s.head = (const void *)s.file;
	s.ph = (const void *)(s.file + s.head->e_phoff);
	CHECK(memcmp(s.head->e_ident, ELFMAG, SELFMAG) == 0 && s.head->e_type == ET_CORE && s.head->e_machine == EM_X86_64);
	return s;
}

static void contents(void)
{
	const struct elf_prstatus *status;
	const struct elf_prpsinfo *about;
	const siginfo_t *si;
	struct segments s;
	pid_t pid;

	kept = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	left_out = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	common = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mine = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(end_of(faults, &pid) == (SIGSEGV | 0x80));
	s = load("core");
	status = note(&s, NT_PRSTATUS, sizeof(*status));
	CHECK(status->pr_pid == pid && status->pr_ppid == getpid() && status->pr_cursig == SIGSEGV && status->pr_info.si_signo == SIGSEGV);
	CHECK(status->pr_reg[16] != 0 && at(&s, (void *)(uintptr_t)status->pr_reg[19]) != NULL);	/* rip; rsp */
	about = note(&s, NT_PRPSINFO, sizeof(*about));
	CHECK(about->pr_pid == pid && strcmp(about->pr_fname, program_invocation_short_name) == 0 && about->pr_uid == getuid());
	CHECK(strstr(about->pr_psargs, program_invocation_short_name) != NULL);
	si = note(&s, NT_SIGINFO, sizeof(*si));
	CHECK(si->si_signo == SIGSEGV && si->si_code == SEGV_ACCERR && si->si_addr == mine + 123);
	CHECK(note(&s, NT_PRFPREG, 512) != NULL && note(&s, NT_AUXV, 0) != NULL);
	CHECK(*(const long *)at(&s, &in_data) == pid * 3L && *(const char *)at(&s, kept + PAGE) == 'k' && *(const char *)at(&s, kept + 3 * PAGE) == 0);
	CHECK(*(const char *)at(&s, common) == 'c' && at(&s, left_out) == NULL);
	CHECK(unlink("core") == 0);
}

/* --- who leaves none, and how much --- */

static void *waits(void *arg)
{
	pause();
	return arg;
}

static void several_threads(void)
{
	pthread_t t;

	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&t, NULL, waits, NULL) == 0);
	abort();
}

static void not_dumpable(void)
{
	CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
	abort();
}

static void in_nobodys_folder(void)
{
	CHECK(chdir("/proc") == 0);
	abort();
}

static void who(void)
{
	struct stat st;
	pid_t pid;

	CHECK(end_of(several_threads, &pid) == (SIGABRT | 0x80) && is_there("core") && unlink("core") == 0);
	CHECK(end_of(not_dumpable, &pid) == SIGABRT && !is_there("core"));
	CHECK(end_of(in_nobodys_folder, &pid) == SIGABRT);
	most = 0;
	CHECK(end_of(abort, &pid) == SIGABRT && !is_there("core"));
	most = 40960;				/* whole pages: some kernels round up */
	CHECK(end_of(abort, &pid) == (SIGABRT | 0x80) && stat("core", &st) == 0 && st.st_size <= 40960);
	most = RLIM_INFINITY;
	CHECK(unlink("core") == 0);
}

static void other_names(void)		/* it stays as it is: core(5), whatever newer kernels do */
{
	struct stat st;
	pid_t pid;

	CHECK(end_of(abort, &pid) == (SIGABRT | 0x80) && link("core", "other") == 0 && truncate("core", 0) == 0);
	CHECK(end_of(abort, &pid) == SIGABRT && unlink("core") == 0 && stat("other", &st) == 0 && st.st_size == 0);
	CHECK(symlink("other", "core") == 0 && end_of(abort, &pid) == SIGABRT && unlink("core") == 0 && unlink("other") == 0);
}

static void named(void)		/* on a node of ours, which nobody else is on */
{
	int fd = open("/proc/sys/kernel/core_pattern", O_WRONLY);
	char name[64];
	pid_t pid;

	CHECK(fd >= 0 && write(fd, "of-%e-%s.%p%%", 13) == 13);
	CHECK(end_of(abort, &pid) == (SIGABRT | 0x80));
	snprintf(name, sizeof(name), "of-%.15s-6.%d%%", program_invocation_short_name, pid);
	CHECK(is_there(name) && unlink(name) == 0 && !is_there("core"));
	CHECK(write(fd, "|/bin/true", 10) == -1 && errno == EINVAL);
	CHECK(pwrite(fd, "core\n", 5, 0) == 5 && close(fd) == 0);
}

int main(int argc, char **argv)
{
	bool must = argc > 1 && strcmp(argv[1], "must") == 0;
	char folder[] = "/tmp/coresXXXXXX";
	struct rlimit r;

	if (getrlimit(RLIMIT_CORE, &r) < 0 || ((r.rlim_max != RLIM_INFINITY || strcmp(shown("/proc/sys/kernel/core_pattern"), "core\n") != 0 ||
						strcmp(shown("/proc/sys/kernel/core_uses_pid"), "0\n") != 0) && !must))
		return ok("");
	CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
	signals();
	contents();
	who();
	if (must) {
		other_names();
		named();
	}
	CHECK(chdir("/") == 0 && rmdir(folder) == 0);
	return ok("");
}
