# SPDX-License-Identifier: MIT
# Programs that run on the host: `make tools`, tested by `make check-tools`.

HOSTCC ?= gcc
TOOLS_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror

wire-sources := $(sort $(wildcard tools/wire/*.c))

.PHONY: tools
tools: $(O)/tools/tangram-wire

$(O)/tools/tangram-wire: $(wire-sources) tools/wire/wire.h
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(TOOLS_CFLAGS) -o $@.new $(wire-sources) && mv $@.new $@

.PHONY: check-tools check-wire
check-tools: check-wire
check-wire: $(O)/tools/tangram-wire
	$(Q)/usr/bin/python3 tools/wire/wire_test.py $<
