/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/* What a producer does regularly, with and without frames. */
#ifndef _HPCAP_RING_SERVICE_H
#define _HPCAP_RING_SERVICE_H

#include "ring_listener.h"

/* Longest time that a gap waits for the next frame before it is written. */
#define HPCAP_RING_GAP_NS	(500ull * 1000 * 1000)

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

/* Whether listener i sleeps, has a reason to wake up, and was not woken just now. */
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
	return 1;
}

/*
 * Returns those of the slots in `want` whose listeners are woken now. They are woken in turn, so a
 * listener waits for at most HPCAP_SLOTS / HPCAP_RING_WAKES times HPCAP_RING_WAKE_NS, whatever the
 * others do.
 */
static inline u32 hpcap_ring_choose_woken(struct hpcap_ring *r, u32 want)
{
	u32 wake = 0;

	if (r->clock_ns - r->waking_ns >= HPCAP_RING_WAKE_NS) {
		r->waking_ns = r->clock_ns;
		r->wakes = 0;
	}
	for (; want && r->wakes < HPCAP_RING_WAKES; r->wakes++) {
		u32 later = want & ~0u << r->wake_next;
		u32 i = __builtin_ctz(later ? later : want);

		r->wake_next = (i + 1) % HPCAP_SLOTS;
		r->slots[i].woken_ns = r->clock_ns;
		WRITE_ONCE(r->slots[i].shared->waiting, 0);
		want &= ~(1u << i);
		wake |= 1u << i;
	}
	if (want)
		r->wake_late = 1;
	return wake;
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
 * listeners, and fixes the end of the stream for listeners that request it. `clock_ns` is
 * monotonic, `wall_ns` counts from 1970.
 *
 * The caller calls it after each batch, and about every 10 ms on an idle link. It calls it again at
 * once while `file_wanted` is set, and after HPCAP_RING_WAKE_NS when `wake_late` is set.
 *
 * Returns a bit for each slot whose listener sleeps on `waiting`; the caller wakes these.
 */
static inline u32 hpcap_ring_service(struct hpcap_ring *r, u64 clock_ns, u64 wall_ns)
{
	u32 mask, want = 0;

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
		want |= (u32)hpcap_ring_must_wake(r, i) << i;
	}
	return want ? hpcap_ring_choose_woken(r, want) : 0;
}

/* Notes that the producer has not looked for frames for a time. */
static inline void hpcap_ring_note_pause(struct hpcap_ring *r, u64 ns)
{
	if (unlikely(ns > r->queue->longest_pause_ns))
		WRITE_ONCE(r->queue->longest_pause_ns, ns);
}

#endif /* _HPCAP_RING_SERVICE_H */
