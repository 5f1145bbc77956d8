/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/* Listeners that come and go, and the end of the queue. */
#ifndef _HPCAP_RING_LISTENER_H
#define _HPCAP_RING_LISTENER_H

#include "ring_frame.h"
#include "ring_publish.h"

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
	/* Whoever sees a field of the new listener sees that the id of the former one is gone. */
	smp_wmb();
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

#endif /* _HPCAP_RING_LISTENER_H */
