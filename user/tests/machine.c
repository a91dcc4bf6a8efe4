/* SPDX-License-Identifier: MIT */
/* machine: what /proc, /sys and the system calls say of the machine, a line `name value` each; they must agree. */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "shown.h"

/* Lines that begin with a word. */
static unsigned lines(const char *path, const char *word)
{
	unsigned n = 0;

	for (const char *p = shown(path); p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		n += strncmp(p, word, strlen(word)) == 0;
	}
	return n;
}

static unsigned long long number(const char *path, const char *name)
{
	const char *at = strstr(shown(path), name);

	CHECK(at != NULL);
	return strtoull(at + strlen(name), NULL, 10);
}

int main(void)
{
	unsigned cpus = sysconf(_SC_NPROCESSORS_ONLN), first, last;
	struct utsname name;
	struct sysinfo info;
	char list[16];
	cpu_set_t set;

	CHECK(cpus >= 1 && (unsigned)sysconf(_SC_NPROCESSORS_CONF) == cpus && (unsigned)get_nprocs() == cpus);
	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0 && (unsigned)CPU_COUNT(&set) == cpus);	/* lesson: L21 */
	CHECK(lines("/proc/cpuinfo", "processor") == cpus);
	CHECK(lines("/proc/stat", "cpu") == cpus + 1);
	shown("/sys/devices/system/cpu/online");
	CHECK(cpus == 1 ? strcmp(text, "0\n") == 0 : sscanf(text, "%u-%u", &first, &last) == 2 && first == 0 && last == cpus - 1);
	CHECK(strcmp(shown("/sys/devices/system/node/node0/cpulist"), cpus == 1 ? "0\n" : (snprintf(list, sizeof(list), "0-%u\n", cpus - 1), list)) == 0);
	CHECK(strcmp(shown("/sys/devices/system/node/online"), "0\n") == 0 && strcmp(shown("/sys/devices/system/node/node0/distance"), "10\n") == 0);
	CHECK(number("/sys/devices/system/node/node0/meminfo", "MemTotal:") == number("/proc/meminfo", "MemTotal:"));
	CHECK(sysinfo(&info) == 0);
	CHECK((unsigned long long)info.totalram * info.mem_unit == number("/proc/meminfo", "MemTotal:") << 10);
	CHECK(number("/proc/meminfo", "MemFree:") <= number("/proc/meminfo", "MemAvailable:"));
	CHECK(number("/proc/meminfo", "MemAvailable:") <= number("/proc/meminfo", "MemTotal:"));
	CHECK(uname(&name) == 0 && strcmp(name.sysname, "Linux") == 0 && strcmp(name.machine, "x86_64") == 0);
	CHECK(strncmp(shown("/proc/sys/kernel/hostname"), name.nodename, strlen(name.nodename)) == 0);
	CHECK(strncmp(shown("/proc/sys/kernel/osrelease"), name.release, strlen(name.release)) == 0);
	printf("cpus %u\nmemtotal %llu\nmemfree %llu\nhostname %s\n", cpus, number("/proc/meminfo", "MemTotal:"),
	       number("/proc/meminfo", "MemFree:"), name.nodename);
	return ok("%u CPUs", cpus);
}
