/* SPDX-License-Identifier: GPL-2.0-only */
/* Taking frames and counters from the NIC (harvest.c). Only the poll thread does that. */
#ifndef _HPCAP_HARVEST_H
#define _HPCAP_HARVEST_H

#include <linux/ktime.h>
#include <linux/types.h>

struct hpcap_rxq;

/*
 * Moves one batch from the NIC into the ring, or the rest of a batch that was held. Returns the
 * number of frames and errors; 0 when the NIC has nothing or the ring has no room.
 */
u32 hpcap_rxq_harvest(struct hpcap_rxq *rxq, ktime_t clock);
/* Whether frames of a batch wait for room in the ring (HPCAP_FULL_HOLD). */
bool hpcap_rxq_holds(const struct hpcap_rxq *rxq);
/* Adds the frames that the NIC has lost to the ledger. */
void hpcap_rxq_count(struct hpcap_rxq *rxq);
/* Moves all frames that wait in the NIC into the ring or the ledger, and counts its last losses. */
void hpcap_rxq_drain(struct hpcap_rxq *rxq);

#endif /* _HPCAP_HARVEST_H */
