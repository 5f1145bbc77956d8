/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * The way of a batch of frames from its source into the ring, for the module's poll thread and
 * for that of the userspace engine:
 *
 *	filter		frames that the program refuses are accounted as HPCAP_FILTERED
 *	gate		without a listener no frame reaches the duplicate filter: the first copy
 *			of a frame would be in no recording, and the second one missing from it
 *	duplicates	dropped ones are accounted as HPCAP_DUPLICATE, others are marked
 *	ring		as many frames as there is room for; what happens to the rest is the
 *			caller's decision
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
#include "ring.h"

struct hpcap_pipeline {
	/* The stages. The caller sets them between two batches, or while a batch is held. */
	const struct hpcap_insn *program;	/* NULL: every frame passes the filter */
	struct hpcap_dedup *dedup;		/* NULL: no frame is compared with others */
	u8 *marks;				/* one byte for each frame of a batch */

	/* The batch that is under way. */
	struct hpcap_frame *frames;
	u32 n;			/* frames that passed the filters */
	u32 done;		/* frames of these that are in the ring, or accounted */
	u32 marked;		/* whether `marks` names any duplicate */
};

/*
 * Runs the filters on a batch of n frames, which loses those that do not pass, and accounts for
 * them. The batch before must have no frame left.
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

/* Frames of the batch that are neither in the ring nor accounted. */
static inline u32 hpcap_pipeline_left(const struct hpcap_pipeline *p)
{
	return p->n - p->done;
}

/* Pushes as many frames as there is room for, and returns how many are left. */
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
