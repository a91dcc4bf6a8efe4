/* SPDX-License-Identifier: MIT */
/*
 * maps_at_end PROGRAM [ARGUMENT...]: runs it and shows, on stderr, what it has mapped when it ends: of each line of /proc/PID/maps the rights
 * and the name, in order, and how many there are. Without the kernel's own, of which there may be more or fewer; and two without a name
 * that follow each other, and may be used alike, are one, as they are where nothing is between them: that is where the kernel likes.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/ptrace.h>

#include "check.h"

static void show(pid_t pid)
{
	char path[64], line[5000], last[5000] = "";
	unsigned nr = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "r");
	CHECK(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL) {
		char rights[8], name[4096] = "-", shown[5000];

		CHECK(sscanf(line, "%*s %7s %*s %*s %*s %4095s", rights, name) >= 1);
		if (strncmp(name, "[v", 2) == 0)
			continue;
		snprintf(shown, sizeof(shown), "%s %s", rights, strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
		if (name[0] == '-' && strcmp(shown, last) == 0)
			continue;
		strcpy(last, shown);
		fprintf(stderr, "%s\n", shown);
		nr++;
	}
	fclose(f);
	fprintf(stderr, "%u lines\n", nr);
}

int main(int argc, char **argv)
{
	int status;
	pid_t child = fork();

	(void)argc;
	CHECK(child >= 0);
	if (child == 0) {
		CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
		raise(SIGSTOP);
		execv(argv[1], argv + 1);
		fail("%s: %s", argv[1], strerror(errno));
	}
	CHECK(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
	CHECK(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) == 0);
	for (int sig = 0;;) {
		CHECK(ptrace(PTRACE_CONT, child, 0, sig) == 0 && waitpid(child, &status, 0) == child);
		if (!WIFSTOPPED(status))
			break;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8))
			show(child);
		sig = status >> 16 != 0 ? 0 : WSTOPSIG(status);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
