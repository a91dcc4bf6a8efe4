/* SPDX-License-Identifier: MIT */
/*
 * bad_pointers: each system call answers EFAULT for a pointer that is not the program's memory, whichever kind of wrong
 * it is (lesson: L19). A call that the kernel does not have (ENOSYS) is named and does not fail the test.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

#define BAD	0x62616462616462ul	/* stands for the bad pointer in the list */
#define FOLDER	0x64697264697264ul	/* an open folder */
#define FD	0x66646664666466ul	/* an open file with something in it */
#define PIPE	0x70697065706970ul	/* the writing end of a pipe */
#define SOCKET	0x736f636b736f63ul	/* a connected socket */
#define STR	0x73747273747273ul	/* a good path */
#define LINK	0x6c6c6c6c6c6c6cul	/* the path of a symbolic link */
#define SELF	0x73656c6673656cul	/* the path of this program */
#define BUF	0x62756662756662ul	/* good memory */

static const struct { const char *name; long nr; unsigned long args[6]; } calls[] = {
	{ "read", SYS_read, { FD, BAD, 16 } },
	{ "write", SYS_write, { PIPE, BAD, 16 } },
	{ "pread64", SYS_pread64, { FD, BAD, 16, 0 } },
	{ "readv", SYS_readv, { FD, BAD, 1 } },
	{ "writev", SYS_writev, { PIPE, BAD, 1 } },
	{ "open", SYS_open, { BAD, O_RDONLY } },
	{ "openat", SYS_openat, { (unsigned long)AT_FDCWD, BAD, O_RDONLY } },
	{ "stat", SYS_stat, { BAD, BUF } },
	{ "stat buffer", SYS_stat, { STR, BAD } },
	{ "fstat buffer", SYS_fstat, { FD, BAD } },
	{ "newfstatat", SYS_newfstatat, { (unsigned long)AT_FDCWD, BAD, BUF, 0 } },
	{ "newfstatat buffer", SYS_newfstatat, { (unsigned long)AT_FDCWD, STR, BAD, 0 } },
	{ "statx", SYS_statx, { (unsigned long)AT_FDCWD, STR, 0, 0x7ff, BAD } },
	{ "access", SYS_access, { BAD, 0 } },
	{ "readlink", SYS_readlink, { BAD, BUF, 64 } },
	{ "readlink buffer", SYS_readlink, { LINK, BAD, 64 } },
	{ "getcwd", SYS_getcwd, { BAD, 4096 } },
	{ "chdir", SYS_chdir, { BAD } },
	{ "uname", SYS_uname, { BAD } },
	{ "sysinfo", SYS_sysinfo, { BAD } },
	{ "getrandom", SYS_getrandom, { BAD, 16, 0 } },
	{ "clock_gettime", SYS_clock_gettime, { CLOCK_MONOTONIC, BAD } },
	{ "clock_getres", SYS_clock_getres, { CLOCK_MONOTONIC, BAD } },
	{ "gettimeofday", SYS_gettimeofday, { BAD, 0 } },
	{ "time", SYS_time, { BAD } },
	{ "nanosleep", SYS_nanosleep, { BAD, 0 } },
	{ "clock_nanosleep", SYS_clock_nanosleep, { CLOCK_MONOTONIC, 0, BAD, 0 } },
	{ "futex", SYS_futex, { BAD, FUTEX_WAIT_PRIVATE, 0, 0 } },
	{ "futex timeout", SYS_futex, { BUF, FUTEX_WAIT_PRIVATE, 0, BAD } },
	{ "rt_sigaction", SYS_rt_sigaction, { 10, BAD, 0, 8 } },
	{ "rt_sigaction old", SYS_rt_sigaction, { 10, 0, BAD, 8 } },
	{ "rt_sigprocmask", SYS_rt_sigprocmask, { 0, BAD, 0, 8 } },
	{ "rt_sigprocmask old", SYS_rt_sigprocmask, { 0, 0, BAD, 8 } },
	{ "prlimit64", SYS_prlimit64, { 0, 3, 0, BAD } },
	{ "getrlimit", SYS_getrlimit, { 3, BAD } },
	{ "getrusage", SYS_getrusage, { 0, BAD } },
	{ "sched_getaffinity", SYS_sched_getaffinity, { 0, 128, BAD } },
	{ "sched_setaffinity", SYS_sched_setaffinity, { 0, 128, BAD } },
	{ "getdents64", SYS_getdents64, { FOLDER, BAD, 1024 } },
	{ "socketpair", SYS_socketpair, { AF_UNIX, SOCK_STREAM, 0, BAD } },
	{ "bind", SYS_bind, { SOCKET, BAD, 16 } },
	{ "connect", SYS_connect, { SOCKET, BAD, 16 } },
	{ "getsockname", SYS_getsockname, { SOCKET, BAD, BUF } },
	{ "getsockname length", SYS_getsockname, { SOCKET, BUF, BAD } },
	{ "getpeername", SYS_getpeername, { SOCKET, BUF, BAD } },
	{ "setsockopt", SYS_setsockopt, { SOCKET, SOL_SOCKET, SO_KEEPALIVE, BAD, 4 } },
	{ "getsockopt", SYS_getsockopt, { SOCKET, SOL_SOCKET, SO_TYPE, BAD, BUF } },
	{ "getsockopt length", SYS_getsockopt, { SOCKET, SOL_SOCKET, SO_TYPE, BUF, BAD } },
	{ "sendto", SYS_sendto, { SOCKET, BAD, 16, 0, 0, 0 } },
	{ "sendmsg", SYS_sendmsg, { SOCKET, BAD, 0 } },
	{ "recvmsg", SYS_recvmsg, { SOCKET, BAD, MSG_DONTWAIT } },
	{ "sendfile", SYS_sendfile, { PIPE, FD, BAD, 16 } },
	{ "splice", SYS_splice, { FD, BAD, PIPE, 0, 16, 0 } },
	{ "vmsplice", SYS_vmsplice, { PIPE, BAD, 1, 0 } },
	{ "signalfd4", SYS_signalfd4, { (unsigned long)-1, BAD, 8, 0 } },
	{ "memfd_create", SYS_memfd_create, { BAD, 0 } },
	{ "preadv2", SYS_preadv2, { FD, BAD, 1, 0, 0, 0 } },
	{ "pipe2", SYS_pipe2, { BAD, 0 } },
	{ "poll", SYS_poll, { BAD, 1, 0 } },
	{ "execve", SYS_execve, { BAD, 0, 0 } },
	{ "execve argv", SYS_execve, { SELF, BAD, 0 } },
	{ "getresuid", SYS_getresuid, { BAD, BUF, BUF } },
	{ "times", SYS_times, { BAD } },
	{ "clone3", SYS_clone3, { BAD, 88 } },
	{ "mincore", SYS_mincore, { BUF, 4096, BAD } },
	{ "unlink", SYS_unlink, { BAD } },
	{ "mkdir", SYS_mkdir, { BAD, 0755 } },
	{ "rename", SYS_rename, { BAD, STR } },
};

static char buffer[8192] __attribute__((aligned(4096)));
static int fd, folder, ends[2], pair[2];

static unsigned long argument(unsigned long in_list, unsigned long bad)
{
	switch (in_list) {
	case BAD:
		return bad;
	case FD:
		return (unsigned long)fd;
	case FOLDER:
		return (unsigned long)folder;
	case PIPE:
		return (unsigned long)ends[1];
	case SOCKET:
		return (unsigned long)pair[0];
	case STR:
		return (unsigned long)"/";
	case LINK:
		return (unsigned long)"/proc/self/exe";
	case SELF:
		return (unsigned long)program_invocation_name;
	case BUF:
		return (unsigned long)buffer;
	}
	return in_list;
}

int main(void)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned nr_calls = 0, nr_missing = 0;

	fd = open(program_invocation_name, O_RDONLY);
	folder = open("/", O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0 && folder >= 0 && pages != MAP_FAILED);
	CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	buffer[0] = 16;			/* as the length of an address */
	CHECK(munmap(pages + 4096, 4096) == 0);
	const unsigned long bad[] = {
		1, (unsigned long)pages + 4096, 0x7ffffffff000ul, 0x800000000000ul,
		0xffff800000000000ul, 0xffffffff80000000ul, ~0ul - 7,
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int missing = 0;

		for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]) && !missing; k++) {
			unsigned long a[6];
			long rc;

			for (int n = 0; n < 6; n++)
				a[n] = argument(calls[i].args[n], bad[k]);
			lseek(folder, 0, SEEK_SET);
			errno = 0;
			rc = syscall(calls[i].nr, a[0], a[1], a[2], a[3], a[4], a[5]);
			if (rc == -1 && errno == ENOSYS) {
				printf("bad_pointers: not there: %s\n", calls[i].name);
				missing = 1;
				nr_missing++;
				break;
			}
			/* An odd address of a futex may be called invalid first. */
			if (rc == -1 && errno == EINVAL && strncmp(calls[i].name, "futex", 5) == 0 && bad[k] % 4 != 0)
				continue;
			if (rc != -1 || errno != EFAULT)
				fail("%s with pointer %#lx returned %ld, errno %d (%s)", calls[i].name, bad[k], rc, errno,
				     strerror(errno));
		}
		nr_calls++;
	}

	/* Memory that is there but may not be written, and a buffer whose end is missing. */
	CHECK(mprotect(pages, 4096, PROT_READ) == 0);
	CHECK(read(fd, pages, 16) == -1 && errno == EFAULT);
	CHECK(mprotect(pages, 4096, PROT_READ | PROT_WRITE) == 0);
	CHECK(syscall(SYS_openat, AT_FDCWD, memset(pages, '/', 4096), O_RDONLY) == -1 &&
	      (errno == EFAULT || errno == ENAMETOOLONG));
	CHECK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, pages + 4096 - 8) == -1 && errno == EFAULT);
	return ok("%u calls, %u not there", nr_calls, nr_missing);
}
