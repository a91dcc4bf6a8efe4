# SPDX-License-Identifier: MIT
obj-y += $(patsubst %.c,%.o,$(filter-out %_test.c,$(wildcard managers/processor/space/*.c)))
