/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters of lost frames: poll threads read them, and the driver gets what they have read. */
#ifndef _HPCAP_IXGBE_COUNTERS_H
#define _HPCAP_IXGBE_COUNTERS_H

#include <linux/types.h>

struct hpcap_nic_counters;
struct ixgbe_adapter;

/*
 * Creates the counters of a port, to be stored in port->priv. They are freed with the device
 * (devres). Returns NULL without memory.
 */
void *hpcap_ixgbe_counters_create(struct ixgbe_adapter *adapter);
/*
 * Reads the number of frames that a queue has lost since the counters were created. Called as
 * `counters` of struct hpcap_nic_ops, for one queue by one thread at a time.
 */
void hpcap_ixgbe_lost(struct ixgbe_adapter *adapter, u32 queue,
		      struct hpcap_nic_counters *counters);

#endif /* _HPCAP_IXGBE_COUNTERS_H */
