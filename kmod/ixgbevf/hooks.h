/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the patched ixgbevf calls; the .cocci files say where and why. In standard mode a hook does
 * nothing.
 */
#ifndef _HPCAP_IXGBEVF_HOOKS_H
#define _HPCAP_IXGBEVF_HOOKS_H

#include <linux/netdevice.h>
#include <linux/types.h>

struct hpcap_port;
struct ixgbevf_adapter;
struct ixgbevf_ring;

/* Whether poll threads look at the port's rings, not interrupts: hpcap mode. */
#define hpcap_ixgbevf_polls(adapter)	(!!(adapter)->hpcap)

/* probe and remove */
int hpcap_ixgbevf_init(struct ixgbevf_adapter *adapter);
u32 hpcap_ixgbevf_queues(const struct ixgbevf_adapter *adapter);
int hpcap_ixgbevf_register(struct ixgbevf_adapter *adapter);
void hpcap_ixgbevf_unregister(struct ixgbevf_adapter *adapter);
void hpcap_ixgbevf_removed(struct ixgbevf_adapter *adapter);
void hpcap_ixgbevf_recovered(struct ixgbevf_adapter *adapter);

/* up and down */
int hpcap_ixgbevf_alloc(struct ixgbevf_adapter *adapter);
/*
 * Before anything that the NIC may write to is freed: whether its queues must be switched off,
 * and that they are.
 */
bool hpcap_ixgbevf_receives(const struct ixgbevf_adapter *adapter);
void hpcap_ixgbevf_quiet(struct ixgbevf_adapter *adapter);
void hpcap_ixgbevf_free(struct ixgbevf_adapter *adapter);
/* Whether the ring has slots now, and needs no pages. */
bool hpcap_ixgbevf_arm(struct ixgbevf_ring *ring);
void hpcap_ixgbevf_interrupts(struct ixgbevf_adapter *adapter);
void hpcap_ixgbevf_up(struct ixgbevf_adapter *adapter);
void hpcap_ixgbevf_down(struct ixgbevf_adapter *adapter);

/* What the driver would have asked of the device, and what it asks. */
unsigned int hpcap_ixgbevf_flags(const struct ixgbevf_adapter *adapter, unsigned int flags);
u32 hpcap_ixgbevf_vlan(const struct ixgbevf_adapter *adapter, u32 vme);
/* The longest frame, under mbx_lock. */
s32 hpcap_ixgbevf_set_rlpml(struct ixgbevf_adapter *adapter, u16 bytes);

/* advrx/capture.c */
netdev_tx_t hpcap_port_drop(struct sk_buff *skb, struct net_device *netdev);

#endif /* _HPCAP_IXGBEVF_HOOKS_H */
