/* SPDX-License-Identifier: MIT */
/* /proc/cpuinfo. The flags are CPUID's own bits, by the names that programs look for; CPUID hides nothing from programs. */
#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"
#include "lib/base/string.h"
#include "managers/processor/fs/synthfs.h"

/* one string a register, a word a bit from bit 0; "-": a bit that has no name here */
static const char edx_1[] = "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - dts acpi mmx fxsr sse "
	"sse2 ss ht tm ia64 pbe";
static const char ecx_1[] = "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm - pcid dca sse4_1 sse4_2 "
	"x2apic movbe popcnt tsc_deadline_timer aes xsave - avx f16c rdrand hypervisor";
static const char ebx_7[] = "fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx rdt_a avx512f avx512dq rdseed adx "
	"smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl";
static const char ecx_7[] = "- avx512vbmi umip pku - waitpkg avx512_vbmi2 - gfni vaes vpclmulqdq avx512_vnni avx512_bitalg - avx512_vpopcntdq - - "
	"- - - - - rdpid - - - - - - - - -";
static const char edx_80000001[] = "- - - - - - - - - - - syscall - - - - - - - - nx - mmxext - - fxsr_opt pdpe1gb rdtscp - lm 3dnowext 3dnow";
static const char ecx_80000001[] = "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp "
	"fma4 tce - nodeid_msr - tbm topoext - - - - - - - - -";
static const char eax_d1[] = "xsaveopt xsavec xgetbv1 xsaves - - - - - - - - - - - - - - - - - - - - - - - - - - - -";

static void show_flags(struct text *t, const char *names, u32 bits)
{
	for (unsigned bit = 0; *names != '\0'; bit++) {
		const char *end = names;

		while (*end != ' ' && *end != '\0')
			end++;
		if ((bits >> bit & 1) && *names != '-')
			text_printf(t, " %.*s", (int)(end - names), names);
		names = *end == ' ' ? end + 1 : end;
	}
}

void show_cpuinfo(struct text *t, u32 pid)
{
	struct cpuid v = cpuid(0, 0), c = cpuid(1, 0), x = cpuid(0x80000001, 0), none = { 0 };
	struct cpuid seven = v.eax >= 7 ? cpuid(7, 0) : none, save = v.eax >= 13 ? cpuid(13, 1) : none;
	u32 size_bits = cpuid(0x80000000, 0).eax >= 0x80000008 ? cpuid(0x80000008, 0).eax : 0x3024;
	u32 family = c.eax >> 8 & 15, model = c.eax >> 4 & 15;
	u32 vendor[4] = { v.ebx, v.edx, v.ecx, 0 };

	if (family == 6 || family == 15)
		model |= c.eax >> 12 & 0xf0;
	if (family == 15)
		family += c.eax >> 20 & 255;
	for_each_cpu(cpu) {
		text_printf(t, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\nstepping\t: %u\n", cpu,
			    (const char *)vendor, family, model, cpu_features.brand, c.eax & 15);
		text_printf(t, "physical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\nfpu\t\t: yes\ncpuid level\t: %u\nflags\t\t:",
			    nr_cpus, cpu, nr_cpus, v.eax);
		show_flags(t, edx_1, c.edx);
		show_flags(t, ecx_1, c.ecx);
		show_flags(t, edx_80000001, x.edx);
		show_flags(t, ecx_80000001, x.ecx);
		show_flags(t, ebx_7, seven.ebx);
		show_flags(t, ecx_7, seven.ecx);
		show_flags(t, eax_d1, save.eax);
		text_printf(t, "\nclflush size\t: %u\naddress sizes\t: %u bits physical, %u bits virtual\n\n", (c.ebx >> 8 & 255) * 8,
			    size_bits & 255, size_bits >> 8 & 255);
	}
}
