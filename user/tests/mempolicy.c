/* SPDX-License-Identifier: MIT */
/*
 * mempolicy [must]: set_mempolicy(2), mbind(2), get_mempolicy(2), move_pages(2) on a machine whose only node of memory is 0. Where the kernel
 * has none of them (ENOSYS) it does nothing, unless it must.
 */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "plain.h"

#define PAGE 4096ul
#define IS(call, value) do { errno = 0; long rc_ = (call); rc_ = rc_ == -1 ? -errno : rc_; if (rc_ != (value)) fail("%s:%d: %s is %ld, not %ld", __FILE__, \
			    __LINE__, #call, rc_, (long)(value)); } while (0)
#ifndef MPOL_PREFERRED_MANY
#define MPOL_PREFERRED_MANY 5
#endif

static long set(int mode, unsigned long nodes, unsigned long nr) { return syscall(SYS_set_mempolicy, mode, nr ? &nodes : NULL, nr); }
static long bind_to(void *p, size_t len, int mode, unsigned long nodes, unsigned flags)
{
	return syscall(SYS_mbind, p, len, mode, &nodes, 64ul, flags);
}

/* The mode, or -errno; the nodes into *nodes */
static long get(void *p, unsigned flags, unsigned long *nodes)
{
	int mode = -7;

	*nodes = 77;
	return syscall(SYS_get_mempolicy, &mode, nodes, 64ul, p, flags) == 0 ? mode : -errno;
}
#define GET(p, flags, want, want_nodes) do { unsigned long n_; IS(get(p, flags, &n_), want); CHECK(n_ == (want_nodes)); } while (0)

static void inherited(void) { GET(NULL, 0, MPOL_INTERLEAVE, 1); }

static void of_task(void)
{
	unsigned long nodes;

	GET(NULL, 0, MPOL_DEFAULT, 0);
	IS(set(MPOL_BIND, 1, 64), 0);
	GET(NULL, 0, MPOL_BIND, 1);
	IS(set(MPOL_PREFERRED, 1, 64), 0);
	GET(NULL, 0, MPOL_PREFERRED, 1);
	IS(set(MPOL_PREFERRED, 0, 0), 0);
	GET(NULL, 0, MPOL_LOCAL, 0);
	IS(set(MPOL_LOCAL, 0, 0), 0);
	IS(set(MPOL_BIND | MPOL_F_STATIC_NODES, 1, 64), 0);
	GET(NULL, 0, MPOL_BIND | MPOL_F_STATIC_NODES, 1);
	IS(set(MPOL_BIND, 0, 64), -EINVAL);
	IS(set(MPOL_BIND, 0, 0), -EINVAL);
	IS(set(MPOL_DEFAULT, 1, 64), -EINVAL);
	IS(set(MPOL_LOCAL, 1, 64), -EINVAL);
	IS(set(77, 0, 0), -EINVAL);
	IS(set(-1, 0, 0), -EINVAL);
	IS(set(MPOL_BIND | MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES, 1, 64), -EINVAL);
	IS(syscall(SYS_set_mempolicy, MPOL_BIND, 8ul, 64ul), -EFAULT);
	IS(syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 1ul << 20), -EINVAL);
	IS(set(MPOL_INTERLEAVE, 1, 64), 0);
	CHECK(status_in_child(inherited) == 0);
	GET(NULL, MPOL_F_NODE, 0, 1);
	IS(get(&nodes, 0, &nodes), -EINVAL);
	IS(get(NULL, 0x80, &nodes), -EINVAL);
	GET(NULL, MPOL_F_MEMS_ALLOWED, 0, 1);
	IS(get(NULL, MPOL_F_MEMS_ALLOWED | MPOL_F_ADDR, &nodes), -EINVAL);
	IS(syscall(SYS_get_mempolicy, 8ul, NULL, 0ul, NULL, 0ul), -EFAULT);
	IS(syscall(SYS_get_mempolicy, NULL, NULL, 0ul, NULL, 0ul), 0);
	/* a mask of 64 bits is asked for with 65, and nothing is written behind it */
	for (unsigned long nr = 64; nr <= 65; nr++) {
		unsigned long mask[2] = { 77, 77 };

		IS(syscall(SYS_get_mempolicy, NULL, mask, nr, NULL, 0ul), 0);
		CHECK(mask[0] == 1 && mask[1] == 77);
	}
	IS(syscall(SYS_get_mempolicy, NULL, &nodes, 1ul << 20, NULL, 0ul), -EINVAL);
	IS(set(MPOL_DEFAULT, 0, 0), 0);
	IS(get(NULL, MPOL_F_NODE, &nodes), -EINVAL);
}

static void of_range(void)
{
	char *p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long nodes;

	CHECK(p != MAP_FAILED);
	GET(p, MPOL_F_ADDR, MPOL_DEFAULT, 0);
	IS(bind_to(p + 2 * PAGE, 3 * PAGE, MPOL_BIND, 1, 0), 0);
	GET(p + PAGE, MPOL_F_ADDR, MPOL_DEFAULT, 0);
	GET(p + 2 * PAGE, MPOL_F_ADDR, MPOL_BIND, 1);
	GET(p + 4 * PAGE + 5, MPOL_F_ADDR, MPOL_BIND, 1);
	GET(p + 5 * PAGE, MPOL_F_ADDR, MPOL_DEFAULT, 0);
	GET(p + 2 * PAGE, MPOL_F_ADDR | MPOL_F_NODE, 0, 1);
	IS(bind_to(p + 3 * PAGE, PAGE, MPOL_INTERLEAVE, 1, MPOL_MF_MOVE | MPOL_MF_STRICT), 0);
	GET(p + 3 * PAGE, MPOL_F_ADDR, MPOL_INTERLEAVE, 1);
	memset(p, 3, 8 * PAGE);
	IS(bind_to(p, 8 * PAGE, MPOL_DEFAULT, 0, 0), 0);
	GET(p + 3 * PAGE, MPOL_F_ADDR, MPOL_DEFAULT, 0);
	IS(bind_to(p + 1, PAGE, MPOL_BIND, 1, 0), -EINVAL);
	IS(bind_to(p, PAGE, MPOL_BIND, 1, 0x80), -EINVAL);
	IS(bind_to(p, PAGE, MPOL_BIND, 0, 0), -EINVAL);
	IS(bind_to(p, PAGE, MPOL_DEFAULT, 1, 0), -EINVAL);
	IS(bind_to(p, 0, MPOL_BIND, 1, 0), 0);
	IS(bind_to(p, -1, MPOL_BIND, 1, 0), 0);			/* no pages, rounded up */
	IS(bind_to(p, -PAGE, MPOL_BIND, 1, 0), -EINVAL);
	CHECK(munmap(p + 4 * PAGE, PAGE) == 0);
	IS(bind_to(p, 8 * PAGE, MPOL_BIND, 1, 0), -EFAULT);
	IS(get(p + 4 * PAGE, MPOL_F_ADDR, &nodes), -EFAULT);
	CHECK(munmap(p, 8 * PAGE) == 0);
}

/* Process 1 is not nobody's to look at: EPERM, and not ESRCH. */
static void of_another(void)
{
	int status;

	be_nobody();
	IS(syscall(SYS_move_pages, 1, 0ul, NULL, NULL, &status, 0), -EPERM);
}

static void moved(void)
{
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *pages[3] = { p, p + PAGE, (void *)16 };
	int nodes[3] = { 0, 0, 0 }, status[3] = { 9, 9, 9 };
	unsigned long one = 1;

	CHECK(p != MAP_FAILED);
	*p = 1;
	IS(syscall(SYS_move_pages, 0, 3ul, pages, NULL, status, 0), 0);
	CHECK(status[0] == 0 && status[1] == -ENOENT && status[2] == -EFAULT);
	IS(syscall(SYS_move_pages, 0, 1ul, pages, nodes, status, MPOL_MF_MOVE), 0);
	CHECK(status[0] == 0);
	nodes[0] = 500;
	IS(syscall(SYS_move_pages, 0, 1ul, pages, nodes, status, MPOL_MF_MOVE), -ENODEV);
	IS(syscall(SYS_move_pages, 0, 1ul, pages, nodes, status, 0x80), -EINVAL);
	IS(syscall(SYS_move_pages, 99999, 1ul, pages, NULL, status, 0), -ESRCH);
	IS(syscall(SYS_move_pages, 0, 1ul, 8ul, NULL, status, 0), -EFAULT);
	IS(syscall(SYS_migrate_pages, 0, 64ul, &one, &one), 0);
	IS(syscall(SYS_migrate_pages, 99999, 64ul, &one, &one), -ESRCH);
	IS(syscall(SYS_migrate_pages, 0, 64ul, 8ul, &one), -EFAULT);
	CHECK(munmap(p, 2 * PAGE) == 0);
}

/* A call about as many pages as one likes ends with a fatal signal. The lists are four MiB of memory, again and again. */
#define PIECE	(4ul << 20)
#define LISTED	(16ul << 20)

static char *again_and_again(int fd, size_t len)
{
	char *all = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(all != MAP_FAILED);
	for (size_t at = 0; at < len; at += PIECE)
		CHECK(mmap(all + at, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == all + at);
	return all;
}

static void touch(volatile char *p, size_t len)
{
	for (size_t at = 0; at < len; at += PAGE)
		p[at] = 0;
}

static void killed(void)
{
	int in = memfd_create("pages", 0), out = memfd_create("status", 0), ready[2], status;
	struct timespec began, ended;
	char *pages, *state;
	pid_t pid;

	CHECK(in >= 0 && out >= 0 && ftruncate(in, PIECE) == 0 && ftruncate(out, PIECE) == 0);
	pages = again_and_again(in, LISTED * 8);
	state = again_and_again(out, LISTED * 4);
	CHECK(pipe(ready) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		touch(pages, LISTED * 8);	/* no fault within the call hears of the signal */
		touch(state, LISTED * 4);
		(void)!write(ready[1], "", 1);
		syscall(SYS_move_pages, 0, LISTED, pages, NULL, state, 0);
		_exit(0);
	}
	CHECK(read(ready[0], &(char){ 0 }, 1) == 1);
	usleep(100000);
	CHECK(kill(pid, SIGKILL) == 0 && clock_gettime(CLOCK_MONOTONIC, &began) == 0 && waitpid(pid, &status, 0) == pid);
	CHECK(clock_gettime(CLOCK_MONOTONIC, &ended) == 0 && ended.tv_sec - began.tv_sec < 6);
	CHECK(munmap(pages, LISTED * 8) == 0 && munmap(state, LISTED * 4) == 0 && close(in) == 0 && close(out) == 0);
	CHECK(close(ready[0]) == 0 && close(ready[1]) == 0);
}

int main(int argc, char **argv)
{
	if (syscall(SYS_get_mempolicy, NULL, NULL, 0ul, NULL, 0ul) == -1 && errno == ENOSYS && !(argc > 1 && strcmp(argv[1], "must") == 0))
		return ok("");
	of_task();
	of_range();
	moved();
	CHECK(status_in_child(of_another) == 0);
	killed();
	return ok("");
}
