/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/* The block index of a queue: an entry is opened when the producer reaches its block. */
#ifndef _HPCAP_RING_INDEX_H
#define _HPCAP_RING_INDEX_H

#include "ring_types.h"

static inline struct hpcap_block *hpcap_ring_entry(struct hpcap_ring *r, u64 block)
{
	return &r->index[block % r->queue->index_entries];
}

/*
 * Returns the ledger as the stream before the head contains it: without the losses of the gap
 * record that is still to be written.
 */
static inline struct hpcap_count hpcap_ring_told(const struct hpcap_ring *r, u32 reason)
{
	struct hpcap_count told = r->ledger[reason];

	told.frames -= r->gap[reason].frames;
	told.bytes -= r->gap[reason].bytes;
	return told;
}

/* Notes the time of the first frame that starts in the current block. */
static inline void hpcap_ring_first_time(struct hpcap_ring *r, u64 ns)
{
	r->unstamped = 0;
	r->earliest_ns = ns;
	r->latest_ns = ns;
	WRITE_ONCE(r->entry->earliest_ns, ns);
	WRITE_ONCE(r->entry->latest_ns, ns);
	WRITE_ONCE(r->entry->first_ns, ns);
}

/*
 * Notes a time before the time of the previous frame. While times only rise, the last frame is the
 * latest one, and nothing has to be noted. The previous frame can be in the block before; then
 * hpcap_ring_first_time() follows and overwrites what is noted here.
 */
static inline void hpcap_ring_time_went_back(struct hpcap_ring *r, u64 ns)
{
	r->latest_ns = hpcap_max(r->latest_ns, r->last_ns);
	r->earliest_ns = hpcap_min(r->earliest_ns, ns);
}

/* Writes the times of the frames placed so far to the current block's index entry. */
static inline void hpcap_ring_write_times(struct hpcap_ring *r)
{
	if (r->unstamped)
		return;
	WRITE_ONCE(r->entry->earliest_ns, r->earliest_ns);
	WRITE_ONCE(r->entry->latest_ns, hpcap_max(r->latest_ns, r->last_ns));
}

/* Opens the index entry of the block that the head has reached. */
static inline void hpcap_ring_open_block(struct hpcap_ring *r)
{
	u64 block = r->head / r->block_bytes;
	struct hpcap_block *entry = hpcap_ring_entry(r, block);
	u32 i;

	/* The block that ends here gets its final times. */
	hpcap_ring_write_times(r);
	WRITE_ONCE(entry->block, HPCAP_NO_BLOCK);
	/* Marks the entry as invalid before it changes. */
	smp_wmb();
	WRITE_ONCE(entry->first_off, r->head);
	WRITE_ONCE(entry->first_ns, 0);
	WRITE_ONCE(entry->earliest_ns, 0);
	WRITE_ONCE(entry->latest_ns, 0);
	WRITE_ONCE(entry->file_off, r->file_off);
	for (i = 0; i < HPCAP_LEDGER_REASONS; i++) {
		struct hpcap_count told = hpcap_ring_told(r, i);

		WRITE_ONCE(entry->ledger[i].frames, told.frames);
		WRITE_ONCE(entry->ledger[i].bytes, told.bytes);
	}
	WRITE_ONCE(entry->frames_cut, r->frames_cut);
	WRITE_ONCE(entry->times_adjusted, r->times_adjusted);
	/* Marks the entry as valid after it has changed. */
	smp_store_release(&entry->block, block);
	r->entry = entry;
	r->unstamped = 1;
	r->next_block = (block + 1) * r->block_bytes;
}

#endif /* _HPCAP_RING_INDEX_H */
