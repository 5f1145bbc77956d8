/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * The state of a queue's producer, and what follows from it without a change. ring.h describes the
 * producer; files that only contain or show its state include this header instead.
 */
#ifndef _HPCAP_RING_TYPES_H
#define _HPCAP_RING_TYPES_H

#include "frame.h"
#include "platform.h"
#include <hpcap.h>

/* Shortest time between two wake-ups of a listener. */
#define HPCAP_RING_WAKE_NS	(50u * 1000)
/* Most listeners that a queue wakes in each HPCAP_RING_WAKE_NS, because each wake-up takes time. */
#define HPCAP_RING_WAKES	4

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
	u64 waking_ns;		/* clock_ns when the current HPCAP_RING_WAKE_NS began */
	u32 wakes;		/* listeners woken since then */
	u32 wake_next;		/* slot of the listener whose turn is next */
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
	u8 sent_due;		/* a tag must say that this machine sent the next frame */
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

#endif /* _HPCAP_RING_TYPES_H */
