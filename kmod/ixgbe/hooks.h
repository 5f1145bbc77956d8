/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the patched ixgbe calls; the .cocci files say where and why. In standard mode a hook does
 * nothing.
 */
#ifndef _HPCAP_IXGBE_HOOKS_H
#define _HPCAP_IXGBE_HOOKS_H

#include <linux/netdevice.h>
#include <linux/types.h>

struct hpcap_port;
struct ixgbe_adapter;
struct ixgbe_ring;

/* Whether poll threads look at the port's rings, not interrupts: hpcap mode. */
#define hpcap_ixgbe_polls(adapter)	(!!(adapter)->hpcap)

/* probe and remove */
int hpcap_ixgbe_init(struct ixgbe_adapter *adapter);
int hpcap_ixgbe_register(struct ixgbe_adapter *adapter);
void hpcap_ixgbe_unregister(struct ixgbe_adapter *adapter);
void hpcap_ixgbe_removed(struct ixgbe_adapter *adapter);
void hpcap_ixgbe_recovered(struct ixgbe_adapter *adapter);

/* up and down */
int hpcap_ixgbe_alloc(struct ixgbe_adapter *adapter);
/* Before anything that the NIC may write to is freed. */
void hpcap_ixgbe_quiet(struct ixgbe_adapter *adapter);
void hpcap_ixgbe_free(struct ixgbe_adapter *adapter);
/* Whether the ring has slots now, and needs no pages. */
bool hpcap_ixgbe_arm(struct ixgbe_ring *ring);
void hpcap_ixgbe_up(struct ixgbe_adapter *adapter);
void hpcap_ixgbe_down(struct ixgbe_adapter *adapter);

/* registers */
u32 hpcap_ixgbe_fctrl(const struct ixgbe_adapter *adapter, u32 fctrl);
void hpcap_ixgbe_receiver(struct ixgbe_adapter *adapter);
/* A counter that reading clears: what was counted since the driver last asked. */
u32 hpcap_ixgbe_counter(struct ixgbe_adapter *adapter, u32 reg);

/* advrx/capture.c */
netdev_tx_t hpcap_port_drop(struct sk_buff *skb, struct net_device *netdev);

#endif /* _HPCAP_IXGBE_HOOKS_H */
