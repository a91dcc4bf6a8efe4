/* SPDX-License-Identifier: MIT */
/*
 * bounds: process 1 is not an ordinary user's to change; what personality(2) changes; whose signals a limit counts; whose a thread's
 * children and faults are; several futexes at once. `bounds root` is for the nodes alone: what root may do there, and that what the
 * host may not have is there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#include "plain.h"
#include "shown.h"

#define REFUSED(call, why) CHECK((call) == -1 && errno == (why))
#define PAGE 4096l

static bool here;			/* on a node of ours: nothing may be missing */

static const char *behind(const char *word)
{
	const char *at = strstr(text, word);

	CHECK(at != NULL);
	return at + strlen(word);
}

static long put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	long rc = fd < 0 ? -1 : write(fd, value, strlen(value));

	if (fd >= 0)
		close(fd);
	return rc;
}

/* --- process 1 --- */

struct attr { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t times[3]; };

static void setters_of_init(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 1 };
	struct __user_cap_data_struct d[2] = { { 0 } };
	struct attr attr = { .size = sizeof(attr) };
	struct sched_param p = { 0 };
	struct rlimit l = { 0, 0 };
	cpu_set_t cpus;

	CHECK(sched_getaffinity(0, sizeof(cpus), &cpus) == 0);
	REFUSED(sched_setscheduler(1, SCHED_OTHER, &p), EPERM);
	REFUSED(sched_setparam(1, &p), EPERM);
	REFUSED(syscall(SYS_sched_setattr, 1, &attr, 0), EPERM);
	REFUSED(sched_setaffinity(1, sizeof(cpus), &cpus), EPERM);
	REFUSED(setpriority(PRIO_PROCESS, 1, 0), EPERM);
	REFUSED(syscall(SYS_ioprio_set, 1, 1, 2 << 13 | 4), EPERM);
	CHECK(syscall(SYS_ioprio_get, 1, 1) >= 0);
	REFUSED(syscall(SYS_capset, &h, d), EPERM);
	REFUSED(setpgid(1, 1), ESRCH);
	if (geteuid() == 0)
		return;				/* the rest is root's to do */
	REFUSED(kill(1, 0), EPERM);
	REFUSED(kill(1, SIGTERM), EPERM);
	REFUSED(syscall(SYS_tkill, 1, SIGTERM), EPERM);
	REFUSED(syscall(SYS_tgkill, 1, 1, SIGTERM), EPERM);
	REFUSED(sigqueue(1, SIGRTMIN, (union sigval){ 0 }), EPERM);
	REFUSED(prlimit(1, RLIMIT_CORE, &l, NULL), EPERM);
	REFUSED(prlimit(1, RLIMIT_CORE, NULL, &l), EPERM);
	REFUSED(syscall(SYS_get_robust_list, 1, text, text + 8), EPERM);
}

/* --- personality(2) --- */

static void personalities(void)
{
	struct timeval tv = { 0, 20000 };
	struct utsname u;
	int was = personality(0xffffffff);

	if (personality(PER_LINUX32) == -1 && !here)
		return;				/* a container that forbids it */
	CHECK(personality(0xffffffff) == PER_LINUX32);
	CHECK(uname(&u) == 0 && strcmp(u.machine, "i686") == 0 && strncmp(u.release, "2.6.", 4) != 0);
	CHECK(personality(PER_LINUX32 | UNAME26) == PER_LINUX32);
	CHECK(uname(&u) == 0 && strncmp(u.release, "2.6.", 4) == 0);
	CHECK(personality(was) == (PER_LINUX32 | UNAME26));
	CHECK(uname(&u) == 0 && strcmp(u.machine, "x86_64") == 0);
	if (personality(STICKY_TIMEOUTS) == -1 && !here)
		return;
	CHECK(select(0, NULL, NULL, NULL, &tv) == 0 && tv.tv_usec == 20000);
	CHECK(personality(was) == STICKY_TIMEOUTS);
	CHECK(select(0, NULL, NULL, NULL, &tv) == 0 && tv.tv_usec == 0);
}

static const char *rights_of(const void *at)
{
	static char line[256], found[5];
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long from, to;

	CHECK(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%lx-%lx %4s", &from, &to, found) == 3 && from <= (unsigned long)at && (unsigned long)at < to)
			break;
	fclose(f);
	return found;
}

static void read_implies_exec(void)
{
	void *p;

	if (personality(READ_IMPLIES_EXEC) == -1 && !here)
		return;
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED && strcmp(rights_of(p), "r-xp") == 0);
	CHECK(mprotect(p, PAGE, PROT_READ | PROT_WRITE) == 0 && strcmp(rights_of(p), "rwxp") == 0);
	CHECK(mprotect(p, PAGE, PROT_NONE) == 0 && strcmp(rights_of(p), "---p") == 0);
}

/* --- prctl(2) --- */

static void settings(void)
{
	CHECK(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0) == PR_MCE_KILL_DEFAULT);
	CHECK(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0) == 0);
	CHECK(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0) == PR_MCE_KILL_EARLY);
	CHECK(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0) == 0);
	CHECK(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0) == PR_MCE_KILL_LATE);
	REFUSED(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, 3, 0, 0), EINVAL);
	REFUSED(prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 1, 0, 0), EINVAL);
	REFUSED(prctl(PR_MCE_KILL, 2, 0, 0, 0), EINVAL);
	REFUSED(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 1, 0), EINVAL);
	REFUSED(prctl(PR_MCE_KILL_GET, 1, 0, 0, 0), EINVAL);
	CHECK(prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0) == 0);
	CHECK(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0) == PR_MCE_KILL_DEFAULT);
	CHECK(syscall(SYS_arch_prctl, 0x1011, 0) == 1);
	REFUSED(syscall(SYS_arch_prctl, 0x3001, 0), EINVAL);
}

/* --- signals --- */

static void signals_of_user(void)
{
	struct rlimit l;
	sigset_t set;
	unsigned long queued;
	pid_t child;
	int status;

	shown("/proc/self/status");
	queued = strtoul(behind("SigQ:\t"), NULL, 10);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	l.rlim_cur = l.rlim_max = queued + 2;
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && setrlimit(RLIMIT_SIGPENDING, &l) == 0);
	CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){ 1 }) == 0 && sigqueue(getpid(), SIGRTMIN, (union sigval){ 2 }) == 0);
	REFUSED(sigqueue(getpid(), SIGRTMIN, (union sigval){ 3 }), EAGAIN);
	shown("/proc/self/status");
	CHECK(strtoul(behind("SigQ:\t"), NULL, 10) == queued + 2 && strtoul(strchr(behind("SigQ:\t"), '/') + 1, NULL, 10) == queued + 2);
	child = fork();
	if (child == 0)			/* has none itself */
		_exit(sigqueue(getpid(), SIGRTMIN, (union sigval){ 4 }) == -1 && errno == EAGAIN ? 3 : 4);
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
	CHECK(sigwaitinfo(&set, NULL) == SIGRTMIN && sigqueue(getpid(), SIGRTMIN, (union sigval){ 5 }) == 0);
}

static pthread_barrier_t both;
static volatile pid_t other_tid;

static void *is_there(void *arg)
{
	other_tid = gettid();
	pthread_barrier_wait(&both);
	pthread_barrier_wait(&both);
	return arg;
}

/* A thread's number does for its process, for kill(2) and sigqueue(3), too. */
static void numbers_of_threads(void)
{
	pthread_t t;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && pthread_barrier_init(&both, NULL, 2) == 0);
	CHECK(pthread_create(&t, NULL, is_there, NULL) == 0);
	pthread_barrier_wait(&both);
	CHECK(kill(other_tid, SIGUSR1) == 0 && sigqueue(other_tid, SIGRTMIN, (union sigval){ 7 }) == 0);
	CHECK(sigwaitinfo(&set, NULL) == SIGUSR1 && sigwaitinfo(&set, NULL) == SIGRTMIN);	/* the process's, not the thread's */
	pthread_barrier_wait(&both);
	pthread_join(t, NULL);
}

/* --- what is a thread's own --- */

static volatile pid_t child_of_thread;

static void *has_child(void *arg)
{
	char path[64], number[16];

	child_of_thread = fork();
	if (child_of_thread == 0)
		_exit(5);
	pthread_barrier_wait(&both);
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", gettid());
	snprintf(number, sizeof(number), "%d ", child_of_thread);
	if (here || access(path, R_OK) == 0)
		CHECK(strcmp(shown(path), number) == 0);
	CHECK(waitid(P_PID, child_of_thread, &(siginfo_t){ 0 }, WEXITED | WNOWAIT | __WNOTHREAD) == 0);
	pthread_barrier_wait(&both);
	return arg;
}

static void children_of_threads(void)
{
	pthread_t t;
	int status;

	CHECK(pthread_barrier_init(&both, NULL, 2) == 0 && pthread_create(&t, NULL, has_child, NULL) == 0);
	pthread_barrier_wait(&both);
	REFUSED(waitpid(child_of_thread, &status, __WNOTHREAD), ECHILD);
	CHECK(waitid(P_PID, child_of_thread, &(siginfo_t){ 0 }, WEXITED | WNOWAIT) == 0);
	pthread_barrier_wait(&both);
	pthread_join(t, NULL);
	while (waitpid(child_of_thread, &status, __WNOTHREAD) == -1)	/* ours, once the thread has gone altogether */
		CHECK(errno == ECHILD && usleep(1000) == 0);
	CHECK(WEXITSTATUS(status) == 5);
}

#define TOUCHED 200

static long faults_of_thread(void)
{
	struct rusage ru;

	CHECK(getrusage(RUSAGE_THREAD, &ru) == 0);
	return ru.ru_minflt + ru.ru_majflt;
}

static void *touches(void *arg)
{
	char *p = mmap(NULL, TOUCHED * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long before = faults_of_thread();

	CHECK(p != MAP_FAILED);
	for (int i = 0; i < TOUCHED; i++)
		p[i * PAGE] = 1;
	CHECK(faults_of_thread() >= before + TOUCHED);
	return arg;
}

static void faults_of_threads(void)
{
	long before = faults_of_thread();
	pthread_t t;

	CHECK(pthread_create(&t, NULL, touches, NULL) == 0 && pthread_join(t, NULL) == 0);
	CHECK(faults_of_thread() < before + TOUCHED / 2);
}

/* --- futex_waitv(2) --- */

struct waitv { uint64_t val, va; uint32_t flags, reserved; };
static uint32_t word[3];

static void *wakes(void *arg)
{
	usleep(20000);
	__atomic_store_n(&word[2], 1, __ATOMIC_SEQ_CST);
	while (syscall(SYS_futex, &word[2], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0)
		usleep(1000);
	return arg;
}

static long wait_any(const struct waitv *v, unsigned n, unsigned flags, const struct timespec *end, clockid_t clock)
{
	return syscall(449, v, n, flags, end, clock);
}

static void several_futexes(void)
{
	struct waitv v[3], bad;
	struct timespec end = { 0, 1 };
	pthread_t t;

	for (int i = 0; i < 3; i++)
		v[i] = (struct waitv){ 0, (uintptr_t)&word[i], 2 | FUTEX_PRIVATE_FLAG, 0 };
	if (wait_any(v, 0, 0, NULL, 0) == -1 && errno != EINVAL && !here)
		return;				/* an older kernel, or a container's */
	REFUSED(wait_any(v, 0, 0, NULL, 0), EINVAL);
	REFUSED(wait_any(v, 129, 0, NULL, 0), EINVAL);
	REFUSED(wait_any(NULL, 3, 0, NULL, 0), EINVAL);
	REFUSED(wait_any((void *)8, 3, 0, NULL, 0), EFAULT);
	REFUSED(wait_any(v, 3, 1, NULL, 0), EINVAL);
	REFUSED(wait_any(v, 3, 0, &end, CLOCK_BOOTTIME), EINVAL);
	REFUSED(wait_any(v, 3, 0, (void *)8, CLOCK_MONOTONIC), EFAULT);
	REFUSED(wait_any(v, 3, 0, &(struct timespec){ 0, -1 }, CLOCK_MONOTONIC), EINVAL);
	bad = v[0];
	bad.flags = FUTEX_PRIVATE_FLAG;
	REFUSED(wait_any(&bad, 1, 0, NULL, 0), EINVAL);
	bad = v[0];
	bad.reserved = 1;
	REFUSED(wait_any(&bad, 1, 0, NULL, 0), EINVAL);
	bad = v[0];
	bad.va++;
	REFUSED(wait_any(&bad, 1, 0, NULL, 0), EINVAL);
	bad.va = 8;
	REFUSED(wait_any(&bad, 1, 0, NULL, 0), EFAULT);
	REFUSED(wait_any(v, 3, 0, &end, CLOCK_MONOTONIC), ETIMEDOUT);
	REFUSED(wait_any(v, 3, 0, &end, CLOCK_REALTIME), ETIMEDOUT);
	v[1].val = 1;
	REFUSED(wait_any(v, 3, 0, NULL, 0), EAGAIN);
	v[1].val = 0;
	CHECK(pthread_create(&t, NULL, wakes, NULL) == 0);
	CHECK(wait_any(v, 3, 0, NULL, 0) == 2);
	pthread_join(t, NULL);
}

/* --- what /proc says --- */

static void status_lines(void)
{
	umask(027);
	shown("/proc/self/status");
	CHECK(strtol(behind("Umask:\t"), NULL, 8) == 027 && atoi(behind("FDSize:\t")) > 0 && atoi(behind("NSpid:\t")) == getpid());
	CHECK(strtoul(behind("Cpus_allowed:\t"), NULL, 16) != 0 && *behind("Cpus_allowed_list:\t") >= '0');
	CHECK(atoi(behind("Seccomp:\t")) == prctl(PR_GET_SECCOMP));
}

static void alarm_clocks(void)
{
	timer_t t;
	int rc;

	CHECK(timer_create(CLOCK_REALTIME_ALARM, NULL, &t) == -1 && (errno == EPERM || (errno == EOPNOTSUPP && !here)));
	rc = clock_nanosleep(CLOCK_BOOTTIME_ALARM, 0, &(struct timespec){ 0, 1 }, NULL);
	CHECK(rc == EPERM || (rc == EOPNOTSUPP && !here));
}

/* A timer of the CPU time that another process uses. */
static void time_of_another(void)
{
	struct itimerspec soon = { { 0, 0 }, { 0, 30000000 } };
	struct timespec used;
	clockid_t clock;
	sigset_t set;
	timer_t t;
	pid_t child = fork();

	if (child == 0)
		for (;;)
			;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	CHECK(child > 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0 && clock_getcpuclockid(child, &clock) == 0);
	CHECK(timer_create(clock, NULL, &t) == 0 && timer_settime(t, 0, &soon, NULL) == 0);
	CHECK(sigwaitinfo(&set, NULL) == SIGALRM && clock_gettime(clock, &used) == 0 && used.tv_sec * 1000000000 + used.tv_nsec >= 30000000);
	CHECK(kill(child, SIGKILL) == 0 && wait(NULL) == child && timer_delete(t) == 0);
}

static void ordinary(void)
{
	struct stat st;

	be_nobody();
	if (stat("/proc/1", &st) == 0 && st.st_uid != geteuid())		/* whose is not ours */
		setters_of_init();
	REFUSED(klogctl(6, NULL, 0), EPERM);
	REFUSED(syscall(SYS_reboot, 0xfee1dead, 672274793, 0x89abcdef, 0), EPERM);
	REFUSED(syscall(SYS_vhangup), EPERM);
	CHECK(status_in_child(personalities) == 0);
	CHECK(status_in_child(read_implies_exec) == 0);
	settings();
	CHECK(status_in_child(signals_of_user) == 0);
	CHECK(status_in_child(numbers_of_threads) == 0);
	children_of_threads();
	faults_of_threads();
	several_futexes();
	CHECK(status_in_child(time_of_another) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
	status_lines();
	alarm_clocks();
}

/* --- root --- */

static void log_of_kernel(void)
{
	static char lines[1 << 22];
	long n = klogctl(10, NULL, 0);
	int all;

	CHECK(n > 100000 && n <= (long)sizeof(lines));
	REFUSED(klogctl(3, NULL, 10), EINVAL);
	REFUSED(klogctl(3, lines, -1), EINVAL);
	REFUSED(klogctl(3, (char *)8, 10000), EFAULT);
	REFUSED(klogctl(11, lines, 10), EINVAL);
	REFUSED(klogctl(-1, lines, 10), EINVAL);
	REFUSED(klogctl(8, NULL, 0), EINVAL);
	REFUSED(klogctl(8, NULL, 9), EINVAL);
	CHECK(klogctl(0, NULL, 0) == 0 && klogctl(1, NULL, 0) == 0 && klogctl(3, lines, 0) == 0);
	all = klogctl(3, lines, n);
	CHECK(all > 500 && lines[0] == '<' && lines[all - 1] == '\n');
	CHECK(klogctl(9, NULL, 0) >= all);
	/* the end of it: whole lines only */
	n = klogctl(3, lines, 200);
	CHECK(n > 0 && n <= 200 && lines[0] == '<' && lines[n - 1] == '\n');
	/* by pieces */
	CHECK(klogctl(2, lines, 5) == 5 && klogctl(2, lines + 5, 400) == 400 && lines[0] == '<' && memchr(lines + 5, '<', 400) != NULL);
	CHECK(klogctl(5, NULL, 0) == 0 && klogctl(3, lines, sizeof(lines)) < all / 2);
	CHECK(syscall(510) == -1 && errno == ENOSYS);			/* which is told, once */
	n = klogctl(4, lines, sizeof(lines));
	CHECK(n > 0 && memmem(lines, n, "system call 510", 15) != NULL);
	n = klogctl(3, lines, sizeof(lines));
	CHECK(n >= 0 && memmem(lines, n, "system call 510", 15) == NULL);
	CHECK(klogctl(6, NULL, 0) == 0 && atoi(shown("/proc/sys/kernel/printk")) == 1 && klogctl(7, NULL, 0) == 0);
	CHECK(klogctl(8, NULL, 7) == 0 && atoi(shown("/proc/sys/kernel/printk")) == 7 && klogctl(8, NULL, 8) == 0);
}

static void end_of_machine(void)
{
	REFUSED(syscall(SYS_reboot, 1, 672274793, 0, 0), EINVAL);
	REFUSED(syscall(SYS_reboot, 0xfee1dead, 1, 0, 0), EINVAL);
	REFUSED(syscall(SYS_reboot, 0xfee1dead, 672274793, 7, 0), EINVAL);
	REFUSED(syscall(SYS_reboot, 0xfee1dead, 672274793, 0xa1b2c3d4, 8), EFAULT);
	CHECK(reboot(RB_DISABLE_CAD) == 0 && atoi(shown("/proc/sys/kernel/ctrl-alt-del")) == 0);
	CHECK(reboot(RB_ENABLE_CAD) == 0 && atoi(shown("/proc/sys/kernel/ctrl-alt-del")) == 1);
}

static void names_of_machine(void)
{
	static const char longest[] = "0123456789012345678901234567890123456789012345678901234567890123";
	struct utsname u;
	char was[65];

	CHECK(gethostname(was, sizeof(was)) == 0);
	CHECK(put("/proc/sys/kernel/hostname", "another\n") == 8 && uname(&u) == 0 && strcmp(u.nodename, "another") == 0);
	CHECK(put("/proc/sys/kernel/domainname", longest) == 64 && uname(&u) == 0 && strcmp(u.domainname, longest) == 0);
	CHECK(sethostname(was, strlen(was)) == 0 && setdomainname("(none)", 6) == 0);
	CHECK(strcmp(shown("/proc/sys/kernel/domainname"), "(none)\n") == 0);
	REFUSED(sethostname(longest, 65), EINVAL);
	REFUSED(syscall(SYS_sethostname, longest, -1), EINVAL);
	REFUSED(syscall(SYS_sethostname, 8, 4), EFAULT);
}

static void secure_bits(void)
{
	CHECK(prctl(PR_SET_SECUREBITS, 1 << 2 | 1 << 3) == 0);		/* no fix-ups, for good */
	REFUSED(prctl(PR_SET_SECUREBITS, 0), EPERM);
	REFUSED(prctl(PR_SET_SECUREBITS, 0x1000), EPERM);
	CHECK(prctl(PR_GET_SECUREBITS) == (1 << 2 | 1 << 3) && setuid(NOBODY) == 0 && chroot("/") == 0);	/* a right of root's, kept */
	CHECK(prctl(PR_SET_SECUREBITS, prctl(PR_GET_SECUREBITS) | 1 << 6) == 0);
	REFUSED(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 1, 0, 0), EPERM);
	CHECK(prctl(PR_SET_SECUREBITS, prctl(PR_GET_SECUREBITS) | 1 << 5) == 0);
	REFUSED(prctl(PR_SET_KEEPCAPS, 1), EPERM);
}

/* What was read may be written back; what would steer the clock is refused. */
static void clock_told(void)
{
	struct timex t = { .modes = 0 };
	int rc = adjtimex(&t);

	CHECK(rc == TIME_ERROR && t.tick == 10000 && t.freq == 0);
	t.modes = ADJ_OFFSET | ADJ_FREQUENCY | ADJ_MAXERROR | ADJ_ESTERROR | ADJ_STATUS | ADJ_TIMECONST | ADJ_TICK;
	CHECK(adjtimex(&t) == TIME_ERROR);
	t = (struct timex){ .modes = ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR, .maxerror = 500, .esterror = 40 };
	CHECK(adjtimex(&t) == TIME_OK && t.maxerror >= 500 && t.maxerror < 16000000 && t.esterror == 40 && t.status == 0);
	t = (struct timex){ .modes = ADJ_NANO };
	CHECK(adjtimex(&t) == TIME_OK && (t.status & STA_NANO));
	t = (struct timex){ .modes = ADJ_MAXERROR | ADJ_MICRO, .maxerror = 16000000 };
	CHECK(adjtimex(&t) == TIME_ERROR && t.status == STA_UNSYNC);
	t = (struct timex){ .modes = ADJ_TICK, .tick = 8999 };
	REFUSED(adjtimex(&t), EINVAL);
	t.tick = 11001;
	REFUSED(adjtimex(&t), EINVAL);
	t.tick = 10001;
	REFUSED(adjtimex(&t), EOPNOTSUPP);
	t = (struct timex){ .modes = ADJ_FREQUENCY, .freq = 1 };
	REFUSED(adjtimex(&t), EOPNOTSUPP);
}

/* --- real-time threads, all on one CPU --- */

static int order[8], nr_order;
static uint32_t gate;
static struct { long long begin, end; } ran[2];

static void one_cpu(int policy, int priority)
{
	struct sched_param p = { .sched_priority = priority };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	CHECK(sched_setaffinity(0, sizeof(cpus), &cpus) == 0 && sched_setscheduler(0, policy, &p) == 0);
}

static pthread_t real_time(int policy, int priority, void *(*fn)(void *), void *arg)
{
	struct sched_param p = { .sched_priority = priority };
	pthread_attr_t a;
	pthread_t t;

	CHECK(pthread_attr_init(&a) == 0 && pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED) == 0 &&
	      pthread_attr_setschedpolicy(&a, policy) == 0 && pthread_attr_setschedparam(&a, &p) == 0);
	CHECK(pthread_create(&t, &a, fn, arg) == 0);
	return t;
}

/* All wait here until the word is 1: what follows is done without waiting for anything, so that they run in their order. */
static void wait_at_gate(void)
{
	(void)now_ns();
	while (__atomic_load_n(&gate, __ATOMIC_SEQ_CST) == 0)
		syscall(SYS_futex, &gate, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static void open_gate(void)
{
	usleep(100000);			/* they run meanwhile, to the gate */
	CHECK(nr_order == 0);
	__atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
	CHECK(syscall(SYS_futex, &gate, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0) >= 0);
}

static void *takes_turn(void *arg)
{
	wait_at_gate();
	order[nr_order++] = (long)arg;
	return NULL;
}

static void *spins(void *arg)
{
	int me = (long)arg;

	wait_at_gate();
	ran[me].begin = now_ns();
	while (now_ns() < ran[me].begin + 60000000)
		;
	ran[me].end = now_ns();
	return NULL;
}

static void priorities(void)
{
	static const int given[5] = { 10, 30, 20, 40, 30 };
	pthread_t t[5];

	one_cpu(SCHED_FIFO, 50);
	for (long i = 0; i < 5; i++)
		t[i] = real_time(i & 1 ? SCHED_FIFO : SCHED_RR, given[i], takes_turn, (void *)i);
	open_gate();
	CHECK(nr_order == 0);			/* while we run, none of them does */
	for (int i = 0; i < 5; i++)
		pthread_join(t[i], NULL);
	CHECK(nr_order == 5 && order[0] == 3 && order[1] == 1 && order[2] == 4 && order[3] == 2 && order[4] == 0);
	nr_order = gate = 0;
	t[0] = real_time(SCHED_FIFO, 60, takes_turn, (void *)7l);
	open_gate();
	CHECK(nr_order == 1);			/* it goes before us at once */
	pthread_join(t[0], NULL);
}

/* Who is woken first is not who came first. */
static void order_of_waking(void)
{
	static const int given[3] = { 10, 30, 20 };
	pthread_t t[3];

	one_cpu(SCHED_FIFO, 50);
	for (long i = 0; i < 3; i++)
		t[i] = real_time(SCHED_FIFO, given[i], takes_turn, (void *)i);
	usleep(100000);
	__atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 3; i++) {
		CHECK(syscall(SYS_futex, &gate, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 1);
		usleep(20000);
		CHECK(nr_order == i + 1);
	}
	CHECK(order[0] == 1 && order[1] == 2 && order[2] == 0);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
}

static void two_of(int policy)
{
	pthread_t t[2];

	memset(ran, 0, sizeof(ran));
	gate = 0;
	one_cpu(SCHED_FIFO, 50);
	for (long i = 0; i < 2; i++)
		t[i] = real_time(policy, 30, spins, (void *)i);
	open_gate();
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}

static void turns(void)
{
	struct timespec turn;
	const char *at;

	two_of(SCHED_FIFO);
	CHECK(ran[1].begin >= ran[0].end);
	two_of(SCHED_RR);
	CHECK(ran[1].begin < ran[0].end);
	one_cpu(SCHED_RR, 1);
	CHECK(sched_rr_get_interval(0, &turn) == 0 && turn.tv_sec == 0);
	CHECK(turn.tv_nsec == atol(shown("/proc/sys/kernel/sched_rr_timeslice_ms")) * 1000000);
	CHECK(setpriority(PRIO_PROCESS, 0, 19) == 0 && sched_rr_get_interval(0, &turn) == 0 && turn.tv_nsec == atol(text) * 1000000);
	one_cpu(SCHED_FIFO, 1);
	CHECK(sched_rr_get_interval(0, &turn) == 0 && turn.tv_nsec == 0);
	shown("/proc/self/stat");
	at = strrchr(text, ')') + 2;		/* the third word */
	for (int i = 3; i < 18; i++)
		at = strchr(at, ' ') + 1;
	CHECK(atoi(at) == -2);			/* -1, less its priority */
}

static void alarm_clocks_of_root(void)
{
	struct itimerspec in_a_moment = { { 0, 0 }, { 0, 10000000 } };
	sigset_t set;
	timer_t t;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && timer_create(CLOCK_BOOTTIME_ALARM, NULL, &t) == 0);
	CHECK(timer_settime(t, 0, &in_a_moment, NULL) == 0 && sigwaitinfo(&set, NULL) == SIGALRM && timer_delete(t) == 0);
	CHECK(clock_nanosleep(CLOCK_REALTIME_ALARM, 0, &(struct timespec){ 0, 1000 }, NULL) == 0);
}

/* Two that run for six seconds are seen: the average of a minute is above 0. */
static void load(void)
{
	struct sysinfo s;
	pid_t busy = fork();

	if (busy == 0)
		for (;;)
			;
	CHECK(busy > 0);
	usleep(6000000);
	CHECK(sysinfo(&s) == 0 && s.loads[0] > 0 && s.loads[0] < 40 * 65536ul);
	CHECK(atof(shown("/proc/loadavg")) > 0.005 && atoi(strchr(text, '/') - 1) > 0);
	CHECK(kill(busy, SIGKILL) == 0 && wait(NULL) == busy);
}

/* clone3(2): a child with a number that is chosen for it */
static void chosen_number(void)
{
	pid_t tid = 30303;
	struct clone_args a = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&tid, .set_tid_size = 1 };
	long pid;
	int status;

	for (int i = 0; i < 2; i++) {
		pid = syscall(SYS_clone3, &a, sizeof(a));
		if (pid == 0)
			_exit(getpid() == tid ? 7 : 8);
		CHECK(pid == tid);
		REFUSED(syscall(SYS_clone3, &a, sizeof(a)), EEXIST);
		CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	}
	tid = getpid();
	REFUSED(syscall(SYS_clone3, &a, sizeof(a)), EEXIST);
	tid = 0;
	REFUSED(syscall(SYS_clone3, &a, sizeof(a)), EINVAL);
	tid = 1 << 22;
	REFUSED(syscall(SYS_clone3, &a, sizeof(a)), EINVAL);
	CHECK(prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) == 0 && prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0) == 1);
	CHECK(prctl(PR_SET_IO_FLUSHER, 0, 0, 0, 0) == 0);
}

static void as_root(void)
{
	here = true;
	CHECK(geteuid() == 0);
	CHECK(status_in_child(log_of_kernel) == 0);
	end_of_machine();
	names_of_machine();
	setters_of_init();
	CHECK(syscall(SYS_tgkill, 1, 1, 0) == 0 && kill(1, SIGTERM) == 0);	/* which it does not hear */
	CHECK(status_in_child(secure_bits) == 0);
	clock_told();
	chosen_number();
	CHECK(status_in_child(priorities) == 0);
	CHECK(status_in_child(order_of_waking) == 0);
	CHECK(status_in_child(turns) == 0);
	alarm_clocks_of_root();
	CHECK(status_in_child(load) == 0);
	CHECK(status_in_child(ordinary) == 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "reboot") == 0) {
		int fd = open("/data/left", O_CREAT | O_WRONLY, 0644);

		CHECK(fd >= 0 && write(fd, "behind\n", 7) == 7);
		reboot(strtoul(argv[2], NULL, 0));
		fail("it goes on (errno %d)", errno);
	}
	if (argc > 1 && strcmp(argv[1], "root") == 0)
		as_root();
	else
		ordinary();
	return ok("");
}
