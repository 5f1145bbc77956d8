/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/* Copies frames into the ring, and accounts for frames that are not in it. */
#ifndef _HPCAP_RING_FRAME_H
#define _HPCAP_RING_FRAME_H

#include "ring_file.h"

/* ------------------------------------------------------------------ accounting */

/*
 * Accounts for frames that are not in the stream. A gap record tells the losses before the next
 * frame, unless the ring does not capture: frames lost then are missing from no recording.
 */
static inline void hpcap_ring_account(struct hpcap_ring *r, u32 reason, u64 frames, u64 bytes)
{
	r->ledger[reason].frames += frames;
	r->ledger[reason].bytes += bytes;
	r->dirty = 1;
	if (reason < HPCAP_RING_FULL || !hpcap_ring_captures(r) || r->plain)
		return;
	if (!r->gap_due)
		r->gap_ns = r->clock_ns;
	r->gap[reason].frames += frames;
	r->gap[reason].bytes += bytes;
	r->gap_due = 1;
	r->fast_end = 0;
}

/* ---------------------------------------------------------------------- frames */

#define HPCAP_RING_MARK_BYTES	(HPCAP_RECORD_BYTES + sizeof(struct hpcap_tag))

/* Writes the tag before a duplicate, only when its record of n bytes has room behind the tag. */
static inline int hpcap_ring_write_mark(struct hpcap_ring *r, u64 n)
{
	struct hpcap_tag tag;

	if (hpcap_ring_room(r, HPCAP_RING_MARK_BYTES + n))
		return -ENOSPC;
	r->mark_due = 0;
	hpcap_ring_tag(&tag, HPCAP_TAG_DUPLICATE, sizeof(tag));
	return hpcap_ring_pad(r, HPCAP_RING_MARK_BYTES, &tag, sizeof(tag));
}

/* Writes the tag before a sent frame, when there is room for all n bytes, frame included. */
static inline int hpcap_ring_write_sent(struct hpcap_ring *r, u64 n)
{
	struct hpcap_tag tag;

	if (hpcap_ring_room(r, n))
		return -ENOSPC;
	r->sent_due = 0;
	hpcap_ring_tag(&tag, HPCAP_TAG_SENT, sizeof(tag));
	return hpcap_ring_pad(r, HPCAP_RING_MARK_BYTES, &tag, sizeof(tag));
}

#define HPCAP_RING_ALTERED_BYTES	(HPCAP_RECORD_BYTES + sizeof(struct hpcap_altered))

/* Writes the tag before an altered frame, when there is room for all n bytes, frame included. */
static inline int hpcap_ring_write_altered(struct hpcap_ring *r, u64 n)
{
	if (hpcap_ring_room(r, n))
		return -ENOSPC;
	r->altered_due = 0;
	return hpcap_ring_pad(r, HPCAP_RING_ALTERED_BYTES, &r->altered, sizeof(r->altered));
}

/* Writes the tags and file ends that must precede a record of n bytes, and makes room for it. */
static inline int hpcap_ring_prepare(struct hpcap_ring *r, u64 n)
{
	for (;;) {
		u64 next = n;
		int err;

		/* The tags of a frame must be in the same file as the frame. */
		if (r->gap_due)
			next = HPCAP_RING_GAP_BYTES;
		else
			next += (r->sent_due ? HPCAP_RING_MARK_BYTES : 0) +
				(r->altered_due ? HPCAP_RING_ALTERED_BYTES : 0) +
				(r->mark_due ? HPCAP_RING_MARK_BYTES : 0);

		if (r->header_due)
			err = hpcap_ring_write_header(r);
		else if (r->head + next + r->tail > r->file_end)
			err = hpcap_ring_end_file_step(r);
		else if (r->gap_due)
			err = hpcap_ring_write_gap(r);
		else if (r->sent_due)
			err = hpcap_ring_write_sent(r, next);
		else if (r->altered_due)
			err = hpcap_ring_write_altered(r, next);
		else if (r->mark_due)
			err = hpcap_ring_write_mark(r, n);
		else
			return hpcap_ring_room(r, n);
		if (err)
			return err;
	}
}

/* Whether no record can hold the frame's time: zero means padding, and seconds have 32 bits. */
static inline int hpcap_ring_time_is_odd(const struct hpcap_frame *f)
{
	return f->sec >> 32 || !(f->sec | f->nsec) || f->nsec >= HPCAP_NS_PER_S;
}

/* Sets the time of a record to the nearest one that it can hold. */
static inline void hpcap_ring_adjust_time(struct hpcap_record *rec, const struct hpcap_frame *f)
{
	if (f->sec > 0xffffffffu) {
		rec->sec = 0xffffffffu;
		rec->nsec = HPCAP_NS_PER_S - 1;
	} else if (f->nsec >= HPCAP_NS_PER_S) {
		rec->nsec = HPCAP_NS_PER_S - 1;
	} else {
		rec->nsec = 1;
	}
}

/*
 * Adjusts time and length of a record to what a record can hold. A tag before the record tells the
 * original values, and hpcap_ring_count_altered() counts the change.
 */
static inline void hpcap_ring_alter(struct hpcap_ring *r, struct hpcap_record *rec,
				    const struct hpcap_frame *f)
{
	u32 len = f->len < f->caplen ? f->caplen : f->len;
	int odd = hpcap_ring_time_is_odd(f);

	if (odd)
		hpcap_ring_adjust_time(rec, f);
	rec->len = len > HPCAP_CAPLEN_MAX ? HPCAP_CAPLEN_MAX : (u16)len;
	if ((!odd && len <= HPCAP_CAPLEN_MAX) || r->plain)
		return;
	hpcap_ring_tag(&r->altered.tag, HPCAP_TAG_ALTERED, sizeof(r->altered));
	r->altered.sec = f->sec;
	r->altered.nsec = f->nsec;
	r->altered.len = len;
	r->altered_due = 1;
	r->fast_end = 0;
}

/* Counts the changes that hpcap_ring_alter() made, once the frame is placed. */
static inline void hpcap_ring_count_altered(struct hpcap_ring *r, const struct hpcap_frame *f)
{
	r->times_adjusted += hpcap_ring_time_is_odd(f);
	r->frames_cut += f->len > HPCAP_CAPLEN_MAX || f->caplen > HPCAP_CAPLEN_MAX;
}

/*
 * Copies one frame into the ring. Listeners see it after hpcap_ring_publish().
 *
 * Returns 0, or -ENOSPC when a lossless listener holds the ring back: the caller tries again
 * later, or accounts for the frame as HPCAP_RING_FULL.
 */
static inline int hpcap_ring_push(struct hpcap_ring *r, const struct hpcap_frame *f)
{
	u32 caplen = f->caplen < r->caplen ? f->caplen : r->caplen;
	struct hpcap_record rec = {
		.sec = (u32)f->sec,
		.nsec = f->nsec,
		.caplen = (u16)caplen,
		.len = (u16)f->len,
	};
	u64 n = HPCAP_RECORD_BYTES + caplen, ns;
	int odd = f->len > HPCAP_CAPLEN_MAX || f->len < f->caplen || hpcap_ring_time_is_odd(f);
	int slow;
	u8 *to;

	if (unlikely(odd))
		hpcap_ring_alter(r, &rec, f);
	if (unlikely(f->flags & HPCAP_FRAME_SENT) && !r->plain) {
		r->sent_due = 1;
		r->fast_end = 0;
	}
	ns = rec.sec * HPCAP_NS_PER_S + rec.nsec;
	slow = r->head + n > r->fast_end;
	if (unlikely(slow)) {
		int err;

		r->next_ns = ns;
		err = hpcap_ring_prepare(r, n);
		r->next_ns = 0;
		r->sent_due = 0;
		r->altered_due = 0;
		if (err)
			return err;
	}
	to = hpcap_ring_at(r, r->head);
	memcpy(to, &rec, sizeof(rec));
	hpcap_copy(to + sizeof(rec), f->data, caplen);
	if (unlikely(ns < r->last_ns))
		hpcap_ring_time_went_back(r, ns);
	r->last_ns = ns;
	/* Counted before it is placed: a block that opens behind the frame counts it. */
	r->ledger[HPCAP_CAPTURED].frames++;
	r->ledger[HPCAP_CAPTURED].bytes += rec.len;
	if (unlikely(odd))
		hpcap_ring_count_altered(r, f);
	if (unlikely(slow)) {
		if (r->unstamped)
			hpcap_ring_first_time(r, ns);
		hpcap_ring_placed(r, n);
	} else {
		r->head += n;
	}
	return 0;
}

/*
 * Pushes up to n frames, and returns how many were taken. That is less than n only when the ring
 * is full; the frames that were not taken are not accounted for. When the ring does not capture,
 * all frames are taken, and accounted for as HPCAP_NO_LISTENER.
 */
static inline u32 hpcap_ring_push_batch(struct hpcap_ring *r, const struct hpcap_frame *f, u32 n)
{
	u32 i;

	if (unlikely(!hpcap_ring_captures(r))) {
		u64 bytes = 0;

		for (i = 0; i < n; i++)
			bytes += f[i].len;
		hpcap_ring_account(r, HPCAP_NO_LISTENER, n, bytes);
		return n;
	}
	for (i = 0; i < n; i++) {
		/* Loads a later frame from the NIC's memory while this one is copied. */
		if (i + 4 < n)
			__builtin_prefetch(f[i + 4].data);
		if (hpcap_ring_push(r, &f[i]))
			break;
	}
	return i;
}

/*
 * Pushes a duplicate of an earlier frame as hpcap_ring_push() does, with a tag before it that says
 * so. A plain stream has no tags.
 */
static inline int hpcap_ring_push_duplicate(struct hpcap_ring *r, const struct hpcap_frame *f)
{
	int err;

	if (r->plain)
		return hpcap_ring_push(r, f);
	r->mark_due = 1;
	r->fast_end = 0;
	err = hpcap_ring_push(r, f);
	r->mark_due = 0;
	if (!err) {
		WRITE_ONCE(r->queue->duplicates_marked, r->queue->duplicates_marked + 1);
		r->dirty = 1;
	}
	return err;
}

/* As hpcap_ring_push_batch(); frame i is a duplicate when marks[i] is not 0. */
static inline u32 hpcap_ring_push_marked(struct hpcap_ring *r, const struct hpcap_frame *f,
					 const u8 *marks, u32 n)
{
	u32 i;

	if (unlikely(!hpcap_ring_captures(r)))
		return hpcap_ring_push_batch(r, f, n);
	for (i = 0; i < n; i++) {
		if (i + 4 < n)
			__builtin_prefetch(f[i + 4].data);
		if (marks[i] ? hpcap_ring_push_duplicate(r, &f[i]) : hpcap_ring_push(r, &f[i]))
			break;
	}
	return i;
}

#endif /* _HPCAP_RING_FRAME_H */
