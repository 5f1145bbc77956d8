/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A port in hpcap mode, for drivers of NICs with advanced receive descriptors (core/advrx.h):
 * its settings, its name, its slots, its queues, its counters, and its part of ethtool. hooks.h has
 * the functions that the patched drivers call themselves; the hooks of each driver (hpcap/hooks.c)
 * call the others.
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

#include "counters.h"
#include "hooks.h"

/* Most queues of a port: RSS of the 82599 has 16. */
#define HPCAP_PORT_QUEUES	16
/* Default number of descriptors of a queue, and the most that an 82599 supports. */
#define HPCAP_PORT_DESCRIPTORS	4096
/*
 * The longest frame that the MAC accepts, with its FCS: 15.5 KiB (82599 datasheet 8.2.3.22.13,
 * MAXFRS). A capturing port accepts it whatever the MTU, because others choose what they send.
 */
#define HPCAP_PORT_FRAME_MAX	15872u

/* The interface's own statistics of a queue, and their sequence counter. */
struct hpcap_port_stats {
	u64 *packets;
	u64 *bytes;
	struct u64_stats_sync *syncp;
};

/* A receive ring of the driver. */
struct hpcap_port_ring {
	u32 index;
	void *descriptors;
	u32 count;
	u8 __iomem *tail;
	struct hpcap_port_stats stats;
};

/* A queue of a port; the first argument of the functions in struct hpcap_nic_ops. */
struct hpcap_port_queue {
	struct hpcap_advrx rx;
	struct hpcap_port *port;
	u32 index;
	u8 __iomem *tail;	/* the queue's tail register */
	struct hpcap_port_stats stats;

	/* Memory of the queue (slots.c). */
	u32 slots;
	u32 chunk_bytes;
	u8 **chunks;
	u64 *chunk_dma;
};

/* What a driver provides. */
struct hpcap_port_driver {
	const char *name;	/* such as "hpcap_ixgbe" */
	const struct hpcap_port_registers *registers;	/* NULL: none counts lost frames */
};

struct hpcap_port {
	const struct hpcap_port_driver *driver;
	struct pci_dev *pdev;
	struct net_device *netdev;
	/*
	 * The driver's adapter. Our code never finds the adapter through the interface, because
	 * that differs between kernels: since 6.16, netdev_priv() of an ixgbe interface is not the
	 * adapter.
	 */
	void *nic;
	struct hpcap_port_counters *counters;	/* NULL: the driver has no registers */
	u32 wanted;			/* queues that the administrator has asked for */
	u32 queues;			/* queues that the adapter was registered with */
	struct hpcap_adapter *adapter;	/* NULL: the queues have ended; under RTNL */
	bool receives;			/* the NIC may write into the slots */
	const struct ethtool_ops *driver_ethtool;
	const struct ethtool_ops ethtool;	/* the interface's; container_of() gives the port */
	struct hpcap_port_queue *queue[HPCAP_PORT_QUEUES];
};

/* params.c: read the module's parameters. -EINVAL, with a message in the log, when invalid. */
int hpcap_param_mode(struct pci_dev *pdev, u32 number, bool *hpcap);
int hpcap_param_queues(struct pci_dev *pdev, u32 number, u32 *queues);

/*
 * Creates the port of a device in hpcap mode; *port is NULL for a device in standard mode. Called
 * in the driver's probe. The port is freed with the device (devres). `nic` is the driver's adapter.
 */
int hpcap_port_create(struct pci_dev *pdev, struct net_device *netdev, void *nic,
		      const struct hpcap_port_driver *driver, struct hpcap_port **port);
/*
 * Refuses hpcap mode for a kind of device that no test has seen, with -EOPNOTSUPP and a message.
 * A build with --untested only warns, and returns 0.
 */
int hpcap_port_untested(struct pci_dev *pdev, const char *kind);

/*
 * Gives a queue its slots: sets up its descriptors and gives them to the NIC, which receives from
 * then on. Returns whether the port is in hpcap mode, and needs no pages. A ring that is no queue
 * of ours (traffic classes can add some) stays without buffers.
 */
bool hpcap_port_arm(struct hpcap_port *port, const struct hpcap_port_ring *ring);
/*
 * As hpcap_port_arm() of a driver's ring, whose members have the same names in all drivers, except
 * those for its statistics and their sequence counter: the last two arguments point to them.
 */
#define hpcap_port_arm_driver_ring(port, driver_ring, statistics, sync) ({	\
	typeof(driver_ring) d_ = (driver_ring);				\
	typeof(statistics) s_ = (statistics);				\
	const struct hpcap_port_ring r_ = {				\
		.index = d_->queue_index,				\
		.descriptors = d_->desc,				\
		.count = d_->count,					\
		.tail = d_->tail,					\
		.stats = {						\
			.packets = &s_->packets,			\
			.bytes = &s_->bytes,				\
			.syncp = (sync),				\
		},							\
	};								\
									\
	hpcap_port_arm(port, &r_);					\
})

/* Notes that the NIC has stopped receiving, although the port was never up. */
void hpcap_port_quiet(struct hpcap_port *port);

/* ethtool.c */
void hpcap_port_set_ethtool(struct hpcap_port *port);

#endif /* _HPCAP_CAPTURE_H */
