/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Assertions about a ring between two batches. The debug build (`make DEBUG=1`) checks them after
 * every batch, other builds never.
 */
#ifndef _HPCAP_RING_CHECK_H
#define _HPCAP_RING_CHECK_H

#include <linux/bug.h>

#include "ring.h"

#ifdef HPCAP_DEBUG

static inline void hpcap_ring_check(const struct hpcap_ring *r)
{
	u32 mask;

	WARN_ON_ONCE(r->published > r->head);
	/* Bytes are announced before they are overwritten. */
	WARN_ON_ONCE(r->head > r->announced);
	WARN_ON_ONCE(r->head > r->ring_bytes && r->queue->oldest < r->head - r->ring_bytes);
	WARN_ON_ONCE(r->queue->oldest > r->head);
	/* No record crosses the end of its file, and the rest of a file has room for padding. */
	WARN_ON_ONCE(r->head > r->file_end || r->file_end - r->file_off > r->file_bytes_max);
	WARN_ON_ONCE(r->head != r->file_end && r->file_end - r->head < HPCAP_RECORD_BYTES);
	/* The last record of a lap may extend into the second mapping. */
	WARN_ON_ONCE(r->head < r->lap_off ||
		     r->head - r->lap_off > r->ring_bytes + HPCAP_RECORD_BYTES_MAX);
	for (mask = r->slot_mask; mask; mask &= mask - 1) {
		u32 i = __builtin_ctz(mask);
		const struct hpcap_ring_slot *s = &r->slots[i];

		WARN_ON_ONCE(!s->shared || s->state == HPCAP_SLOT_FREE);
		/* The unread bytes of a lossless listener are not overwritten. */
		WARN_ON_ONCE(hpcap_ring_holds(s) &&
			     (s->read_off > r->published ||
			      r->announced > s->read_off + r->ring_bytes));
	}
}

#else

static inline void hpcap_ring_check(const struct hpcap_ring *r)
{
}

#endif

#endif /* _HPCAP_RING_CHECK_H */
