# SPDX-License-Identifier: MIT
# The commands a person types: `make run`, `make shell` and `make check`. Each first installs what is missing.

.PHONY: run shell check check-long
# A cache of 384 pages is a quarter of what word_count touches on the default text.
RUN ?= --pcache 1536K -- /bin/word_count /data/text

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

# The long selections: `make check-long PART=word-count`, an hour at the most each; without PART their names.
check-long:
	$(Q)$(if $(PART),scripts/setup)
	$(Q)/usr/bin/python3 tests/run-checks.py --build $(O) --long '$(PART)' $(if $(T),--only $(T))
