/* SPDX-License-Identifier: MIT */
/*
 * A TCG plugin for QEMU 6 and later: the instructions that a machine executes between the marks of a program (bench/mark.h), and
 * in which blocks of code. For a machine with one CPU.
 *
 *	-plugin libmarks.so,dir=DIR[,blocks=on]
 *
 * DIR/marks-PID: the command line of QEMU with its zero bytes in the first 16384 bytes, then for each interval between a mark and
 * the next mark 0 a pair of 8 bytes each: the mark, the instructions. With blocks=on, when QEMU ends, DIR/blocks-PID: a line
 * `MARK ADDRESS INSTRUCTIONS TIMES` for each block of code that ran within an interval; that is slower and counts the same.
 *
 * Counted by blocks: one that a fault ends early counts in full. A string instruction with a REP prefix counts as one, however
 * long it runs: TCG makes a block of its own of each further turn.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mark.h"

/* QEMU's plugin interface (version 1) as far as it is used: Debian has no package with its header. */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
typedef void (*qemu_plugin_vcpu_tb_trans_cb_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*qemu_plugin_vcpu_udata_cb_t)(unsigned int vcpu_index, void *userdata);
typedef void (*qemu_plugin_udata_cb_t)(qemu_plugin_id_t id, void *userdata);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, qemu_plugin_vcpu_tb_trans_cb_t cb);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, enum qemu_plugin_op op, void *ptr, uint64_t imm);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, qemu_plugin_vcpu_udata_cb_t cb,
					  enum qemu_plugin_cb_flags flags, void *userdata);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, qemu_plugin_vcpu_udata_cb_t cb,
					    enum qemu_plugin_cb_flags flags, void *userdata);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, qemu_plugin_udata_cb_t cb, void *userdata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int qemu_plugin_version = 1;

#define HEAD_SIZE	16384
#define MAX_INTERVALS	(1 << 20)
#define FILE_SIZE	(HEAD_SIZE + MAX_INTERVALS * sizeof(struct interval))

struct interval { uint64_t mark, insns; };
struct block {
	uint64_t address, insns, times[NR_MARKS];
	struct block *next;
};

static uint64_t executed, begun_at;
static uint64_t open_mark;			/* 0: none */
static struct interval *intervals;
static size_t nr_intervals;
static struct block *blocks;
static char blocks_path[4096];

static void mark_passed(unsigned int vcpu, void *userdata)
{
	uint64_t mark = (uintptr_t)userdata;

	(void)vcpu;
	if (mark != 0) {
		open_mark = mark;
		begun_at = executed;
		return;
	}
	if (open_mark != 0 && nr_intervals < MAX_INTERVALS) {
		intervals[nr_intervals].insns = executed - begun_at;
		intervals[nr_intervals++].mark = open_mark;
	}
	open_mark = 0;
}

static void block_ran(unsigned int vcpu, void *userdata)
{
	(void)vcpu;
	if (open_mark != 0)
		((struct block *)userdata)->times[open_mark]++;
}

static void note_block(struct qemu_plugin_tb *tb)
{
	struct block *b = calloc(1, sizeof(*b));

	if (b == NULL)
		abort();
	b->address = qemu_plugin_tb_vaddr(tb);
	b->insns = qemu_plugin_tb_n_insns(tb);
	b->next = blocks;
	blocks = b;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, block_ran, QEMU_PLUGIN_CB_NO_REGS, b);
}

/* A further turn of a string instruction: MOVS, CMPS, STOS, LODS, SCAS alone in a block. */
static bool is_turn(const struct qemu_plugin_tb *tb)
{
	struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, 0);
	const uint8_t *code = qemu_plugin_insn_data(insn);
	size_t at = 1, size = qemu_plugin_insn_size(insn);

	if (qemu_plugin_tb_n_insns(tb) != 1 || size < 2 || (code[0] != 0xf3 && code[0] != 0xf2))
		return false;
	if (code[at] == 0x48)
		at++;
	return at + 1 == size && ((code[at] >= 0xa4 && code[at] <= 0xa7) || (code[at] >= 0xaa && code[at] <= 0xaf));
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	static const uint8_t code[] = { MARK_CODE };
	uint32_t word;

	(void)id;
	if (is_turn(tb))
		return;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &executed, qemu_plugin_tb_n_insns(tb));
	if (blocks_path[0] != '\0')
		note_block(tb);
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *data = qemu_plugin_insn_data(insn);

		if (qemu_plugin_insn_size(insn) != sizeof(code) + 4 || memcmp(data, code, sizeof(code)) != 0)
			continue;
		memcpy(&word, data + sizeof(code), 4);
		if ((word & ~0xffU) == MARK_WORD && (word & 0xff) < NR_MARKS)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark_passed, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)(word & 0xff));
	}
}

static void at_exit(qemu_plugin_id_t id, void *userdata)
{
	FILE *file = fopen(blocks_path, "w");

	(void)id;
	(void)userdata;
	if (file == NULL) {
		perror(blocks_path);
		return;
	}
	for (struct block *b = blocks; b != NULL; b = b->next)
		for (unsigned mark = 1; mark < NR_MARKS; mark++)
			if (b->times[mark] != 0)
				fprintf(file, "%u %llx %llu %llu\n", mark, (unsigned long long)b->address,
					(unsigned long long)b->insns, (unsigned long long)b->times[mark]);
	fclose(file);
}

static int map_marks(const char *dir)
{
	char path[4096], *head;
	int fd, self;

	snprintf(path, sizeof(path), "%s/marks-%ld", dir, (long)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
	if (fd < 0 || ftruncate(fd, FILE_SIZE) < 0) {
		perror(path);
		return -1;
	}
	head = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (head == MAP_FAILED) {
		perror(path);
		return -1;
	}
	self = open("/proc/self/cmdline", O_RDONLY);
	if (self < 0 || read(self, head, HEAD_SIZE) <= 0) {
		perror("/proc/self/cmdline");
		return -1;
	}
	close(self);
	intervals = (struct interval *)(head + HEAD_SIZE);
	return 0;
}

EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	const char *dir = NULL;
	bool with_blocks = false;

	(void)info;
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "dir=", 4) == 0)
			dir = argv[i] + 4;
		else if (strcmp(argv[i], "blocks=on") == 0)
			with_blocks = true;
	}
	if (dir == NULL) {
		fprintf(stderr, "marks: dir=DIR is what it wants\n");
		return -1;
	}
	if (map_marks(dir) < 0)
		return -1;
	if (with_blocks) {
		snprintf(blocks_path, sizeof(blocks_path), "%s/blocks-%ld", dir, (long)getpid());
		qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
