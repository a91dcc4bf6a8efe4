# SPDX-License-Identifier: MIT
# The Linux VM of the interop tests, made from Debian's packages, and the tests: `make check-interop`, T=NAME for some of them.

.PHONY: linux-vm check-interop
linux-vm: $(O)/linux/initrd

$(O)/linux/vmlinux: tests/interop/packages.txt
	@mkdir -p $(@D)
	$(Q)/usr/bin/python3 scripts/make-linux-vm $(O)/linux --packages $< --cache $(O)/linux-packages
# Our own program for what no well-known one does, against the VM's libraries.
$(O)/linux/probe: tests/interop/probe.c $(O)/linux/vmlinux
	$(call say,CC,$@)$(CC) -std=gnu11 -O1 -g -Wall -Wextra -Werror -I$(O)/linux/tree/usr/include $< -o $@ \
		-L$(O)/linux/tree/usr/lib/x86_64-linux-gnu -Wl,-rpath-link,$(O)/linux/tree/usr/lib/x86_64-linux-gnu -lrdmacm -libverbs
$(O)/linux/initrd: $(O)/linux/vmlinux $(O)/linux/probe tests/interop/init scripts/make-linux-vm
	$(Q)/usr/bin/python3 scripts/make-linux-vm $(O)/linux --packages tests/interop/packages.txt --cache $(O)/linux-packages \
		--init tests/interop/init --add $(O)/linux/probe
# The same VM for the benchmark: with disks, and our programs whose cost is compared.
$(O)/linux/bench-initrd: $(O)/linux/vmlinux $(O)/user/call_cost $(O)/user/run_time tests/interop/init scripts/make-linux-vm tests/interop/build.mk
	$(Q)/usr/bin/python3 scripts/make-linux-vm $(O)/linux --packages tests/interop/packages.txt --cache $(O)/linux-packages \
		--init tests/interop/init --name bench-initrd --module virtio_blk --module crc32c_generic --module ext4 --add $(O)/user/call_cost --add $(O)/user/run_time

check-interop: kernel tools linux-vm
	$(Q)TANGRAM_BUILD=$(abspath $(O)) /usr/bin/python3 tests/interop/cases.py $(T)
