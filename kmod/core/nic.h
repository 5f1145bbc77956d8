/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface between hpcap.ko and the drivers of NICs. hpcap.ko knows no NIC: hpcap_ixgbe.ko,
 * hpcap_ixgbevf.ko and hpcap_netdev.ko register their adapters with the functions below.
 *
 * An adapter has one or more queues. Each queue has a poll thread and a ring from
 * hpcap_adapter_create() to hpcap_adapter_free(), which may take seconds, and a device node
 * /dev/hpcap_N_Q from hpcap_adapter_register() to hpcap_adapter_unregister(), which do not. So a
 * driver that holds rtnl calls only these two: while it holds rtnl, nobody else can change any
 * interface of the machine.
 *
 * The poll thread calls the driver only between hpcap_rxq_start() and hpcap_rxq_stop(), which the
 * driver calls when its interface goes up and down. Listeners stay attached while the interface is
 * down.
 */
#ifndef _HPCAP_NIC_H
#define _HPCAP_NIC_H

#include <linux/device.h>
#include <linux/netdevice.h>
#include <linux/pci.h>

#include "frame.h"

struct hpcap_adapter;

/**
 * struct hpcap_nic_counters - frames that a NIC has lost since its adapter was registered
 * @missed: frames for which there was no descriptor, or no room in the NIC (HPCAP_NIC_MISSED)
 * @errors: damaged frames that were in no batch's errors (HPCAP_NIC_ERROR)
 *
 * Neither counter ever goes back, also not while the interface is down.
 */
struct hpcap_nic_counters {
	u64 missed;
	u64 errors;
};

/**
 * struct hpcap_nic_ops - what hpcap calls to receive from a NIC
 * @owner: module of the driver
 * @clock_source: which clock stamps the frames: "kernel" or "nic"
 * @own_times: @harvest knows when each frame arrived. Otherwise it gives all frames the time @now,
 *	and hpcap spreads their times over the time since the harvest before (spread.h).
 * @harvest: fills an empty batch with up to n (at most HPCAP_BATCH) frames that wait in the NIC,
 *	oldest first, and returns their number. The bytes of the frames stay in place until
 *	@release. @now is the time for frames that the NIC did not stamp.
 * @release: frees the buffers of the last harvest, those of damaged frames included. Called once
 *	after each harvest that found frames or errors, before the next harvest; n is the number
 *	that @harvest returned.
 * @counters: reads the NIC's counters of lost frames. Called every 100 ms, and before the ledger
 *	is final.
 *
 * The first argument of each function is what the driver gave to hpcap_rxq_start(). The functions
 * are called between start and stop, by the poll thread of the queue alone. They must not take
 * rtnl, nor wait for anybody who can be delayed: frames are lost meanwhile.
 */
struct hpcap_nic_ops {
	struct module *owner;
	const char *clock_source;
	bool own_times;
	u32 (*harvest)(void *rx, struct hpcap_batch *batch, u32 n,
		       const struct timespec64 *now);
	void (*release)(void *rx, u32 n);
	void (*counters)(void *rx, struct hpcap_nic_counters *counters);
};

/**
 * struct hpcap_adapter_info - description of an adapter
 * @driver: name of the driver, such as "hpcap_ixgbe"
 * @parent: parent of the device nodes; the PCI device
 * @netdev: network interface of the adapter, or NULL; hpcap holds a reference while the adapter is
 *	registered
 * @number: N of hpcapN and /dev/hpcap_N_Q
 * @queues: number of queues
 * @link_type: LINKTYPE_ value of the frames; 1 is Ethernet
 */
struct hpcap_adapter_info {
	const char *driver;
	struct device *parent;
	struct net_device *netdev;
	u32 number;
	u32 queues;
	u32 link_type;
};

/**
 * hpcap_adapter_create() - creates an adapter with its queues and their rings
 * @info: description of the adapter; copied. The interface has its final name.
 * @ops: functions of the driver; must outlive the adapter
 *
 * Allocates the memory of all rings. Nobody sees the adapter before it is registered.
 *
 * Context: process; may take seconds. The caller does not hold rtnl.
 * Return: the adapter, or an ERR_PTR: -EINVAL, -ENOMEM, -EINTR.
 */
struct hpcap_adapter *hpcap_adapter_create(const struct hpcap_adapter_info *info,
					   const struct hpcap_nic_ops *ops);

/**
 * hpcap_adapter_register() - creates the device nodes of an adapter
 * @adapter: the adapter
 *
 * Return: 0; -EEXIST (the number is taken); -ENOMEM. After a failure, the adapter can only be
 * freed.
 */
int hpcap_adapter_register(struct hpcap_adapter *adapter);

/**
 * hpcap_adapter_unregister() - removes the device nodes of an adapter, and ends its queues
 * @adapter: the adapter
 *
 * Listeners see the end of their queue. Device nodes that are open stay usable, without frames.
 * When this function has returned, hpcap calls no function of the driver any more, and the adapter
 * can only be freed.
 */
void hpcap_adapter_unregister(struct hpcap_adapter *adapter);

/**
 * hpcap_adapter_free() - frees an adapter that is not registered (any more)
 * @adapter: the adapter
 *
 * Frees the rings that no program has open.
 *
 * Context: process; may take seconds. The caller does not hold rtnl.
 */
void hpcap_adapter_free(struct hpcap_adapter *adapter);

/**
 * hpcap_rxq_start() - lets the poll thread of a queue harvest
 * @adapter: the adapter
 * @queue: index of the queue
 * @rx: first argument of the functions in struct hpcap_nic_ops
 * @depth: most frames that can wait in the NIC when it has stopped receiving; hpcap_rxq_stop()
 *	harvests no more than these
 *
 * Context: process; waits for the poll thread.
 */
void hpcap_rxq_start(struct hpcap_adapter *adapter, u32 queue, void *rx, u32 depth);

/**
 * hpcap_rxq_stop() - ends the harvests of a queue
 * @adapter: the adapter
 * @queue: index of the queue
 *
 * Lets the poll thread harvest the frames that still wait in the NIC. When this function has
 * returned, the poll thread does not harvest, nor is it about to. If the NIC had stopped receiving
 * before the call, every frame is accounted for.
 *
 * Context: process; waits for the poll thread.
 */
void hpcap_rxq_stop(struct hpcap_adapter *adapter, u32 queue);

/**
 * hpcap_rxq_wake() - lets a sleeping poll thread harvest at once
 * @adapter: the adapter
 * @queue: index of the queue
 *
 * Context: any.
 */
void hpcap_rxq_wake(struct hpcap_adapter *adapter, u32 queue);

/**
 * hpcap_pci_index() - returns the number of an interface, by its place on the bus
 * @pdev: PCI device of the interface, which is being probed
 *
 * The number is the rank of the device among the NICs that hpcap drives, by PCI domain, bus,
 * device and function, so it does not depend on the order in which drivers probe. pci_index.c has
 * the exceptions. The device keeps its number until its driver leaves it.
 *
 * Return: the number, or -ENOMEM.
 */
int hpcap_pci_index(struct pci_dev *pdev);

/**
 * hpcap_ethtool_count() - returns the number of statistics that hpcap adds to `ethtool -S`
 * @adapter: the adapter
 *
 * The statistics are the ledger of every queue, and sums under the names of the original HPCAP.
 */
int hpcap_ethtool_count(struct hpcap_adapter *adapter);

/**
 * hpcap_ethtool_strings() - writes the names of the statistics
 * @adapter: the adapter
 * @data: room for hpcap_ethtool_count() names of ETH_GSTRING_LEN bytes
 */
void hpcap_ethtool_strings(struct hpcap_adapter *adapter, u8 *data);

/**
 * hpcap_ethtool_stats() - writes the values of the statistics
 * @adapter: the adapter
 * @data: room for hpcap_ethtool_count() values
 */
void hpcap_ethtool_stats(struct hpcap_adapter *adapter, u64 *data);

#endif /* _HPCAP_NIC_H */
