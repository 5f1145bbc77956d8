// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The stages of kmod/core/filter.h, dedup.h and pipeline.h as functions that Rust can call. The
 * userspace engine and the kernel module run the same code.
 */
#include <filter_text.h>
#include <pipeline.h>

int hpcap_sys_filter_check(const struct hpcap_insn *program, u32 n, u32 *bad)
{
	return hpcap_filter_check(program, n, bad);
}

int hpcap_sys_filter_parse(const char *text, u64 len, struct hpcap_insn *program, u32 max)
{
	return hpcap_filter_parse(text, len, program, max);
}

u32 hpcap_sys_filter_run(const struct hpcap_insn *program, const struct hpcap_frame *f)
{
	return hpcap_filter_run(program, f);
}

u32 hpcap_sys_filter_batch(const struct hpcap_insn *program, struct hpcap_frame *f, u32 n,
			   struct hpcap_count *refused)
{
	return hpcap_filter_batch(program, f, n, refused);
}

unsigned long hpcap_sys_dedup_size(void)
{
	return sizeof(struct hpcap_dedup);
}

u64 hpcap_sys_dedup_memory(const struct hpcap_dedup_settings *s)
{
	return hpcap_dedup_memory(s);
}

int hpcap_sys_dedup_init(struct hpcap_dedup *d, const struct hpcap_dedup_settings *s,
			 void *memory)
{
	return hpcap_dedup_init(d, s, memory);
}

void hpcap_sys_dedup_change(struct hpcap_dedup *d, u64 age_ns, u32 action, u32 renew)
{
	d->age_ns = age_ns;
	d->action = action;
	d->renew = renew;
	d->enabled = 1;
}

u32 hpcap_sys_dedup_batch(struct hpcap_dedup *d, struct hpcap_frame *f, u32 n, u8 *marks,
			  struct hpcap_count *duplicates)
{
	return hpcap_dedup_batch(d, f, n, marks, duplicates);
}

void hpcap_sys_pipeline_start(struct hpcap_pipeline *p, struct hpcap_ring *r,
			      struct hpcap_frame *f, u32 n)
{
	hpcap_pipeline_start(p, r, f, n);
}

u32 hpcap_sys_pipeline_push(struct hpcap_pipeline *p, struct hpcap_ring *r)
{
	return hpcap_pipeline_push(p, r);
}

void hpcap_sys_pipeline_drop(struct hpcap_pipeline *p, struct hpcap_ring *r)
{
	hpcap_pipeline_drop(p, r);
}
