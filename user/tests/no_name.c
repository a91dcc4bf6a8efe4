/* SPDX-License-Identifier: MIT */
/* no_name: files without a name (O_TMPFILE), names for them, and who may set the clock, whom that wakes. Prints outcomes, for comparison with Linux. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <stdbool.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>

#include "check.h"
#include "said.h"

static int tmpfile_in(const char *dir, int flags, int mode) { return open(dir, O_TMPFILE | flags, mode); }

static long links(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (long)st.st_nlink : -1;
}

static void files(void)
{
	char self[64], shown[PATH_MAX] = "", buf[16] = "";
	int fd, fd2;

	TRY(tmpfile_in(".", O_RDONLY, 0600));
	TRY(tmpfile_in(".", O_RDWR | O_CREAT, 0600));
	TRY(tmpfile_in("none", O_RDWR, 0600));
	TRY(tmpfile_in("/dev/null", O_RDWR, 0600));
	TRY(open(".", O_TMPFILE & ~O_DIRECTORY, 0600));
	fd = tmpfile_in(".", O_RDWR, 0640);
	CHECK(fd >= 0);
	TRY(fcntl(fd, F_GETFL) & ~O_LARGEFILE);
	TRY(links(fd));
	TRY(write(fd, "hello", 5));
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	TRY(readlink(self, shown, sizeof(shown)) > 0 && strstr(shown, "/#") != NULL && strstr(shown, " (deleted)") != NULL);
	fd2 = open(self, O_RDWR);
	TRY(pread(fd2, buf, 10, 0));
	TRY(rmdir("none"));
	TRY(linkat(AT_FDCWD, self, AT_FDCWD, "named", 0));
	TRY(linkat(AT_FDCWD, self, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	TRY(links(fd));
	TRY(linkat(AT_FDCWD, self, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	TRY(linkat(AT_FDCWD, self, AT_FDCWD, "second", AT_SYMLINK_FOLLOW));
	TRY(links(fd2));
	TRY(unlink("named") + unlink("second"));
	TRY(links(fd));
	TRY(linkat(AT_FDCWD, self, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));	/* it had names, and lost the last */
	close(fd);
	close(fd2);
	fd = tmpfile_in(".", O_WRONLY | O_EXCL, 0600);
	CHECK(fd >= 0);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	TRY(linkat(AT_FDCWD, self, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	TRY(linkat(AT_FDCWD, "", AT_FDCWD, "named", 0));
	TRY(linkat(fd, "none", AT_FDCWD, "named", AT_EMPTY_PATH));
	TRY(linkat(AT_FDCWD, ".", AT_FDCWD, "named", 0x8000));
	close(fd);
	TRY(syscall(SYS_linkat, 999, "", AT_FDCWD, "named", 0));
}

/* Nothing here may set anything: this machine's clock is others', too. */
static void clocks(void)
{
	struct timespec wrong = { 1000, -1 }, negative = { -1, 0 }, soon = { 0, 0 }, begin, now;
	struct timeval bad = { 1000, 1000000 };
	struct timex t = { .modes = 0 };

	TRY(clock_settime(CLOCK_REALTIME, &wrong));
	TRY(clock_settime(CLOCK_REALTIME, &negative));
	TRY(syscall(SYS_clock_settime, CLOCK_REALTIME, 8));
	TRY(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &wrong));
	TRY(syscall(SYS_clock_settime, CLOCK_BOOTTIME, &wrong));
	TRY(syscall(SYS_clock_settime, CLOCK_PROCESS_CPUTIME_ID, &wrong));
	TRY(syscall(SYS_clock_settime, 77, &wrong));
	TRY(syscall(SYS_settimeofday, &bad, NULL));
	TRY(syscall(SYS_settimeofday, 8, NULL));
	TRY(syscall(SYS_settimeofday, NULL, 8));
	TRY(syscall(SYS_adjtimex, 8));
	CHECK(clock_gettime(CLOCK_REALTIME, &begin) == 0);
	TRY(adjtimex(&t) >= 0);
	CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
	TRY(t.time.tv_sec >= begin.tv_sec && t.time.tv_sec <= now.tv_sec);
	TRY(t.tick);
	t.modes = ADJ_TICK;
	t.tick = 1;
	TRY(adjtimex(&t) == -1 && (errno == EINVAL || errno == EPERM));
	t.modes = 0x8000;
	TRY(adjtimex(&t));
	TRY(syscall(SYS_clock_adjtime, 77, &t));
	t.modes = 0;
	TRY(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &t));
	TRY(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &t) >= 0);
	TRY(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &soon, NULL));
}

/* As nobody: the clock cannot be set. */
static void nobody(void)
{
	struct timespec ts = { 1000000000, 0 };
	struct timeval tv = { 1000000000, 0 };
	struct timex t = { .modes = ADJ_SETOFFSET };

	CHECK(getuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0));
	TRY(clock_settime(CLOCK_REALTIME, &ts));
	TRY(settimeofday(&tv, NULL));
	TRY(syscall(SYS_settimeofday, NULL, NULL));
	TRY(adjtimex(&t));
	t.modes = 0x8001;
	TRY(adjtimex(&t));
	TRY(timerfd_create(CLOCK_REALTIME_ALARM, 0));
	TRY(timerfd_create(CLOCK_BOOTTIME_ALARM, 0));
	TRY(timerfd_create(CLOCK_MONOTONIC_RAW, 0));
	TRY(timerfd_create(CLOCK_TAI, 0));
	TRY(timerfd_create(CLOCK_THREAD_CPUTIME_ID, 0));
}

static volatile int alarms;
static void count(int sig) { alarms += sig == SIGUSR1; }

static long wall(void) { return clock_ns(CLOCK_REALTIME) / 1000000000; }

static int timer_at(int clock, long sec, int flags)
{
	struct itimerspec its = { { 0, 0 }, { sec, 0 } };
	int fd = timerfd_create(clock, TFD_NONBLOCK);

	CHECK(fd >= 0 && timerfd_settime(fd, flags, &its, NULL) == 0);
	return fd;
}

static long timer_left(int fd)
{
	struct itimerspec its;

	CHECK(timerfd_gettime(fd, &its) == 0);
	return its.it_value.tv_sec;
}

static int outcome(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) < 0 ? -errno : (int)n;
}

static bool readable(int fd)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 1;
}

/* A child that waits for a time of day in a way of its own, and ends with what came of it. */
static pid_t waits(int (*how)(const struct timespec *until), const struct timespec *until)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(how(until));
	return pid;
}

static int by_sleep(const struct timespec *until) { return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, until, NULL); }

static int by_futex(const struct timespec *until)
{
	int word = 0;

	return syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, until, NULL, -1) < 0 ? errno : 0;
}

static int by_queue(const struct timespec *until)
{
	mqd_t q = mq_open("/no_name", O_RDWR | O_CREAT, 0600, NULL);
	char message[8192];

	CHECK(q != (mqd_t)-1 && mq_unlink("/no_name") == 0);
	return mq_timedreceive(q, message, sizeof(message), NULL, until) < 0 ? errno : 0;
}

/* Sets the clock, an hour ahead and back; not on a machine that others use. */
static void set_clock(void)
{
	struct { int (*how)(const struct timespec *until), outcome; pid_t pid; } waiter[] = {
		{ by_sleep, 0, 0 }, { by_futex, ETIMEDOUT, 0 }, { by_queue, ETIMEDOUT, 0 },
	};
	const int absolute_told = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
	int at_time, in_time, told, near;
	struct timespec now, far, left;
	struct itimerspec in_an_hour = { { 0, 0 }, { 0, 0 } }, rest;
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct timex t = { .modes = ADJ_SETOFFSET };
	timer_t absolute, relative;
	long begin = wall(), mono = now_ns();
	int status;

	signal(SIGUSR1, count);
	CHECK(timer_create(CLOCK_REALTIME, &ev, &absolute) == 0 && timer_create(CLOCK_REALTIME, NULL, &relative) == 0);
	CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
	far = now;
	far.tv_sec += 3000;
	for (int i = 0; i < 3; i++)
		waiter[i].pid = waits(waiter[i].how, &far);
	at_time = timer_at(CLOCK_REALTIME, far.tv_sec, TFD_TIMER_ABSTIME);
	in_time = timer_at(CLOCK_REALTIME, 3000, 0);
	told = timer_at(CLOCK_REALTIME_ALARM, far.tv_sec + 3600, absolute_told);
	in_an_hour.it_value = far;
	CHECK(timer_settime(absolute, TIMER_ABSTIME, &in_an_hour, NULL) == 0);
	in_an_hour.it_value = (struct timespec){ 5000, 0 };
	CHECK(timer_settime(relative, 0, &in_an_hour, NULL) == 0);
	now.tv_sec += 3600;
	CHECK(clock_settime(CLOCK_REALTIME, &now) == 0);
	CHECK(wall() >= begin + 3600 && time(NULL) >= begin + 3600 && now_ns() - mono < 3000000000000);
	for (int i = 0; i < 3; i++)					/* their time has come */
		CHECK(waitpid(waiter[i].pid, &status, 0) == waiter[i].pid && WIFEXITED(status) && WEXITSTATUS(status) == waiter[i].outcome);
	while (!readable(at_time))
		usleep(1000);
	CHECK(outcome(at_time) == 1 && !readable(in_time) && timer_left(in_time) > 1000);
	CHECK(readable(told) && outcome(told) == -ECANCELED && outcome(told) == -EAGAIN);
	CHECK(timer_left(told) > 2000 && timer_left(told) <= 3000);
	near = timer_at(CLOCK_REALTIME, wall() + 60, TFD_TIMER_ABSTIME);
	while (alarms == 0)
		usleep(1000);
	CHECK(timer_gettime(relative, &rest) == 0 && rest.it_value.tv_sec > 3000);	/* this one's has not */
	t.time.tv_sec = -3600;
	CHECK(adjtimex(&t) >= 0);
	CHECK(wall() < begin + 3000 && wall() >= begin);
	CHECK(timer_left(near) > 3000 && !readable(near));
	in_an_hour.it_value.tv_sec = wall() + 500;
	CHECK(timerfd_settime(told, absolute_told, &in_an_hour, NULL) == -1 && errno == ECANCELED);	/* and yet it is set */
	CHECK(timer_left(told) <= 500 && timer_left(told) > 0 && !readable(told));
	CHECK(timer_gettime(relative, &rest) == 0 && rest.it_value.tv_sec > 3000 && rest.it_value.tv_sec <= 5000);
	t = (struct timex){ .modes = ADJ_OFFSET_SINGLESHOT };
	CHECK(adjtimex(&t) >= 0 && t.offset == 0);
	t.offset = 1000;
	CHECK(adjtimex(&t) == -1 && errno == EOPNOTSUPP);
	left = (struct timespec){ 0, 0 };
	CHECK(clock_settime(CLOCK_REALTIME, &left) == -1 && errno == EINVAL);	/* before the machine was started */
}

int main(int argc, char **argv)
{
	char folder[] = "/tmp/no_name.XXXXXX";

	if (argc > 1 && strcmp(argv[1], "set-clock") == 0) {
		set_clock();
		return ok("");
	}
	CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
	files();
	clocks();
	CHECK(chdir("/") == 0 && rmdir(folder) == 0);
	TRY(status_in_child(nobody));
	return ok("");
}
