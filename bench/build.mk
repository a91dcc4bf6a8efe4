# SPDX-License-Identifier: MIT
# `make bench`: what the cluster costs. `make bench PARTS="boot idle"` or PART=boot for some of it.

.PHONY: bench
bench:
	$(Q)scripts/setup run bench
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) O=$(O) kernel tools images linux-vm $(O)/linux/bench-initrd $(O)/bench/linux/initrd
	$(Q)TANGRAM_BUILD=$(abspath $(O)) $(PYTHON) bench/bench.py $(PARTS) $(PART)

# The Linux VM to compare with: the interop tests', with swap over the network and with our programs.
bench-linux-packages := --packages tests/interop/packages.txt --packages bench/linux-packages.txt --cache $(O)/linux-packages
bench-linux-programs := $(addprefix $(O)/user/,word_count run_time remote_fault map_time)
$(O)/bench/linux/vmlinux: tests/interop/packages.txt bench/linux-packages.txt
	@mkdir -p $(@D)
	$(Q)$(PYTHON) scripts/make-linux-vm $(@D) $(bench-linux-packages)
$(O)/bench/linux/initrd: $(O)/bench/linux/vmlinux $(bench-linux-programs) tests/interop/init scripts/make-linux-vm bench/build.mk
	$(Q)$(PYTHON) scripts/make-linux-vm $(@D) $(bench-linux-packages) --init tests/interop/init \
		--program usr/sbin/nbd-client --program usr/bin/nbd-server --module nbd --module virtio_blk \
		$(addprefix --add ,$(bench-linux-programs))
