# SPDX-License-Identifier: MIT
obj-y += managers/memory/main.o managers/memory/ops.o managers/memory/node_ops.o
obj-y += managers/memory/space.o managers/memory/change.o managers/memory/map_ops.o managers/memory/fork.o
obj-y += managers/memory/fill.o managers/memory/flush.o managers/memory/place.o managers/memory/page.o managers/memory/page_tree.o managers/memory/commit.o
obj-y += managers/memory/elf.o managers/memory/exec.o
obj-y += managers/memory/object.o managers/memory/cache.o managers/memory/writeback.o managers/memory/file_ops.o
