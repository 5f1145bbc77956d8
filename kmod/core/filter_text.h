/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/* The text form of a filter program, as `tcpdump -ddd EXPRESSION` prints it. */
#ifndef _HPCAP_FILTER_TEXT_H
#define _HPCAP_FILTER_TEXT_H

#include "filter.h"

/* The part of a text that is not parsed yet. */
struct hpcap_filter_text {
	const char *at;
	const char *end;
};

/* Parses a decimal number of at most `max`, after blanks. Returns 0 or -EINVAL. */
static inline int hpcap_filter_number(struct hpcap_filter_text *t, u64 max, u64 *number)
{
	const char *start;
	u64 value = 0;

	while (t->at < t->end && (*t->at == ' ' || *t->at == '\t'))
		t->at++;
	for (start = t->at; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
		value = value * 10 + (u64)(*t->at - '0');
		if (value > max)
			return -EINVAL;
	}
	*number = value;
	return t->at == start ? -EINVAL : 0;
}

/* Skips blanks and the end of a line. Returns 0, or -EINVAL when other text comes first. */
static inline int hpcap_filter_end_of_line(struct hpcap_filter_text *t)
{
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\t' || *t->at == '\r'))
		t->at++;
	if (t->at < t->end && *t->at != '\n' && *t->at != ',')
		return -EINVAL;
	if (t->at < t->end)
		t->at++;
	return 0;
}

/*
 * Parses and checks the output of `tcpdump -ddd`: the number of instructions, then a line for each
 * with code, jt, jf and k in decimal. A line may end with a comma, as after `tr '\n' ,`.
 *
 * Returns the number of instructions; -EINVAL when the text is no valid program; -EOPNOTSUPP as
 * hpcap_filter_check(); -E2BIG when the program has more than `max` instructions.
 */
static inline int hpcap_filter_parse(const char *text, u64 len, struct hpcap_insn *program,
				     u32 max)
{
	struct hpcap_filter_text t = { .at = text, .end = text + len };
	u64 count, code, jt, jf, k;
	u32 i;
	int err;

	if (hpcap_filter_number(&t, HPCAP_FILTER_MAX, &count) || !count ||
	    hpcap_filter_end_of_line(&t))
		return -EINVAL;
	if (count > max)
		return -E2BIG;
	for (i = 0; i < count; i++) {
		if (hpcap_filter_number(&t, 0xffff, &code) || hpcap_filter_number(&t, 0xff, &jt) ||
		    hpcap_filter_number(&t, 0xff, &jf) ||
		    hpcap_filter_number(&t, 0xffffffffu, &k) || hpcap_filter_end_of_line(&t))
			return -EINVAL;
		program[i].code = (u16)code;
		program[i].jt = (u8)jt;
		program[i].jf = (u8)jf;
		program[i].k = (u32)k;
	}
	while (t.at < t.end)
		if (hpcap_filter_end_of_line(&t))
			return -EINVAL;
	err = hpcap_filter_check(program, (u32)count, NULL);
	return err ? err : (int)count;
}

#endif /* _HPCAP_FILTER_TEXT_H */
