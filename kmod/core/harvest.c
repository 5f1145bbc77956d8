// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes batches of frames out of the NIC, sends them through the pipeline into the ring, and adds
 * the NIC's own losses to the ledger.
 *
 * The poll thread reads the clock once for each batch. A frame arrived after the previous harvest,
 * and spread.h divides the time between the two harvests among the frames. So a time is wrong by
 * less than the pause between two harvests: a few microseconds under load, and 100 us on an idle
 * link (poll.c). A driver that knows the time of each frame says so (own_times).
 *
 * Debug messages: `file harvest.c +p` in /proc/dynamic_debug/control.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>

#include "harvest.h"
#include "pipeline.h"
#include "ring_frame.h"
#include "rxq.h"
#include "service.h"
#include "spread.h"
#include "trace.h"

bool hpcap_rxq_holds(const struct hpcap_rxq *rxq)
{
	return rxq->unreleased;
}

static void hpcap_rxq_release_batch(struct hpcap_rxq *rxq)
{
	rxq->adapter->ops->release(rxq->rx, rxq->harvested);
	rxq->unreleased = false;
}

/*
 * Pushes the batch into the ring. Where the ring is full, the frames that are left are held in
 * the NIC or dropped, as the setting `when_full` says.
 */
static void hpcap_rxq_push(struct hpcap_rxq *rxq)
{
	struct hpcap_pipeline *pipeline = &rxq->stages.pipeline;

	if (hpcap_pipeline_push(pipeline, &rxq->ring)) {
		if (rxq->when_full == HPCAP_FULL_HOLD)
			return;
		hpcap_pipeline_drop(pipeline, &rxq->ring);
	}
	hpcap_rxq_release_batch(rxq);
}

u32 hpcap_rxq_harvest(struct hpcap_rxq *rxq, ktime_t clock)
{
	struct timespec64 now = ktime_to_timespec64(ktime_mono_to_real(clock));
	struct hpcap_batch *batch = rxq->batch;
	u64 clock_ns = ktime_to_ns(clock), before_ns = rxq->harvested_ns;
	u32 n;

	if (!rxq->rx) {
		rxq->harvested_ns = 0;
		return 0;
	}
	if (rxq->unreleased) {
		/* The held frames have passed the filters already, and must not pass them twice. */
		hpcap_rxq_push(rxq);
		return rxq->unreleased ? 0 : rxq->harvested;
	}
	batch->errors.frames = 0;
	batch->errors.bytes = 0;
	n = rxq->adapter->ops->harvest(rxq->rx, batch, rxq->burst, &now);
	if (!rxq->adapter->ops->own_times && before_ns)
		hpcap_spread(batch->frames, n, batch->bytes, clock_ns - before_ns);
	rxq->harvested_ns = clock_ns;
	if (!n && !batch->errors.frames)
		return 0;
	trace_hpcap_harvest(rxq, n, batch->errors.frames);
	rxq->harvested = n;
	rxq->unreleased = true;
	if (batch->errors.frames)
		hpcap_ring_account(&rxq->ring, HPCAP_NIC_ERROR, batch->errors.frames,
				   batch->errors.bytes);
	hpcap_pipeline_start(&rxq->stages.pipeline, &rxq->ring, batch->frames, n);
	hpcap_rxq_push(rxq);
	return n + (u32)batch->errors.frames;
}

void hpcap_rxq_count(struct hpcap_rxq *rxq)
{
	struct hpcap_nic_counters now = rxq->seen;

	if (!rxq->rx)
		return;
	rxq->adapter->ops->counters(rxq->rx, &now);
	/* A counter that goes back is a bug in the driver; the ledger must never go back. */
	if (now.missed > rxq->seen.missed) {
		hpcap_ring_account(&rxq->ring, HPCAP_NIC_MISSED, now.missed - rxq->seen.missed,
				   0);
		pr_debug("hpcap_%u_%u: the NIC missed %llu\n", rxq->number, rxq->index,
			 now.missed - rxq->seen.missed);
	}
	if (now.errors > rxq->seen.errors) {
		hpcap_ring_account(&rxq->ring, HPCAP_NIC_ERROR, now.errors - rxq->seen.errors, 0);
		pr_debug("hpcap_%u_%u: %llu damaged\n", rxq->number, rxq->index,
			 now.errors - rxq->seen.errors);
	}
	rxq->seen = now;
	rxq->counted_ns = ktime_get_ns();
}

void hpcap_rxq_drain(struct hpcap_rxq *rxq)
{
	u64 frames = 0, limit = rxq->depth + (u64)HPCAP_BATCH;

	if (!rxq->rx)
		return;
	/*
	 * The limit is what the NIC's ring can hold, plus a batch that was harvested before.
	 * Without a limit, the loop would not end while the NIC is still receiving.
	 */
	while (frames < limit) {
		u32 n = hpcap_rxq_harvest(rxq, ktime_get());

		if (rxq->unreleased) {
			/* The NIC is going away, so the frames cannot be held. */
			hpcap_pipeline_drop(&rxq->stages.pipeline, &rxq->ring);
			hpcap_rxq_release_batch(rxq);
		} else if (!n) {
			break;
		}
		frames += max(n, 1u);
	}
	hpcap_rxq_count(rxq);
	WRITE_ONCE(rxq->rx, NULL);
	hpcap_rxq_service(rxq);
}
