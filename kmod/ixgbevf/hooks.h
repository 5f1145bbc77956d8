/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hooks that only ixgbevf has; the .cocci files say where and why. In standard mode, a hook
 * changes nothing.
 */
#ifndef _HPCAP_IXGBEVF_HOOKS_H
#define _HPCAP_IXGBEVF_HOOKS_H

#include <linux/types.h>

#include "advrx/hooks.h"

struct ixgbevf_adapter;
struct ixgbevf_ring;

/* probe and remove */
int hpcap_ixgbevf_init(struct ixgbevf_adapter *adapter);
u32 hpcap_ixgbevf_queues(const struct ixgbevf_adapter *adapter);

/* up and down */
/*
 * Called before memory that the NIC may write to is freed: the first returns whether the queues
 * must be switched off, the second notes that they are.
 */
bool hpcap_ixgbevf_receives(const struct ixgbevf_adapter *adapter);
void hpcap_ixgbevf_quiet(struct ixgbevf_adapter *adapter);
/* In hpcap mode, gives the ring its slots and returns true: the driver allocates no pages. */
bool hpcap_ixgbevf_arm(struct ixgbevf_ring *ring);
void hpcap_ixgbevf_interrupts(struct ixgbevf_adapter *adapter);

/* Take a value that the driver would request of the device, and return the one to request. */
unsigned int hpcap_ixgbevf_flags(const struct ixgbevf_adapter *adapter, unsigned int flags);
u32 hpcap_ixgbevf_vlan(const struct ixgbevf_adapter *adapter, u32 vme);
/* Requests the longest frame that the port can receive. Under mbx_lock. */
s32 hpcap_ixgbevf_set_rlpml(struct ixgbevf_adapter *adapter, u16 bytes);

#endif /* _HPCAP_IXGBEVF_HOOKS_H */
