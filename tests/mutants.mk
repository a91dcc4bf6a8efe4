# SPDX-License-Identifier: MIT
# Rules taken away one at a time: the test of each must fail. A test that cannot fail proves nothing. About ten minutes;
# `make check-mutants M=L9` does one. The kernels are built with CONFIG_MUTANTS in a folder of their own.

.PHONY: check-mutants
check-mutants:
	$(Q)$(MAKE) --no-print-directory O=$(O) kernel tools images
	$(Q)$(MAKE) --no-print-directory O=$(O)/mutants MUTANTS=y kernel
	$(Q)$(MAKE) --no-print-directory O=$(O) T=managers/processor/pcache check-unit-build
	$(Q)$(MAKE) --no-print-directory O=$(O) T=net/fit check-unit-build
	$(Q)/usr/bin/python3 tests/mutants.py --build $(O) $(M)
