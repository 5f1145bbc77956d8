/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A port in hpcap mode, for drivers of NICs with advanced receive descriptors (core/advrx.h):
 * its settings, its name, its slots, its queues' life, its part of ethtool. The hooks in
 * ixgbe and ixgbevf are calls from the driver's words to these.
 *
 * A port in standard mode has no struct hpcap_port.
 */
#ifndef _HPCAP_CAPTURE_H
#define _HPCAP_CAPTURE_H

#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/u64_stats_sync.h>

#include <advrx.h>
#include <nic.h>

/* Queues of a port, at most: RSS of the 82599 knows 16. */
#define HPCAP_PORT_QUEUES	16
/* Descriptors of a queue, unless ethtool asks for fewer: as many as the 82599 knows. */
#define HPCAP_PORT_DESCRIPTORS	4096
/*
 * The longest frame that the MAC takes, with its FCS: 15.5 KiB (82599 datasheet 8.2.3.22.13,
 * MAXFRS). A tap does not choose the frames that it is shown, so the MTU does not matter.
 */
#define HPCAP_PORT_FRAME_MAX	15872u

struct hpcap_port;

/* The interface's own statistics of a queue, and what protects them. */
struct hpcap_port_stats {
	u64 *packets;
	u64 *bytes;
	struct u64_stats_sync *syncp;
};

/* A queue of a port; what nic_ops get as `rx`. */
struct hpcap_port_queue {
	struct hpcap_advrx rx;
	struct hpcap_port *port;
	u32 index;
	u8 __iomem *tail;
	struct hpcap_port_stats stats;

	/* slots.c */
	u32 slots;
	u32 chunk_bytes;
	u8 **chunks;
	u64 *chunk_dma;
};

/* What a driver gives. */
struct hpcap_port_driver {
	const char *name;	/* "hpcap_ixgbe" */
	/* As nic_ops.counters, of a queue. */
	void (*counters)(struct hpcap_port *port, u32 queue, struct hpcap_nic_counters *counters);
};

struct hpcap_port {
	const struct hpcap_port_driver *driver;
	struct pci_dev *pdev;
	struct net_device *netdev;
	/*
	 * The driver's adapter, and what it keeps for this port. How an interface leads to its
	 * adapter is each kernel's own affair (netdev_priv() of an ixgbe is something else since
	 * 6.16): no code of ours asks the interface.
	 */
	void *nic;
	void *priv;
	u32 wanted;			/* queues that were asked for */
	u32 queues;			/* that the adapter was registered with */
	struct hpcap_adapter *adapter;	/* NULL: the device nodes are not there; under RTNL */
	bool receives;			/* the NIC may write into the slots */
	const struct ethtool_ops *driver_ethtool;
	const struct ethtool_ops ethtool;	/* the interface's: they lead to the port */
	struct hpcap_port_queue *queue[HPCAP_PORT_QUEUES];
};

/* params.c: what the administrator asked for. -EINVAL, said in the log. */
int hpcap_param_mode(struct pci_dev *pdev, u32 number, bool *hpcap);
int hpcap_param_queues(struct pci_dev *pdev, u32 number, u32 *queues);

/*
 * In the driver's probe, for a device in hpcap mode: *port; for one in standard mode NULL.
 * It goes with the device (devres). `nic` is the driver's adapter.
 */
int hpcap_port_create(struct pci_dev *pdev, struct net_device *netdev, void *nic,
		      const struct hpcap_port_driver *driver, struct hpcap_port **port);
/*
 * For a kind of device that no test has seen, in hpcap mode: refused with -EOPNOTSUPP and a
 * message, unless this is a build with --untested.
 */
int hpcap_port_untested(struct pci_dev *pdev, const char *kind);
/* In place of register_netdev(); in hpcap mode with the adapter, of so many queues. */
int hpcap_port_register(struct pci_dev *pdev, struct net_device *netdev, struct hpcap_port *port,
			u32 queues);
/* In place of unregister_netdev(). */
void hpcap_port_unregister(struct net_device *netdev, struct hpcap_port *port);
/*
 * The device does not answer any more: its queues end, unless the PCI core is about to reset it.
 * Not under RTNL.
 */
void hpcap_port_removed(struct hpcap_port *port);
/* The device was reset after a PCI error, and answers: its queues are there. Not under RTNL. */
void hpcap_port_recovered(struct hpcap_port *port);

/*
 * slots.c: memory of a port whose interface goes up and has gone down. It is freed when the NIC
 * has stopped receiving: hpcap_port_down(), or hpcap_port_quiet() where "up" failed.
 */
int hpcap_port_alloc(struct hpcap_port *port, u32 queues, u32 descriptors);
void hpcap_port_free(struct hpcap_port *port);

/* The descriptors of a queue are set up, and the NIC told; the queue receives. */
void hpcap_port_arm(struct hpcap_port_queue *queue, void *descriptors, u32 count,
		    u8 __iomem *tail, const struct hpcap_port_stats *stats);
/* The poll threads start, and stop after having taken what the NIC had delivered. */
void hpcap_port_up(struct hpcap_port *port, u32 queues);
void hpcap_port_down(struct hpcap_port *port);
/* The NIC has stopped receiving, although the port was never up. */
void hpcap_port_quiet(struct hpcap_port *port);

/* A frame that somebody wants to send. */
netdev_tx_t hpcap_port_drop(struct sk_buff *skb, struct net_device *netdev);

/* ethtool.c */
void hpcap_port_set_ethtool(struct hpcap_port *port);

#endif /* _HPCAP_CAPTURE_H */
