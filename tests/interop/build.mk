# SPDX-License-Identifier: MIT
# The Linux VM of the interop tests, made from Debian's packages, and the tests: `make check-interop`, T=NAME for some of them.

.PHONY: linux-vm check-interop
linux-vm: $(O)/linux/initrd

$(O)/linux/vmlinux: tests/interop/packages.txt
	@mkdir -p $(@D)
	$(Q)/usr/bin/python3 scripts/make-linux-vm $(O)/linux --packages $< --cache $(O)/linux-packages
$(O)/linux/initrd: $(O)/linux/vmlinux tests/interop/init scripts/make-linux-vm
	$(Q)/usr/bin/python3 scripts/make-linux-vm $(O)/linux --packages tests/interop/packages.txt --cache $(O)/linux-packages \
		--init tests/interop/init

check-interop: kernel tools linux-vm
	$(Q)TANGRAM_BUILD=$(abspath $(O)) /usr/bin/python3 tests/interop/cases.py $(T)
