/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * The producer of a queue: it places frames in the ring, publishes them to the listeners, and
 * accounts for frames that are not in the ring.
 *
 * A queue has one producer. One thread at a time calls these functions, so they take no lock. Other
 * parties change only struct hpcap_slot meanwhile. It is read with READ_ONCE() and
 * smp_load_acquire(), and an acknowledged offset is clamped between the offset before it and what
 * was published.
 *
 * This file makes no kernel calls: the module includes it, and the userspace engine compiles it.
 *
 * Rules of the stream (uapi/hpcap.h):
 *
 * - A record never crosses the end of a file. A file ends at the edge of a block. Padding, at
 *   least its header, fills the rest of a file; `tail` bytes are kept free for it.
 * - A byte is announced (`oldest`) before it is overwritten, and published only after it
 *   is written.
 * - A lossless listener's unread bytes are never overwritten (`limit`).
 *
 * The fast path of a frame is one comparison: `fast_end` is the smallest of all limits that a
 * record must not cross before hpcap_ring_prepare() has run, and 0 when something must be written
 * or updated before the next record.
 */
#ifndef _HPCAP_RING_H
#define _HPCAP_RING_H

#include "frame.h"
#include "platform.h"
#include <hpcap.h>

/* Bytes announced at a time, so that the shared cache line is not written for every frame. */
#define HPCAP_RING_ANNOUNCE	(64u << 10)

/* Shortest time between two wake-ups of a listener. */
#define HPCAP_RING_WAKE_NS	(50u * 1000)

/*
 * Age of a file before it may end on request. Every recorder stores the padding behind such an
 * end, so the age limits how much padding requests cause. A file of less than half a block, which
 * would be padding for the most part, must be 10 times as old. A request of a lossy listener
 * multiplies the age by 10 as well.
 */
#define HPCAP_RING_FILE_NS	(100ull * 1000 * 1000)

/* Longest time that a gap waits for the next frame before it is written. */
#define HPCAP_RING_GAP_NS	(500ull * 1000 * 1000)

#define HPCAP_NS_PER_S		1000000000ull

/* The producer's private state of a listener. */
struct hpcap_ring_slot {
	struct hpcap_slot *shared;	/* NULL: the slot is free */
	u64 read_off;		/* last acknowledged offset, clamped to what is published */
	u64 max_stall_ns;	/* 0: without limit */
	u64 stalled_ns;		/* clock when it began to hold the ring back; 0: it does not */
	u64 woken_ns;		/* clock of the last wake-up */
	u64 end_off;		/* stream offset where a finished listener ends */
	u32 file_seq;		/* value of shared->file_seq that was handled last */
	u32 state;
	u32 contract;
};

struct hpcap_ring {
	/* These fields are used for every frame. */
	u8 *base;		/* start of the double mapping */
	u64 head;		/* stream offset of the next byte */
	u64 fast_end;		/* no record crosses it without hpcap_ring_prepare() */
	u64 lap_off;		/* stream offset of base[0] in this lap */
	u32 caplen;		/* capture length; never 0 here */
	u32 listeners;		/* number of active listeners */
	struct hpcap_count ledger[HPCAP_LEDGER_REASONS];
	u64 last_ns;		/* time of the last frame; 0: none */
	u32 dirty;		/* the ledger changed since it was published */

	/* These fields are used less often. */
	u64 limit;		/* first byte that a lossless listener still needs, + ring_bytes */
	u64 announced;		/* bytes before this offset may be written: `oldest` + ring_bytes */
	u64 next_block;		/* stream offset where the next block starts */
	u64 file_off;
	u64 file_end;
	u64 published;
	u64 ring_bytes;
	u64 block_bytes;
	u64 file_bytes_max;
	u64 resume_bytes;	/* extra room that must be free after the ring was full */
	u64 clock_ns;		/* monotonic time of the last hpcap_ring_service() */
	u64 wall_ns;		/* wall-clock time of the last hpcap_ring_service() */
	u64 file_ns;		/* clock_ns when the current file was started */
	u64 file_frames;	/* frames captured before the current file */
	u64 gap_ns;		/* clock_ns when the gap that is due began */
	u64 frames_cut;
	u64 times_adjusted;
	u64 next_ns;		/* time of the frame that is being placed; 0: there is none */
	struct hpcap_queue *queue;
	struct hpcap_block *index;
	struct hpcap_block *entry;	/* entry of the block that contains the last record */
	u64 earliest_ns;	/* earliest time of a frame that starts in this block */
	u64 latest_ns;		/* latest time in this block before the clock last went back */
	u32 slot_mask;		/* a bit for each slot in use */
	u32 tail;		/* bytes kept free before the end of a file */
	u8 unstamped;		/* the current block has no frame yet */
	u8 header_due;		/* the current file has no header yet */
	u8 gap_due;
	u8 mark_due;		/* a tag must mark the next frame as a duplicate */
	u8 altered_due;		/* a tag must say that the next frame is stored altered */
	u8 full;		/* the last record found no room */
	u8 file_wanted;		/* a listener has asked for a new file */
	u8 wake_late;		/* a wake-up was rate-limited: service again after WAKE_NS */
	u8 look_back;
	u8 plain;
	struct hpcap_count gap[HPCAP_REASONS];
	struct hpcap_ring_slot slots[HPCAP_SLOTS];
	struct hpcap_file_header header;
	struct hpcap_altered altered;
};

static inline u64 hpcap_min(u64 a, u64 b)
{
	return a < b ? a : b;
}

static inline u64 hpcap_max(u64 a, u64 b)
{
	return a > b ? a : b;
}

static inline u64 hpcap_round_up(u64 value, u64 step)
{
	return (value + step - 1) / step * step;
}

/* Returns the address of a stream offset, which is in [lap_off, lap_off + 2 * ring_bytes). */
static inline u8 *hpcap_ring_at(struct hpcap_ring *r, u64 off)
{
	return r->base + (off - r->lap_off);
}

/* ----------------------------------------------------------------- block index */

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

/* ------------------------------------------------------------------ listeners */

/* Whether frames go into the ring: a listener is attached, or may look back later. */
static inline int hpcap_ring_captures(const struct hpcap_ring *r)
{
	return r->listeners || r->look_back;
}

/* Whether the listener's unread bytes must stay; for a finished listener, those before its end. */
static inline int hpcap_ring_holds(const struct hpcap_ring_slot *s)
{
	return s->contract == HPCAP_LOSSLESS &&
	       (s->state == HPCAP_SLOT_ACTIVE ||
		(s->state == HPCAP_SLOT_FINISHED && s->read_off < s->end_off));
}

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

/* -------------------------------------------------------------------- placing */

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

/* ---------------------------------------------------------------------- files */

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
			next += (r->mark_due ? HPCAP_RING_MARK_BYTES : 0) +
				(r->altered_due ? HPCAP_RING_ALTERED_BYTES : 0);

		if (r->header_due)
			err = hpcap_ring_write_header(r);
		else if (r->head + next + r->tail > r->file_end)
			err = hpcap_ring_end_file_step(r);
		else if (r->gap_due)
			err = hpcap_ring_write_gap(r);
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
	ns = rec.sec * HPCAP_NS_PER_S + rec.nsec;
	slow = r->head + n > r->fast_end;
	if (unlikely(slow)) {
		int err;

		r->next_ns = ns;
		err = hpcap_ring_prepare(r, n);
		r->next_ns = 0;
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

/* ------------------------------------------------------------------- publishing */

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

/* -------------------------------------------------------- listeners coming and going */

/*
 * Finds the oldest record that a listener can start at: the first record of the oldest block whose
 * first record is not overwritten. Returns its index entry, or NULL.
 */
static inline const struct hpcap_block *hpcap_ring_oldest(const struct hpcap_ring *r)
{
	u64 oldest = hpcap_max(r->queue->oldest, r->queue->start_off);
	u64 block = oldest / r->block_bytes;

	for (; block * r->block_bytes < r->head; block++) {
		const struct hpcap_block *e = &r->index[block % r->queue->index_entries];

		if (e->block == block && e->first_off >= oldest)
			return e;
	}
	return NULL;
}

/*
 * Attaches a listener. The caller has initialised its page `shared`, and the fields id, contract,
 * max_stall_ns, attached_ns, pid, uid and name of `l`.
 *
 * Returns the slot's index, or -EUSERS when all slots are taken. The listener is active at once
 * (HPCAP_SLOT_ACTIVE), or once a file has started (HPCAP_SLOT_STARTING until then).
 */
static inline int hpcap_ring_attach(struct hpcap_ring *r, struct hpcap_slot *shared,
				    const struct hpcap_listener *l, u32 start)
{
	struct hpcap_ring_slot *s;
	const struct hpcap_block *e;
	struct hpcap_moment old;
	u32 i;

	if (r->slot_mask == 0xffffffffu)
		return -EUSERS;
	i = __builtin_ctz(~r->slot_mask);
	s = &r->slots[i];
	s->shared = shared;
	s->max_stall_ns = l->max_stall_ns;
	s->stalled_ns = 0;
	s->woken_ns = 0;
	s->file_seq = READ_ONCE(shared->file_seq);
	s->state = HPCAP_SLOT_STARTING;
	s->contract = l->contract;
	r->queue->listeners[i] = *l;
	/* Whoever sees that the slot is taken sees the other fields of the listener. */
	smp_store_release(&r->queue->listeners[i].state, HPCAP_SLOT_STARTING);
	r->slot_mask |= 1u << i;

	switch (start) {
	case HPCAP_START_FILE:
		if (hpcap_ring_file_is_fresh(r) && r->file_off >= r->queue->oldest)
			hpcap_ring_grant_here(r, i, r->file_off);
		else if (hpcap_ring_may_end_file(r, s->contract))
			hpcap_ring_want_file(r);
		/* Otherwise hpcap_ring_service() requests the file, once it may end. */
		break;
	case HPCAP_START_OLDEST:
		e = hpcap_ring_oldest(r);
		if (e) {
			old.off = e->first_off;
			memcpy(old.ledger, e->ledger, sizeof(old.ledger));
			old.frames_cut = e->frames_cut;
			old.times_adjusted = e->times_adjusted;
			hpcap_ring_grant(r, i, &old);
			break;
		}
		fallthrough;
	default:
		/* The listener's start is behind the gap record of earlier losses. */
		if (r->gap_due)
			hpcap_ring_prepare(r, 0);
		hpcap_ring_grant_here(r, i, r->head);
		break;
	}
	return (int)i;
}

/* Recomputes the number of listeners and `limit`, after a listener released the ring. */
static inline void hpcap_ring_released(struct hpcap_ring *r)
{
	u32 i;

	r->listeners = 0;
	for (i = 0; i < HPCAP_SLOTS; i++)
		r->listeners += r->slots[i].state == HPCAP_SLOT_ACTIVE;
	if (!hpcap_ring_captures(r)) {
		/* The lost frames are missing from no recording. */
		memset(r->gap, 0, sizeof(r->gap));
		r->gap_due = 0;
	}
	hpcap_ring_refresh(r);
	r->fast_end = 0;
}

/*
 * Fixes the end of listener i at what is published now. The listener reads up to its end; later
 * frames are not captured for it. `state` is HPCAP_SLOT_FINISHED, or HPCAP_SLOT_KILLED for a
 * listener that must not hold the ring back any more.
 */
static inline void hpcap_ring_fix_end(struct hpcap_ring *r, u32 i, u32 state)
{
	struct hpcap_ring_slot *s = &r->slots[i];
	struct hpcap_listener *l = &r->queue->listeners[i];
	struct hpcap_slot *shared = s->shared;

	hpcap_ring_publish(r);
	/* A listener that has not started has no end; the end of a finished one does not move. */
	if (s->state == HPCAP_SLOT_ACTIVE) {
		s->end_off = r->published;
		shared->end.off = r->published;
		memcpy(shared->end.ledger, r->ledger, sizeof(r->ledger));
		shared->end.frames_cut = r->frames_cut;
		shared->end.times_adjusted = r->times_adjusted;
		memcpy(shared->untold, r->gap, sizeof(shared->untold));
		WRITE_ONCE(l->end_off, r->published);
	}
	s->state = state;
	/*
	 * The end is in the page before `ended` says so, and `ended` is set before the bytes that
	 * the listener held are overwritten.
	 */
	smp_store_release(&shared->ended, state);
	/* Observers that see the state see the end, too. */
	smp_store_release(&l->state, state);
	hpcap_ring_released(r);
}

/* Frees the slot of a listener that has left. The producer no longer touches its page. */
static inline void hpcap_ring_detach(struct hpcap_ring *r, u32 i)
{
	struct hpcap_listener *l = &r->queue->listeners[i];

	r->slot_mask &= ~(1u << i);
	r->slots[i].shared = NULL;
	r->slots[i].state = HPCAP_SLOT_FREE;
	WRITE_ONCE(l->state, HPCAP_SLOT_FREE);
	WRITE_ONCE(l->id, 0);
	hpcap_ring_released(r);
}

/* Ends listener i, which no longer holds the ring back. It finds out when it reads its slot. */
static inline void hpcap_ring_kill(struct hpcap_ring *r, u32 i)
{
	hpcap_ring_fix_end(r, i, HPCAP_SLOT_KILLED);
}

/* Makes a listener lossy that has held the ring back for too long; the queue page says so. */
static inline void hpcap_ring_demote(struct hpcap_ring *r, u32 i)
{
	r->slots[i].contract = HPCAP_LOSSY;
	WRITE_ONCE(r->queue->listeners[i].demoted_ns, r->wall_ns);
	/* The contract changes before any byte that the listener held is overwritten. */
	smp_store_release(&r->queue->listeners[i].contract, HPCAP_LOSSY);
	hpcap_ring_released(r);
}

/*
 * Ends the queue: nothing more will be published. `state` says why: HPCAP_QUEUE_ENDED,
 * HPCAP_QUEUE_FAILED or HPCAP_QUEUE_STOPPED.
 */
static inline void hpcap_ring_end(struct hpcap_ring *r, u32 state)
{
	u32 i;

	/* The stream tells the last losses too, when it has room for a gap record. */
	if (r->gap_due)
		hpcap_ring_prepare(r, 0);
	hpcap_ring_publish(r);
	for (i = 0; i < HPCAP_SLOTS; i++)
		if (r->slots[i].state == HPCAP_SLOT_ACTIVE)
			hpcap_ring_fix_end(r, i, HPCAP_SLOT_FINISHED);
	/* Everything is published before the state says that the queue has ended. */
	smp_store_release(&r->queue->state, state);
}

/* --------------------------------------------------------------------- service */

/* Notes how long listener i has held back a full ring, and demotes it after max_stall_ns. */
static inline void hpcap_ring_watch_stall(struct hpcap_ring *r, u32 i)
{
	struct hpcap_ring_slot *s = &r->slots[i];
	int blocks = r->full && hpcap_ring_holds(s) &&
		     r->head + r->resume_bytes + HPCAP_RECORD_BYTES_MAX >
			     s->read_off + r->ring_bytes;

	if (!blocks)
		s->stalled_ns = 0;
	else if (!s->stalled_ns)
		s->stalled_ns = r->clock_ns;
	else if (s->max_stall_ns && r->clock_ns - s->stalled_ns >= s->max_stall_ns)
		hpcap_ring_demote(r, i);
}

/* Whether listener i sleeps, and has a reason to wake up. */
static inline int hpcap_ring_must_wake(struct hpcap_ring *r, u32 i)
{
	struct hpcap_ring_slot *s = &r->slots[i];

	if (!READ_ONCE(s->shared->waiting))
		return 0;
	if (READ_ONCE(s->shared->wait_off) > r->published && s->state == HPCAP_SLOT_ACTIVE &&
	    r->queue->state == HPCAP_QUEUE_RUNNING)
		return 0;
	/* The limit keeps a listener that waits again and again from slowing the producer down. */
	if (r->clock_ns - s->woken_ns < HPCAP_RING_WAKE_NS) {
		r->wake_late = 1;
		return 0;
	}
	s->woken_ns = r->clock_ns;
	WRITE_ONCE(s->shared->waiting, 0);
	return 1;
}

/* Whether the listener has asked to be finished. */
static inline int hpcap_ring_wants_end(const struct hpcap_ring_slot *s)
{
	return s->state == HPCAP_SLOT_ACTIVE && READ_ONCE(s->shared->finish);
}

/*
 * Writes the gap that is due when it cannot wait for the next frame: a listener wants to end, or no
 * frame has come for HPCAP_RING_GAP_NS.
 */
static inline void hpcap_ring_close_gap(struct hpcap_ring *r)
{
	int now = r->clock_ns - r->gap_ns >= HPCAP_RING_GAP_NS && !r->file_wanted;
	u32 mask;

	for (mask = r->slot_mask; mask && !now; mask &= mask - 1)
		now = hpcap_ring_wants_end(&r->slots[__builtin_ctz(mask)]);
	if (now)
		hpcap_ring_prepare(r, 0);
}

/*
 * Publishes, works towards a requested file, writes a gap that no frame follows, demotes stalled
 * listeners, and fixes the end of those that request it. `clock_ns` is monotonic, `wall_ns` counts
 * from 1970.
 *
 * The caller calls it after each batch, and about every 10 ms on an idle link; at once again while
 * `file_wanted` is set, and after HPCAP_RING_WAKE_NS when `wake_late` is set.
 *
 * Returns a bit for each slot whose listener sleeps on `waiting`; the caller wakes these.
 */
static inline u32 hpcap_ring_service(struct hpcap_ring *r, u64 clock_ns, u64 wall_ns)
{
	u32 mask, wake = 0;

	r->clock_ns = clock_ns;
	r->wall_ns = wall_ns;
	r->wake_late = 0;
	if (r->file_wanted)
		hpcap_ring_end_file_step(r);
	if (r->gap_due)
		hpcap_ring_close_gap(r);
	hpcap_ring_publish(r);
	if (clock_ns - r->queue->heartbeat_ns > 1000 * 1000) {
		WRITE_ONCE(r->queue->heartbeat_ns, clock_ns);
		if (r->slot_mask)
			hpcap_ring_refresh(r);
	}
	/*
	 * Publishes before it reads `waiting`. A listener sets `waiting` before it reads
	 * `published` once more and sleeps, so one of the two sees the other's store.
	 */
	smp_mb();
	for (mask = r->slot_mask; mask; mask &= mask - 1) {
		u32 i = __builtin_ctz(mask);
		struct hpcap_ring_slot *s = &r->slots[i];

		if (s->state == HPCAP_SLOT_STARTING && hpcap_ring_may_end_file(r, s->contract))
			hpcap_ring_want_file(r);
		hpcap_ring_serve_file_request(r, i);
		hpcap_ring_watch_stall(r, i);
		if (hpcap_ring_wants_end(s))
			hpcap_ring_fix_end(r, i, HPCAP_SLOT_FINISHED);
		wake |= (u32)hpcap_ring_must_wake(r, i) << i;
	}
	return wake;
}

/* ------------------------------------------------------------------------ start */

/* Sets the capture length of the following frames in bytes; 0: whole frames. */
static inline void hpcap_ring_set_caplen(struct hpcap_ring *r, u32 caplen)
{
	WRITE_ONCE(r->queue->caplen, caplen);
	r->caplen = caplen && caplen < HPCAP_CAPLEN_MAX ? caplen : HPCAP_CAPLEN_MAX;
}

static inline u64 hpcap_block_bytes(u64 ring_bytes)
{
	if (ring_bytes >= 4 * HPCAP_BLOCK_BYTES)
		return HPCAP_BLOCK_BYTES;
	return ring_bytes / 4 / HPCAP_SLOT_BYTES * HPCAP_SLOT_BYTES;
}

static inline u32 hpcap_index_entries(u64 ring_bytes)
{
	return (u32)(ring_bytes / hpcap_block_bytes(ring_bytes) + 2);
}

/*
 * Starts a queue. `base` is the ring, mapped twice back to back. `queue` has its constant part
 * filled in, and room for the index behind it; its other bytes are zero.
 *
 * Returns 0, or -EINVAL when the sizes do not make a valid ring.
 */
static inline int hpcap_ring_init(struct hpcap_ring *r, void *base, struct hpcap_queue *queue)
{
	struct hpcap_file_header *h = &r->header;

	memset(r, 0, sizeof(*r));
	if (queue->ring_bytes < HPCAP_RING_BYTES_MIN ||
	    queue->ring_bytes % HPCAP_SLOT_BYTES ||
	    queue->block_bytes != hpcap_block_bytes(queue->ring_bytes) ||
	    queue->index_entries < hpcap_index_entries(queue->ring_bytes) ||
	    queue->file_bytes_max % queue->block_bytes || !queue->file_bytes_max ||
	    queue->file_bytes_max > HPCAP_FILE_BYTES_MAX ||
	    queue->start_off % queue->block_bytes ||
	    queue->start_off / queue->ring_bytes * queue->ring_bytes > queue->start_off)
		return -EINVAL;
	r->base = base;
	r->queue = queue;
	r->index = (struct hpcap_block *)((u8 *)queue + queue->index_off);
	r->ring_bytes = queue->ring_bytes;
	r->block_bytes = queue->block_bytes;
	r->file_bytes_max = queue->file_bytes_max;
	r->resume_bytes = hpcap_min(r->ring_bytes / 16, HPCAP_RECORD_BYTES_MAX);
	r->plain = !!(queue->flags & HPCAP_QUEUE_PLAIN);
	r->look_back = !!(queue->flags & HPCAP_QUEUE_LOOK_BACK);
	r->tail = HPCAP_RECORD_BYTES;
	if (!r->plain)
		r->tail += HPCAP_RECORD_BYTES + sizeof(struct hpcap_ledger_tag);
	hpcap_ring_set_caplen(r, queue->caplen);
	r->wall_ns = queue->start_ns;

	r->head = queue->start_off;
	r->published = r->head;
	r->lap_off = r->head / r->ring_bytes * r->ring_bytes;
	r->limit = U64_MAX;
	r->announced = r->head;
	r->next_block = r->head;
	r->unstamped = 1;

	hpcap_ring_tag(&h->tag, HPCAP_TAG_FILE_HEADER, sizeof(*h));
	h->link_type = queue->link_type;
	h->adapter = queue->adapter;
	h->queue = queue->queue;
	h->producer_pid = queue->producer_pid;
	h->file_bytes_max = queue->file_bytes_max;
	h->block_bytes = queue->block_bytes;
	memcpy(h->interface, queue->interface, sizeof(h->interface));
	memcpy(h->host, queue->host, sizeof(h->host));
	memcpy(h->clock_source, queue->clock_source, sizeof(h->clock_source));
	memcpy(h->software, queue->software, sizeof(h->software));
	memcpy(h->filter, queue->filter, sizeof(h->filter));
	memcpy(h->recording_id, queue->recording_id, sizeof(h->recording_id));

	queue->magic = HPCAP_QUEUE_MAGIC;
	queue->abi_version = HPCAP_ABI_VERSION;
	queue->slots = HPCAP_SLOTS;
	queue->published = r->head;
	queue->oldest = r->head;
	queue->ledger_off = r->head;
	hpcap_ring_start_file(r);
	if (!r->plain)
		hpcap_ring_write_header(r);
	hpcap_ring_publish(r);
	/* The page is complete before `state` says that the queue runs. */
	smp_store_release(&queue->state, HPCAP_QUEUE_RUNNING);
	return 0;
}

#endif /* _HPCAP_RING_H */
