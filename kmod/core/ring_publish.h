/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/* Shows the listeners what was written. */
#ifndef _HPCAP_RING_PUBLISH_H
#define _HPCAP_RING_PUBLISH_H

#include "ring_index.h"

static inline void hpcap_ring_publish_ledger(struct hpcap_ring *r)
{
	struct hpcap_queue *q = r->queue;
	u64 seq = q->ledger_seq;
	u32 i;

	WRITE_ONCE(q->ledger_seq, seq + 1);
	/* The sequence is odd before the ledger changes. */
	smp_wmb();
	for (i = 0; i < HPCAP_LEDGER_REASONS; i++) {
		WRITE_ONCE(q->ledger[i].frames, r->ledger[i].frames);
		WRITE_ONCE(q->ledger[i].bytes, r->ledger[i].bytes);
	}
	WRITE_ONCE(q->frames_cut, r->frames_cut);
	WRITE_ONCE(q->times_adjusted, r->times_adjusted);
	WRITE_ONCE(q->published_frames, r->ledger[HPCAP_CAPTURED].frames);
	WRITE_ONCE(q->ledger_off, r->published);
	/* The sequence is even again after the ledger has changed. */
	smp_store_release(&q->ledger_seq, seq + 2);
	r->dirty = 0;
}

/* Publishes everything written so far. */
static inline void hpcap_ring_publish(struct hpcap_ring *r)
{
	if (r->head != r->published) {
		hpcap_ring_write_times(r);
		r->published = r->head;
		/* All bytes are written before they are published. */
		smp_store_release(&r->queue->published, r->head);
		r->dirty = 1;
	}
	if (r->dirty)
		hpcap_ring_publish_ledger(r);
}

#endif /* _HPCAP_RING_PUBLISH_H */
