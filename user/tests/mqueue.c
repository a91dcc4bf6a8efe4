/* SPDX-License-Identifier: MIT */
/* mqueue: POSIX message queues. Prints each call with its outcome, for comparison with Linux. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "plain.h"
#include "said.h"

static char name[32], buf[64];
static const struct timespec past = { 1, 0 }, bad = { 1, -1 };
static volatile sig_atomic_t told, value, code;

static void note(int sig, siginfo_t *info, void *context)
{
	(void)context;
	told = sig;
	value = info->si_value.sival_int;
	code = info->si_code;
}

static mqd_t open_with(int flags, long most, long size)
{
	struct mq_attr a = { .mq_maxmsg = most, .mq_msgsize = size };

	return mq_open(name, flags, 0600, &a);
}

static void names(void)
{
	static char longer[400] = "/";
	mqd_t q;

	memset(longer + 1, 'n', 256);
	TRY(mq_open(longer, O_RDONLY));
	TRY(mq_open("none", O_RDONLY));
	TRY(mq_open("/a/b", O_RDONLY | O_CREAT, 0600, NULL));
	TRY(mq_open("/..", O_RDONLY));
	TRY(mq_open("/", O_RDONLY));
	TRY(mq_open(name, O_RDONLY));
	TRY(mq_unlink(name));
	TRY(open_with(O_RDWR | O_CREAT, 0, 10));
	TRY(open_with(O_RDWR | O_CREAT, 10, 0));
	TRY(open_with(O_RDWR | O_CREAT, -1, 10));
	TRY(open_with(O_RDWR | O_CREAT, 1 << 20, 10));
	TRY(open_with(O_RDWR | O_CREAT, 5, 1 << 25));
	q = open_with(O_RDWR | O_CREAT | O_EXCL, 3, 10);
	CHECK(q >= 0);
	TRY(open_with(O_RDWR | O_CREAT | O_EXCL, 3, 10));
	TRY(mq_close(q));
	TRY(mq_close(q));
	TRY(mq_open(name, 3));
}

static void messages(void)
{
	mqd_t q = mq_open(name, O_RDWR | O_NONBLOCK), in = mq_open(name, O_RDONLY), out = mq_open(name, O_WRONLY);
	struct mq_attr a = { 0 };
	struct pollfd p = { q, POLLIN | POLLOUT, 0 };
	unsigned priority = 99;

	CHECK(q >= 0 && in >= 0 && out >= 0);
	TRY(mq_receive(q, buf, 10, NULL));
	TRY(mq_receive(q, buf, 9, NULL));
	TRY(mq_receive(out, buf, 10, NULL));
	TRY(mq_send(in, "x", 1, 0));
	TRY(mq_send(q, "x", 1, 32768));
	TRY(mq_send(q, "0123456789a", 11, 0));
	TRY(poll(&p, 1, 0));
	TRY(p.revents);
	TRY(mq_send(q, "low", 3, 1));
	TRY(mq_send(q, "high", 4, 32767));
	TRY(mq_timedsend(out, "low too", 7, 1, &past));	/* there is room: no time is asked for */
	TRY(mq_send(q, "", 0, 0));
	TRY(mq_timedsend(out, "", 0, 0, &past));
	TRY(mq_timedsend(out, "", 0, 0, &bad));
	TRY(poll(&p, 1, 0));
	TRY(p.revents);
	TRY(mq_getattr(q, &a));
	printf("%ld %ld %ld %ld\n", a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
	for (int i = 0; i < 4; i++) {
		memset(buf, 0, sizeof(buf));
		TRY(mq_receive(q, buf, sizeof(buf), &priority));
		printf("%s %u\n", buf, priority);
	}
	TRY(mq_send(q, "", 0, 5));
	TRY(mq_receive(q, buf, 10, &priority));
	TRY(mq_timedreceive(in, buf, 10, NULL, &past));
	TRY(syscall(SYS_mq_timedreceive, in, buf, 10, NULL, (void *)8));
	TRY(mq_send(q, "lost", 4, 0));
	TRY(syscall(SYS_mq_timedreceive, q, (void *)8, 10, NULL, NULL));
	TRY(syscall(SYS_mq_timedsend, q, (void *)8, 5, 0, NULL));
	TRY(mq_receive(q, buf, 10, NULL));
	TRY(mq_receive(0, buf, 10, NULL));
	TRY(mq_receive(900, buf, 10, NULL));
	a.mq_flags = 0;
	TRY(mq_setattr(q, &a, NULL));
	TRY(fcntl(q, F_GETFL) & (O_NONBLOCK | O_ACCMODE));
	a.mq_flags = O_APPEND;
	TRY(mq_setattr(q, &a, NULL));
	TRY(mq_getattr(0, &a));
	TRY(lseek(q, 0, SEEK_CUR));
	TRY(fcntl(q, F_GETFD));			/* closed by execve(2), asked for or not */
	TRY(fcntl(mq_open(name, O_RDONLY | O_CLOEXEC), F_GETFD));
	mq_close(q);
	mq_close(in);
	mq_close(out);
}

/* One who waits gets the message, and nobody is told of it. */
static void waiters(void)
{
	mqd_t q = mq_open(name, O_RDWR), back;
	pid_t child = fork();
	int status;

	CHECK(q >= 0 && child >= 0);
	if (child == 0) {
		for (int i = 0; i < 100; i++)
			CHECK(mq_receive(q, buf, 10, NULL) == 1 && buf[0] == i);
		_exit(7);
	}
	for (int i = 0; i < 100; i++) {
		char c = i;

		CHECK(mq_send(q, &c, 1, 3) == 0);	/* waits whenever there are three */
	}
	CHECK(waitpid(child, &status, 0) == child);
	TRY(WEXITSTATUS(status));
	back = mq_open(name, O_RDONLY);
	TRY(mq_unlink(name));
	TRY(mq_open(name, O_RDONLY));
	TRY(mq_send(q, "still", 5, 0));
	TRY(mq_receive(back, buf, 10, NULL));
	mq_close(back);
	mq_close(q);
}

static void notices(void)
{
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42 };
	struct sigaction act = { .sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART };
	mqd_t q = open_with(O_RDWR | O_CREAT | O_NONBLOCK, 3, 10);
	int status;
	pid_t child;

	CHECK(q >= 0 && sigaction(SIGUSR1, &act, NULL) == 0);
	e.sigev_notify = 99;
	TRY(mq_notify(q, &e));
	e.sigev_notify = SIGEV_SIGNAL;
	e.sigev_signo = 65;
	TRY(mq_notify(q, &e));
	e.sigev_signo = SIGUSR1;
	TRY(mq_notify(0, &e));
	TRY(mq_notify(q, NULL));
	TRY(mq_notify(q, &e));
	TRY(mq_notify(q, &e));
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		_exit(mq_notify(q, &e) < 0 && errno == EBUSY && mq_notify(q, NULL) == 0 && mq_send(q, "x", 1, 0) == 0 ? 3 : 4);
	CHECK(waitpid(child, &status, 0) == child);
	TRY(WEXITSTATUS(status));
	TRY(told == SIGUSR1);
	TRY(value);
	TRY(code == SI_MESGQ);
	told = 0;
	TRY(mq_notify(q, &e));			/* there is a message: not told until it is gone and another comes */
	TRY(mq_send(q, "y", 1, 0));
	TRY(told);
	TRY(mq_receive(q, buf, 10, NULL));
	TRY(mq_receive(q, buf, 10, NULL));
	TRY(mq_send(q, "z", 1, 0));
	TRY(told == SIGUSR1);
	told = 0;
	TRY(mq_receive(q, buf, 10, NULL));
	TRY(mq_send(q, "z", 1, 0));
	TRY(told);				/* once */
	e.sigev_notify = SIGEV_NONE;
	TRY(mq_notify(q, &e));
	TRY(mq_notify(q, &e));
	TRY(mq_unlink(name));
	mq_close(q);
}

/* Without a free descriptor no queue is made. */
static void full_table(void)
{
	struct rlimit l;

	closefrom(3);
	CHECK(getrlimit(RLIMIT_NOFILE, &l) == 0);
	l.rlim_cur = 3;
	CHECK(setrlimit(RLIMIT_NOFILE, &l) == 0);
	TRY(open_with(O_RDWR | O_CREAT, 3, 10));
	l.rlim_cur = 10;
	CHECK(setrlimit(RLIMIT_NOFILE, &l) == 0);
	TRY(mq_open(name, O_RDONLY));
}

/* Who asked to be told, and then becomes another program, is not: a child still has the queue open, and sends. */
static void becomes_another(void)
{
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	mqd_t q = open_with(O_RDWR | O_CREAT, 3, 10);		/* before the pipe: closed before it, too */
	int over[2];
	pid_t child;
	char c;

	CHECK(q >= 0 && mq_unlink(name) == 0 && fcntl(q, F_SETFD, 0) == 0 && pipe2(over, O_CLOEXEC) == 0 && mq_notify(q, &e) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		close(over[1]);
		CHECK(read(over[0], &c, 1) == 0);		/* it has happened */
		_exit(mq_send(q, "x", 1, 0) == 0 ? 0 : 1);
	}
	execl("/proc/self/exe", "mqueue", "another", NULL);
	fail("%s", strerror(errno));
}

static int another(void)
{
	int status;

	CHECK(wait(&status) > 0 && status == 0);
	return 9;
}

static void limits(void)
{
	struct rlimit l = { 1000, 1000 };

	CHECK(setrlimit(RLIMIT_MSGQUEUE, &l) == 0);
	TRY(open_with(O_RDWR | O_CREAT, 10, 100));
	TRY(open_with(O_RDWR | O_CREAT, 1, 10) >= 0);
	TRY(mq_unlink(name));
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "another") == 0)
		return another();
	snprintf(name, sizeof(name), "/tangram-%d", getpid());
	mq_unlink(name);			/* of one that was killed, long ago */
	printf("another ended with %#x\n", status_in_child(becomes_another));
	be_nobody();
	names();
	messages();
	waiters();
	notices();
	printf("full table ended with %#x\n", status_in_child(full_table));
	limits();
	return ok("");
}
