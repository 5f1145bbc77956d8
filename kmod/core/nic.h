/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What hpcap.ko asks of a NIC's driver, and what it offers to it. hpcap.ko knows nothing of
 * any NIC: hpcap_ixgbe.ko, hpcap_ixgbevf.ko and hpcap_netdev.ko register adapters here.
 *
 * An adapter has one or more queues, each with a poll thread, a ring and a device node
 * /dev/hpcap_N_Q, from hpcap_adapter_register() to hpcap_adapter_unregister(). The poll
 * thread looks at the NIC only between hpcap_rxq_start() and hpcap_rxq_stop(), which an
 * interface calls when it goes up and down; listeners stay attached meanwhile.
 */
#ifndef _HPCAP_NIC_H
#define _HPCAP_NIC_H

#include <linux/device.h>
#include <linux/netdevice.h>
#include <linux/pci.h>

#include "frame.h"

struct hpcap_adapter;

/*
 * Frames that the NIC lost, over the adapter's life: never less than before, whether the
 * interface was down meanwhile or not.
 */
struct hpcap_nic_counters {
	u64 missed;	/* no descriptor, or no room in the NIC: HPCAP_NIC_MISSED */
	u64 errors;	/* received damaged, and in no batch's `errors`: HPCAP_NIC_ERROR */
};

/*
 * `rx` is what the driver gave to hpcap_rxq_start(). All are called between start and stop, one
 * at a time, in process context and under the queue's lock: mostly by its poll thread, but also
 * by whoever stops the queue or gives it another ring. They must not take rtnl.
 */
struct hpcap_nic_ops {
	struct module *owner;
	const char *clock_source;	/* who stamps: "kernel", "nic" */
	/*
	 * Up to n frames (HPCAP_BATCH at most) that wait in the NIC, oldest first, into a batch
	 * that is empty. Their bytes stay where they are until they are released. `now` is the
	 * time for frames that the NIC did not stamp.
	 */
	void (*harvest)(void *rx, struct hpcap_batch *batch, u32 n,
			const struct timespec64 *now);
	/*
	 * What the last harvest brought was used: its buffers are free, those of damaged frames,
	 * too. Called once after each harvest that brought frames or errors, and before the next;
	 * `n` is the number of frames that it brought.
	 */
	void (*release)(void *rx, u32 n);
	/* May sleep; every 100 ms, and before the ledger is final. */
	void (*counters)(void *rx, struct hpcap_nic_counters *counters);
};

struct hpcap_adapter_info {
	const char *driver;		/* "hpcap_ixgbe" */
	struct device *parent;		/* of the device nodes; the PCI device */
	struct net_device *netdev;	/* NULL where there is none; held by hpcap meanwhile */
	u32 number;			/* N of hpcapN and /dev/hpcap_N_Q */
	u32 queues;
	u32 link_type;			/* LINKTYPE_ value; 1 = Ethernet */
};

struct hpcap_adapter *hpcap_adapter_register(const struct hpcap_adapter_info *info,
					     const struct hpcap_nic_ops *ops);
/*
 * Ends every queue: listeners see the end. Device nodes that are open live on, without frames.
 * After it has returned nothing of the driver is called or referred to.
 */
void hpcap_adapter_unregister(struct hpcap_adapter *adapter);

/*
 * From now on the poll thread harvests. `depth` is how many frames can wait in the NIC once it
 * has stopped to receive: hpcap_rxq_stop() takes no more than these.
 */
void hpcap_rxq_start(struct hpcap_adapter *adapter, u32 queue, void *rx, u32 depth);
/*
 * After it has returned the poll thread does not harvest, and is not about to. What waits in the
 * NIC is taken before: when the NIC stopped to receive before the call, no frame is unaccounted.
 */
void hpcap_rxq_stop(struct hpcap_adapter *adapter, u32 queue);
/* Frames have come: a poll thread that sleeps looks at once. From any context. */
void hpcap_rxq_wake(struct hpcap_adapter *adapter, u32 queue);

/*
 * The number of an interface: its rank among the machine's NICs that hpcap drives, by PCI
 * domain, bus, device and function, so that it does not depend on who is probed first. To be
 * called while the device is probed; it keeps its number until its driver leaves it. A negative
 * errno where there is no memory.
 */
int hpcap_pci_index(struct pci_dev *pdev);

/* The ledger of every queue for `ethtool -S`, with the names of the original as aliases. */
int hpcap_ethtool_count(struct hpcap_adapter *adapter);
void hpcap_ethtool_strings(struct hpcap_adapter *adapter, u8 *data);
void hpcap_ethtool_stats(struct hpcap_adapter *adapter, u64 *data);

#endif /* _HPCAP_NIC_H */
