# SPDX-License-Identifier: MIT
obj-y += $(addprefix arch/x86/, boot.o entry.o trampoline.o uaccess_copy.o \
	apic.o bootinfo.o clock.o context.o descriptors.o features.o features_decode.o fpu.o fpu_image.o init.o ioapic.o \
	irq.o paging.o pagewalk.o percpu.o pgd.o random.o smp.o tlb.o trace.o trap.o tsc_rate.o uaccess.o)
obj-$(CONFIG_SELFTEST) += arch/x86/selftest.o arch/x86/selftest_user.o arch/x86/selftest_blob.o
CFLAGS_lib/string.c := -fno-builtin $(if $(findstring clang,$(CC)),,-fno-tree-loop-distribute-patterns)
