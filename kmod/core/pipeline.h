/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * The path of a batch of frames from its source into the ring. The poll threads of the module and
 * of the userspace engine use it. A batch passes four stages:
 *
 *	filter		frames that the program refuses are accounted as HPCAP_FILTERED
 *	gate		without a listener no frame reaches the duplicate filter; otherwise the
 *			first copy could be in no recording, and the second one be dropped
 *	duplicates	dropped duplicates are accounted as HPCAP_DUPLICATE, others are marked
 *	ring		the ring takes as many frames as it has room for; the caller decides
 *			what happens to the rest
 *
 * hpcap_pipeline_start() runs the first three stages, once for each batch. The frames that are left
 * can then be pushed in several steps, because a full ring may get room again. The frames and
 * the bytes that they point to must stay in place until no frame is left.
 *
 * Like ring.h, this file makes no kernel calls, and a pipeline belongs to one thread.
 */
#ifndef _HPCAP_PIPELINE_H
#define _HPCAP_PIPELINE_H

#include "dedup.h"
#include "filter.h"
#include "pipeline_types.h"
#include "ring_frame.h"

/*
 * Runs the filters on a batch of n frames, removes the frames that do not pass, and accounts for
 * them. No frame of the previous batch may be left.
 */
static inline void hpcap_pipeline_start(struct hpcap_pipeline *p, struct hpcap_ring *r,
					struct hpcap_frame *frames, u32 n)
{
	struct hpcap_count count;

	p->frames = frames;
	p->done = 0;
	p->marked = 0;
	if (p->program) {
		n = hpcap_filter_batch(p->program, frames, n, &count);
		if (count.frames)
			hpcap_ring_account(r, HPCAP_FILTERED, count.frames, count.bytes);
	}
	p->n = n;
	if (!p->dedup || !hpcap_ring_captures(r))
		return;
	p->n = hpcap_dedup_batch(p->dedup, frames, n, p->marks, &count);
	if (!count.frames)
		return;
	if (p->dedup->action == HPCAP_DEDUP_MARK)
		p->marked = 1;
	else
		hpcap_ring_account(r, HPCAP_DUPLICATE, count.frames, count.bytes);
}

/* Returns the number of frames that are neither in the ring nor accounted for. */
static inline u32 hpcap_pipeline_left(const struct hpcap_pipeline *p)
{
	return p->n - p->done;
}

/* Pushes as many frames as the ring has room for, and returns how many are left. */
static inline u32 hpcap_pipeline_push(struct hpcap_pipeline *p, struct hpcap_ring *r)
{
	const struct hpcap_frame *frames = p->frames + p->done;
	u32 n = hpcap_pipeline_left(p);

	if (p->marked)
		p->done += hpcap_ring_push_marked(r, frames, p->marks + p->done, n);
	else
		p->done += hpcap_ring_push_batch(r, frames, n);
	return hpcap_pipeline_left(p);
}

/* Gives up the frames that are left, and accounts for them as HPCAP_RING_FULL. */
static inline void hpcap_pipeline_drop(struct hpcap_pipeline *p, struct hpcap_ring *r)
{
	u32 n = hpcap_pipeline_left(p);
	u64 bytes = 0;

	for (; p->done < p->n; p->done++)
		bytes += p->frames[p->done].len;
	if (n)
		hpcap_ring_account(r, HPCAP_RING_FULL, n, bytes);
}

#endif /* _HPCAP_PIPELINE_H */
