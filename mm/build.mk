# SPDX-License-Identifier: MIT
obj-y += mm/frame.o mm/bootmem.o mm/slab.o mm/vmalloc.o
obj-$(CONFIG_SELFTEST) += mm/selftest.o
