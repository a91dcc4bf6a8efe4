# SPDX-License-Identifier: MIT
obj-y += $(addprefix arch/x86/, boot.o entry.o trampoline.o uaccess_copy.o \
	apic.o bootinfo.o clock.o context.o crc32_clmul.o descriptors.o features.o features_decode.o fpu.o fpu_image.o init.o ioapic.o \
	irq.o paging.o pagewalk.o percpu.o pgd.o random.o smp.o tlb.o trace.o trap.o tsc_rate.o uaccess.o)
obj-$(CONFIG_SELFTEST) += arch/x86/selftest.o arch/x86/selftest_boot.o arch/x86/selftest_user.o arch/x86/selftest_blob.o
CFLAGS_lib/string.c := -fno-builtin $(if $(findstring clang,$(CC)),,-fno-tree-loop-distribute-patterns)

ifeq ($(ROLE),processor)
obj-y += arch/x86/vdso.o arch/x86/vdso/image.o
VDSO := $(B)/arch/x86/vdso/vdso.so
VDSO_FLAGS := -std=gnu11 -ffreestanding -fPIC -m64 -march=x86-64 -mgeneral-regs-only -fno-stack-protector -fno-common -O2 \
	-fno-asynchronous-unwind-tables -fcf-protection=none -fvisibility=default -nostdlib -shared -I.
VDSO_LDFLAGS := -Wl,-soname,linux-vdso.so.1 -Wl,--hash-style=both -Wl,--build-id=none -Wl,-Bsymbolic -Wl,-z,noexecstack \
	-Wl,-z,max-page-size=4096 -Wl,--no-undefined -Wl,--no-warn-rwx-segments -Wl,-T,arch/x86/vdso/vdso.lds
$(VDSO): arch/x86/vdso/vdso.c arch/x86/vdso/vdso.lds arch/x86/clock_page.h lib/base/types.h arch/x86/build.mk
	@mkdir -p $(@D)
	$(call say,VDSO,$@)$(CC) $(VDSO_FLAGS) -Wall -Wextra -Werror $(VDSO_LDFLAGS) -o $@ $<
$(B)/arch/x86/vdso/image.o: KCPP += -DVDSO_FILE=\"$(VDSO)\"
$(B)/arch/x86/vdso/image.o: $(VDSO)
endif
