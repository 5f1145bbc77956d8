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
#include <linux/wait.h>

#include "memory.h"
#include "nic.h"
#include "ring.h"
#include "settings.h"
#include "stages.h"

struct hpcap_client;	/* an open file; chardev.c */

struct hpcap_adapter {
	struct hpcap_adapter_info info;
	const struct hpcap_nic_ops *ops;
	netdevice_tracker netdev_tracker;
	struct list_head list;	/* of all adapters, by number; adapter.c */
	u32 count;
	struct hpcap_rxq *queues[];
};

struct hpcap_rxq {
	struct device dev;	/* counts the references: the adapter's and each open file's */
	struct cdev cdev;
	struct hpcap_adapter *adapter;	/* NULL once the adapter is gone; under `lock` */
	u32 number;		/* of the adapter */
	u32 index;
	int node;		/* NUMA node of the NIC */

	/*
	 * The ring belongs to whoever holds this: the poll thread for each batch, a client for
	 * attaching and leaving. rtnl may be held by whoever takes it; never the other way round.
	 */
	struct mutex lock;
	/*
	 * Anybody may read files of sysfs, all day long, and must not keep the poll thread waiting.
	 * What they show and the queue page does not have - which memory it is, settings, stages -
	 * is written under `lock` and this one, and read under either. The poll thread only reads.
	 */
	spinlock_t view;
	struct hpcap_ring ring;
	struct hpcap_memory *memory;
	struct hpcap_client *clients[HPCAP_SLOTS];	/* by slot */
	u64 next_id;		/* of a listener; 1 for the first */
	wait_queue_head_t changed;	/* a file has started, the queue has ended */
	struct hpcap_settings settings;
	struct hpcap_stages stages;

	/* the harvest; harvest.c, under `lock` */
	void *rx;		/* the driver's, between start and stop; NULL otherwise */
	u32 depth;		/* frames that can wait there */
	struct hpcap_batch *batch;
	u32 burst;		/* frames of a harvest, at most */
	u32 harvested;		/* frames and errors wait to be released: what harvest said */
	bool unreleased;
	struct hpcap_nic_counters seen;	/* in the ledger already */
	u64 counted_ns;		/* clock when they were read */
	u64 file_off;		/* of the file that `changed` was last told of */
	u64 gaps;		/* that the tracepoint was told of */

	/* the poll thread; poll.c */
	struct task_struct *thread;
	wait_queue_head_t idle;	/* it sleeps here */
	bool kicked;		/* it should not */
};

/* queue.c */

/*
 * A queue with a ring of settings.ring_bytes and a poll thread that does not run yet, to be
 * followed by hpcap_chardev_add(); the last reference of its device frees it. ERR_PTR.
 */
struct hpcap_rxq *hpcap_rxq_create(struct hpcap_adapter *adapter, u32 index);
/*
 * The queue gets another ring, and starts anew; takes over the reference where it succeeds.
 * -EBUSY while a listener is attached, -ENODEV once the adapter is gone, -EINVAL where the sizes
 * do not make a ring. The caller does not hold `lock`.
 */
int hpcap_rxq_set_memory(struct hpcap_rxq *rxq, struct hpcap_memory *memory);
/* Nothing more will be published; everybody who sleeps is woken, and the adapter forgotten. */
void hpcap_rxq_end(struct hpcap_rxq *rxq);
/* hpcap_ring_service() with the time of now, and the wake-ups that come of it. Under `lock`. */
void hpcap_rxq_service(struct hpcap_rxq *rxq);
/* The same with a clock that was just read, which is cheaper. */
void hpcap_rxq_service_at(struct hpcap_rxq *rxq, ktime_t clock);
/* Capture length or filter are others: so that the header of every file is true. Under `lock`. */
void hpcap_rxq_new_file(struct hpcap_rxq *rxq);
/* The memory of the queue as of now, with a reference. Without `lock`. */
struct hpcap_memory *hpcap_rxq_memory(struct hpcap_rxq *rxq);
/*
 * The ledger as its listeners see it: as of the last look of the poll thread, the NIC's own losses
 * as of 100 ms before at most. Without `lock`.
 */
void hpcap_rxq_ledger(struct hpcap_rxq *rxq, struct hpcap_count ledger[HPCAP_LEDGER_REASONS]);

/* harvest.c; all under `lock` */

/*
 * One batch out of the NIC into the ring, or the rest of one that was held; returns the frames and
 * errors that it brought. 0: there is nothing, or no room.
 */
u32 hpcap_rxq_harvest(struct hpcap_rxq *rxq, ktime_t clock);
/* Frames of a batch wait for room in the ring (HPCAP_FULL_HOLD). */
bool hpcap_rxq_holds(const struct hpcap_rxq *rxq);
/* What the NIC lost, into the ledger. */
void hpcap_rxq_count(struct hpcap_rxq *rxq);
/* Everything that waits in the NIC into the ring or the ledger, and the NIC's last counts. */
void hpcap_rxq_drain(struct hpcap_rxq *rxq);

/* poll.c */

/* The poll thread, which does nothing before it is woken for the first time. */
int hpcap_poll_create(struct hpcap_rxq *rxq);
/* Waits for its end. */
void hpcap_poll_stop(struct hpcap_rxq *rxq);
/* It runs on this CPU from now on; -1: on those of the NIC's node. */
int hpcap_poll_bind(struct hpcap_rxq *rxq, int cpu);
/* An idle poll thread looks again at once. From any context. */
void hpcap_rxq_kick(struct hpcap_rxq *rxq);

/* sysfs.c: the attributes of a queue's device. */
extern const struct attribute_group *hpcap_rxq_groups[];

/* chardev.c */

/* Device numbers and the class; once for the module. */
int hpcap_chardev_init(void);
void hpcap_chardev_exit(void);
/*
 * The device node of a queue that is otherwise ready. rxq->dev is initialised here, first of
 * all: whatever comes of it, the caller drops its reference with put_device() in the end.
 */
int hpcap_chardev_add(struct hpcap_rxq *rxq, struct device *parent);
/* No further opens. Open files stay, and hold a reference of rxq->dev. */
void hpcap_chardev_del(struct hpcap_rxq *rxq);
/* Wakes the listeners of these slots, a bit each. Under `lock`. */
void hpcap_chardev_wake(struct hpcap_rxq *rxq, u32 slots);
/* The release function of rxq->dev; queue.c. */
void hpcap_rxq_release(struct device *dev);

#endif /* _HPCAP_RXQ_H */
