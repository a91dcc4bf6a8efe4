# SPDX-License-Identifier: MIT
# The GRUB2 rescue image: boots by BIOS and by UEFI, one menu entry per role.

.PHONY: iso
iso: $(O)/tangram.iso

$(O)/tangram.iso: kernel scripts/grub.cfg scripts/make-iso
	$(call say,ISO,$@)scripts/make-iso $(O) $@
