/* SPDX-License-Identifier: MIT */
/*
 * Terminals as programs use them: a pseudo-terminal pair's line discipline, sessions, foreground groups, job control, hang-ups.
 * `tty NAME...` runs some of the parts. No wait here is for ever: what lasts longer than LIMIT_S ends by SIGALRM, the children
 * too, whatever becomes of the process that was to end them. How fast the machine is decides nothing.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "check.h"

#define LIMIT_S	100		/* of the whole program and of each of its children */
#define LONG_MS	60000		/* what comes at all comes within that */

static int master = -1, slave = -1;

static pid_t spawn(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		alarm(LIMIT_S);
	return pid;
}

static int slave_open(int flags)
{
	return open(ptsname(master), O_RDWR | flags);
}

static void pair_open(void)
{
	master = posix_openpt(O_RDWR | O_NOCTTY);
	CHECK(master >= 0);
	CHECK(slave_open(O_NOCTTY) < 0 && errno == EIO);	/* locked */
	CHECK(grantpt(master) == 0 && unlockpt(master) == 0);
	slave = slave_open(O_NOCTTY);
	CHECK(slave >= 0);
}

static void pair_close(void)
{
	if (slave >= 0)
		close(slave);
	if (master >= 0)
		close(master);
	master = slave = -1;
}

static int wait_readable(int fd, int ms)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, ms) == 1 ? p.revents : 0;
}

static void keys(const char *text)
{
	CHECK(write(master, text, strlen(text)) == (ssize_t)strlen(text));
}

/* Exactly this comes out of fd. */
static void comes(int fd, const char *want, const char *where, int line)
{
	char buf[512];
	size_t n = strlen(want), done = 0;

	while (done < n) {
		if (!wait_readable(fd, LONG_MS))
			fail("%s:%d: only \"%.*s\" came, not \"%s\"", where, line, (int)done, buf, want);
		ssize_t got = read(fd, buf + done, n - done);

		CHECK(got > 0);
		done += got;
	}
	if (memcmp(buf, want, n) != 0)
		fail("%s:%d: \"%.*s\" came, not \"%s\"", where, line, (int)n, buf, want);
}
#define SHOWN(text)	comes(master, text, __func__, __LINE__)
#define NOTHING(fd)	CHECK(wait_readable(fd, 0) == 0)

static void reads_at(const char *want, int line)
{
	char buf[256] = "";
	ssize_t n = read(slave, buf, sizeof(buf) - 1);

	if (n != (ssize_t)strlen(want) || memcmp(buf, want, n) != 0)
		fail("line %d: read %zd bytes \"%s\", not \"%s\"", line, n, buf, want);
}
#define READS(text)	reads_at(text, __LINE__)

static void mode(tcflag_t clear, tcflag_t set)
{
	struct termios t;

	CHECK(tcgetattr(slave, &t) == 0);
	t.c_lflag = (t.c_lflag & ~clear) | set;
	CHECK(tcsetattr(slave, TCSANOW, &t) == 0);
}

static void pace(int min, int time)
{
	struct termios t;

	CHECK(tcgetattr(slave, &t) == 0);
	t.c_cc[VMIN] = min;
	t.c_cc[VTIME] = time;
	CHECK(tcsetattr(slave, TCSANOW, &t) == 0);
}

static void pause_ms(int ms)
{
	poll(NULL, 0, ms);
}

/* --- what it is --- */

static void what_it_is(void)
{
	struct termios t;
	struct winsize w;
	char name[64];
	int n;

	pair_open();
	CHECK(isatty(master) && isatty(slave));
	CHECK(ttyname_r(slave, name, sizeof(name)) == 0 && strcmp(name, ptsname(master)) == 0);
	CHECK(ioctl(master, TIOCGPTN, &n) == 0 && n == atoi(name + strlen("/dev/pts/")));
	CHECK(ioctl(slave, TIOCGPTN, &n) < 0 && errno == ENOTTY);
	CHECK(tcgetattr(slave, &t) == 0);
	CHECK(t.c_lflag == (ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN));
	CHECK(t.c_iflag == (ICRNL | IXON) && t.c_oflag == (OPOST | ONLCR) && t.c_cflag == (B38400 | CS8 | CREAD));
	CHECK(t.c_cc[VINTR] == 3 && t.c_cc[VERASE] == 127 && t.c_cc[VMIN] == 1 && t.c_cc[VWERASE] == 23);
	CHECK(ioctl(slave, TIOCGWINSZ, &w) == 0 && w.ws_row == 0 && w.ws_col == 0);
	CHECK(lseek(slave, 0, SEEK_SET) < 0 && errno == ESPIPE);
	CHECK(tcgetpgrp(slave) < 0 && errno == ENOTTY);
	CHECK(tcgetsid(master) < 0 && errno == ENOTTY);
	CHECK(ioctl(slave, 0x54ff, 0) < 0 && errno == ENOTTY);
	CHECK(ioctl(slave, TCGETS, NULL) < 0 && errno == EFAULT);
	n = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	CHECK(n >= 0 && isatty(n));
	close(n);
	pair_close();
	CHECK(!isatty(open("/dev/null", O_RDWR)) && errno == ENOTTY);
}

/* --- the line discipline --- */

static void lines(void)
{
	int n;

	pair_open();
	keys("abx\177c\r");
	SHOWN("abx\b \bc\r\n");
	CHECK(ioctl(slave, FIONREAD, &n) == 0 && n == 4);
	READS("abc\n");
	keys("one two\027three\n");
	READS("one three\n");
	SHOWN("one two\b \b\b \b\b \bthree\r\n");
	keys("gone\025x\ny\n");
	READS("x\n");
	READS("y\n");
	SHOWN("gone\b \b\b \b\b \b\b \bx\r\ny\r\n");
	keys("part\004");
	READS("part");
	keys("\004");
	CHECK(wait_readable(slave, LONG_MS) & POLLIN);
	READS("");
	keys("a\026\003\n");
	READS("a\003\n");
	SHOWN("parta^\b^C\r\n");
	CHECK(fcntl(slave, F_SETFL, O_NONBLOCK) == 0);
	CHECK(read(slave, &n, 1) < 0 && errno == EAGAIN);
	keys("not a line yet");
	SHOWN("not a line yet");
	CHECK(read(slave, &n, 1) < 0 && errno == EAGAIN);
	CHECK(tcflush(slave, TCIFLUSH) == 0);
	keys("\n");
	CHECK(wait_readable(slave, LONG_MS));
	READS("\n");
	CHECK(tcflush(slave, 7) < 0 && errno == EINVAL);
	pair_close();
}

static void raw(void)
{
	long long start;

	pair_open();
	mode(ICANON | ECHO | ISIG, 0);
	pace(0, 0);
	READS("");
	pace(3, 0);
	keys("\003\004x");
	READS("\003\004x");
	pace(0, 0);
	pace(0, 2);
	start = now_ns();
	READS("");
	CHECK(now_ns() - start > 150 * 1000000);
	pace(3, 0);
	keys("ab");
	NOTHING(slave);
	if (spawn() == 0) {
		pause_ms(100);
		keys("c");
		_exit(0);
	}
	READS("abc");
	wait(NULL);
	pace(5, 1);			/* the time runs from the first byte on */
	keys("d");
	READS("d");
	NOTHING(master);
	mode(0, ECHO);
	pace(1, 0);
	keys("e");
	SHOWN("e");				/* so it has arrived */
	/* what is typed ahead survives a change of mode, and becomes a line */
	mode(0, ICANON);
	READS("e");
	keys("typed");
	SHOWN("typed");
	mode(ICANON, 0);
	READS("typed");
	pair_close();
}

static void output(void)
{
	struct termios t;

	pair_open();
	CHECK(write(slave, "a\nb\tc", 5) == 5);
	SHOWN("a\r\nb\tc");
	CHECK(tcgetattr(slave, &t) == 0);
	t.c_oflag |= XTABS;
	CHECK(tcsetattr(slave, TCSADRAIN, &t) == 0);
	CHECK(write(slave, "\r12\tx\n", 6) == 6);
	SHOWN("\r12      x\r\n");
	t.c_oflag &= ~OPOST;
	CHECK(tcsetattr(slave, TCSAFLUSH, &t) == 0);
	CHECK(write(slave, "\n\t", 2) == 2);
	SHOWN("\n\t");
	pair_close();
}

static void wait_writable(bool wanted)
{
	for (int i = 0; i < LONG_MS / 10 && poll(&(struct pollfd){ slave, POLLOUT, 0 }, 1, 0) != wanted; i++)
		pause_ms(10);
}

static void flow(void)
{
	pair_open();
	CHECK(fcntl(slave, F_SETFL, O_NONBLOCK) == 0);
	keys("\023");
	wait_writable(false);
	CHECK(write(slave, "x", 1) < 0 && errno == EAGAIN);
	keys("\021");
	wait_writable(true);
	CHECK(write(slave, "y", 1) == 1);
	SHOWN("y");
	CHECK(tcflow(slave, TCOOFF) == 0);
	CHECK(write(slave, "x", 1) < 0 && errno == EAGAIN);
	CHECK(tcflow(slave, TCOON) == 0);
	CHECK(write(slave, "z", 1) == 1);
	SHOWN("z");
	pair_close();
}

static void packet(void)
{
	int on = 1, got;
	char buf[16];

	pair_open();
	CHECK(ioctl(master, TIOCPKT, &on) == 0);
	CHECK(write(slave, "ab", 2) == 2);
	CHECK(read(master, buf, sizeof(buf)) == 3 && memcmp(buf, "\0ab", 3) == 0);
	CHECK(tcflush(slave, TCIFLUSH) == 0);
	CHECK(poll(&(struct pollfd){ master, POLLPRI, 0 }, 1, LONG_MS) == 1);
	CHECK(read(master, buf, sizeof(buf)) == 1 && (buf[0] & TIOCPKT_FLUSHREAD));
	CHECK(ioctl(master, TIOCGPKT, &got) == 0 && got == 1);
	pair_close();
}

/* The other side goes away. */
static void partings(void)
{
	char c;

	pair_open();
	CHECK(write(slave, "last", 4) == 4);
	close(slave);
	SHOWN("last");
	CHECK(wait_readable(master, LONG_MS) & POLLHUP);
	CHECK(read(master, &c, 1) < 0 && errno == EIO);
	slave = slave_open(O_NOCTTY);			/* and comes back */
	CHECK(slave >= 0);
	CHECK(write(slave, "x", 1) == 1);
	SHOWN("x");
	char *name = strdup(ptsname(master));

	close(master);
	master = -1;
	CHECK(read(slave, &c, 1) == 0);
	CHECK(write(slave, &c, 1) < 0 && errno == EIO);
	CHECK((wait_readable(slave, 0) & (POLLIN | POLLHUP)) == (POLLIN | POLLHUP));
	CHECK(!isatty(slave) && errno == EIO);
	CHECK(open(name, O_RDWR | O_NOCTTY) < 0 && errno == ENOENT);
	free(name);
	pair_close();
}

/* More than fits, both ways, with nobody reading at first. */
static void much(void)
{
	static char big[100000];
	size_t n = 0;
	char buf[4096];

	pair_open();
	mode(ICANON | ECHO | ISIG, 0);
	struct termios t;

	CHECK(tcgetattr(slave, &t) == 0);
	t.c_oflag = t.c_iflag = 0;
	CHECK(tcsetattr(slave, TCSANOW, &t) == 0);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = i * 7 + i / 251;
	for (int down = 0; down < 2; down++) {
		int from = down ? master : slave, to = down ? slave : master;
		pid_t child = spawn();

		if (child == 0) {
			CHECK(write(from, big, sizeof(big)) == sizeof(big));
			_exit(0);
		}
		for (n = 0; n < sizeof(big);) {
			ssize_t got = read(to, buf, sizeof(buf));

			CHECK(got > 0 && memcmp(buf, big + n, got) == 0);
			n += got;
		}
		int status;

		CHECK(waitpid(child, &status, 0) == child && status == 0);
	}
	pair_close();
}

/* --- sessions and jobs: each part runs as the leader of a session of its own, with the pair's slave as its terminal --- */

static volatile sig_atomic_t seen[65];
static void note(int sig) { seen[sig]++; }

static void notice(int sig)
{
	struct sigaction sa = { .sa_handler = note, .sa_flags = SA_RESTART };

	CHECK(sigaction(sig, &sa, NULL) == 0);
	seen[sig] = 0;
}

static void wait_seen(int sig)
{
	for (int i = 0; i < LONG_MS / 10 && !seen[sig]; i++)
		pause_ms(10);
	CHECK(seen[sig] > 0);
}

static void become_leader(void)
{
	int fd;

	CHECK(setsid() == getpid());
	fd = slave_open(0);				/* becomes the controlling terminal */
	CHECK(fd >= 0);
	dup2(fd, slave);
	close(fd);
	CHECK(tcgetsid(slave) == getpid() && tcgetpgrp(slave) == getpid());
	fd = open("/dev/tty", O_RDWR);
	CHECK(fd >= 0 && isatty(fd));
	close(fd);
}

static int status_of(pid_t pid, int options)
{
	int status = -1;

	CHECK(waitpid(pid, &status, options) == pid);
	return status;
}

static void in_session(void (*part)(void))
{
	pid_t child;

	pair_open();
	child = spawn();
	if (child == 0) {
		become_leader();
		part();
		_exit(0);
	}
	close(slave);
	slave = -1;
	CHECK(status_of(child, 0) == 0);
	pair_close();
}

/* A child in a group (0: its own) that waits for signals. */
static pid_t job_in(pid_t group, void (*body)(void))
{
	pid_t pid = spawn();

	if (pid == 0) {
		setpgid(0, group);
		if (body != NULL)
			body();
		for (;;)
			pause();
	}
	CHECK(setpgid(pid, group) == 0);		/* whoever comes first */
	return pid;
}

static pid_t job(void (*body)(void)) { return job_in(0, body); }

static void end_job(pid_t pid)
{
	kill(-pid, SIGKILL);
	CHECK(WTERMSIG(status_of(pid, 0)) == SIGKILL);
}

static void foreground(void)
{
	pid_t pid;

	CHECK(setsid() < 0 && errno == EPERM);
	CHECK(setpgid(0, 0) < 0 && errno == EPERM);
	CHECK(tcsetpgrp(slave, 32000) < 0 && errno == ESRCH);
	CHECK(tcsetpgrp(slave, -3) < 0 && errno == EINVAL);
	notice(SIGINT);
	keys("\003");
	wait_seen(SIGINT);
	CHECK(seen[SIGINT] == 1);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTSTP, SIG_DFL);
	pid = job(NULL);
	signal(SIGINT, SIG_DFL);
	pid_t second = job_in(pid, NULL);

	CHECK(tcsetpgrp(slave, pid) == 0 && tcgetpgrp(slave) == pid);
	keys("\032");
	CHECK(status_of(pid, WUNTRACED) == (SIGTSTP << 8 | 0x7f));
	CHECK(status_of(second, WUNTRACED) == (SIGTSTP << 8 | 0x7f));
	CHECK(waitpid(-pid, NULL, WNOHANG | WUNTRACED) == 0);		/* it is told once */
	notice(SIGCHLD);
	CHECK(kill(-pid, SIGCONT) == 0);
	CHECK(status_of(pid, WCONTINUED) == 0xffff);
	CHECK(status_of(second, WCONTINUED) == 0xffff);
	wait_seen(SIGCHLD);
	keys("\034");
	CHECK(WTERMSIG(status_of(second, 0)) == SIGQUIT);
	CHECK(WTERMSIG(status_of(pid, 0)) == SIGQUIT);
	CHECK(tcsetpgrp(slave, getpgrp()) == 0);
}

static void read_one(void)
{
	char c = 0;

	_exit(read(slave, &c, 1) == 1 ? c : errno);
}
static void read_ignoring(void)
{
	signal(SIGTTIN, SIG_IGN);
	read_one();
}
static void change_mode(void)
{
	struct termios t;

	signal(SIGTTOU, SIG_DFL);
	tcgetattr(slave, &t);
	_exit(tcsetattr(slave, TCSANOW, &t) == 0 ? 0 : errno);
}
static void write_one(void)
{
	signal(SIGTTOU, SIG_DFL);
	_exit(write(slave, "w", 1) == 1 ? 0 : errno);
}
static void take_terminal(void)
{
	signal(SIGTTOU, SIG_DFL);
	_exit(tcsetpgrp(slave, getpid()) == 0 ? 0 : errno);
}

static void background(void)
{
	pid_t pid;

	signal(SIGTTOU, SIG_IGN);
	pid = job(read_one);
	CHECK(status_of(pid, WUNTRACED) == (SIGTTIN << 8 | 0x7f));
	CHECK(tcsetpgrp(slave, pid) == 0);
	kill(-pid, SIGCONT);				/* the read goes on by itself */
	keys("q\n");
	CHECK(WEXITSTATUS(status_of(pid, 0)) == 'q');
	CHECK(tcsetpgrp(slave, getpgrp()) == 0);
	tcflush(slave, TCIFLUSH);
	pid = job(read_ignoring);
	CHECK(WEXITSTATUS(status_of(pid, WUNTRACED)) == EIO);
	pid = job(change_mode);
	CHECK(status_of(pid, WUNTRACED) == (SIGTTOU << 8 | 0x7f));
	end_job(pid);
	pid = job(take_terminal);
	CHECK(status_of(pid, WUNTRACED) == (SIGTTOU << 8 | 0x7f));
	end_job(pid);
	pid = job(write_one);				/* writing is free ... */
	CHECK(status_of(pid, WUNTRACED) == 0);
	mode(0, TOSTOP);
	pid = job(write_one);				/* ... unless TOSTOP */
	CHECK(status_of(pid, WUNTRACED) == (SIGTTOU << 8 | 0x7f));
	end_job(pid);
	CHECK(tcgetpgrp(slave) == getpgrp());
}

static int news[2];

static void tell(char c)
{
	CHECK(write(news[1], &c, 1) == 1);
}
static char told(void)
{
	char c = 0;

	CHECK(wait_readable(news[0], LONG_MS));
	CHECK(read(news[0], &c, 1) == 1);
	return c;
}

static void orphan_body(void)
{
	notice(SIGHUP);
	notice(SIGCONT);
	tell('r');
	while (!seen[SIGHUP] || !seen[SIGCONT])
		pause_ms(10);
	/* nobody could continue it: the terminal's signals do not stop it now, and it may not read */
	notice(SIGTSTP);
	signal(SIGTSTP, SIG_DFL);
	kill(getpid(), SIGTSTP);
	signal(SIGTTIN, SIG_DFL);
	char c;

	tell(read(slave, &c, 1) < 0 && errno == EIO ? 'e' : 'x');
	_exit(0);
}

/* The shell of a stopped job ends; its group is orphaned and must not stay stopped for ever. */
static void orphans(void)
{
	int status;
	pid_t shell;

	CHECK(pipe(news) == 0);
	shell = spawn();
	if (shell == 0) {
		setpgid(0, 0);
		pid_t pid = job(orphan_body);

		CHECK(told() == 'r');
		kill(pid, SIGSTOP);
		CHECK(status_of(pid, WUNTRACED) == (SIGSTOP << 8 | 0x7f));
		_exit(0);
	}
	CHECK(waitpid(shell, &status, 0) == shell && status == 0);
	CHECK(told() == 'e');
}

static void hang_up_body(void)
{
	signal(SIGHUP, SIG_IGN);
	tell('r');
	for (int i = 0, fd; i < LONG_MS / 10 && (fd = open("/dev/tty", O_RDWR)) >= 0; i++) {
		close(fd);
		pause_ms(10);
	}
	tell(open("/dev/tty", O_RDWR) < 0 && errno == ENXIO ? 'n' : 'x');
	_exit(0);
}

/* The leader ends: the foreground group hears of it, and the terminal is nobody's. */
static void leader_gone(void)
{
	int status, fd;

	CHECK(pipe(news) == 0);
	pair_open();
	pid_t leader = spawn();

	if (leader == 0) {
		become_leader();
		signal(SIGTTOU, SIG_IGN);
		pid_t pid = job(NULL), other = job(hang_up_body);

		(void)other;
		CHECK(told() == 'r');
		CHECK(tcsetpgrp(slave, pid) == 0);
		int kept = dup(master);

		(void)kept;
		if (spawn() == 0) {			/* who sees whether the job has gone; not in the foreground */
			setpgid(0, 0);
			for (int i = 0; i < LONG_MS / 10 && kill(pid, 0) == 0; i++)
				pause_ms(10);
			tell(kill(pid, 0) < 0 ? 'g' : 's');
			_exit(0);
		}
		_exit(0);
	}
	CHECK(waitpid(leader, &status, 0) == leader && status == 0);
	char first = told(), second = told();

	CHECK((first == 'n' && second == 'g') || (first == 'g' && second == 'n'));
	/* another session may have it now */
	pid_t next = spawn();

	if (next == 0) {
		become_leader();
		_exit(0);
	}
	CHECK(waitpid(next, &status, 0) == next && status == 0);
	fd = slave;
	CHECK(write(fd, "x", 1) == 1);
	pair_close();
}

/* The master is closed: the leader is told. */
static void master_gone(void)
{
	int go[2];
	pid_t leader;
	char c;

	CHECK(pipe(news) == 0 && pipe(go) == 0);
	pair_open();
	leader = spawn();
	if (leader == 0) {
		notice(SIGHUP);
		notice(SIGCONT);
		become_leader();
		close(master);
		tell('r');
		wait_seen(SIGHUP);
		wait_seen(SIGCONT);
		CHECK(seen[SIGHUP] == 1 && seen[SIGCONT] == 1);
		CHECK(read(slave, &c, 1) == 0);
		CHECK(write(slave, &c, 1) < 0 && errno == EIO);
		CHECK(open("/dev/tty", O_RDWR) < 0 && errno == ENXIO);
		CHECK(tcgetpgrp(slave) < 0 && errno == EIO);
		_exit(0);
	}
	CHECK(told() == 'r');
	pair_close();
	CHECK(status_of(leader, 0) == 0);
}

static void sizes(void)
{
	struct winsize w = { 40, 100, 0, 0 }, got;

	notice(SIGWINCH);
	CHECK(ioctl(master, TIOCSWINSZ, &w) == 0);
	wait_seen(SIGWINCH);
	CHECK(seen[SIGWINCH] == 1);
	CHECK(ioctl(slave, TIOCGWINSZ, &got) == 0 && got.ws_row == 40 && got.ws_col == 100);
	CHECK(ioctl(slave, TIOCSWINSZ, &w) == 0);	/* the same: no signal */
	pause_ms(50);
	CHECK(seen[SIGWINCH] == 1);
}

/* Giving a terminal up and taking one. */
static void ownership(void)
{
	int other_master = posix_openpt(O_RDWR | O_NOCTTY), other;
	pid_t pid;

	CHECK(other_master >= 0 && unlockpt(other_master) == 0);
	other = open(ptsname(other_master), O_RDWR);	/* we have one: a second does not become ours */
	CHECK(tcgetsid(other) < 0 && errno == ENOTTY);
	CHECK(ioctl(other, TIOCSCTTY, 0) < 0 && errno == EPERM);
	pid = spawn();
	if (pid == 0) {
		CHECK(ioctl(slave, TIOCSCTTY, 0) < 0 && errno == EPERM);	/* no leader */
		CHECK(ioctl(other, TIOCNOTTY) < 0 && errno == ENOTTY);
		CHECK(ioctl(slave, TIOCNOTTY) == 0);		/* only for itself */
		CHECK(open("/dev/tty", O_RDWR) < 0 && errno == ENXIO);
		_exit(0);
	}
	CHECK(status_of(pid, 0) == 0);
	CHECK(tcgetsid(slave) == getpid());
	CHECK(ioctl(slave, TIOCSCTTY, 0) == 0);		/* it is ours */
	notice(SIGHUP);
	notice(SIGCONT);
	CHECK(ioctl(slave, TIOCNOTTY) == 0);
	CHECK(seen[SIGHUP] == 1 && seen[SIGCONT] == 1);
	CHECK(open("/dev/tty", O_RDWR) < 0 && errno == ENXIO);
	CHECK(ioctl(other, TIOCSCTTY, 0) == 0);
	CHECK(tcgetsid(other) == getpid());
	pid = spawn();
	if (pid == 0) {
		CHECK(setsid() == getpid());
		CHECK(open("/dev/tty", O_RDWR) < 0 && errno == ENXIO);
		CHECK(ioctl(other, TIOCSCTTY, 0) < 0 && errno == EPERM);	/* it is another session's */
		_exit(0);
	}
	CHECK(status_of(pid, 0) == 0);
	close(other);
	close(other_master);
}

/* A continue that follows a stop closely is not lost. */
static void stop_and_go(void)
{
	pid_t pid = job(NULL);

	for (int i = 0; i < 300; i++) {
		CHECK(kill(pid, i % 2 ? SIGSTOP : SIGTSTP) == 0);
		if (i % 3 == 0)
			sched_yield();
		CHECK(kill(pid, SIGCONT) == 0);
	}
	CHECK(kill(pid, SIGTERM) == 0);
	CHECK(WTERMSIG(status_of(pid, 0)) == SIGTERM);
}

static const struct { const char *name; void (*run)(void); bool session; } parts[] = {
	{ "what_it_is", what_it_is, false }, { "lines", lines, false }, { "raw", raw, false }, { "output", output, false },
	{ "flow", flow, false }, { "packet", packet, false }, { "partings", partings, false }, { "much", much, false },
	{ "foreground", foreground, true }, { "background", background, true }, { "orphans", orphans, true },
	{ "sizes", sizes, true }, { "ownership", ownership, true }, { "stop_and_go", stop_and_go, true },
	{ "leader_gone", leader_gone, false }, { "master_gone", master_gone, false },
};

int main(int argc, char **argv)
{
	unsigned run = 0;

	for (int sig = 1; sig < 32; sig++)		/* under nohup SIGHUP is ignored, and that is inherited */
		signal(sig, SIG_DFL);
	alarm(LIMIT_S);
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		bool wanted = argc < 2;

		for (int a = 1; a < argc; a++)
			wanted |= strcmp(argv[a], parts[i].name) == 0;
		if (!wanted)
			continue;
		run++;
		fprintf(stderr, "%s\n", parts[i].name);
		if (parts[i].session)
			in_session(parts[i].run);
		else
			parts[i].run();
	}
	return ok("%u parts", run);
}
