/* SPDX-License-Identifier: GPL-2.0-only */
/* The life of a queue, and what others may know about it (queue.c). */
#ifndef _HPCAP_QUEUE_H
#define _HPCAP_QUEUE_H

#include <linux/types.h>

#include <hpcap.h>

struct hpcap_adapter;
struct hpcap_memory;
struct hpcap_rxq;

/*
 * Creates a queue with a ring of settings.ring_bytes, a poll thread that runs, and a device that
 * hpcap_chardev_add() gives a node. The last reference of the device frees the queue, which has
 * ended before.
 * Returns an ERR_PTR on failure.
 */
struct hpcap_rxq *hpcap_rxq_create(struct hpcap_adapter *adapter, u32 index);
/*
 * Gives the queue another ring, with which its stream starts anew. Takes over the reference on
 * success. Returns 0; -EBUSY while a listener is attached; -ENODEV once the adapter is gone;
 * -EINVAL when the sizes do not make a ring; -ENOMEM. The caller does not hold `lock`.
 */
int hpcap_rxq_set_memory(struct hpcap_rxq *rxq, struct hpcap_memory *memory);
/*
 * Ends the queue, wakes everybody who sleeps, clears `adapter`, and stops the poll thread. Takes
 * `lock`.
 */
void hpcap_rxq_end(struct hpcap_rxq *rxq);
/* Returns the current memory of the queue, with a reference. Takes no `lock`. */
struct hpcap_memory *hpcap_rxq_memory(struct hpcap_rxq *rxq);
/*
 * Copies the ledger as listeners see it: the poll thread updates it after each batch, and adds the
 * NIC's own losses every 100 ms. Takes no `lock`.
 */
void hpcap_rxq_ledger(struct hpcap_rxq *rxq, struct hpcap_count ledger[HPCAP_LEDGER_REASONS]);
/*
 * Copies the producer's record of the listener in `slot`. Returns false when the slot is free, or
 * changes hands at the moment. Takes no `lock`.
 */
bool hpcap_queue_listener(const struct hpcap_queue *queue, u32 slot, struct hpcap_listener *copy);

#endif /* _HPCAP_QUEUE_H */
