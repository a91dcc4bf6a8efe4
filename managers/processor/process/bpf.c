/* SPDX-License-Identifier: MIT */
#include "managers/processor/process/bpf.h"

#include "lib/base/errno.h"
#include "lib/base/string.h"

#define NR_MEM	16

/* An instruction's code: its class, and what that means by the other bits */
enum { LD = 0, LDX = 1, ST = 2, STX = 3, ALU = 4, JMP = 5, RET = 6, MISC = 7 };
enum { IMM = 0x00, ABS = 0x20, MEM = 0x60, LEN = 0x80 };		/* where from; words (0x00) alone */
enum { ADD = 0x00, SUB = 0x10, MUL = 0x20, DIV = 0x30, OR = 0x40, AND = 0x50, LSH = 0x60, RSH = 0x70, NEG = 0x80, XOR = 0xa0 };
enum { JA = 0x00, JEQ = 0x10, JGT = 0x20, JGE = 0x30, JSET = 0x40 };
enum { K = 0x00, X = 0x08, A = 0x10 };
enum { TAX = 0x00, TXA = 0x80 };

static bool is_alu(u16 code)
{
	switch (code & 0xf0) {
	case NEG:
		return code == (ALU | NEG);
	case ADD: case SUB: case MUL: case DIV: case OR: case AND: case LSH: case RSH: case XOR:
		return (code & ~(u16)(0xf0 | X)) == ALU;
	}
	return false;
}

static bool is_jump(u16 code)
{
	return code == (JMP | JA) || ((code & 0xf0) >= JEQ && (code & 0xf0) <= JSET && (code & ~(u16)(0xf0 | X)) == JMP);
}

/* One instruction by itself. left: how many follow it */
static bool insn_ok(const struct bpf_insn *i, unsigned left)
{
	switch (i->code) {
	case LD | ABS:
		return i->k < sizeof(struct bpf_call) && (i->k & 3) == 0;
	case LD | MEM: case LDX | MEM: case ST: case STX:
		return i->k < NR_MEM;
	case LD | IMM: case LDX | IMM: case LD | LEN: case LDX | LEN: case RET | K: case RET | A: case MISC | TAX: case MISC | TXA:
		return true;
	case ALU | DIV:
		return i->k != 0;
	case ALU | LSH: case ALU | RSH:
		return i->k < 32;
	case JMP | JA:
		return i->k < left;
	}
	return is_alu(i->code) || (is_jump(i->code) && i->jt < left && i->jf < left);
}

/* Jumps go forward only: in one pass, written[i] is what every way to i has written of M[]. */
static bool reads_written(const struct bpf_insn *p, unsigned n, u16 *written)
{
	u16 now = 0;

	memset(written, 0xff, n * sizeof(*written));
	for (unsigned i = 0; i < n; i++) {
		now &= written[i];
		switch (p[i].code & 7) {
		case LD: case LDX:
			if ((p[i].code & 0xe0) == MEM && !(now >> p[i].k & 1))
				return false;
			break;
		case ST: case STX:
			now |= 1U << p[i].k;
			break;
		case JMP:
			if (p[i].code == (JMP | JA)) {
				written[i + 1 + p[i].k] &= now;
			} else {
				written[i + 1 + p[i].jt] &= now;
				written[i + 1 + p[i].jf] &= now;
			}
			now = 0xffff;
			break;
		case RET:
			now = 0xffff;
			break;
		}
	}
	return true;
}

int bpf_check(const struct bpf_insn *p, unsigned n, u16 *room)
{
	if (n == 0 || n > BPF_LEN_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++)
		if (!insn_ok(&p[i], n - 1 - i))
			return -EINVAL;
	if ((p[n - 1].code & 7) != RET)
		return -EINVAL;
	return reads_written(p, n, room) ? 0 : -EINVAL;
}

static u32 word_at(const struct bpf_call *call, u32 at)
{
	u32 word;

	memcpy(&word, (const u8 *)call + at, sizeof(word));
	return word;
}

/* false: a division by zero, which ends the program with 0 */
static bool alu(u16 op, u32 *a, u32 b)
{
	switch (op) {
	case ADD: *a += b; break;
	case SUB: *a -= b; break;
	case MUL: *a *= b; break;
	case DIV:
		if (b == 0)
			return false;
		*a /= b;
		break;
	case OR: *a |= b; break;
	case AND: *a &= b; break;
	case LSH: *a <<= b & 31; break;
	case RSH: *a >>= b & 31; break;
	case NEG: *a = -*a; break;
	case XOR: *a ^= b; break;
	}
	return true;
}

static bool holds(u16 op, u32 a, u32 b)
{
	switch (op) {
	case JEQ: return a == b;
	case JGT: return a > b;
	case JGE: return a >= b;
	}
	return (a & b) != 0;
}

u32 bpf_run(const struct bpf_insn *p, const struct bpf_call *call)
{
	u32 a = 0, x = 0, mem[NR_MEM] = { 0 };

	for (;; p++) {
		u32 b = p->code & X ? x : p->k;

		switch (p->code) {
		case LD | ABS: a = word_at(call, p->k); break;
		case LD | IMM: a = p->k; break;
		case LD | LEN: a = sizeof(*call); break;
		case LD | MEM: a = mem[p->k]; break;
		case LDX | IMM: x = p->k; break;
		case LDX | LEN: x = sizeof(*call); break;
		case LDX | MEM: x = mem[p->k]; break;
		case ST: mem[p->k] = a; break;
		case STX: mem[p->k] = x; break;
		case MISC | TAX: x = a; break;
		case MISC | TXA: a = x; break;
		case RET | K: return p->k;
		case RET | A: return a;
		case JMP | JA: p += p->k; break;
		default:
			if ((p->code & 7) == JMP)
				p += holds(p->code & 0xf0, a, b) ? p->jt : p->jf;
			else if (!alu(p->code & 0xf0, &a, b))
				return 0;
		}
	}
}
