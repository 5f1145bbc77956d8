/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/* The files of the stream: their headers, gaps and ends, and the listeners that wait for one. */
#ifndef _HPCAP_RING_FILE_H
#define _HPCAP_RING_FILE_H

#include "ring_room.h"

/*
 * Age of a file before it may end on request. Every recorder stores the padding behind such an
 * end, so the age limits how much padding requests cause. A file of less than half a block, which
 * would be padding for the most part, must be 10 times as old. A request of a lossy listener
 * multiplies the age by 10 as well.
 */
#define HPCAP_RING_FILE_NS	(100ull * 1000 * 1000)

static inline u64 hpcap_ring_header_bytes(const struct hpcap_ring *r)
{
	return r->plain ? 0 : HPCAP_RECORD_BYTES + sizeof(r->header);
}

static inline int hpcap_ring_write_header(struct hpcap_ring *r)
{
	struct hpcap_file_header *h = &r->header;
	u32 i;

	h->stream_off = r->head;
	h->start_ns = r->wall_ns;
	h->caplen = READ_ONCE(r->queue->caplen);
	h->file_number = r->queue->file_number;
	for (i = 0; i < HPCAP_LEDGER_REASONS; i++)
		h->ledger[i] = hpcap_ring_told(r, i);
	r->header_due = 0;
	if (hpcap_ring_pad(r, hpcap_ring_header_bytes(r), h, sizeof(*h))) {
		r->header_due = 1;
		return -ENOSPC;
	}
	return 0;
}

/* Whether the current file has no frame yet, so that a recorder may start at its first byte. */
static inline int hpcap_ring_file_is_fresh(const struct hpcap_ring *r)
{
	return r->head == r->file_off ||
	       (!r->header_due && r->head == r->file_off + hpcap_ring_header_bytes(r));
}

/* Activates listener i, which starts at the moment `start`. */
static inline void hpcap_ring_grant(struct hpcap_ring *r, u32 i, const struct hpcap_moment *start)
{
	struct hpcap_ring_slot *s = &r->slots[i];
	struct hpcap_listener *l = &r->queue->listeners[i];
	u64 off = start->off;

	s->read_off = off;
	s->state = HPCAP_SLOT_ACTIVE;
	s->shared->start = *start;
	WRITE_ONCE(s->shared->read_off, off);
	WRITE_ONCE(l->read_off, off);
	WRITE_ONCE(l->start_off, off);
	WRITE_ONCE(l->start_frames, start->ledger[HPCAP_CAPTURED].frames);
	WRITE_ONCE(l->start_bytes, start->ledger[HPCAP_CAPTURED].bytes);
	/* Whoever sees the listener active sees its start. */
	smp_store_release(&l->state, HPCAP_SLOT_ACTIVE);
	r->listeners++;
	/* A new lossless listener may hold more than the others. */
	if (hpcap_ring_holds(s))
		r->limit = hpcap_min(r->limit, off + r->ring_bytes);
	r->fast_end = 0;
}

/* Activates listener i at `off`: the head, or an offset with nothing but tags before the head. */
static inline void hpcap_ring_grant_here(struct hpcap_ring *r, u32 i, u64 off)
{
	struct hpcap_moment here = {
		.off = off,
		.frames_cut = r->frames_cut,
		.times_adjusted = r->times_adjusted,
	};
	u32 reason;

	for (reason = 0; reason < HPCAP_LEDGER_REASONS; reason++)
		here.ledger[reason] = hpcap_ring_told(r, reason);
	hpcap_ring_grant(r, i, &here);
}

/* Starts a file at the head, and activates the listeners that waited for one. */
static inline void hpcap_ring_start_file(struct hpcap_ring *r)
{
	u32 mask = r->slot_mask;

	r->file_off = r->head;
	r->file_end = r->head + r->file_bytes_max;
	r->header_due = !r->plain;
	r->file_wanted = 0;
	r->file_ns = r->clock_ns;
	r->file_frames = r->ledger[HPCAP_CAPTURED].frames;
	r->fast_end = 0;
	/* The queue's first file starts at start_off and has number 0. */
	if (r->file_off != r->queue->start_off)
		WRITE_ONCE(r->queue->file_number, r->queue->file_number + 1);
	WRITE_ONCE(r->queue->file_off, r->file_off);
	while (mask) {
		u32 i = __builtin_ctz(mask);

		mask &= mask - 1;
		if (r->slots[i].state == HPCAP_SLOT_STARTING)
			hpcap_ring_grant_here(r, i, r->file_off);
	}
}

#define HPCAP_RING_GAP_BYTES	(HPCAP_RECORD_BYTES + sizeof(struct hpcap_gap))

/* Writes a gap record with the losses since the previous gap record. */
static inline int hpcap_ring_write_gap(struct hpcap_ring *r)
{
	struct hpcap_gap gap;

	if (hpcap_ring_room(r, HPCAP_RING_GAP_BYTES))
		return -ENOSPC;
	hpcap_ring_tag(&gap.tag, HPCAP_TAG_GAP, sizeof(gap));
	gap.from_ns = r->last_ns;
	gap.until_ns = r->next_ns ? r->next_ns : r->wall_ns;
	gap.flags = r->next_ns ? 0 : HPCAP_GAP_OPEN;
	memcpy(gap.lost, r->gap, sizeof(gap.lost));
	/* Cleared before it is placed: a block that opens behind the record counts these losses. */
	memset(r->gap, 0, sizeof(r->gap));
	r->gap_due = 0;
	hpcap_ring_pad(r, HPCAP_RING_GAP_BYTES, &gap, sizeof(gap));
	WRITE_ONCE(r->queue->gaps, r->queue->gaps + 1);
	return 0;
}

/*
 * Takes one step towards the end of the file: writes at most one large record, so that every step
 * is short. The last step starts the next file.
 */
static inline int hpcap_ring_end_file_step(struct hpcap_ring *r)
{
	u64 left = r->file_end - r->head;
	u64 rest = r->tail;	/* least bytes to leave for the next step, unless none are left */
	u64 n;

	/* The missing frames are missing from the file that ends. */
	if (r->gap_due && left >= HPCAP_RING_GAP_BYTES + rest)
		return hpcap_ring_write_gap(r);
	if (!r->plain && left >= rest && left <= rest + HPCAP_RECORD_BYTES_MAX) {
		struct hpcap_ledger_tag tag;

		hpcap_ring_tag(&tag.tag, HPCAP_TAG_LEDGER, sizeof(tag));
		tag.end_ns = r->wall_ns;
		memcpy(tag.ledger, r->ledger, sizeof(tag.ledger));
		tag.frames_cut = r->frames_cut;
		tag.times_adjusted = r->times_adjusted;
		if (hpcap_ring_pad(r, HPCAP_RECORD_BYTES + sizeof(tag), &tag, sizeof(tag)))
			return -ENOSPC;
		left = r->file_end - r->head;
		rest = HPCAP_RECORD_BYTES;
	}
	n = hpcap_min(left, HPCAP_RECORD_BYTES_MAX);
	if (left > n && left - n < rest)
		n = left - rest;
	if (hpcap_ring_pad(r, n, NULL, 0))
		return -ENOSPC;
	if (r->head == r->file_end)
		hpcap_ring_start_file(r);
	return 0;
}

/* Ends the current file at the next edge of a block that leaves room for the file's tail. */
static inline void hpcap_ring_want_file(struct hpcap_ring *r)
{
	if (r->file_wanted)
		return;
	r->file_wanted = 1;
	r->file_end = hpcap_min(r->file_end,
				hpcap_round_up(r->head + r->tail, r->block_bytes));
	r->fast_end = 0;
}

/* Whether the current file is old enough to end for a listener with this contract. */
static inline int hpcap_ring_may_end_file(const struct hpcap_ring *r, u32 contract)
{
	u64 age_ns = HPCAP_RING_FILE_NS;

	if (r->head - r->file_off < r->block_bytes / 2)
		age_ns *= 10;
	if (contract != HPCAP_LOSSLESS)
		age_ns *= 10;
	return r->clock_ns - r->file_ns >= age_ns;
}

/*
 * Ends the current file when active listener i requests a new one. The request of a lossy listener
 * counts only when the listener was overrun: otherwise it can go on where it is.
 */
static inline void hpcap_ring_serve_file_request(struct hpcap_ring *r, u32 i)
{
	struct hpcap_ring_slot *s = &r->slots[i];
	u32 file_seq = READ_ONCE(s->shared->file_seq);

	if (file_seq == s->file_seq || s->state != HPCAP_SLOT_ACTIVE)
		return;
	if (s->contract != HPCAP_LOSSLESS && s->read_off >= r->queue->oldest) {
		s->file_seq = file_seq;
		return;
	}
	if (!hpcap_ring_may_end_file(r, s->contract))
		return;
	s->file_seq = file_seq;
	/* Does not end a file without frames. */
	if (r->ledger[HPCAP_CAPTURED].frames != r->file_frames)
		hpcap_ring_want_file(r);
}

#endif /* _HPCAP_RING_FILE_H */
