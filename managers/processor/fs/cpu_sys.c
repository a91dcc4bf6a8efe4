/* SPDX-License-Identifier: MIT */
/* /sys/devices/system/cpu: a folder for each CPU, with its place and its caches as CPUID tells them. */
#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/synthfs.h"

#define LEAF_CACHES	4U
#define LEAF_CACHES_AMD	0x8000001dU	/* the same layout */
#define MAX_CACHES	8

/* What a file shows is told by a number in place of a pid: CPU + 1, and above that the index of a cache. */
#define WHICH(cpu, index)	((cpu) + 1 + ((index) << 16))
#define WHICH_CPU(which)	(((which) & 0xffff) - 1)
#define WHICH_INDEX(which)	((which) >> 16)

void show_cpu_range(struct text *t, u32 none)
{
	if (nr_cpus == 1)
		text_printf(t, "0\n");
	else
		text_printf(t, "0-%u\n", nr_cpus - 1);
}

/* --- topology: every CPU is a core of one package --- */

static void show_online(struct text *t, u32 which) { text_printf(t, "1\n"); }
static void show_core(struct text *t, u32 which) { text_printf(t, "%u\n", WHICH_CPU(which)); }
static void show_package(struct text *t, u32 which) { text_printf(t, "0\n"); }
static void show_mask_own(struct text *t, u32 which) { text_printf(t, "%x\n", 1U << WHICH_CPU(which)); }

static const struct synth_entry topology[] = {
	{ "core_id", S_IFREG | 0444, .show = show_core }, { "physical_package_id", S_IFREG | 0444, .show = show_package },
	{ "thread_siblings_list", S_IFREG | 0444, .show = show_core }, { "thread_siblings", S_IFREG | 0444, .show = show_mask_own },
	{ "core_siblings_list", S_IFREG | 0444, .show = show_cpu_range }, { "package_cpus_list", S_IFREG | 0444, .show = show_cpu_range },
	{ 0 }
};

/* --- caches --- */

static bool cache_of(u32 index, struct cpuid *c)
{
	u32 leaf = cpuid(0, 0).eax >= LEAF_CACHES && (cpuid(LEAF_CACHES, 0).eax & 31) != 0 ? LEAF_CACHES : LEAF_CACHES_AMD;

	if (index >= MAX_CACHES || (leaf == LEAF_CACHES_AMD && cpuid(0x80000000, 0).eax < leaf))
		return false;
	*c = cpuid(leaf, index);
	return (c->eax & 31) >= 1 && (c->eax & 31) <= 3;
}

struct cache { u32 type, level, line, ways, sets, shared; };

static struct cache look(u32 which)
{
	struct cpuid c = { 0 };

	(void)cache_of(WHICH_INDEX(which), &c);
	return (struct cache){ c.eax & 31, c.eax >> 5 & 7, (c.ebx & 0xfff) + 1, (c.ebx >> 22) + 1, c.ecx + 1, (c.eax >> 14 & 0xfff) + 1 };
}

static void show_cache_type(struct text *t, u32 which)
{
	static const char *const name[] = { "", "Data", "Instruction", "Unified" };

	text_printf(t, "%s\n", name[look(which).type & 3]);
}

static void show_cache_size(struct text *t, u32 which)
{
	struct cache c = look(which);

	text_printf(t, "%lluK\n", (unsigned long long)c.line * c.ways * c.sets >> 10);
}

static void show_cache_level(struct text *t, u32 which) { text_printf(t, "%u\n", look(which).level); }
static void show_cache_line(struct text *t, u32 which) { text_printf(t, "%u\n", look(which).line); }
static void show_cache_ways(struct text *t, u32 which) { text_printf(t, "%u\n", look(which).ways); }
static void show_cache_sets(struct text *t, u32 which) { text_printf(t, "%u\n", look(which).sets); }

static void show_cache_shared(struct text *t, u32 which)
{
	if (look(which).shared == 1)
		show_core(t, which);
	else
		show_cpu_range(t, 0);
}

static const struct synth_entry cache_files[] = {
	{ "type", S_IFREG | 0444, .show = show_cache_type }, { "level", S_IFREG | 0444, .show = show_cache_level },
	{ "size", S_IFREG | 0444, .show = show_cache_size }, { "coherency_line_size", S_IFREG | 0444, .show = show_cache_line },
	{ "ways_of_associativity", S_IFREG | 0444, .show = show_cache_ways },
	{ "number_of_sets", S_IFREG | 0444, .show = show_cache_sets }, { "shared_cpu_list", S_IFREG | 0444, .show = show_cache_shared },
	{ 0 }
};
static const struct synth_entry cache_dir = { "", S_IFDIR | 0555, .dir = cache_files };

/* The number behind the prefix, or -1. */
static s64 number_of(const char *name, const char *prefix)
{
	size_t n = strlen(prefix);
	u64 number;

	if (strncmp(name, prefix, n) != 0 || name[n] < '0' || name[n] > '9' || str_to_u64(name + n, &number) < 0 || number > 0xffff)
		return -1;
	return number;
}

static int find_cache(const char *name, u32 which, struct inode **out)
{
	s64 index = number_of(name, "index");
	struct cpuid c;

	if (index < 0 || !cache_of(index, &c))
		return -ENOENT;
	*out = synth_inode(&cache_dir, WHICH(WHICH_CPU(which), (u32)index), 0);
	return *out ? 0 : -ENOMEM;
}

static s64 next_cache(u32 which, u64 from)
{
	struct cpuid c;

	return cache_of(from, &c) ? (s64)from : -1;
}

static const struct synth_entry cpu_files[] = {
	{ "topology", S_IFDIR | 0555, .dir = topology },
	{ "cache", S_IFDIR | 0555, .find = find_cache, .next = next_cache, .next_mode = S_IFDIR, .next_prefix = "index" },
	{ "online", S_IFREG | 0444, .show = show_online }, { 0 }
};
static const struct synth_entry cpu_dir = { "", S_IFDIR | 0555, .dir = cpu_files };

int find_cpu(const char *name, u32 none, struct inode **out)
{
	s64 cpu = number_of(name, "cpu");

	if (cpu < 0 || cpu >= nr_cpus)
		return -ENOENT;
	*out = synth_inode(&cpu_dir, WHICH((u32)cpu, 0), 0);
	return *out ? 0 : -ENOMEM;
}

s64 next_cpu(u32 none, u64 from)
{
	return from < nr_cpus ? (s64)from : -1;
}
