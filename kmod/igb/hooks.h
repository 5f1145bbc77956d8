/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hooks that only igb has; the .cocci files say where and why. In standard mode, a hook
 * changes nothing.
 */
#ifndef _HPCAP_IGB_HOOKS_H
#define _HPCAP_IGB_HOOKS_H

#include <linux/types.h>

#include "advrx/hooks.h"

struct igb_adapter;
struct igb_ring;

/* probe and remove */
int hpcap_igb_init(struct igb_adapter *adapter);
u32 hpcap_igb_queues(const struct igb_adapter *adapter);
/* Ends the queues of a device that does not answer. The caller does not hold RTNL. */
void hpcap_igb_watch(struct igb_adapter *adapter);

/* up and down */
/* Stops reception, before memory that the NIC may write to is freed. */
void hpcap_igb_quiet(struct igb_adapter *adapter);
/* Gives the ring its slots. Returns whether the port is in hpcap mode, and needs no pages. */
bool hpcap_igb_arm(struct igb_ring *ring);
void hpcap_igb_interrupts(struct igb_adapter *adapter);

/* Take a value that the driver would request of the device, and return the one to request. */
u32 hpcap_igb_causes(const struct igb_adapter *adapter, u32 causes);
unsigned int hpcap_igb_flags(const struct igb_adapter *adapter, unsigned int flags);
u32 hpcap_igb_pause(const struct igb_adapter *adapter, u32 mode);
/* Returns the length of the longest frame to receive, with its FCS. */
u32 hpcap_igb_frame_max(const struct igb_adapter *adapter);

/*
 * Returns what a register that a read clears has counted since the driver last asked. Poll threads
 * read the registers of lost and damaged frames, and this function reads the other ones.
 */
u32 hpcap_igb_counter(struct igb_adapter *adapter, u32 reg);

#endif /* _HPCAP_IGB_HOOKS_H */
