/* SPDX-License-Identifier: MIT */
/*
 * run_time TIMES PROGRAM [ARGUMENT...]: run a program so often, one after the other, and say on stdout how long each took from exec
 * to exit: a line `run_time NS STATUS`; mark 1 of bench/mark.h is around each. Ends with the status of the last, 128 + n for signal n.
 */
#include "check.h"

#include "bench/mark.h"

static int run(char **argv)
{
	pid_t child = vfork();
	int status;

	if (child == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	unsigned long times = number_arg(argc, argv, 1, 0);
	int status = 0;

	CHECK(times > 0 && argc > 2);
	while (times-- > 0) {
		long long start = now_ns();

		MARK(1);
		status = run(argv + 2);
		MARK(0);
		printf("run_time %lld %d\n", now_ns() - start, status);
		fflush(stdout);
	}
	return status;
}
