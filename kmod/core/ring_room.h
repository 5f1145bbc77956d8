/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * Room for a record: what listeners still need, what is announced before it is overwritten, and
 * padding.
 */
#ifndef _HPCAP_RING_ROOM_H
#define _HPCAP_RING_ROOM_H

#include "ring_index.h"
#include "ring_types.h"

/* Bytes announced at a time, so that the shared cache line is not written for every frame. */
#define HPCAP_RING_ANNOUNCE	(64u << 10)

/* Reads what the listeners have acknowledged, and computes `limit` from it. */
static inline void hpcap_ring_refresh(struct hpcap_ring *r)
{
	u64 oldest_needed = U64_MAX;
	u32 mask = r->slot_mask;

	while (mask) {
		u32 i = __builtin_ctz(mask);
		struct hpcap_ring_slot *s = &r->slots[i];
		u64 off, until = r->published;

		mask &= mask - 1;
		if (s->state == HPCAP_SLOT_FINISHED)
			until = s->end_off;
		else if (s->state != HPCAP_SLOT_ACTIVE)
			continue;
		/*
		 * Acquire: the listener's reads of the bytes before this offset are complete, so
		 * the bytes may be overwritten.
		 */
		off = smp_load_acquire(&s->shared->read_off);
		/* Clamped: a listener cannot read unpublished bytes, and cannot go back. */
		off = hpcap_min(hpcap_max(off, s->read_off), until);
		s->read_off = off;
		WRITE_ONCE(r->queue->listeners[i].read_off, off);
		if (hpcap_ring_holds(s))
			oldest_needed = hpcap_min(oldest_needed, off);
	}
	r->limit = oldest_needed == U64_MAX ? U64_MAX : oldest_needed + r->ring_bytes;
}

/* Makes room for n bytes at the head, and announces them. Does not look at the end of the file. */
static inline int hpcap_ring_room(struct hpcap_ring *r, u64 n)
{
	u64 end = r->head + n;

	while (unlikely(r->head - r->lap_off >= r->ring_bytes))
		r->lap_off += r->ring_bytes;
	if (end > r->limit || r->full) {
		hpcap_ring_refresh(r);
		/* Once the ring was full, more must be free than one record needs. */
		if (end > r->limit || (r->full && end + r->resume_bytes > r->limit)) {
			r->full = 1;
			return -ENOSPC;
		}
		r->full = 0;
	}
	if (end > r->announced) {
		r->announced = hpcap_min(hpcap_max(end, r->head + HPCAP_RING_ANNOUNCE),
					 r->limit);
		if (r->announced > r->ring_bytes &&
		    r->announced - r->ring_bytes > r->queue->oldest)
			WRITE_ONCE(r->queue->oldest, r->announced - r->ring_bytes);
		/* Announces the bytes before they are overwritten. */
		smp_wmb();
	}
	if (r->head >= r->next_block)
		hpcap_ring_open_block(r);
	return 0;
}

/* Moves the head behind the record that was written, and recomputes fast_end. */
static inline void hpcap_ring_placed(struct hpcap_ring *r, u64 n)
{
	r->head += n;
	if (r->head > r->next_block)
		hpcap_ring_open_block(r);
	if (r->unstamped || r->gap_due || r->header_due || r->full) {
		r->fast_end = 0;
		return;
	}
	r->fast_end = hpcap_min(hpcap_min(r->file_end - r->tail, r->announced),
				hpcap_min(r->lap_off + r->ring_bytes, r->next_block));
}

/* Writes padding of n bytes, header included: a tag of `tag_bytes` bytes, then zeroes. */
static inline int hpcap_ring_pad(struct hpcap_ring *r, u64 n, const void *tag, u64 tag_bytes)
{
	struct hpcap_record rec = {
		.caplen = (u16)(n - HPCAP_RECORD_BYTES),
		.len = (u16)(n - HPCAP_RECORD_BYTES),
	};
	u8 *to;

	if (hpcap_ring_room(r, n))
		return -ENOSPC;
	to = hpcap_ring_at(r, r->head);
	memcpy(to, &rec, sizeof(rec));
	to += sizeof(rec);
	if (tag_bytes)
		memcpy(to, tag, tag_bytes);
	memset(to + tag_bytes, 0, n - sizeof(rec) - tag_bytes);
	hpcap_ring_placed(r, n);
	return 0;
}

static inline void hpcap_ring_tag(struct hpcap_tag *tag, u32 type, u32 bytes)
{
	tag->magic = HPCAP_TAG_MAGIC;
	tag->type = (u16)type;
	tag->version = HPCAP_TAG_VERSION;
	tag->bytes = bytes;
}

#endif /* _HPCAP_RING_ROOM_H */
