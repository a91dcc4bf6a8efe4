# SPDX-License-Identifier: MIT
obj-y += $(patsubst %.c,%.o,$(filter-out %_test.c managers/processor/pcache/sim%,$(wildcard managers/processor/pcache/*.c)))
