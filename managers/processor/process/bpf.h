/* SPDX-License-Identifier: MIT */
/*
 * Classic BPF, as far as seccomp(2) has it: programs over the 64 bytes that say what a system call is. Pure. A program that
 * bpf_check() has passed ends, reads only what is there, and only what it has written.
 */
#ifndef MANAGERS_PROCESSOR_BPF_H
#define MANAGERS_PROCESSOR_BPF_H

#include "lib/base/types.h"

#define BPF_LEN_MAX	4096

struct bpf_insn { u16 code; u8 jt, jf; u32 k; };

struct bpf_call {			/* struct seccomp_data */
	u32 nr, arch;
	u64 ip, arg[6];
};
_Static_assert(sizeof(struct bpf_call) == 64, "as programs see it");

/* 0, or -EINVAL. room: n words, for use meanwhile. */
int __must_check bpf_check(const struct bpf_insn *p, unsigned n, u16 *room);
u32 bpf_run(const struct bpf_insn *p, const struct bpf_call *call);

#endif
