/* SPDX-License-Identifier: MIT */
/*
 * syscall_fuzz SECONDS [SEED [nobody]]: system calls with arguments that are nearly right, by several processes of two threads each,
 * as root and as nobody (nobody: as nobody alone). What is asked of the kernel is that it goes on, that whoever is killed ends,
 * and that the guardian's memory and files stay as they are.
 *
 * The guardian starts the workers, kills each after a while, and all that they have left behind. A worker never names the guardian:
 * process numbers are chosen from those that a worker may harm.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/check.h"

#define PAGE		4096ul
#define NR_WORKERS	3
#define NR_CALLS	512
#define LIFE_MS		400		/* of a worker */
#define GUARDED_PAGES	64
#define ARENA_PAGES	64
#define NR_FDS		48
#define END_SECONDS	300		/* to end what is killed: only a hang takes so long */
#define NOBODY		65534

/* --- what the guardian and its workers share: for the report alone, workers may do anything to it --- */

struct board {
	unsigned long calls, good, tried[NR_CALLS], begun;	/* begun: calls that were chosen, the first of each row in turn */
	struct { long nr; unsigned long arg[6]; } last[NR_WORKERS][2];
};

static struct board *board;
static pid_t guardian;
static bool nobody_only;
static int null;			/* /dev/null */

/* --- chance --- */

struct rng { uint64_t state; };

static uint64_t rnd(struct rng *r)
{
	r->state += 0x9e3779b97f4a7c15ull;
	return pattern(r->state, 1);
}

static unsigned below(struct rng *r, unsigned n) { return rnd(r) % n; }
static bool one_in(struct rng *r, unsigned n) { return below(r, n) == 0; }

/* --- arguments --- */

static char *arena;			/* pages that may be written, read, or not be there at all */
static char room[65536];		/* contents of arguments */
static char *const argv_some[] = { "x", "", "yy", NULL };

static const char *const paths[] = {
	"a", "b", "d", "d/a", "d/b", "d/../a", "link", "loop", "fifo", "sock", "", ".", "..", "/", "none/x", "a/b", "/dev/null", "/dev/zero", "/dev/full",
	"/dev/random", "/dev/ptmx", "/dev/tty", "/proc/self", "/proc/self/maps", "/proc/self/fd", "/proc/self/fd/7", "/proc/self/exe",
	"/proc/self/status", "/proc/self/task", "/proc/self/mem", "/proc/self/stat", "/proc/meminfo", "/proc/stat", "/proc/cpuinfo", "/proc/net/unix",
	"/sys/devices/system/cpu", "/sys/devices/system/cpu/cpu0/topology/core_id", "/proc/self/limits", "/proc/1/status", "/proc/sys/kernel/pid_max",
};

static uint64_t any_number(struct rng *r)
{
	static const uint64_t edge[] = { 0, 1, 2, 3, 7, 8, 63, 64, 255, 256, 511, 512, 1023, 4095, 4096, 4097, 8192, 65535, 65536, 1 << 20, 0x7fffffff,
		0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffff, 0x7fffffffffffffff, 0x8000000000000000, -1ull, -2ull, -4095ull, -4096ull };

	switch (below(r, 4)) {
	case 0:	return edge[below(r, sizeof(edge) / sizeof(edge[0]))];
	case 1: return below(r, 64);
	case 2: return 1ull << below(r, 64) | (one_in(r, 2) ? 1ull << below(r, 64) : 0);
	}
	return rnd(r) >> below(r, 64);
}

static uint64_t bad_pointer(struct rng *r)
{
	static const uint64_t bad[] = { 0, 8, 0xfffull, 0x7fffffffe000, 0x7ffffffff000, 0x800000000000, 0xffff800000000000, 0xffffffff80000000,
		0xffffffffff600000, -8ull };

	return bad[below(r, sizeof(bad) / sizeof(bad[0]))];
}

static uint64_t page(struct rng *r) { return (uint64_t)arena + below(r, ARENA_PAGES) * PAGE; }

/* Room for len bytes: sometimes at the end of a page, behind which there may be nothing. */
static void *place(struct rng *r, size_t len)
{
	if (one_in(r, 6))
		return (char *)page(r) + PAGE - len;
	return room + below(r, sizeof(room) - 8192) / 8 * 8;
}

static uint64_t copied(struct rng *r, const void *what, size_t len)
{
	char *at = place(r, len);

	if (at >= room && at + len <= room + sizeof(room))
		memcpy(at, what, len);
	return (uint64_t)at;
}

static uint64_t path_arg(struct rng *r)
{
	char text[5000];

	if (one_in(r, 12)) {
		size_t len = (size_t[]){ 255, 256, 4094, 4096, 4900 }[below(r, 5)];

		memset(text, one_in(r, 2) ? 'n' : '/', len);
		text[len] = '\0';
		memcpy(room, text, len + 1);
		return (uint64_t)room;
	}
	return (uint64_t)paths[below(r, sizeof(paths) / sizeof(paths[0]))];
}

static uint64_t time_arg(struct rng *r)
{
	struct timespec t[2] = { { 0, below(r, 2000000) }, { 0, below(r, 2000000) } };

	if (one_in(r, 8))
		t[below(r, 2)] = (struct timespec){ any_number(r), any_number(r) };
	return copied(r, t, sizeof(t));
}

static uint64_t iovec_arg(struct rng *r)
{
	struct iovec v[8];

	for (unsigned i = 0; i < 8; i++)
		v[i] = (struct iovec){ one_in(r, 10) ? (void *)bad_pointer(r) : place(r, 600), one_in(r, 12) ? any_number(r) : below(r, 600) };
	return copied(r, v, sizeof(v));
}

static uint64_t address_arg(struct rng *r)
{
	union { struct sockaddr_un un; struct sockaddr_in in; uint64_t word[16]; } a = { .un = { .sun_family = AF_UNIX } };

	switch (below(r, 4)) {
	case 0:
		strcpy(a.un.sun_path, one_in(r, 2) ? "sock" : "d/sock");
		break;
	case 1:
		a.un.sun_path[1] = 'a' + below(r, 3);		/* an abstract name */
		break;
	case 2:
		a.in = (struct sockaddr_in){ AF_INET, htons(2000 + below(r, 4)), { htonl(0x7f000001) }, { 0 } };
		break;
	default:
		a.word[below(r, 16)] = any_number(r);
	}
	return copied(r, &a, sizeof(a));
}

static uint64_t message_arg(struct rng *r)
{
	static union { struct cmsghdr h; char bytes[CMSG_SPACE(4 * sizeof(int))]; } control;
	struct msghdr m = { .msg_iov = (void *)iovec_arg(r), .msg_iovlen = below(r, 8) };
	int fds[4];

	for (unsigned i = 0; i < 4; i++)
		fds[i] = below(r, NR_FDS);
	if (one_in(r, 3)) {
		control.h = (struct cmsghdr){ one_in(r, 8) ? any_number(r) : CMSG_LEN(sizeof(fds)), SOL_SOCKET, 1 + below(r, 2) };
		memcpy(CMSG_DATA(&control.h), fds, sizeof(fds));
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
	}
	if (one_in(r, 3)) {
		m.msg_name = (void *)address_arg(r);
		m.msg_namelen = below(r, 20) * 8;
	}
	return copied(r, &m, sizeof(m));
}

/* Bytes of no certain meaning: numbers, addresses, zeros. */
static uint64_t struct_arg(struct rng *r)
{
	uint64_t words[24];

	for (unsigned i = 0; i < 24; i++)
		words[i] = one_in(r, 2) ? 0 : one_in(r, 3) ? page(r) : any_number(r);
	return copied(r, words, sizeof(words));
}

/* Itself, its own children as far as it has any, and numbers that nobody has; never the guardian or everybody. */
static uint64_t pid_arg(struct rng *r)
{
	switch (below(r, 4)) {
	case 0: return 0;			/* itself, or its group */
	case 1: return getpid();
	case 2: return gettid();
	}
	return 0x3fffff + below(r, 10);
}

static long ipc_ids[8];			/* of System V IPC, of whichever kind: the last that were got */

static uint64_t ipc_arg(struct rng *r) { return ipc_ids[below(r, sizeof(ipc_ids) / sizeof(ipc_ids[0]))]; }

/* Operations on the first semaphores of a set; some wait. */
static uint64_t semaphore_arg(struct rng *r)
{
	struct sembuf ops[8];

	for (unsigned i = 0; i < 8; i++)
		ops[i] = (struct sembuf){ one_in(r, 16) ? any_number(r) : below(r, 3), one_in(r, 16) ? any_number(r) : below(r, 5) - 2,
					  (one_in(r, 2) ? IPC_NOWAIT : 0) | (one_in(r, 2) ? SEM_UNDO : 0) };
	return copied(r, ops, sizeof(ops));
}

static uint64_t open_flags(struct rng *r)
{
	static const int flag[] = { O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK, O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC, O_PATH, O_TMPFILE, O_SYNC, O_DIRECT };
	uint64_t flags = below(r, 4);

	for (unsigned n = below(r, 4); n > 0; n--)
		flags |= flag[below(r, sizeof(flag) / sizeof(flag[0]))];
	return flags | O_NONBLOCK;
}

/* Those that end or stop it come seldom: it is to get somewhere. */
static uint64_t signal_arg(struct rng *r)
{
	uint64_t sig = 1 + below(r, 64);

	return (sig == SIGKILL || sig == SIGSTOP || sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE) && !one_in(r, 4) ? 0 : sig;
}

static uint64_t map_flags(struct rng *r)
{
	static const int flag[] = { MAP_ANONYMOUS, MAP_FIXED, MAP_POPULATE, MAP_NORESERVE, MAP_GROWSDOWN, MAP_LOCKED, MAP_STACK };
	uint64_t flags = 1 + below(r, 3);			/* MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE */

	for (unsigned i = 0; i < sizeof(flag) / sizeof(flag[0]); i++)
		flags |= one_in(r, i < 2 ? 2 : 8) ? flag[i] : 0;
	return flags;
}

static uint64_t argument(struct rng *r, char kind)
{
	if (kind != 'd' && one_in(r, 24))
		return any_number(r);
	if (strchr("pPtvSmzxwhq", kind) != NULL && one_in(r, 12))
		return bad_pointer(r);
	switch (kind) {
	case 'f': return one_in(r, 16) ? (uint64_t)AT_FDCWD : below(r, NR_FDS + 2);
	case 'p': return path_arg(r);
	case 'P': return one_in(r, 6) ? page(r) : (uint64_t)place(r, 4096);
	case 'a': return one_in(r, 8) ? page(r) + below(r, PAGE) : page(r);
	case 'l': return (1 + below(r, 8)) * PAGE + (one_in(r, 8) ? below(r, PAGE) : 0);
	case 'n': return one_in(r, 8) ? any_number(r) : below(r, 4096);
	case 'c': return below(r, 9);
	case 'i': return one_in(r, 3) ? any_number(r) : below(r, 24);
	case 'o': return one_in(r, 4) ? any_number(r) : below(r, 65536);
	case 'g': return below(r, 3) == 0 ? 0 : 1ull << below(r, 20) | (one_in(r, 2) ? 1ull << below(r, 32) : 0);
	case 'd': return pid_arg(r);
	case 's': return one_in(r, 8) ? any_number(r) : signal_arg(r);
	case 't': return time_arg(r);
	case 'v': return iovec_arg(r);
	case 'S': return address_arg(r);
	case 'm': return message_arg(r);
	case 'z': return struct_arg(r);
	case 'x': return (uint64_t)argv_some;
	case 'w': return copied(r, &(uint64_t){ below(r, 4096) }, 8);
	case 'u': return one_in(r, 2) ? NOBODY : (uint64_t)-1;
	case 'I': return ipc_arg(r);
	case 'q': return semaphore_arg(r);
	case 'k': return one_in(r, 4) ? any_number(r) : below(r, 8);
	case 'O': return open_flags(r);
	case 'F': return map_flags(r);
	case 'b': return one_in(r, 2) ? (uint64_t)"none/x" : bad_pointer(r);
	case '8': return one_in(r, 12) ? any_number(r) : 8;
	case '0': return 0;
	}
	return any_number(r);
}

/* --- the calls: what each argument is; those of which one is blocked for good have a timer that ends them --- */

static const struct { const char *name; long nr; const char *args; unsigned weight; } calls[] = {
#define C(name, args, weight) { #name, SYS_##name, args, weight }
	C(read, "fPn", 4), C(write, "fPn", 4), C(open, "pOi", 3), C(close, "f", 2), C(stat, "pP", 1), C(fstat, "fP", 1), C(lstat, "pP", 1),
	C(poll, "zci", 2), C(lseek, "foi", 1), C(mmap, "alcFfo", 6), C(mprotect, "alc", 4), C(munmap, "al", 2), C(brk, "a", 1),
	C(rt_sigaction, "szz8", 1), C(rt_sigprocmask, "czP8", 2), C(ioctl, "fiP", 2), C(ioctl, "fnz", 1), C(pread64, "fPno", 2),
	C(pwrite64, "fPno", 2), C(readv, "fvc", 2), C(writev, "fvc", 2), C(access, "pc", 1), C(pipe, "P", 1), C(select, "nzzzt", 2),
	C(sched_yield, "", 1), C(mremap, "allca", 4), C(msync, "alc", 2), C(mincore, "alP", 2), C(madvise, "ali", 5), C(dup, "f", 2),
	C(dup2, "ff", 2), C(nanosleep, "tP", 1), C(getitimer, "cP", 1), C(alarm, "c", 1), C(setitimer, "czP", 1), C(sendfile, "ffwn", 2),
	C(socket, "cci", 2), C(connect, "fSn", 2), C(accept, "fPw", 2), C(sendto, "fPngSn", 2), C(recvfrom, "fPngPw", 2), C(sendmsg, "fmg", 3),
	C(recvmsg, "fmg", 3), C(shutdown, "fc", 1), C(bind, "fSn", 2), C(listen, "fc", 2), C(getsockname, "fPw", 1), C(getpeername, "fPw", 1),
	C(socketpair, "cciP", 2), C(setsockopt, "fiiPn", 2), C(getsockopt, "fiiPw", 2), C(clone, "gaPPP", 1), C(fork, "", 1), C(vfork, "", 1),
	C(execve, "pxx", 1), C(wait4, "dPcP", 2), C(kill, "ds", 2), C(uname, "P", 1), C(fcntl, "fii", 3), C(fcntl, "fiz", 2), C(flock, "fi", 1),
	C(fsync, "f", 1), C(fdatasync, "f", 1), C(truncate, "po", 1), C(ftruncate, "fo", 2), C(getdents, "fPn", 1), C(getcwd, "Pn", 1),
	C(chdir, "p", 1), C(fchdir, "f", 1), C(rename, "pp", 2), C(mkdir, "pi", 1), C(rmdir, "p", 1), C(creat, "pi", 1), C(link, "pp", 1),
	C(unlink, "p", 1), C(symlink, "pp", 1), C(readlink, "pPn", 1), C(chmod, "pi", 1), C(fchmod, "fi", 1), C(chown, "puu", 1),
	C(fchown, "fuu", 1), C(lchown, "puu", 1), C(umask, "i", 1), C(gettimeofday, "PP", 1), C(getrlimit, "iP", 1), C(getrusage, "iP", 1),
	C(sysinfo, "P", 1), C(times, "P", 1), C(getuid, "", 1), C(setpgid, "dd", 1), C(getppid, "", 1), C(setsid, "", 1), C(getgroups, "cP", 1),
	C(getpgid, "d", 1), C(getsid, "d", 1), C(capget, "zP", 1), C(rt_sigpending, "P8", 1), C(rt_sigtimedwait, "zPt8", 1),
	C(rt_sigqueueinfo, "dsz", 1), C(rt_sigsuspend, "z8", 1), C(sigaltstack, "zP", 1), C(utime, "pz", 1), C(mknod, "pii", 1),
	C(personality, "i", 1), C(statfs, "pP", 1), C(fstatfs, "fP", 1), C(getpriority, "cd", 1), C(setpriority, "cdi", 1),
	C(sched_getparam, "dP", 1), C(sched_getscheduler, "d", 1), C(sched_rr_get_interval, "dP", 1), C(mlock, "al", 1), C(munlock, "al", 1),
	C(mlockall, "c", 1), C(munlockall, "", 1), C(mlock2, "alc", 1), C(prctl, "iPPPP", 1), C(arch_prctl, "nP", 1), C(setrlimit, "iz", 1),
	C(chroot, "p", 1), C(syncfs, "f", 1), C(gettid, "", 1), C(readahead, "fon", 1), C(setxattr, "ppPni", 1), C(getxattr, "ppPn", 1),
	C(tkill, "ds", 1), C(time, "P", 1), C(futex, "Piitai", 5), C(sched_getaffinity, "dnP", 1), C(sched_setaffinity, "dnz", 1),
	C(epoll_create, "c", 1), C(getdents64, "fPn", 2), C(set_tid_address, "P", 1), C(fadvise64, "fooi", 1), C(timer_create, "kzP", 1),
	C(timer_settime, "cctP", 2), C(timer_gettime, "cP", 1), C(timer_getoverrun, "c", 1), C(timer_delete, "c", 1), C(clock_settime, "kt", 1),
	C(clock_gettime, "kP", 1), C(clock_getres, "kP", 1), C(clock_nanosleep, "kctP", 1), C(epoll_wait, "fPci", 2), C(epoll_ctl, "fcfz", 4),
	C(tgkill, "dds", 1), C(utimes, "pz", 1), C(waitid, "cdPiP", 1), C(openat, "fpOi", 4), C(mkdirat, "fpi", 1), C(mknodat, "fpii", 1),
	C(fchownat, "fpuui", 1), C(futimesat, "fpz", 1), C(newfstatat, "fpPi", 1), C(unlinkat, "fpi", 1), C(renameat, "fpfp", 1),
	C(linkat, "fpfpi", 1), C(symlinkat, "pfp", 1), C(readlinkat, "fpPn", 1), C(fchmodat, "fpi", 1), C(faccessat, "fpi", 1),
	C(pselect6, "nzzztz", 1), C(ppoll, "zctz8", 1), C(unshare, "g", 1), C(get_robust_list, "dPP", 1), C(splice, "fwfwng", 3),
	C(tee, "ffng", 2), C(sync_file_range, "foog", 1), C(vmsplice, "fvcg", 2), C(utimensat, "fpti", 1), C(epoll_pwait, "fPciz8", 1),
	C(signalfd, "fz8", 1), C(timerfd_create, "kg", 1), C(eventfd, "i", 1), C(fallocate, "fioo", 2), C(timerfd_settime, "fctP", 2),
	C(timerfd_gettime, "fP", 1), C(accept4, "fPwg", 1), C(signalfd4, "fz8g", 1), C(eventfd2, "ig", 1), C(epoll_create1, "g", 1),
	C(dup3, "ffg", 1), C(pipe2, "PO", 1), C(inotify_init1, "g", 1), C(preadv, "fvco0", 1), C(pwritev, "fvco0", 1), C(recvmmsg, "fzcgt", 1),
	C(prlimit64, "dizP", 1), C(sendmmsg, "fzcg", 1), C(getcpu, "PPP", 1), C(process_vm_readv, "dvcvc0", 1), C(process_vm_writev, "dvcvc0", 1),
	C(kcmp, "ddiii", 1), C(sched_getattr, "dPnc", 1), C(renameat2, "fpfpc", 2), C(getrandom, "Pnc", 1), C(memfd_create, "pc", 1),
	C(execveat, "fpxxi", 1), C(membarrier, "gg", 1), C(copy_file_range, "fwfwn0", 2), C(preadv2, "fvco0g", 1), C(pwritev2, "fvco0g", 1),
	C(statx, "fpinP", 1), C(clone3, "zn", 1), C(close_range, "nng", 1), C(openat2, "fpzn", 2), C(faccessat2, "fpii", 1),
	C(epoll_pwait2, "fPctz8", 1), C(setresuid, "uuu", 1), C(setresgid, "uuu", 1), C(setfsuid, "u", 1), C(capset, "zz", 1),
	C(pidfd_open, "dg", 1), C(pidfd_send_signal, "fszg", 1), C(pidfd_getfd, "ffg", 1), C(process_madvise, "fvcic", 1),
	C(shmget, "kng", 2), C(semget, "kcg", 2), C(msgget, "kg", 2), C(shmat, "Iag", 2), C(shmdt, "a", 1), C(shmctl, "IcP", 1),
	C(shmctl, "IiP", 1), C(semop, "Iqc", 3), C(semtimedop, "Iqct", 2), C(semctl, "IciP", 2), C(semctl, "Icii", 1), C(msgsnd, "IPng", 2),
	C(msgrcv, "IPncg", 2), C(msgctl, "IcP", 1), C(inotify_add_watch, "fpn", 2), C(inotify_rm_watch, "fc", 1), C(adjtimex, "z", 1),
	C(clock_adjtime, "kz", 1), C(settimeofday, "zz", 1), C(mq_open, "pOiz", 1), C(remap_file_pages, "alcic", 1),
	C(set_robust_list, "Pn", 1), C(restart_syscall, "", 1), C(io_setup, "cP", 1), C(userfaultfd, "g", 1), C(ptrace, "idPP", 1),
	C(rt_tgsigqueueinfo, "ddsz", 1), C(mbind, "alcPnc", 1), C(set_mempolicy, "cPn", 1), C(get_mempolicy, "PPnac", 1), C(move_pages, "dcPPPc", 1),
	C(migrate_pages, "dnPP", 1), C(io_destroy, "a", 1), C(io_submit, "acP", 1), C(io_getevents, "accPt", 1),
	C(futex_waitv, "zcitc", 1), C(syslog, "cPn", 1), C(seccomp, "cgz", 1),
	C(lsetxattr, "ppPni", 1), C(fsetxattr, "fpPni", 1), C(lgetxattr, "ppPn", 1), C(fgetxattr, "fpPn", 1), C(listxattr, "pPn", 1),
	C(llistxattr, "pPn", 1), C(flistxattr, "fPn", 1), C(removexattr, "pp", 1), C(lremovexattr, "pp", 1), C(fremovexattr, "fp", 1),
	C(setuid, "u", 1), C(setgid, "u", 1), C(setreuid, "uu", 1), C(setregid, "uu", 1), C(setfsgid, "u", 1), C(setgroups, "cz", 1),
	C(getgid, "", 1), C(geteuid, "", 1), C(getegid, "", 1), C(getpid, "", 1), C(getpgrp, "", 1), C(getresuid, "PPP", 1), C(getresgid, "PPP", 1),
	C(sched_setparam, "dz", 1), C(sched_setscheduler, "dcz", 1), C(sched_setattr, "dzc", 1), C(sched_get_priority_max, "c", 1),
	C(sched_get_priority_min, "c", 1), C(ioprio_set, "cdn", 1), C(ioprio_get, "cd", 1), C(ustat, "nP", 1), C(sysfs, "cPP", 1), C(sync, "", 1),
	C(vhangup, "", 1), C(pause, "", 1), C(inotify_init, "", 1), C(mount, "bbpgb", 1), C(umount2, "bg", 1), C(sethostname, "bn", 1),
	C(setdomainname, "bn", 1), C(reboot, "nnnb", 1), C(io_cancel, "azP", 1), C(io_pgetevents, "accPtz", 1), C(mq_unlink, "p", 1),
	C(mq_timedsend, "fPnct", 1), C(mq_timedreceive, "fPnPt", 1), C(mq_notify, "fz", 1), C(mq_getsetattr, "fzP", 1),
	C(set_mempolicy_home_node, "alc0", 1),
#undef C
};
#define NR_ROWS (sizeof(calls) / sizeof(calls[0]))

/* What would end the machine, or is the guardian's business. */
static bool forbidden(long nr, const unsigned long *a)
{
	if (nr == SYS_prctl && (a[0] == PR_SET_PDEATHSIG || a[0] == PR_SET_CHILD_SUBREAPER || a[0] == PR_SET_SECCOMP))
		return true;
	if (nr == SYS_seccomp && a[0] == 0)			/* it would do nothing more */
		return true;
	if (nr == SYS_reboot && (unsigned)a[0] == 0xfee1dead)
		return true;
	if (nr == SYS_ptrace && a[0] == 0)			/* who is traced is not the guardian's alone to reap */
		return true;
	/* on a machine that others use they would leave things behind */
	return nobody_only && (nr == SYS_unshare || nr == SYS_userfaultfd || nr == SYS_io_setup || nr == SYS_mq_open || nr == SYS_mq_unlink || nr == SYS_sync ||
			       (nr >= SYS_shmget && nr <= SYS_shmctl) || (nr >= SYS_semget && nr <= SYS_msgctl) || nr == SYS_semtimedop);
}

/* What it would have of them it keeps: these are a child's, of which only the end is looked at. */
static bool in_child(long nr)
{
	return nr == SYS_setuid || nr == SYS_setgid || nr == SYS_setreuid || nr == SYS_setregid || nr == SYS_setgroups || nr == SYS_sched_setparam ||
	       nr == SYS_sched_setscheduler || nr == SYS_sched_setattr;
}

static long call_in_child(long nr, const unsigned long *a)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]) == -1);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0 ? 0 : -1;
}

static void one_call(struct rng *r, unsigned worker, unsigned thread)
{
	static unsigned char dice[2048];
	static unsigned nr_dice;
	unsigned long a[6] = { 0 };
	const char *kinds;
	unsigned long begun = __atomic_fetch_add(&board->begun, 1, __ATOMIC_RELAXED);
	unsigned row, turns = 0;
	long rc, nr;

	if (nr_dice == 0)
		for (unsigned i = 0; i < NR_ROWS; i++)
			for (unsigned w = 0; w < calls[i].weight && nr_dice < sizeof(dice); w++)
				dice[nr_dice++] = i;
	row = begun < NR_ROWS ? begun : dice[below(r, nr_dice)];	/* each once, however slow the machine is */
	nr = calls[row].nr;
	kinds = calls[row].args;
	do {
		for (unsigned i = 0; kinds[i] != '\0'; i++)
			a[i] = argument(r, kinds[i]);
		if (nr == SYS_clone)
			a[0] |= CLONE_PARENT_SETTID, a[0] &= ~(unsigned long)CLONE_PARENT;
		if (turns++ == 64)
			return;
	} while (forbidden(nr, a));
	board->last[worker][thread].nr = nr;
	memcpy(board->last[worker][thread].arg, a, sizeof(a));
	__atomic_fetch_add(&board->tried[nr], 1, __ATOMIC_RELAXED);	/* before: execve has no after */
	rc = in_child(nr) ? call_in_child(nr, a) : syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	__atomic_fetch_add(&board->calls, 1, __ATOMIC_RELAXED);
	if (rc != -1)
		__atomic_fetch_add(&board->good, 1, __ATOMIC_RELAXED);
	if (rc >= 0 && (nr == SYS_shmget || nr == SYS_semget || nr == SYS_msgget))
		ipc_ids[below(r, sizeof(ipc_ids) / sizeof(ipc_ids[0]))] = rc;
	if (rc == 0 && (nr == SYS_fork || nr == SYS_vfork || nr == SYS_clone || nr == SYS_clone3)) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (nr != SYS_fork || one_in(r, 2))
			_exit(0);
		r->state ^= 0x5555;
	}
}

/* --- a worker --- */

static void nothing(int sig) { }

struct thread_arg { unsigned worker, thread; uint64_t seed; };

static void *fuzz(void *arg)
{
	struct thread_arg *t = arg;
	struct rng r = { t->seed };

	for (;;)
		one_call(&r, t->worker, t->thread);
	return NULL;
}

static void to(int fd, int nr)
{
	if (fd >= 0 && fd != nr) {
		dup2(fd, nr);
		close(fd);
	}
}

/* One descriptor of each kind, twice. */
static void open_some(void)
{
	int nr = 3, two[2];

	for (int twice = 0; twice < 2; twice++) {
		to(open("a", O_RDWR | O_CREAT, 0600), nr++);
		to(open("b", O_RDWR | O_CREAT | O_APPEND, 0600), nr++);
		to(open(".", O_RDONLY | O_DIRECTORY), nr++);
		to(open("d", O_PATH), nr++);
		to(open("fifo", O_RDWR | O_NONBLOCK), nr++);
		to(open("/dev/zero", O_RDWR), nr++);
		to(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK), nr++);
		to(open("/proc/self/status", O_RDONLY), nr++);
		to(epoll_create1(0), nr++);
		to(eventfd(1, EFD_NONBLOCK), nr++);
		to(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), nr++);
		to(syscall(SYS_inotify_init1, O_NONBLOCK), nr++);
		to(syscall(SYS_memfd_create, "m", 2), nr++);
		to(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), nr++);
		to(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), nr++);
		to(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), nr++);
		if (pipe(two) == 0)
			to(two[0], nr), to(two[1], nr + 1);
		nr += 2;
		if (socketpair(AF_UNIX, twice ? SOCK_DGRAM : SOCK_STREAM, 0, two) == 0)
			to(two[0], nr), to(two[1], nr + 1);
		nr += 2;
	}
}

static void limit(int what, rlim_t most)
{
	struct rlimit l = { most, most };

	setrlimit(what, &l);
}

/* Its own limits are what keeps a worker from taking all memory: root, too, may not raise them. */
static void drop_rights(bool root)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	if (!root) {
		CHECK(getuid() != 0 || (setgid(NOBODY) == 0 && setuid(NOBODY) == 0));
		return;
	}
	CHECK(syscall(SYS_capget, &head, data) == 0);
	data[0].effective &= ~(1u << CAP_SYS_RESOURCE | 1u << CAP_SYS_BOOT | 1u << CAP_SYS_TIME | 1u << CAP_SETPCAP | 1u << CAP_SYS_NICE);
	data[0].permitted = data[0].effective;
	data[0].inheritable = 0;
	CHECK(syscall(SYS_capset, &head, data) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}

static bool is_root(unsigned number) { return !nobody_only && number % 2 == 0; }

static void worker(unsigned number, uint64_t seed, const char *folder)
{
	struct thread_arg args[2] = { { number, 0, seed }, { number, 1, seed ^ 0xabcdef } };
	struct sigaction act = { .sa_handler = nothing };
	struct itimerval often = { { 0, 2000 }, { 0, 2000 } };
	pthread_t thread;

	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	CHECK(chdir(folder) == 0);
	for (int fd = 0; fd < 3; fd++)			/* nothing of the guardian's stays open */
		CHECK(dup2(null, fd) == fd);
	CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
	drop_rights(is_root(number));
	prctl(PR_SET_PDEATHSIG, SIGKILL);		/* other rights, and it would be forgotten */
	mkdir("d", 0700);
	mkfifo("fifo", 0600);
	CHECK(symlink("loop", "loop") == 0 || errno == EEXIST);
	CHECK(symlink("a", "link") == 0 || errno == EEXIST);
	open_some();
	limit(RLIMIT_AS, 512 << 20);
	limit(RLIMIT_FSIZE, 4 << 20);
	limit(RLIMIT_NPROC, 2000);
	limit(RLIMIT_NOFILE, 256);
	limit(RLIMIT_CORE, 0);
	arena = mmap(NULL, ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 1; i <= SIGRTMAX; i++)
		if (i != SIGSEGV && i != SIGBUS && i != SIGILL && i != SIGFPE)
			sigaction(i, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	if (pthread_create(&thread, NULL, fuzz, &args[1]) == 0)
		fuzz(&args[0]);
	_exit(1);
}

/* --- the guardian --- */

static uint64_t *guarded;
static pid_t workers[NR_WORKERS];

static uint64_t now_ms(void) { return now_ns() / 1000000; }

static void guard(int file, uint64_t seed)
{
	uint64_t words[PAGE / 8];

	pattern_check(guarded, GUARDED_PAGES * PAGE / 8, 0, seed);
	for (unsigned i = 0; i < GUARDED_PAGES; i++) {
		CHECK(pread(file, words, PAGE, i * PAGE) == (ssize_t)PAGE);
		pattern_check(words, PAGE / 8, i * PAGE / 8, seed + 1);
	}
}

static void guarded_make(int file, uint64_t seed)
{
	guarded = mmap(NULL, GUARDED_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(guarded != MAP_FAILED);
	pattern_write(guarded, GUARDED_PAGES * PAGE / 8, 0, seed + 1);
	CHECK(write(file, guarded, GUARDED_PAGES * PAGE) == (ssize_t)(GUARDED_PAGES * PAGE));
	pattern_write(guarded, GUARDED_PAGES * PAGE / 8, 0, seed);
}

/* Every child of the guardian's, what a worker has left behind among them. */
static void kill_children(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	CHECK(d != NULL);
	while ((e = readdir(d)) != NULL) {
		char path[300], text[300];
		int pid = atoi(e->d_name), parent = 0, fd;
		ssize_t n;
		char *end;

		if (pid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			continue;
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[n > 0 ? n : 0] = '\0';
		end = strrchr(text, ')');
		if (end != NULL && sscanf(end, ") %*c %d", &parent) == 1 && parent == guardian)
			kill(pid, SIGKILL);
	}
	closedir(d);
}

static unsigned long reap_all(void)
{
	uint64_t deadline = now_ms() + END_SECONDS * 1000ull;
	unsigned long ended = 0;

	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG | __WALL);

		if (pid < 0 && errno == ECHILD)
			return ended;
		if (pid > 0) {
			ended++;
			continue;
		}
		kill_children();
		usleep(2000);
		if (now_ms() > deadline) {
			for (unsigned i = 0; i < NR_WORKERS * 2; i++)
				fprintf(stderr, "worker %u thread %u: call %ld(%#lx, %#lx, %#lx, %#lx, %#lx, %#lx)\n", i / 2, i % 2,
					board->last[i / 2][i % 2].nr, board->last[i / 2][i % 2].arg[0], board->last[i / 2][i % 2].arg[1],
					board->last[i / 2][i % 2].arg[2], board->last[i / 2][i % 2].arg[3],
					board->last[i / 2][i % 2].arg[4], board->last[i / 2][i % 2].arg[5]);
			fail("what was killed does not end");
		}
	}
}

static void start(unsigned number, uint64_t seed, const char *folder)
{
	char own[100];
	pid_t pid;

	snprintf(own, sizeof(own), "%s/%u", folder, number);
	if (mkdir(own, 0700) == 0)
		CHECK(getuid() != 0 || is_root(number) || chown(own, NOBODY, NOBODY) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		worker(number, seed, own);
	workers[number] = pid;
}

/* What the workers left of System V IPC: all there is, on a machine of one's own. */
static void remove_ipc(void)
{
	union { struct shmid_ds shm; struct semid_ds sem; struct msqid_ds msg; char room[256]; } ds;
	int id;

	for (int i = shmctl(0, SHM_INFO, &ds.shm); i >= 0; i--)
		if ((id = shmctl(i, SHM_STAT, &ds.shm)) >= 0)
			CHECK(shmctl(id, IPC_RMID, NULL) == 0);
	for (int i = semctl(0, 0, SEM_INFO, &ds); i >= 0; i--)
		if ((id = semctl(i, 0, SEM_STAT, &ds)) >= 0)
			CHECK(semctl(id, 0, IPC_RMID) == 0);
	for (int i = msgctl(0, MSG_INFO, &ds.msg); i >= 0; i--)
		if ((id = msgctl(i, MSG_STAT, &ds.msg)) >= 0)
			CHECK(msgctl(id, IPC_RMID, NULL) == 0);
}

/* Some workers for a while, a new one for each that ends by itself; then the end of all. */
static unsigned long round_of(uint64_t seed, const char *folder)
{
	uint64_t end = now_ms() + LIFE_MS;
	unsigned long ended = 0;

	for (unsigned i = 0; i < NR_WORKERS; i++)
		start(i, seed * NR_WORKERS + i, folder);
	while (now_ms() < end) {
		pid_t pid = waitpid(-1, NULL, WNOHANG | __WALL);

		ended += pid > 0;
		for (unsigned i = 0; i < NR_WORKERS; i++)
			if (pid == workers[i])
				start(i, pattern(seed, ended), folder);
		if (pid <= 0)
			usleep(5000);
	}
	kill_children();
	ended += reap_all();
	if (!nobody_only)
		remove_ipc();
	return ended;
}

static void remove_tree(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char name[4400];

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (unlink(name) < 0)
			remove_tree(name);
	}
	if (d != NULL)
		closedir(d);
	rmdir(path);
}

int main(int argc, char **argv)
{
	unsigned long seconds = number_arg(argc, argv, 1, 5), seed = number_arg(argc, argv, 2, 1), ended = 0, rounds = 0, kinds = 0;
	uint64_t end = now_ms() + seconds * 1000;
	char folder[] = "/tmp/syscall_fuzz.XXXXXX";
	struct utsname u;
	FILE *kept = tmpfile();
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);		/* whatever a worker may find to send */
	nobody_only = argc > 3 && strcmp(argv[3], "nobody") == 0;
	if (!nobody_only && geteuid() == 0 && (uname(&u) < 0 || strstr(u.release, "tangram") == NULL))
		fail("as root it would spoil this machine, its devices and / included: SECONDS SEED nobody");
	guardian = getpid();
	null = open("/dev/null", O_RDWR);
	setpgid(0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(null >= 0 && board != MAP_FAILED && kept != NULL && mkdtemp(folder) != NULL && chmod(folder, 0755) == 0);
	guarded_make(fileno(kept), seed);
	do {
		ended += round_of(seed * 1000003 + rounds++, folder);
		guard(fileno(kept), seed);
	} while (now_ms() < end);
	for (unsigned i = 0; i < NR_CALLS; i++)
		kinds += board->tried[i] != 0;
	remove_tree(folder);
	CHECK(board->calls > 0);
	return ok("%lu calls of %lu kinds, %lu good, %lu rounds, %lu processes", board->calls, kinds, board->good, rounds, ended);
}
