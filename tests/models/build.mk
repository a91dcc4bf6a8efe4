# SPDX-License-Identifier: MIT
# Promela models of the page cache and of FIT; Spin searches them. `make check-models M=evict` runs one of them.

.PHONY: check-models check-models-long
M	?=
check-models:
	$(Q)/usr/bin/python3 tests/models/run.py --build $(O)/models $(M)
# A search by hashing of what is too large to be exhausted; 45 minutes at most, 1.5 GB each.
check-models-long:
	$(Q)/usr/bin/python3 tests/models/run.py --build $(O)/models --long
