# SPDX-License-Identifier: MIT
# The commands a person types: `make run`, `make shell` and `make check`. Each first installs what is missing.

.PHONY: run shell check check-long
# A cache of 2 MiB is about a quarter of what word_count touches on the default text.
RUN ?= --pcache 2M -- /bin/word_count /data/text

run:
	$(Q)scripts/setup run
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) O=$(O) kernel tools images
	$(Q)TANGRAM_BUILD=$(abspath $(O)) scripts/tangram run $(RUN)

# A Debian userland to live in; `exit` powers the cluster off. SHELL_OPTIONS: of `scripts/tangram shell`.
shell:
	$(Q)scripts/setup run
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) O=$(O) kernel tools debian-image
	$(Q)TANGRAM_BUILD=$(abspath $(O)) scripts/tangram shell $(SHELL_OPTIONS)

# `make check T=word` runs the tests whose name contains the word.
check:
	$(Q)scripts/setup
	$(Q)/usr/bin/python3 tests/run-checks.py --build $(O) $(if $(T),--only $(T))

# Hours: every combination of the cache's choices, and the long texts. PART=interop: those tests alone, at every size.
check-long:
	$(Q)scripts/setup
	$(if $(PART),,$(Q)$(MAKE) --no-print-directory O=$(O) FUZZ_RUNS=$(or $(FUZZ_RUNS),200000) check-fuzz)
	$(Q)TANGRAM_LONG=1 /usr/bin/python3 tests/run-checks.py --build $(O) --only $(or $(PART),$(T),long)
