/* SPDX-License-Identifier: GPL-2.0-only */
/* The registers that count what was lost, read by two. */
#ifndef _HPCAP_IXGBE_COUNTERS_H
#define _HPCAP_IXGBE_COUNTERS_H

#include <linux/types.h>

struct hpcap_nic_counters;
struct ixgbe_adapter;

/* For port->priv; goes with the device. NULL: no memory. */
void *hpcap_ixgbe_counters_create(struct ixgbe_adapter *adapter);
/* What a queue lost, since the beginning. */
void hpcap_ixgbe_lost(struct ixgbe_adapter *adapter, u32 queue,
		      struct hpcap_nic_counters *counters);

#endif /* _HPCAP_IXGBE_COUNTERS_H */
