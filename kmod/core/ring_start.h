/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/* The start of a queue. */
#ifndef _HPCAP_RING_START_H
#define _HPCAP_RING_START_H

#include "ring_publish.h"
#include "ring_file.h"

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
	if (queue->flags & HPCAP_QUEUE_DIRECTIONS)
		h->flags |= HPCAP_FILE_DIRECTIONS;
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

#endif /* _HPCAP_RING_START_H */
