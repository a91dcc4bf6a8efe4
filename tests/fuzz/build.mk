# SPDX-License-Identifier: MIT
# Fuzzers of what reads bytes from elsewhere: x_fuzz.c here, linked with what its SOURCES lines name. `make check-fuzz` runs
# each for a moment with a fixed seed; FUZZ_RUNS=N or FUZZ_SECONDS=N for longer, T=name for one, FUZZ_OF=peers or files for
# those of what peers say or of what lies on disks and in firmware. clang's libFuzzer, with both sanitizers.

.PHONY: check-fuzz fuzzers
FUZZ_RUNS ?=
FUZZ_SECONDS ?=
FUZZ_OF	?=
FUZZ_FILES := acpi_fuzz elf_fuzz ext4_fuzz
FUZZ_O	:= $(O)/fuzz
FUZZ_CC	?= clang
FUZZ_CFLAGS := -std=gnu11 -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
	   -fno-omit-frame-pointer -fno-strict-aliasing -DTANGRAM_HOST -DTANGRAM_FUZZ -Itests/host/include -I. \
	   -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers \
	   -Wno-address-of-packed-member -Wno-unused-function
FUZZ_ALL := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/*_fuzz.c)))
FUZZ_TESTS := $(if $(filter files,$(FUZZ_OF)),$(FUZZ_FILES),$(if $(filter peers,$(FUZZ_OF)),$(filter-out $(FUZZ_FILES),$(FUZZ_ALL)),$(FUZZ_ALL)))
FUZZ_BINS := $(addprefix $(FUZZ_O)/,$(filter $(T)%,$(FUZZ_TESTS)))
FUZZ_LIB_OBJ := $(patsubst %.c,$(FUZZ_O)/lib/%.o,$(UNIT_LIB_SRC))

$(FUZZ_O)/lib/%.o: %.c tests/fuzz/build.mk
	@mkdir -p $(@D)
	$(call say,FUZZCC,$@)$(FUZZ_CC) $(FUZZ_CFLAGS) -MMD -MP -c $< -o $@
$(FUZZ_O)/shim.a: $(FUZZ_LIB_OBJ)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

fuzz_sources = $(shell sed -n '1,12s|.*SOURCES:\([^*]*\)\*/.*|\1|p' tests/fuzz/$(1).c)
# One object a source, with a dependency file of its own: a fuzzer that is not made anew tests what is no more.
fuzz_objects = $(patsubst %.c,$(1)/lib/%.o,tests/fuzz/$(2).c $(call fuzz_sources,$(2)))
define fuzz_rule
$(FUZZ_O)/$(1): $(call fuzz_objects,$(FUZZ_O),$(1)) $(FUZZ_O)/shim.a
	$$(call say,FUZZLD,$$@)$$(FUZZ_CC) $$(FUZZ_CFLAGS) -fsanitize=fuzzer $$^ -o $$@ -lcmocka -lpthread
endef
$(foreach t,$(FUZZ_TESTS),$(eval $(call fuzz_rule,$(t))))
-include $(shell find $(FUZZ_O)/lib $(FUZZ_O)/cov/lib -name '*.d' 2> /dev/null)

fuzzers: $(FUZZ_BINS)

# How many lines of what each fuzzer is about its kept corpus (tests/fuzz/corpus) comes to: tests/fuzz/coverage.py
.PHONY: check-fuzz-coverage
COV_CFLAGS := $(filter-out -fsanitize=%,$(FUZZ_CFLAGS)) -fprofile-instr-generate -fcoverage-mapping
COV_BINS := $(addprefix $(FUZZ_O)/cov/,$(filter $(T)%,$(FUZZ_TESTS)))
COV_LIB_OBJ := $(patsubst %.c,$(FUZZ_O)/cov/lib/%.o,$(UNIT_LIB_SRC))
$(FUZZ_O)/cov/lib/%.o: %.c tests/fuzz/build.mk
	@mkdir -p $(@D)
	$(call say,COVCC,$@)$(FUZZ_CC) $(COV_CFLAGS) -MMD -MP -c $< -o $@
$(FUZZ_O)/cov/shim.a: $(COV_LIB_OBJ)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^
define cov_rule
$(FUZZ_O)/cov/$(1): $(call fuzz_objects,$(FUZZ_O)/cov,$(1)) $(FUZZ_O)/cov/lib/tests/fuzz/replay.o $(FUZZ_O)/cov/shim.a
	$$(call say,COVLD,$$@)$$(FUZZ_CC) $$(COV_CFLAGS) $$^ -o $$@ -lcmocka -lpthread
endef
$(foreach t,$(FUZZ_TESTS),$(eval $(call cov_rule,$(t))))
check-fuzz-coverage: $(COV_BINS)
	$(Q)/usr/bin/python3 tests/fuzz/coverage.py $(FUZZ_O) $(notdir $(COV_BINS))

check-fuzz: fuzzers
	$(Q)tests/fuzz/run.sh $(FUZZ_O) '$(FUZZ_RUNS)' '$(FUZZ_SECONDS)' $(notdir $(FUZZ_BINS))
