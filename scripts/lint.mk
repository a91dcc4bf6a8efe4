# SPDX-License-Identifier: MIT
# `make lint`: what can be said about the sources without running them. `make format`: clang-format on the files named in
# FILES=..., or else on the lines that differ from the last commit: what stands around them is as its writer left it.

.PHONY: lint lint-own lint-cppcheck format

lint: lint-own lint-cppcheck

lint-own:
	$(Q)$(PYTHON) scripts/lint_files.py
	$(Q)$(PYTHON) scripts/check_layers.py
	$(Q)$(PYTHON) scripts/check_atomics.py
	$(Q)$(PYTHON) scripts/doc_tables.py --check
	$(Q)$(PYTHON) scripts/syscalls.py --check

CPPCHECK_FILES = $(filter-out %_test.c managers/processor/pcache/sim_%,$(shell git ls-files -co --exclude-standard "*.c"))
lint-cppcheck:
	$(Q)cppcheck -q -j2 --enable=warning --inline-suppr --std=c11 --platform=unix64 -I. -D__x86_64__ -DROLE_NAME='"lint"' \
		--suppress=missingIncludeSystem --suppressions-list=scripts/cppcheck.txt --error-exitcode=1 $(CPPCHECK_FILES)

format:
	$(Q)$(if $(FILES),clang-format -i $(FILES),git clang-format --quiet --force --extensions c,h HEAD)
