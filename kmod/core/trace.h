/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tracepoints in /sys/kernel/tracing/events/hpcap. A tracepoint that is off costs one jump
 * that is not taken.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM hpcap

#if !defined(_HPCAP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _HPCAP_TRACE_H

#include <linux/string.h>
#include <linux/tracepoint.h>

#include "rxq.h"

#ifndef HPCAP_TRACE_LISTENER
#define HPCAP_TRACE_LISTENER
static inline const struct hpcap_listener *hpcap_trace_listener(const struct hpcap_rxq *rxq,
								u32 slot)
{
	return &rxq->ring.queue->listeners[slot];
}

/* Returns the bytes that an active listener has not acknowledged; 0 in all other states. */
static inline u64 hpcap_trace_lag(const struct hpcap_rxq *rxq, u32 slot)
{
	const struct hpcap_ring_slot *s = &rxq->ring.slots[slot];

	return s->state == HPCAP_SLOT_ACTIVE ? rxq->ring.head - s->read_off : 0;
}
#endif

/* Emitted for a harvest that found frames or errors. */
TRACE_EVENT(hpcap_harvest,
	    TP_PROTO(const struct hpcap_rxq *rxq, u32 frames, u64 errors),
	    TP_ARGS(rxq, frames, errors),
	    TP_STRUCT__entry(__field(u32, adapter)
			     __field(u32, queue)
			     __field(u32, frames)
			     __field(u64, errors)),
	    TP_fast_assign(__entry->adapter = rxq->number;
			   __entry->queue = rxq->index;
			   __entry->frames = frames;
			   __entry->errors = errors;),
	    TP_printk("hpcap_%u_%u frames=%u errors=%llu", __entry->adapter, __entry->queue,
		      __entry->frames, __entry->errors));

/* Emitted when `bytes` more bytes were published. */
TRACE_EVENT(hpcap_publish,
	    TP_PROTO(const struct hpcap_rxq *rxq, u64 bytes),
	    TP_ARGS(rxq, bytes),
	    TP_STRUCT__entry(__field(u32, adapter)
			     __field(u32, queue)
			     __field(u64, bytes)
			     __field(u64, published)
			     __field(u64, frames)),
	    TP_fast_assign(__entry->adapter = rxq->number;
			   __entry->queue = rxq->index;
			   __entry->bytes = bytes;
			   __entry->published = rxq->ring.published;
			   __entry->frames = rxq->ring.ledger[HPCAP_CAPTURED].frames;),
	    TP_printk("hpcap_%u_%u bytes=%llu published=%llu frames=%llu", __entry->adapter,
		      __entry->queue, __entry->bytes, __entry->published, __entry->frames));

/* Emitted after a gap record was written, with the losses that the ledger has by then. */
TRACE_EVENT(hpcap_gap,
	    TP_PROTO(const struct hpcap_rxq *rxq),
	    TP_ARGS(rxq),
	    TP_STRUCT__entry(__field(u32, adapter)
			     __field(u32, queue)
			     __field(u64, gaps)
			     __field(u64, ring_full)
			     __field(u64, nic_missed)
			     __field(u64, nic_error)),
	    TP_fast_assign(__entry->adapter = rxq->number;
			   __entry->queue = rxq->index;
			   __entry->gaps = rxq->gaps;
			   __entry->ring_full = rxq->ring.ledger[HPCAP_RING_FULL].frames;
			   __entry->nic_missed = rxq->ring.ledger[HPCAP_NIC_MISSED].frames;
			   __entry->nic_error = rxq->ring.ledger[HPCAP_NIC_ERROR].frames;),
	    TP_printk("hpcap_%u_%u gaps=%llu ring_full=%llu nic_missed=%llu nic_error=%llu",
		      __entry->adapter, __entry->queue, __entry->gaps, __entry->ring_full,
		      __entry->nic_missed, __entry->nic_error));

/* Events about the listener in `slot`. */
DECLARE_EVENT_CLASS(hpcap_listener,
		    TP_PROTO(const struct hpcap_rxq *rxq, u32 slot),
		    TP_ARGS(rxq, slot),
		    TP_STRUCT__entry(__field(u32, adapter)
				     __field(u32, queue)
				     __field(u32, slot)
				     __field(u32, pid)
				     __field(u32, lossy)
				     __field(u64, id)
				     __field(u64, lag)
				     __array(char, name, 32)),
		    TP_fast_assign(const struct hpcap_listener *l = hpcap_trace_listener(rxq, slot);

				   __entry->adapter = rxq->number;
				   __entry->queue = rxq->index;
				   __entry->slot = slot;
				   __entry->pid = l->pid;
				   __entry->lossy = l->contract == HPCAP_LOSSY;
				   __entry->id = l->id;
				   __entry->lag = hpcap_trace_lag(rxq, slot);
				   strscpy(__entry->name, l->name, sizeof(__entry->name));),
		    TP_printk("hpcap_%u_%u slot=%u id=%llu pid=%u %s lag=%llu name=%s",
			      __entry->adapter, __entry->queue, __entry->slot, __entry->id,
			      __entry->pid, __entry->lossy ? "lossy" : "lossless",
			      __entry->lag, __entry->name));

/* Emitted when a listener has got its slot. */
DEFINE_EVENT(hpcap_listener, hpcap_attach,
	     TP_PROTO(const struct hpcap_rxq *rxq, u32 slot),
	     TP_ARGS(rxq, slot));

/* Emitted just before a listener is killed. */
DEFINE_EVENT(hpcap_listener, hpcap_kill,
	     TP_PROTO(const struct hpcap_rxq *rxq, u32 slot),
	     TP_ARGS(rxq, slot));

#endif /* _HPCAP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
