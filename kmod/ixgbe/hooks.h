/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hooks that the patched ixgbe calls; the .cocci files say where and why. In standard mode a
 * hook changes nothing.
 */
#ifndef _HPCAP_IXGBE_HOOKS_H
#define _HPCAP_IXGBE_HOOKS_H

#include <linux/netdevice.h>
#include <linux/types.h>

struct hpcap_port;
struct ixgbe_adapter;
struct ixgbe_ring;

/* Whether the port is in hpcap mode: poll threads serve its rings, not interrupts. */
#define hpcap_ixgbe_polls(adapter)	(!!(adapter)->hpcap)

/* probe and remove */
int hpcap_ixgbe_init(struct ixgbe_adapter *adapter);
int hpcap_ixgbe_register(struct ixgbe_adapter *adapter);
void hpcap_ixgbe_unregister(struct ixgbe_adapter *adapter);
void hpcap_ixgbe_removed(struct ixgbe_adapter *adapter);
void hpcap_ixgbe_recovered(struct ixgbe_adapter *adapter);

/* up and down */
int hpcap_ixgbe_alloc(struct ixgbe_adapter *adapter);
/* Stops reception, before memory that the NIC may write to is freed. */
void hpcap_ixgbe_quiet(struct ixgbe_adapter *adapter);
void hpcap_ixgbe_free(struct ixgbe_adapter *adapter);
/* Gives the ring its slots. Returns whether the port is in hpcap mode, and needs no pages. */
bool hpcap_ixgbe_arm(struct ixgbe_ring *ring);
void hpcap_ixgbe_up(struct ixgbe_adapter *adapter);
void hpcap_ixgbe_down(struct ixgbe_adapter *adapter);

/* registers */
u32 hpcap_ixgbe_fctrl(const struct ixgbe_adapter *adapter, u32 fctrl);
void hpcap_ixgbe_receiver(struct ixgbe_adapter *adapter);
/* Reads a register that a read clears: returns what it counted since the driver last asked. */
u32 hpcap_ixgbe_counter(struct ixgbe_adapter *adapter, u32 reg);

/* advrx/capture.c */
netdev_tx_t hpcap_port_drop(struct sk_buff *skb, struct net_device *netdev);

#endif /* _HPCAP_IXGBE_HOOKS_H */
