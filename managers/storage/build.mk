# SPDX-License-Identifier: MIT
obj-y += $(addprefix managers/storage/,main.o ops.o lease.o volume.o serve_names.o serve_data.o)
obj-y += $(addprefix managers/storage/ext4/,cache.o csum.o group.o balloc.o ialloc.o inode.o extent_tree.o extent.o indirect.o map.o)
obj-y += $(addprefix managers/storage/ext4/,dir.o hash.o htree.o readdir.o orphan.o file.o range.o namei.o rename.o super.o)
