/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hooks that all drivers call with the port of their adapter. `port` is NULL in standard mode,
 * in which a hook changes nothing. The files of a driver see only these declarations; capture.h has
 * the port itself.
 */
#ifndef _HPCAP_ADVRX_HOOKS_H
#define _HPCAP_ADVRX_HOOKS_H

#include <linux/netdevice.h>
#include <linux/types.h>

struct hpcap_port;
struct pci_dev;

/* Whether the port is in hpcap mode: poll threads serve its rings, not interrupts. */
#define hpcap_port_polls(adapter)	(!!(adapter)->hpcap)

/*
 * Replaces register_netdev(). In hpcap mode, also registers an adapter with `queues` queues, or
 * with as many as the administrator wants, if that is less.
 */
int hpcap_port_register(struct pci_dev *pdev, struct net_device *netdev, struct hpcap_port *port,
			u32 queues);
/* Replaces unregister_netdev(). */
void hpcap_port_unregister(struct net_device *netdev, struct hpcap_port *port);
/*
 * Ends the queues of a device that does not answer any more, unless the PCI core is about to reset
 * the device. The caller does not hold RTNL.
 */
void hpcap_port_removed(struct hpcap_port *port);
/*
 * Registers ended queues again after the PCI core has reset the device. The caller does not hold
 * RTNL.
 */
void hpcap_port_recovered(struct hpcap_port *port);

/*
 * Allocate and free the buffers of a port (slots.c). They are allocated when the interface goes up,
 * and may be freed only after the NIC has stopped receiving: after hpcap_port_down(), or after
 * hpcap_port_quiet() when "up" has failed.
 */
int hpcap_port_alloc(struct hpcap_port *port, u32 queues, u32 descriptors);
void hpcap_port_free(struct hpcap_port *port);

/* Starts the poll threads; stops them after they have taken what the NIC had delivered. */
void hpcap_port_up(struct hpcap_port *port, u32 queues);
void hpcap_port_down(struct hpcap_port *port);

/* Drops and counts a frame that the stack wants to send: a port in hpcap mode sends nothing. */
netdev_tx_t hpcap_port_drop(struct sk_buff *skb, struct net_device *netdev);

#endif /* _HPCAP_ADVRX_HOOKS_H */
