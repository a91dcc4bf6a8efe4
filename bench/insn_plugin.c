/* SPDX-License-Identifier: MIT */
/*
 * A TCG plugin for QEMU 6 and later: counts the instructions that a machine executes, in a file DIR/insns-PID: the number, 8
 * bytes, then the command line of QEMU with its zero bytes. Counted by blocks: one that a fault ends early counts in full; several vCPUs may lose some of each other's.
 *
 *	-plugin libinsn.so,dir=DIR
 *
 * QEMU's plugin interface (version 1) is declared here as far as it is used: Debian has no package with its header.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
typedef void (*qemu_plugin_vcpu_tb_trans_cb_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, qemu_plugin_vcpu_tb_trans_cb_t cb);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, enum qemu_plugin_op op, void *ptr, uint64_t imm);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define FILE_SIZE 16384

static uint64_t *insns;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, insns, qemu_plugin_tb_n_insns(tb));
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	char path[4096];
	int fd, self;

	(void)info;
	if (argc != 1 || strncmp(argv[0], "dir=", 4) != 0) {
		fprintf(stderr, "insn: dir=DIR is what it wants\n");
		return -1;
	}
	snprintf(path, sizeof(path), "%s/insns-%ld", argv[0] + 4, (long)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
	if (fd < 0 || ftruncate(fd, FILE_SIZE) < 0) {
		perror(path);
		return -1;
	}
	insns = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (insns == MAP_FAILED) {
		perror(path);
		return -1;
	}
	self = open("/proc/self/cmdline", O_RDONLY);
	if (self < 0 || read(self, insns + 1, FILE_SIZE - 8) <= 0) {
		perror("/proc/self/cmdline");
		return -1;
	}
	close(self);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
