# SPDX-License-Identifier: MIT
# Unit tests on the host: every x_test.c of the tree, one binary each, with the address and undefined-behaviour sanitizers.
# In one of a test's first twelve lines, `/* SOURCES: a.c b.c */` names the sources it is linked with besides the shim and lib/.
# `make check-unit`; `make check-unit T=lib/` runs those whose path begins so, or with one of several words; CC=clang works.

.PHONY: check-unit check-unit-build check-unit-names
T	?=
UNIT_O	:= $(O)/host
UNIT_OPT ?= -O1
UNIT_SANITIZE ?= address,undefined -fno-sanitize-recover=undefined
UNIT_CFLAGS := -std=gnu11 -g $(UNIT_OPT) -fsanitize=$(UNIT_SANITIZE) \
	   -fno-omit-frame-pointer -fno-strict-aliasing -DTANGRAM_HOST -DCONFIG_DEBUG=1 -Itests/host/include -I. \
	   -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers \
	   -Wno-address-of-packed-member -Wno-unknown-warning-option -Wno-format-truncation
UNIT_TESTS := $(patsubst ./%,%,$(shell find . -name '*_test.c' -not -path './build*' -not -path './.git/*' -not -path './user/*' | sort))
UNIT_BINS := $(patsubst %.c,$(UNIT_O)/%,$(filter $(if $(strip $(T)),$(addsuffix %,$(T)),%),$(UNIT_TESTS)))
# What any test may use without naming it: an archive, so that only what is missing is taken.
UNIT_LIB_SRC := tests/host/shim.c tests/host/shim_mem.c tests/host/shim_thread.c kernel/waitq.c kernel/mutex.c kernel/work.c \
	   kernel/param.c kernel/rule.c kernel/counter.c kernel/timer_queue.c kernel/trace.c $(filter-out %_test.c lib/string.c lib/printf.c,$(wildcard lib/*.c))
UNIT_LIB_OBJ := $(patsubst %.c,$(UNIT_O)/lib/%.o,$(UNIT_LIB_SRC))

$(UNIT_O)/lib/%.o: %.c tests/host/build.mk
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@)$(CC) $(UNIT_CFLAGS) -MMD -MP -c $< -o $@
$(UNIT_O)/shim.a: $(UNIT_LIB_OBJ)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

# One object a source, shared by the tests that name it, each with a dependency file of its own.
unit_sources = $(shell sed -n '1,12s|.*SOURCES:\([^*]*\)\*/.*|\1|p' $(1))
define unit_rule
$(UNIT_O)/$(1:.c=): $(patsubst %.c,$(UNIT_O)/lib/%.o,$(1) $(call unit_sources,$(1))) $(UNIT_O)/shim.a
	@mkdir -p $$(@D)
	$$(call say,HOSTLD,$$@)$$(CC) $$(UNIT_CFLAGS) $$^ -o $$@ -lcmocka -lpthread
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_rule,$(t))))
-include $(shell find $(UNIT_O)/lib -name '*.d' 2> /dev/null)

# Builds go on past a test that does not compile, so that it is one FAIL line, not the end; an old binary of it would say nothing.
check-unit:
	$(Q)$(MAKE) --no-print-directory -k O=$(O) CC=$(CC) T='$(T)' check-unit-build || \
		for bin in $(UNIT_BINS); do $(MAKE) -q O=$(O) CC=$(CC) $$bin 2> /dev/null || rm -f $$bin; done
	$(Q)O=$(O)/host tests/host/run.sh $(patsubst $(UNIT_O)/%,%,$(UNIT_BINS))
check-unit-build: $(UNIT_BINS)
check-unit-names:
	@printf '%s\n' $(UNIT_TESTS:.c=)

# The pcache's random schedules, SCHEDULES of each kind, from the first that check-unit does not run.
.PHONY: check-schedules
SCHEDULES ?= 2000
check-schedules:
	$(Q)$(MAKE) --no-print-directory O=$(O) CC=$(CC) T=managers/processor/pcache/pcache_test check-unit-build
	$(Q)SIM_FIRST=61 SIM_SEEDS=$(SCHEDULES) $(UNIT_O)/managers/processor/pcache/pcache_test

# The tests that run threads of the host, once more, with the thread sanitizer. What it does not see is in tsan.supp.
.PHONY: check-tsan
check-tsan:
	$(Q)TSAN_OPTIONS=suppressions=$(CURDIR)/tests/host/tsan.supp $(MAKE) --no-print-directory O=$(O)/tsan CC=$(CC) \
		UNIT_TESTS='$(shell grep -lE '<pthread.h>|test_fit.h' $(UNIT_TESTS))' UNIT_SANITIZE='thread -Wno-tsan' check-unit
