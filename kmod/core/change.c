// SPDX-License-Identifier: GPL-2.0-only
/*
 * How others change what belongs to the poll thread of a queue: its ring, its filters and its
 * harvest.
 *
 * If both sides took a lock, a process that the scheduler parks while it holds the lock would hold
 * up the capture, and frames would be lost. So the poll thread takes no lock at all. Whoever wants
 * a change takes the queue's `lock`, which orders those who want changes among themselves, leaves
 * the change where the poll thread finds it, and sleeps until the poll thread has made it. The poll
 * thread makes one change between two batches, and one in HPCAP_CHANGE_NS, whatever the number of
 * processes that want changes: to attach and detach for ever takes little of its time.
 *
 * The poll thread also serves a queue whose interface is down, and is not frozen when the machine
 * suspends. It ends only with the queue, by hpcap_poll_stop() under `lock`, when no change waits.
 * From then on, ring and harvest belong to whoever holds `lock`.
 */
#include <linux/completion.h>
#include <linux/lockdep.h>

#include "change.h"
#include "rxq.h"
#include "wake.h"

/* Shortest time between two changes of a queue. */
#define HPCAP_CHANGE_NS	(100u * 1000)

/* A change that waits, on the stack of whoever wants it. */
struct hpcap_change {
	hpcap_change_fn *make;
	void *data;
	struct completion made;
};

void hpcap_rxq_change(struct hpcap_rxq *rxq, hpcap_change_fn *make, void *data)
{
	struct hpcap_change change = { .make = make, .data = data };

	lockdep_assert_held(&rxq->lock);
	if (!rxq->thread) {
		make(rxq, data);
		return;
	}
	init_completion(&change.made);
	/* Release: the poll thread sees all of the change. */
	smp_store_release(&rxq->change, &change);
	/*
	 * The kick has a full barrier behind the store, and the poll thread one between going to
	 * sleep and its last look at `change`: one of the two sees the other.
	 */
	hpcap_rxq_kick(rxq);
	wait_for_completion(&change.made);
}

void hpcap_rxq_make_change(struct hpcap_rxq *rxq, u64 clock_ns)
{
	/* Acquire: see the release in hpcap_rxq_change(). */
	struct hpcap_change *change = smp_load_acquire(&rxq->change);

	if (likely(!change) || clock_ns - rxq->changed_ns < HPCAP_CHANGE_NS)
		return;
	rxq->changed_ns = clock_ns;
	change->make(rxq, change->data);
	/* Cleared first: as soon as the change is complete, another one may be put there. */
	WRITE_ONCE(rxq->change, NULL);
	complete(&change->made);
}
