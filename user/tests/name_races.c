/* SPDX-License-Identifier: MIT */
/*
 * name_races: what one thread does to a name while another's change of it is under way: the other node has made it, this one does not know
 * yet. All on one CPU by priority: the first thread waits for its answer, the second then has the CPU and does its own, and whenever it
 * waits, too, a third spins, so that the first does not come to know its answer before the second is done, or has had its time.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

#define ROUNDS		10
#define SPIN_NS		60000000LL

enum who { FIRST, SECOND, SPINNER, NR };

static uint32_t turn[NR];		/* how many rounds each was told to begin */
static uint32_t done[NR];		/* ... has ended */
static char name[64], other[64];
static void (*deed[2])(void);
static int result[2], error[2];

static void tell(enum who w)
{
	__atomic_fetch_add(&turn[w], 1, __ATOMIC_SEQ_CST);
	CHECK(syscall(SYS_futex, &turn[w], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) >= 0);
}

static void wait_until(uint32_t *word, uint32_t n)
{
	uint32_t now;

	while ((now = __atomic_load_n(word, __ATOMIC_SEQ_CST)) != n)
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
}

static void end_round(enum who w)
{
	__atomic_fetch_add(&done[w], 1, __ATOMIC_SEQ_CST);
	CHECK(syscall(SYS_futex, &done[w], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) >= 0);
}

static void *runs(void *arg)
{
	enum who me = (long)arg;

	for (uint32_t n = 1;; n++) {
		wait_until(&turn[me], n);
		if (me == SPINNER) {
			long long end = now_ns() + SPIN_NS;

			while (now_ns() < end && __atomic_load_n(&done[SECOND], __ATOMIC_SEQ_CST) != n)
				;
		} else {
			if (me == SECOND)
				tell(SPINNER);
			deed[me]();
		}
		end_round(me);
	}
	return NULL;
}

static void begin(enum who w, int priority)
{
	struct sched_param p = { .sched_priority = priority };
	pthread_attr_t a;
	pthread_t t;

	CHECK(pthread_attr_init(&a) == 0 && pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED) == 0 &&
	      pthread_attr_setschedpolicy(&a, SCHED_FIFO) == 0 && pthread_attr_setschedparam(&a, &p) == 0);
	CHECK(pthread_create(&t, &a, runs, (void *)(long)w) == 0);
}

/* first's change under way, second's deed. Whoever tells them runs after all of them, so when first waits. */
static void at_once(void (*first)(void), void (*second)(void))
{
	static uint32_t n;

	deed[FIRST] = first;
	deed[SECOND] = second;
	n++;
	tell(FIRST);
	tell(SECOND);
	for (int w = 0; w < NR; w++)
		wait_until(&done[w], n);
}

static void say(enum who w, int rc)
{
	error[w] = errno;
	result[w] = rc;
}

static void makes(enum who w) { say(w, open(name, O_CREAT | O_RDWR | O_NOFOLLOW, 0644)); }
static void first_makes(void) { makes(FIRST); }
static void second_makes(void) { makes(SECOND); }
static void first_makes_alone(void) { say(FIRST, open(name, O_CREAT | O_EXCL | O_RDWR, 0644)); }
static void second_makes_alone(void) { say(SECOND, open(name, O_CREAT | O_EXCL | O_RDWR, 0644)); }
static void first_renames(void) { say(FIRST, rename(other, name)); }
static void first_removes(void) { say(FIRST, unlink(name)); }
static void second_removes(void) { say(SECOND, unlink(name)); }
static void second_opens(void) { say(SECOND, open(name, O_RDONLY)); }

static void second_looks(void)
{
	static struct stat st;

	say(SECOND, stat(name, &st));
}

static void second_changes_mode(void) { say(SECOND, chmod(name, 0600)); }
static void second_gives(void) { say(SECOND, chown(name, 3, 3)); }
static void second_touches(void) { say(SECOND, utimensat(AT_FDCWD, name, NULL, 0)); }
static void second_asks(void) { say(SECOND, access(name, R_OK)); }
static void second_cuts(void) { say(SECOND, truncate(name, 5)); }

static bool listed(const char *wanted)
{
	DIR *d = opendir(".");
	struct dirent *e;
	bool found = false;

	CHECK(d != NULL);
	while ((e = readdir(d)) != NULL)
		found |= strcmp(e->d_name, wanted) == 0;
	closedir(d);
	return found;
}

static void make(const char *n)
{
	int fd = open(n, O_CREAT | O_EXCL | O_RDWR, 0644);

	CHECK(fd >= 0 && close(fd) == 0);
}

/* The name is there for those who open it and look at it, or it is not: as the folder says. */
static void agrees(void)
{
	struct stat st;
	bool there = listed(name);
	int fd = open(name, O_RDONLY);

	if (there)
		CHECK(fd >= 0 && close(fd) == 0 && stat(name, &st) == 0 && unlink(name) == 0);
	else
		CHECK(fd == -1 && errno == ENOENT && stat(name, &st) == -1 && errno == ENOENT);
}

static void fresh_name(int round, const char *what)
{
	snprintf(name, sizeof(name), "%s%d", what, round);
	snprintf(other, sizeof(other), "%s%d.other", what, round);
	CHECK(access(name, F_OK) == -1 && errno == ENOENT);	/* and that is known from now on */
}

#define WENT_WELL(w)	do { if (result[w] < 0) fail("%s: %s was told %s", name, w == FIRST ? "the first" : "the second", strerror(error[w])); } while (0)

static void both_make(int round)
{
	struct stat a, b;
	char link[64], path[128];
	ssize_t n;

	fresh_name(round, "made");
	at_once(first_makes, second_makes);
	WENT_WELL(FIRST);
	WENT_WELL(SECOND);
	CHECK(fstat(result[FIRST], &a) == 0 && fstat(result[SECOND], &b) == 0 && a.st_ino == b.st_ino && a.st_nlink == 1);
	for (int w = FIRST; w <= SECOND; w++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", result[w]);
		n = readlink(link, path, sizeof(path) - 1);
		CHECK(n > 0);
		path[n] = '\0';
		CHECK(strstr(path, "(deleted)") == NULL && close(result[w]) == 0);
	}
	agrees();
	fresh_name(round, "alone");
	at_once(first_makes_alone, second_makes_alone);
	CHECK((result[FIRST] < 0) != (result[SECOND] < 0) && error[result[FIRST] < 0 ? FIRST : SECOND] == EEXIST);
	close(result[result[FIRST] < 0 ? SECOND : FIRST]);
	agrees();
}

/* One of two names of a file goes: the folder, and what is known here, must say the same afterwards. */
static void renamed_and_removed(int round)
{
	fresh_name(round, "moved");
	make(other);
	make(name);
	at_once(first_renames, second_removes);
	WENT_WELL(FIRST);
	WENT_WELL(SECOND);
	agrees();
	fresh_name(round, "brought");
	make(other);
	at_once(first_renames, second_makes);
	WENT_WELL(FIRST);
	WENT_WELL(SECOND);
	close(result[SECOND]);
	agrees();
	fresh_name(round, "taken");
	at_once(first_makes, second_removes);
	WENT_WELL(FIRST);
	CHECK(result[SECOND] == 0 || error[SECOND] == ENOENT);
	close(result[FIRST]);
	agrees();
}

/* What is done with a file by its name. */
static const struct use { const char *what; void (*second)(void); } uses[] = {
	{ "opened", second_opens }, { "seen", second_looks }, { "mode", second_changes_mode }, { "given", second_gives },
	{ "touched", second_touches }, { "asked", second_asks }, { "cut", second_cuts },
};

/* A name that is always there is always found; one that is removed is found or not. */
static void replaced(int round)
{
	char what[32];

	for (unsigned n = 0; n < sizeof(uses) / sizeof(uses[0]); n++) {
		fresh_name(round, uses[n].what);
		make(other);
		make(name);
		at_once(first_renames, uses[n].second);
		WENT_WELL(FIRST);
		WENT_WELL(SECOND);
		if (uses[n].second == second_opens)
			close(result[SECOND]);
		agrees();
		snprintf(what, sizeof(what), "%s.gone", uses[n].what);
		fresh_name(round, what);
		make(name);
		at_once(first_removes, uses[n].second);
		WENT_WELL(FIRST);
		if (result[SECOND] < 0 && error[SECOND] != ENOENT)
			WENT_WELL(SECOND);
		if (uses[n].second == second_opens)
			close(result[SECOND]);
		agrees();
	}
}

int main(int argc, char **argv)
{
	char folder[] = "name_races.XXXXXX";
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	CHECK(chdir(argc > 1 ? argv[1] : "/data") == 0 && mkdtemp(folder) != NULL && chdir(folder) == 0);
	CHECK(sched_setaffinity(0, sizeof(cpus), &cpus) == 0);
	begin(FIRST, 10);
	begin(SPINNER, 20);
	begin(SECOND, 30);
	for (int i = 0; i < ROUNDS; i++) {
		both_make(i);
		renamed_and_removed(i);
		replaced(i);
	}
	CHECK(chdir("..") == 0 && rmdir(folder) == 0);
	return ok("%d rounds", ROUNDS);
}
