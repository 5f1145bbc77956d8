/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hooks that only ixgbe has; the .cocci files say where and why. In standard mode, a hook
 * changes nothing.
 */
#ifndef _HPCAP_IXGBE_HOOKS_H
#define _HPCAP_IXGBE_HOOKS_H

#include <linux/types.h>

#include "advrx/hooks.h"

struct ixgbe_adapter;
struct ixgbe_ring;

/* probe and remove */
int hpcap_ixgbe_init(struct ixgbe_adapter *adapter);

/* up and down */
/* Stops reception, before memory that the NIC may write to is freed. */
void hpcap_ixgbe_quiet(struct ixgbe_adapter *adapter);
/* In hpcap mode, gives the ring its slots and returns true: the driver allocates no pages. */
bool hpcap_ixgbe_arm(struct ixgbe_ring *ring);

/* registers */
u32 hpcap_ixgbe_fctrl(const struct ixgbe_adapter *adapter, u32 fctrl);
void hpcap_ixgbe_receiver(struct ixgbe_adapter *adapter);
/*
 * Returns what a register that a read clears has counted since the driver last asked. Poll threads
 * read the registers of lost and damaged frames, and this function reads the other ones.
 */
u32 hpcap_ixgbe_counter(struct ixgbe_adapter *adapter, u32 reg);

#endif /* _HPCAP_IXGBE_HOOKS_H */
