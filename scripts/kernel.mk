# SPDX-License-Identifier: MIT
# Builds one role's kernel: included by the top Makefile when ROLE is set.

B	:= $(O)/$(ROLE)
.PHONY: kernel defconfig menuconfig savedefconfig
kernel: $(B)/tangram.elf

# --- configuration (Kconfiglib) ---
KCONFIGS := Kconfig $(wildcard */Kconfig */*/Kconfig */*/*/Kconfig)
kconf	= KCONFIG_CONFIG=$(B)/.config $(PYTHON) -m

$(B)/.config: | configs/$(ROLE)_defconfig
	$(Q)mkdir -p $(B)
	$(call say,CONFIG,$@)$(kconf) defconfig --kconfig Kconfig configs/$(ROLE)_defconfig > /dev/null

defconfig:
	$(Q)mkdir -p $(B)
	$(call say,CONFIG,$(B)/.config)$(kconf) defconfig --kconfig Kconfig configs/$(ROLE)_defconfig > /dev/null
menuconfig: $(B)/.config
	$(kconf) menuconfig Kconfig
savedefconfig: $(B)/.config
	$(kconf) savedefconfig --kconfig Kconfig --out $(B)/defconfig
	$(Q){ grep '^CONFIG_ROLE_.*=y' $(B)/.config; grep -v '^CONFIG_ROLE_' $(B)/defconfig || true; } > configs/$(ROLE)_defconfig	# said, though a default

$(B)/autoconf.h $(B)/auto.conf &: $(B)/.config $(KCONFIGS)
	$(call say,GENCONF,$(B)/autoconf.h)$(kconf) genconfig --header-path $(B)/autoconf.h --config-out $(B)/auto.conf Kconfig \
		&& touch $(B)/autoconf.h $(B)/auto.conf

ifeq ($(filter defconfig menuconfig savedefconfig,$(MAKECMDGOALS)),)
-include $(B)/auto.conf
endif

# --- compiler ---
ifeq ($(DEBUG),y)
CONFIG_DEBUG := y
DEBUG_FLAG := -DCONFIG_DEBUG=1
endif
ifeq ($(MUTANTS),y)
CONFIG_MUTANTS := y
DEBUG_FLAG += -DCONFIG_MUTANTS=1
endif
WARN	:= -Wall -Wextra -Werror -Wno-unused-parameter -Wmissing-prototypes -Wstrict-prototypes -Wno-sign-compare \
	   -Wno-missing-field-initializers -Wno-address-of-packed-member
KFLAGS	:= -std=gnu11 -ffreestanding -fno-strict-aliasing -fno-common -fno-pic -fno-pie -mcmodel=kernel \
	   -m64 -march=x86-64 -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fno-omit-frame-pointer \
	   -fno-asynchronous-unwind-tables -fno-delete-null-pointer-checks -fcf-protection=none -O2 -g
# gcc would zero and copy structs by rep stos and rep movs, each turn of which is a way out of the translated code under TCG
ifeq ($(findstring clang,$(CC)),)
KFLAGS	+= -mmemset-strategy=unrolled_loop:512:noalign,libcall:-1:noalign -mmemcpy-strategy=unrolled_loop:512:noalign,libcall:-1:noalign
endif
KCPP	:= -I. -include $(B)/autoconf.h -DROLE_NAME=\"$(ROLE)\" $(DEBUG_FLAG)
KLDFLAGS := -nostdlib -static $(if $(findstring clang,$(CC)),,-no-pie) -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack

# --- objects ---
obj-y :=
DIRS := arch/x86 lib mm kernel drivers net net/roce net/fit net/service managers/protocol managers/control managers/$(ROLE)
-include $(addsuffix /build.mk,$(DIRS))
OBJS := $(addprefix $(B)/,$(sort $(obj-y)))

$(B)/%.o: %.c $(B)/autoconf.h scripts/kernel.mk
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(KFLAGS) $(WARN) $(KCPP) $(CFLAGS_$<) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
$(B)/%.o: %.S $(B)/autoconf.h scripts/kernel.mk
	@mkdir -p $(@D)
	$(call say,AS,$@)$(CC) $(KFLAGS) $(KCPP) -D__ASSEMBLY__ -MMD -MP -MF $(@:.o=.d) -c $< -o $@

# --- link: twice, the second time with the symbol table of the first, for stack traces ---
LDS	:= arch/x86/kernel.lds
link	= $(CC) $(KFLAGS) $(KLDFLAGS) -Wl,-T,$(LDS) -o $(1) $(OBJS) $(2)
$(B)/symbols0.S: scripts/symbols.py
	@mkdir -p $(@D)
	$(Q)$(PYTHON) scripts/symbols.py < /dev/null > $@
$(B)/symbols%.o: $(B)/symbols%.S
	$(Q)$(CC) $(KFLAGS) -c $< -o $@
$(B)/tangram0.elf: $(OBJS) $(B)/symbols0.o $(LDS)
	$(call say,LD,$@)$(call link,$@,$(B)/symbols0.o)
$(B)/symbols1.S: $(B)/tangram0.elf scripts/symbols.py
	$(Q)$(NM) -n $< | $(PYTHON) scripts/symbols.py > $@
$(B)/tangram.elf: $(B)/symbols1.o $(OBJS) $(LDS) scripts/check_sections.py
	$(call say,LD,$@)$(call link,$@,$(B)/symbols1.o)
	$(Q)$(PYTHON) scripts/check_sections.py $@

.PRECIOUS: $(B)/symbols0.S $(B)/symbols1.S
-include $(OBJS:.o=.d)
