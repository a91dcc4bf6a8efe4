# SPDX-License-Identifier: MIT
# `make bench`: what the cluster costs. `make bench PARTS="boot idle"` or PART=boot for some of it.

.PHONY: bench
bench:
	$(Q)scripts/setup run
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) O=$(O) kernel tools images $(O)/linux/bench-initrd
	$(Q)TANGRAM_BUILD=$(abspath $(O)) $(PYTHON) bench/bench.py $(PARTS) $(PART)
