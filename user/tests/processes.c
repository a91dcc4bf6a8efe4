/* SPDX-License-Identifier: MIT */
/*
 * processes [STORM]: exec and what it resets (lesson: L20), from threads too; vfork and posix_spawn (lesson: L46); robust
 * mutexes; pipes and poll between processes; STORM forks and clones without a trace (lesson: L18, lesson: L42).
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;
static const char *self;

static int wait_status(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* --- exec: this program again, with a role as its first argument --- */

static void role_after_exec(char **argv)
{
	struct sigaction sa;
	sigset_t blocked;
	stack_t stack;

	CHECK(strcmp(argv[2], "two words") == 0 && argv[3][0] == '\0' && argv[4] == NULL);
	CHECK(getenv("X") != NULL && strcmp(getenv("X"), "1") == 0 && getenv("PATH") == NULL);
	CHECK(fcntl(100, F_GETFD) == -1 && errno == EBADF);	/* was close-on-exec */
	CHECK(fcntl(101, F_GETFD) == 0);
	CHECK(sigaction(SIGUSR1, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL);
	CHECK(sigaction(SIGUSR2, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN);
	CHECK(sigprocmask(SIG_SETMASK, NULL, &blocked) == 0 && sigismember(&blocked, SIGTERM) == 1);
	CHECK(sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE));
	CHECK(getpid() == gettid());
	_exit(42);
}

static void nothing(int sig) { (void)sig; }

static void *exec_it(void *arg)
{
	char *argv[] = { (char *)self, "after_exec", "two words", "", NULL }, *envp[] = { "X=1", NULL };

	(void)arg;
	execve(self, argv, envp);
	fail("execve: %s", strerror(errno));
}

static void *idle(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void execs(void)
{
	for (int round = 0; round < 4; round++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			static char stack[32768];
			pthread_t t;
			sigset_t set;

			signal(SIGUSR1, nothing);
			signal(SIGUSR2, SIG_IGN);
			sigemptyset(&set);
			sigaddset(&set, SIGTERM);
			sigprocmask(SIG_BLOCK, &set, NULL);
			CHECK(sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) }, NULL) == 0);
			CHECK(dup3(1, 100, O_CLOEXEC) == 100 && dup2(1, 101) == 101);
			if (round == 0)
				exec_it(NULL);
			for (int i = 0; i < round; i++)
				CHECK(pthread_create(&t, NULL, idle, NULL) == 0);
			CHECK(pthread_create(&t, NULL, exec_it, NULL) == 0);
			idle(NULL);
		}
		CHECK(wait_status(pid) == 42);
	}
	char *none[] = { "x", NULL };

	CHECK(execve("/bin/none-such", none, environ) == -1 && errno == ENOENT);
	CHECK(execve("/", none, environ) == -1 && errno == EACCES);
	CHECK(execve("/etc/none/such", none, environ) == -1 && (errno == ENOENT || errno == ENOTDIR));
}

/* --- vfork, posix_spawn --- */

static volatile int shared_word;

static void vforks(void)
{
	char *argv[] = { (char *)self, "exit", "5", NULL };
	pid_t pid;

	for (int i = 0; i < 20; i++) {
		pid = vfork();
		if (pid == 0) {
			shared_word = i + 1;		/* the memory is the parent's */
			if (i & 1)
				execv(self, argv);
			_exit(5);
		}
		CHECK(pid > 0 && shared_word == i + 1);
		CHECK(wait_status(pid) == 5);
	}
	for (int i = 0; i < 20; i++) {
		CHECK(posix_spawn(&pid, self, NULL, NULL, argv, environ) == 0);
		CHECK(wait_status(pid) == 5);
	}
	CHECK(posix_spawn(&pid, "/bin/none-such", NULL, NULL, argv, environ) == ENOENT);
}

/* --- robust mutexes: in this process and across processes --- */

static pthread_mutex_t *robust;

static void *die_holding(void *arg)
{
	CHECK(pthread_mutex_lock(robust) == 0);
	return arg;
}

static void robust_mutexes(void)
{
	pthread_mutexattr_t attr;
	pthread_t t;
	pid_t pid;

	robust = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(robust != MAP_FAILED);
	CHECK(pthread_mutexattr_init(&attr) == 0 && pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0);
	CHECK(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0);
	CHECK(pthread_mutex_init(robust, &attr) == 0);
	CHECK(pthread_create(&t, NULL, die_holding, NULL) == 0 && pthread_join(t, NULL) == 0);
	CHECK(pthread_mutex_lock(robust) == EOWNERDEAD && pthread_mutex_consistent(robust) == 0);
	CHECK(pthread_mutex_unlock(robust) == 0);
	for (int killed = 0; killed < 2; killed++) {
		pid = fork();
		if (pid == 0) {
			CHECK(pthread_mutex_lock(robust) == 0);
			if (killed)
				raise(SIGKILL);
			usleep(50000);
			_exit(0);
		}
		usleep(20000);
		int rc = pthread_mutex_lock(robust);		/* waits for its death */

		CHECK(rc == EOWNERDEAD && pthread_mutex_consistent(robust) == 0 && pthread_mutex_unlock(robust) == 0);
		CHECK(wait_status(pid) == (killed ? 128 + SIGKILL : 0));
	}
	CHECK(munmap(robust, 4096) == 0);
}

/* --- pipes --- */

static void pipes(void)
{
	static char big[200000], back[200000];
	struct pollfd p[2];
	int fd[2], go[2];
	fd_set in;
	pid_t pid;
	size_t got = 0;

	CHECK(pipe(go) == 0);
	CHECK(pipe2(fd, O_CLOEXEC) == 0 && fcntl(fd[0], F_GETFD) == FD_CLOEXEC);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = pattern(i, 7);
	pid = fork();
	if (pid == 0) {
		char c;

		close(fd[0]);
		CHECK(read(go[0], &c, 1) == 1);
		usleep(30000);
		CHECK(write(fd[1], big, sizeof(big)) == sizeof(big));
		_exit(0);
	}
	close(fd[1]);
	p[0] = (struct pollfd){ fd[0], POLLIN, 0 };
	p[1] = (struct pollfd){ -1, POLLIN, 77 };
	CHECK(poll(p, 2, 0) == 0 && p[0].revents == 0);
	CHECK(write(go[1], "g", 1) == 1 && close(go[0]) == 0 && close(go[1]) == 0);
	CHECK(poll(p, 2, -1) == 1 && (p[0].revents & POLLIN) && p[1].revents == 0);
	while (got < sizeof(back)) {
		ssize_t n = read(fd[0], back + got, sizeof(back) - got);

		CHECK(n > 0);
		got += n;
	}
	CHECK(memcmp(big, back, sizeof(big)) == 0);
	CHECK(read(fd[0], back, 1) == 0);
	CHECK(poll(p, 1, -1) == 1 && (p[0].revents & POLLHUP));
	CHECK(wait_status(pid) == 0);
	close(fd[0]);

	/* full, not blocking; writes up to PIPE_BUF are whole */
	CHECK(pipe2(fd, O_NONBLOCK) == 0);
	while (write(fd[1], big, 4096) == 4096)
		got += 4096;
	CHECK(errno == EAGAIN && got == sizeof(back) + 65536);
	CHECK(read(fd[0], back, 100) == 100);
	CHECK(write(fd[1], big, 4096) == -1 && errno == EAGAIN);
	p[0] = (struct pollfd){ fd[1], POLLOUT, 0 };
	CHECK(poll(p, 1, 10) == 0);
	CHECK(read(fd[0], back, 8192 - 100) == 8192 - 100);
	CHECK(poll(p, 1, 10) == 1 && p[0].revents == POLLOUT);
	FD_ZERO(&in);
	FD_SET(fd[0], &in);
	CHECK(select(fd[0] + 1, &in, NULL, NULL, &(struct timeval){ 5, 0 }) == 1 && FD_ISSET(fd[0], &in));
	while (read(fd[0], back, sizeof(back)) > 0)
		;
	CHECK(errno == EAGAIN);
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	CHECK(select(fd[0] + 1, &in, NULL, NULL, &(struct timeval){ 0, 50000 }) == 0 && !FD_ISSET(fd[0], &in));
	clock_gettime(CLOCK_MONOTONIC, &b);
	CHECK((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec >= 50000000);
	close(fd[0]);
	p[0].events = POLLOUT;
	CHECK(poll(p, 1, -1) == 1 && (p[0].revents & POLLERR));
	close(fd[1]);
	CHECK(poll(p, 1, 0) == 1 && p[0].revents == POLLNVAL);
}

/* --- storm --- */

static void *short_life(void *arg)
{
	++*(volatile int *)arg;
	return NULL;
}

static void storm(unsigned long n)
{
	pthread_t t[8];
	int word[8] = { 0 }, status;
	volatile unsigned long done = 0, i;

	for (i = 0; i < n; i++) {
		pid_t pid = i % 16 == 15 ? vfork() : fork();

		CHECK(pid >= 0);
		if (pid == 0)
			_exit(i % 200);
		if (i % 4 == 3)
			while ((pid = waitpid(-1, &status, 0)) > 0 && ++done % 4 != 0)
				CHECK(WIFEXITED(status));
		if (i % 8 == 0) {
			for (int k = 0; k < 8; k++)
				CHECK(pthread_create(&t[k], NULL, short_life, &word[k]) == 0);
			for (int k = 0; k < 8; k++)
				CHECK(pthread_join(t[k], NULL) == 0);
		}
	}
	while (wait(&status) > 0)
		;
	CHECK(errno == ECHILD);
	for (int k = 0; k < 8; k++)
		CHECK((unsigned long)word[k] == (n + 7) / 8);
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc > 2 && strcmp(argv[1], "after_exec") == 0)
		role_after_exec(argv);
	if (argc > 2 && strcmp(argv[1], "exit") == 0)
		_exit(atoi(argv[2]));
	execs();
	vforks();
	robust_mutexes();
	pipes();
	storm(number_arg(argc, argv, 1, 100));
	return ok("");
}
