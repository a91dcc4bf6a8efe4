/* SPDX-License-Identifier: MIT */
/* What storagefs.c needs of the rest of the node and none of its tests is about, for those that include it. */
#ifndef MANAGERS_PROCESSOR_FS_TEST_STORAGEFS_H
#define MANAGERS_PROCESSOR_FS_TEST_STORAGEFS_H

#include "managers/processor/fs/storagefs.c"

const char *fit_node_name(unsigned node) { return "storage-2"; }

static unsigned sures;			/* calls that end by nothing but their answer, or the node's death */

int rpc_call_sure(unsigned node, unsigned op, const void *req, void *rep, u32 rep_size)
{
	sures++;
	return rpc_call_bulk(node, op, req, NULL, 0, rep, rep_size, NULL);
}

struct inode *inode_alloc(const struct inode_ops *ops, u32 mode)
{
	struct inode *i = kzalloc(sizeof(*i));

	if (i == NULL)
		return NULL;
	i->ops = ops;
	i->type = mode & S_IFMT;
	i->mode = mode;
	return i;
}

void attr_ask(struct attr_asked *asked) { }
bool attr_kept(struct inode *i, struct attr *a) { return false; }
void attr_change_begin(const struct attr_file *f) { }
void attr_change_end(const struct attr_file *f) { }
void attr_change_end_found(const struct attr_file *f, unsigned nr) { }
int object_open(u16 storage_node, u32 fs, u32 gen, u64 ino, struct object **out) { return -ENOSYS; }
int device_open(u32 rdev, struct file *f) { return -ENXIO; }
int fifo_open(struct inode *i, struct file *f) { return -ENXIO; }
void fs_written(struct inode *i) { }
s64 fs_punch(struct file *f, u64 from, u64 to) { return -ENOSYS; }
int rlimit_file_size(u64 at, size_t *len) { return 0; }

#endif
