// SPDX-License-Identifier: GPL-2.0-only
/*
 * The regular service of a ring: publishing, files, gaps and the ends of listeners, and who must be
 * woken for them.
 */
#include <linux/ktime.h>

#include "ring_check.h"
#include "ring_service.h"
#include "rxq.h"
#include "service.h"
#include "trace.h"
#include "wake.h"

void hpcap_rxq_service_at(struct hpcap_rxq *rxq, ktime_t clock)
{
	struct hpcap_ring *r = &rxq->ring;
	u64 published = r->published;
	u32 wake;

	/* Nothing is published after the end of the queue. */
	if (!rxq->adapter)
		return;
	wake = hpcap_ring_service(r, ktime_to_ns(clock), ktime_to_ns(ktime_mono_to_real(clock)));
	if (wake)
		hpcap_wake_listeners(rxq, wake);
	if (r->file_off != rxq->file_off) {
		rxq->file_off = r->file_off;
		hpcap_wake_changed(rxq);
	}
	if (r->published != published)
		trace_hpcap_publish(rxq, r->published - published);
	if (r->queue->gaps != rxq->gaps) {
		rxq->gaps = r->queue->gaps;
		trace_hpcap_gap(rxq);
	}
	hpcap_ring_check(r);
}

void hpcap_rxq_service(struct hpcap_rxq *rxq)
{
	hpcap_rxq_service_at(rxq, ktime_get());
}

void hpcap_rxq_new_file(struct hpcap_rxq *rxq)
{
	/* A header that is not written yet will have the new values, so the file can go on. */
	if (rxq->adapter && !rxq->ring.plain && !rxq->ring.header_due)
		hpcap_ring_want_file(&rxq->ring);
}
