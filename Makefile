# SPDX-License-Identifier: MIT
# Tangram's build. `make help` lists the targets.
#
# One kernel per role, each from its own configuration, out of tree: $(O)/<role>/{.config,autoconf.h,tangram.elf}.
# Every folder's build.mk says which objects it adds.

ROLES	:= processor memory storage
O	?= build
PYTHON	:= /usr/bin/python3
CC	:= gcc
NM	:= nm
OBJCOPY	:= objcopy
Q	:= $(if $(V),,@)
say	= $(if $(V),,@echo "  $(1)	$(2)";)

.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

ifdef ROLE
include scripts/kernel.mk
else

.PHONY: all kernel help clean iso defconfig menuconfig savedefconfig $(ROLES)

all: kernel iso

kernel: $(ROLES)

$(ROLES):
	$(Q)$(MAKE) --no-print-directory ROLE=$@ O=$(O) kernel

defconfig menuconfig savedefconfig:
	$(Q)set -e; for role in $(if $(CONFIG_ROLE),$(CONFIG_ROLE),$(ROLES)); do \
		$(MAKE) --no-print-directory ROLE=$$role O=$(O) $@; done

compile_commands.json: kernel
	$(Q)$(PYTHON) scripts/compile_commands.py $(O) > $@

clean:
	rm -rf $(O) compile_commands.json

-include scripts/iso.mk
-include user/build.mk scripts/build.mk tools/build.mk tests/host/build.mk tests/fuzz/build.mk bench/build.mk tests/system/build.mk tests/models/build.mk tests/interop/build.mk tests/mutants.mk
-include scripts/check.mk scripts/lint.mk

help:
	@echo "make                build the three kernels and the boot image into $(O)/"
	@echo "make run            build all, boot processor, memory and storage node, run word_count"
	@echo "make shell          the same with Debian's programs: a bash on the cluster; exit powers it off"
	@echo "make check          all tests; make check T=word those whose name contains the word; make check-long, make check-fuzz, make check-mutants"
	@echo "make bench          measure; PARTS=\"boot packets\" some: see Documentation/benchmarks.md"
	@echo "make defconfig | menuconfig | savedefconfig   [CONFIG_ROLE=processor|memory|storage]"
	@echo "make format | lint | compile_commands.json | clean"
	@echo "variables: V=1 (show commands)  O=dir  CC=clang  DEBUG=y (debug checks in every role)"
endif
