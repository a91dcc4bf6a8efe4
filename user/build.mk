# SPDX-License-Identifier: MIT
# Our own Linux programs, for the processor node: `make user-programs`. Built with Debian's compiler and libc, not with
# the kernel's flags: to the kernel they are programs like any other.

USER_CC ?= gcc
USER_CFLAGS := -std=gnu11 -I. -O2 -g -Wall -Wextra -Werror -Wno-format-zero-length -pthread
USER_DEPS = -MMD -MP -MF $@.d

comma := ,
user-tests := $(patsubst user/tests/%.c,%,$(sort $(wildcard user/tests/*.c)))
user-bin := $(addprefix $(O)/user/,word_count word_count-dyn word_count-seq word_count-seq-dyn $(user-tests) hello-dyn layout-dyn pcache_stress syscall_fuzz)

.PHONY: user-programs check-user
user-programs: $(user-bin)

word-count-common := user/word_count/text.c user/word_count/table.c

define user-program	# name, sources, linker flags
$(O)/user/$(1): $(2) user/build.mk
	@mkdir -p $$(@D)
	$$(Q)$$(USER_CC) $$(USER_CFLAGS) $$(USER_DEPS) $(3) -o $$@ $(2) -lm
endef

$(eval $(call user-program,word_count,user/word_count/word_count.c $(word-count-common),-static))
$(eval $(call user-program,word_count-dyn,user/word_count/word_count.c $(word-count-common),))
$(eval $(call user-program,word_count-seq,user/word_count/word_count_seq.c $(word-count-common),-static))
$(eval $(call user-program,word_count-seq-dyn,user/word_count/word_count_seq.c $(word-count-common),))
$(eval $(call user-program,hello-dyn,user/tests/hello.c,))
$(eval $(call user-program,layout-dyn,user/tests/layout.c,-pie -fPIE -Wl$(comma)-z$(comma)relro$(comma)-z$(comma)now))
$(eval $(call user-program,pcache_stress,user/pcache_stress.c,-static))
$(eval $(call user-program,syscall_fuzz,user/syscall_fuzz.c,-static -Wno-unused-parameter))
$(foreach t,$(user-tests),$(eval $(call user-program,$(t),user/tests/$(t).c,-static)))

-include $(addsuffix .d,$(user-bin))

# The programs must be right on Linux before they can say anything about this kernel.
check-tools: check-user
check-user: user-programs
	$(Q)/usr/bin/python3 user/programs_test.py $(O)/user
