/* SPDX-License-Identifier: MIT */
/* args_env [ARG...]: prints its arguments, environment, folder, host name and which descriptors are terminals. */
#include <sys/utsname.h>
#include <time.h>

#include "check.h"

extern char **environ;

int main(int argc, char **argv)
{
	char folder[4096], date[64];
	struct utsname uts;
	time_t now = time(NULL);

	for (int i = 0; i < argc; i++)
		printf("arg %d %s\n", i, argv[i]);
	for (char **e = environ; *e != NULL; e++)
		printf("env %s\n", *e);
	CHECK(getcwd(folder, sizeof(folder)) != NULL);
	CHECK(uname(&uts) == 0);
	CHECK(strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now)) > 0);
	printf("cwd %s\nhostname %s\ntime %s\ncpus %ld\n", folder, uts.nodename, date, sysconf(_SC_NPROCESSORS_ONLN));
	for (int fd = 0; fd < 3; fd++)
		printf("isatty %d %d\n", fd, isatty(fd));
	return ok("");
}
