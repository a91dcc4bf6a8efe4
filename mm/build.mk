# SPDX-License-Identifier: MIT
obj-y += mm/frame.o mm/bootmem.o mm/slab.o mm/vmalloc.o
