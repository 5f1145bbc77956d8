/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/* The form of a filter program (filter.h). */
#ifndef _HPCAP_FILTER_TYPES_H
#define _HPCAP_FILTER_TYPES_H

#include "platform.h"

/* Most instructions of a program, as in the kernel (BPF_MAXINSNS). */
#define HPCAP_FILTER_MAX	4096u
#define HPCAP_FILTER_WORDS	16u

/* Has the layout of libpcap's struct bpf_insn and of Linux's struct sock_filter. */
struct hpcap_insn {
	u16 code;
	u8 jt;
	u8 jf;
	u32 k;
};

#endif /* _HPCAP_FILTER_TYPES_H */
