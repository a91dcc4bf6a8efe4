# SPDX-License-Identifier: MIT
# build/tangram.iso: a GRUB2 rescue image with the three kernels. It boots by BIOS and by UEFI.

ISO_STAGE := $(O)/iso

iso: $(O)/tangram.iso
$(O)/tangram.iso: $(foreach r,$(ROLES),$(O)/$(r)/tangram.elf) scripts/grub.cfg scripts/iso.mk
	$(call say,ISO,$@)rm -rf $(ISO_STAGE) && mkdir -p $(ISO_STAGE)/boot/grub && \
	cp scripts/grub.cfg $(ISO_STAGE)/boot/grub/ && \
	for role in $(ROLES); do $(OBJCOPY) --strip-debug $(O)/$$role/tangram.elf $(ISO_STAGE)/boot/$$role.elf || exit 1; done && \
	grub-mkrescue -o $@.new $(ISO_STAGE) > $(ISO_STAGE).log 2>&1 || { cat $(ISO_STAGE).log >&2; exit 1; }
	$(Q)mv $@.new $@

# each role's kernel is built by a make of its own, which knows whether anything is to do
$(foreach r,$(ROLES),$(O)/$(r)/tangram.elf): %/tangram.elf: kernel ;
