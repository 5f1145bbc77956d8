/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * Filters: programs of the classic BPF machine, as `tcpdump -ddd EXPRESSION` prints them, that
 * read the bytes of a frame. This stage between a NIC and ring.h makes no kernel calls.
 *
 * The machine is that of S. McCanne and V. Jacobson, "The BSD Packet Filter" (USENIX 1993),
 * with MOD and XOR. Its results equal those of libpcap's interpreter: numbers in the frame are
 * big-endian, a load beyond the frame's end or a division by zero ends the program with 0, and a
 * shift by 32 or more gives 0. A frame passes when the program returns anything but 0.
 *
 * A program that hpcap_filter_check() accepts always ends, and touches nothing but the frame and
 * its own 16 words: every jump goes forward and stays inside, and the last instruction returns.
 */
#ifndef _HPCAP_FILTER_H
#define _HPCAP_FILTER_H

#include "filter_types.h"
#include "frame.h"

/* The code of an instruction: its class, and bits whose meaning depends on the class. */
enum hpcap_bpf {
	HPCAP_BPF_CLASS	= 0x07,
	HPCAP_BPF_LD	= 0x00,
	HPCAP_BPF_LDX	= 0x01,
	HPCAP_BPF_ST	= 0x02,
	HPCAP_BPF_STX	= 0x03,
	HPCAP_BPF_ALU	= 0x04,
	HPCAP_BPF_JMP	= 0x05,
	HPCAP_BPF_RET	= 0x06,
	HPCAP_BPF_MISC	= 0x07,
	/* LD, LDX: size of the value, and addressing mode */
	HPCAP_BPF_W	= 0x00,
	HPCAP_BPF_H	= 0x08,
	HPCAP_BPF_B	= 0x10,
	HPCAP_BPF_IMM	= 0x00,
	HPCAP_BPF_ABS	= 0x20,
	HPCAP_BPF_IND	= 0x40,
	HPCAP_BPF_MEM	= 0x60,
	HPCAP_BPF_LEN	= 0x80,
	HPCAP_BPF_MSH	= 0xa0,
	/* ALU, JMP: the second operand is X, not k; then the operations */
	HPCAP_BPF_X	= 0x08,
	HPCAP_BPF_ADD	= 0x00,
	HPCAP_BPF_SUB	= 0x10,
	HPCAP_BPF_MUL	= 0x20,
	HPCAP_BPF_DIV	= 0x30,
	HPCAP_BPF_OR	= 0x40,
	HPCAP_BPF_AND	= 0x50,
	HPCAP_BPF_LSH	= 0x60,
	HPCAP_BPF_RSH	= 0x70,
	HPCAP_BPF_NEG	= 0x80,
	HPCAP_BPF_MOD	= 0x90,
	HPCAP_BPF_XOR	= 0xa0,
	HPCAP_BPF_JA	= 0x00,
	HPCAP_BPF_JEQ	= 0x10,
	HPCAP_BPF_JGT	= 0x20,
	HPCAP_BPF_JGE	= 0x30,
	HPCAP_BPF_JSET	= 0x40,
	/* RET: returns A, not k. MISC: copies X to A, not A to X */
	HPCAP_BPF_A	= 0x10,
	HPCAP_BPF_TXA	= 0x80,
};

/*
 * Loads from this offset on do not read the frame: Linux answers them with what the kernel knows
 * about the frame (SKF_LL_OFF, SKF_AD_OFF), libpcap with 0. The check refuses them.
 */
#define HPCAP_FILTER_ANCILLARY	0xffe00000u

/* -------------------------------------------------------------------- checking */

static inline int hpcap_filter_check_alu(const struct hpcap_insn *i)
{
	u32 op = i->code & 0xf0;
	int by_k = !(i->code & HPCAP_BPF_X);

	if (i->code & ~0xffu || op > HPCAP_BPF_XOR)
		return -EINVAL;
	if (op == HPCAP_BPF_NEG)
		return by_k ? 0 : -EINVAL;
	return by_k && !i->k && (op == HPCAP_BPF_DIV || op == HPCAP_BPF_MOD) ? -EINVAL : 0;
}

/* `left` is the number of instructions behind this one. */
static inline int hpcap_filter_check_jump(const struct hpcap_insn *i, u32 left)
{
	if (i->code == (HPCAP_BPF_JMP | HPCAP_BPF_JA))
		return i->k < left ? 0 : -EINVAL;
	switch (i->code & ~(u32)(HPCAP_BPF_CLASS | HPCAP_BPF_X)) {
	case HPCAP_BPF_JEQ:
	case HPCAP_BPF_JGT:
	case HPCAP_BPF_JGE:
	case HPCAP_BPF_JSET:
		return i->jt < left && i->jf < left ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

static inline int hpcap_filter_check_one(const struct hpcap_insn *i, u32 left)
{
	switch (i->code) {
	case HPCAP_BPF_LD | HPCAP_BPF_ABS | HPCAP_BPF_W:
	case HPCAP_BPF_LD | HPCAP_BPF_ABS | HPCAP_BPF_H:
	case HPCAP_BPF_LD | HPCAP_BPF_ABS | HPCAP_BPF_B:
		return i->k < HPCAP_FILTER_ANCILLARY ? 0 : -EOPNOTSUPP;
	case HPCAP_BPF_LD | HPCAP_BPF_IND | HPCAP_BPF_W:
	case HPCAP_BPF_LD | HPCAP_BPF_IND | HPCAP_BPF_H:
	case HPCAP_BPF_LD | HPCAP_BPF_IND | HPCAP_BPF_B:
	case HPCAP_BPF_LD | HPCAP_BPF_LEN:
	case HPCAP_BPF_LD | HPCAP_BPF_IMM:
	case HPCAP_BPF_LDX | HPCAP_BPF_LEN:
	case HPCAP_BPF_LDX | HPCAP_BPF_IMM:
	case HPCAP_BPF_LDX | HPCAP_BPF_MSH | HPCAP_BPF_B:
	case HPCAP_BPF_RET:
	case HPCAP_BPF_RET | HPCAP_BPF_A:
	case HPCAP_BPF_MISC:
	case HPCAP_BPF_MISC | HPCAP_BPF_TXA:
		return 0;
	case HPCAP_BPF_LD | HPCAP_BPF_MEM:
	case HPCAP_BPF_LDX | HPCAP_BPF_MEM:
	case HPCAP_BPF_ST:
	case HPCAP_BPF_STX:
		return i->k < HPCAP_FILTER_WORDS ? 0 : -EINVAL;
	default:
		break;
	}
	switch (i->code & HPCAP_BPF_CLASS) {
	case HPCAP_BPF_ALU:
		return hpcap_filter_check_alu(i);
	case HPCAP_BPF_JMP:
		return hpcap_filter_check_jump(i, left);
	default:
		return -EINVAL;
	}
}

/*
 * Checks whether a program may run. Returns 0, -EINVAL, or -EOPNOTSUPP when the program loads from
 * HPCAP_FILTER_ANCILLARY or above. `bad`, unless NULL, gets the index of the refused instruction.
 */
static inline int hpcap_filter_check(const struct hpcap_insn *program, u32 n, u32 *bad)
{
	u32 i;
	int err = -EINVAL;

	if (bad)
		*bad = 0;
	if (!n || n > HPCAP_FILTER_MAX)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (bad)
			*bad = i;
		err = hpcap_filter_check_one(&program[i], n - 1 - i);
		if (err)
			return err;
	}
	return (program[n - 1].code & HPCAP_BPF_CLASS) == HPCAP_BPF_RET ? 0 : -EINVAL;
}

/* --------------------------------------------------------------------- running */

/* Loads a big-endian number of `bytes` bytes. Returns 0 when the frame ends before the last. */
static inline int hpcap_filter_load(const struct hpcap_frame *f, u64 at, u32 bytes, u32 *value)
{
	const u8 *p = f->data + at;

	if (at + bytes > f->caplen)
		return 0;
	if (bytes == 1)
		*value = p[0];
	else if (bytes == 2)
		*value = (u32)p[0] << 8 | p[1];
	else
		*value = (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
	return 1;
}

/* Computes a = a op b. Returns 0 when the program ends, because of a division by zero. */
static inline int hpcap_filter_alu(u32 op, u32 *a, u32 b)
{
	switch (op) {
	case HPCAP_BPF_ADD:
		*a += b;
		break;
	case HPCAP_BPF_SUB:
		*a -= b;
		break;
	case HPCAP_BPF_MUL:
		*a *= b;
		break;
	case HPCAP_BPF_DIV:
		if (!b)
			return 0;
		*a /= b;
		break;
	case HPCAP_BPF_MOD:
		if (!b)
			return 0;
		*a %= b;
		break;
	case HPCAP_BPF_OR:
		*a |= b;
		break;
	case HPCAP_BPF_AND:
		*a &= b;
		break;
	case HPCAP_BPF_XOR:
		*a ^= b;
		break;
	case HPCAP_BPF_LSH:
		*a = b < 32 ? *a << b : 0;
		break;
	case HPCAP_BPF_RSH:
		*a = b < 32 ? *a >> b : 0;
		break;
	default:
		*a = -*a;
		break;
	}
	return 1;
}

static inline int hpcap_filter_jumps(u32 op, u32 a, u32 b)
{
	switch (op) {
	case HPCAP_BPF_JEQ:
		return a == b;
	case HPCAP_BPF_JGT:
		return a > b;
	case HPCAP_BPF_JGE:
		return a >= b;
	default:
		return (a & b) != 0;
	}
}

/* Runs a checked program on a frame, and returns its result; 0 refuses the frame. */
static inline u32 hpcap_filter_run(const struct hpcap_insn *i, const struct hpcap_frame *f)
{
	u32 words[HPCAP_FILTER_WORDS] = {};
	u32 a = 0, x = 0, b;

	for (;; i++) {
		switch (i->code) {
		case HPCAP_BPF_RET:
			return i->k;
		case HPCAP_BPF_RET | HPCAP_BPF_A:
			return a;
		case HPCAP_BPF_LD | HPCAP_BPF_ABS | HPCAP_BPF_W:
			if (!hpcap_filter_load(f, i->k, 4, &a))
				return 0;
			continue;
		case HPCAP_BPF_LD | HPCAP_BPF_ABS | HPCAP_BPF_H:
			if (!hpcap_filter_load(f, i->k, 2, &a))
				return 0;
			continue;
		case HPCAP_BPF_LD | HPCAP_BPF_ABS | HPCAP_BPF_B:
			if (!hpcap_filter_load(f, i->k, 1, &a))
				return 0;
			continue;
		case HPCAP_BPF_LD | HPCAP_BPF_IND | HPCAP_BPF_W:
			if (!hpcap_filter_load(f, (u64)x + i->k, 4, &a))
				return 0;
			continue;
		case HPCAP_BPF_LD | HPCAP_BPF_IND | HPCAP_BPF_H:
			if (!hpcap_filter_load(f, (u64)x + i->k, 2, &a))
				return 0;
			continue;
		case HPCAP_BPF_LD | HPCAP_BPF_IND | HPCAP_BPF_B:
			if (!hpcap_filter_load(f, (u64)x + i->k, 1, &a))
				return 0;
			continue;
		case HPCAP_BPF_LDX | HPCAP_BPF_MSH | HPCAP_BPF_B:
			if (!hpcap_filter_load(f, i->k, 1, &x))
				return 0;
			x = (x & 0xf) << 2;
			continue;
		case HPCAP_BPF_LD | HPCAP_BPF_LEN:
			a = f->len;
			continue;
		case HPCAP_BPF_LDX | HPCAP_BPF_LEN:
			x = f->len;
			continue;
		case HPCAP_BPF_LD | HPCAP_BPF_IMM:
			a = i->k;
			continue;
		case HPCAP_BPF_LDX | HPCAP_BPF_IMM:
			x = i->k;
			continue;
		case HPCAP_BPF_LD | HPCAP_BPF_MEM:
			a = words[i->k];
			continue;
		case HPCAP_BPF_LDX | HPCAP_BPF_MEM:
			x = words[i->k];
			continue;
		case HPCAP_BPF_ST:
			words[i->k] = a;
			continue;
		case HPCAP_BPF_STX:
			words[i->k] = x;
			continue;
		case HPCAP_BPF_MISC:
			x = a;
			continue;
		case HPCAP_BPF_MISC | HPCAP_BPF_TXA:
			a = x;
			continue;
		case HPCAP_BPF_JMP | HPCAP_BPF_JA:
			i += i->k;
			continue;
		default:
			break;
		}
		b = i->code & HPCAP_BPF_X ? x : i->k;
		if ((i->code & HPCAP_BPF_CLASS) == HPCAP_BPF_JMP)
			i += hpcap_filter_jumps(i->code & 0xf0, a, b) ? i->jt : i->jf;
		else if (!hpcap_filter_alu(i->code & 0xf0, &a, b))
			return 0;
	}
}

/*
 * Filters n frames, oldest first: moves those that a checked program accepts to the front, and
 * returns their number. `refused` counts the others; the caller accounts for them as
 * HPCAP_FILTERED.
 */
static inline u32 hpcap_filter_batch(const struct hpcap_insn *program, struct hpcap_frame *f,
				     u32 n, struct hpcap_count *refused)
{
	u32 i, kept = 0;

	refused->frames = 0;
	refused->bytes = 0;
	for (i = 0; i < n; i++) {
		if (i + 4 < n)
			__builtin_prefetch(f[i + 4].data);
		if (!hpcap_filter_run(program, &f[i])) {
			refused->frames++;
			refused->bytes += f[i].len;
			continue;
		}
		if (kept != i)
			f[kept] = f[i];
		kept++;
	}
	return kept;
}

#endif /* _HPCAP_FILTER_H */
