/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A queue in the kernel: ring, memory, poll thread, device node and clients of one Rx queue of
 * an adapter. (`struct hpcap_queue` is the page that clients see.)
 */
#ifndef _HPCAP_RXQ_H
#define _HPCAP_RXQ_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/pm_qos.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "memory.h"
#include "nic.h"
#include "ring_types.h"
#include "settings.h"
#include "stages.h"

struct hpcap_change;	/* change.c */
struct hpcap_client;	/* an open file; chardev.c */

struct hpcap_adapter {
	struct hpcap_adapter_info info;
	const struct hpcap_nic_ops *ops;
	netdevice_tracker netdev_tracker;
	struct list_head list;	/* in the list of all adapters, by number; adapter.c */
	bool ended;		/* the poll threads have ended */
	u32 count;
	struct hpcap_rxq *queues[];
};

struct hpcap_rxq {
	struct device dev;	/* one reference for the adapter and for each open file */
	struct cdev cdev;
	/* NULL once the adapter is gone. The poll thread clears it as a change (change.c). */
	struct hpcap_adapter *adapter;
	u32 number;		/* number of the adapter */
	u32 index;
	int node;		/* NUMA node of the NIC */

	/*
	 * Orders those who change the queue among themselves: clients that attach or detach,
	 * drivers that start or stop it, writers of settings. The poll thread never takes it, so
	 * nobody who holds it delays a frame. A thread may take it while it holds rtnl, but never
	 * takes rtnl under it.
	 */
	struct mutex lock;
	/*
	 * Protects what sysfs shows and the queue page does not have: memory, settings, and the
	 * shown part of the stages. They are written under both locks, and read under either, so
	 * readers do not wait for changes. The poll thread never takes this lock, either.
	 */
	spinlock_t view;
	struct hpcap_memory *memory;
	struct hpcap_settings settings;
	u64 next_id;		/* id of the next listener, under `lock`; the first one gets 1 */
	wait_queue_head_t changed;	/* woken when a file starts, and when the queue ends */
	struct work_struct waking;	/* wakes `changed` for the poll thread (wake.c) */

	/*
	 * These fields belong to the poll thread. Others change them as change.c says; a holder of
	 * `lock` may read `clients` and ring.slot_mask, which only such changes write.
	 */
	struct hpcap_ring ring;
	struct hpcap_client *clients[HPCAP_SLOTS];	/* indexed by slot */
	struct hpcap_stages stages;	/* except the part that is shown */
	enum hpcap_poll poll;		/* settings.poll in force */
	enum hpcap_full when_full;	/* settings.when_full in force */
	void *rx;		/* argument of the driver's functions; NULL while stopped */
	u32 depth;		/* most frames that can wait in the NIC */
	struct hpcap_batch *batch;
	u32 burst;		/* most frames of one harvest */
	u32 harvested;		/* frames that the last harvest returned */
	bool unreleased;	/* the NIC's buffers of the last harvest are still in use */
	struct hpcap_nic_counters seen;	/* counters that the ledger includes already */
	u64 counted_ns;		/* clock when the counters were read */
	u64 file_off;		/* start of the file for which `changed` was last woken */
	u64 gaps;		/* gaps that the tracepoint has reported */
	u64 looked_ns;		/* clock of the last look into the NIC; 0: the interface was down */
	u64 harvested_ns;	/* clock of the last call of `harvest`; 0: the interface was down */
	u64 changed_ns;		/* clock when a change was last made (change.c) */
	u64 bound_ns;		/* clock when the thread last looked where it may run (poll.c) */

	/* The poll thread (poll.c). */
	struct task_struct *thread;	/* NULL once the thread has ended; under `lock` */
	struct hpcap_change *change;	/* the change that waits, or NULL (change.c) */
	wait_queue_head_t idle;	/* the poll thread sleeps here */
	struct pm_qos_request wakeful;	/* keeps CPUs awake while the queue is up; under `lock` */
	bool kicked;		/* set by hpcap_rxq_kick(): harvest once more before sleeping */
};

#endif /* _HPCAP_RXQ_H */
