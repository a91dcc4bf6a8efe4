/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/fs/lease.c */
/* Leases on one file: who is told and who passes, and what is left of them when their time is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "managers/processor/fs/async.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/fs/lease.h"
#include "managers/processor/process/process.h"
#include "shim.h"

enum { READ_LEASE, WRITE_LEASE, NO_LEASE };	/* as fcntl(2) has them */

static u32 readers, writers, told;
static struct object object;
static struct inode inode = { .type = S_IFREG };
static struct process process;
static struct task task = { .process = &process };

u32 object_nr_readers(struct object *o) { return readers; }
u32 object_nr_writers(struct object *o) { return writers; }
u32 file_access(const struct file *f) { return f->flags & O_WRONLY ? MAY_WRITE : MAY_READ; }
int inode_rights(struct inode *i) { return 0; }
bool capable(unsigned cap) { return true; }
s32 async_owner(struct file *f) { return 1; }
int async_set_owner(struct file *f, s32 who) { return 0; }
void async_set_fd(struct file *f, int fd) { }
void async_tell_message(struct file *f) { told++; }

static struct file reader = { .flags = O_RDONLY, .inode = &inode, .object = &object };
static struct file other = { .flags = O_RDONLY | O_NONBLOCK, .inode = &inode, .object = &object };
static struct file writer = { .flags = O_WRONLY | O_NONBLOCK, .inode = &inode, .object = &object };

static int begin(void **state)
{
	shim_time_manual(NSEC_PER_SEC);
	thread_current()->task = &task;
	readers = 1;
	writers = told = 0;
	return lease_set_break_seconds(0);
}

/* A reader was in the way of a write lease and has gone: when its time is over a read lease is left, which a writer is in the way of. */
static void lessened(void **state)
{
	assert_int_equal(lease_set(&reader, 3, WRITE_LEASE), 0);
	assert_int_equal(lease_set_break_seconds(100), 0);
	readers++;
	assert_int_equal(lease_break(&other, false), -EAGAIN);
	assert_int_equal(told, 1);
	assert_int_equal(lease_get(&reader), READ_LEASE);
	readers--;
	shim_time_advance(200 * NSEC_PER_SEC);
	writers++;
	assert_int_equal(lease_break(&writer, false), -EAGAIN);
	assert_int_equal(told, 2);
	assert_int_equal(lease_get(&reader), NO_LEASE);
	shim_time_advance(200 * NSEC_PER_SEC);
	assert_int_equal(lease_break(&writer, false), 0);
	writers--;
	assert_int_equal(lease_set(&reader, 3, NO_LEASE), -EAGAIN);
}

/* What is given is counted where the file's next opener looks; what is refused or goes is not. */
static void counted(void **state)
{
	assert_int_equal(object.leases, 0);
	writers = 1;
	assert_int_equal(lease_set(&reader, 3, READ_LEASE), -EAGAIN);
	assert_int_equal(object.leases, 0);
	writers = 0;
	assert_int_equal(lease_set(&reader, 3, READ_LEASE), 0);
	assert_int_equal(lease_set(&reader, 3, READ_LEASE), 0);
	assert_int_equal(object.leases, 1);
	assert_int_equal(lease_break(&other, false), 0);
	lease_file_gone(&reader);
	assert_int_equal(object.leases, 0);
	assert_int_equal(lease_break(&writer, false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup(lessened, begin), cmocka_unit_test_setup(counted, begin) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
