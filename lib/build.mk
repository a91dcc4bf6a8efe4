# SPDX-License-Identifier: MIT
obj-y += lib/printf.o lib/string.o lib/str.o lib/errno.o lib/rbtree.o lib/crc32.o lib/pct.o lib/idtable.o lib/siphash.o lib/histogram.o
obj-y += $(if $(wildcard lib/crc32c.c),lib/crc32c.o) $(if $(wildcard lib/vma.c),lib/vma.o)
obj-y += lib/siphash.o
