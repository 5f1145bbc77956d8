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
	struct list_head list;	/* in the list of all adapters, by number; adapter.c */
	u32 count;
	struct hpcap_rxq *queues[];
};

struct hpcap_rxq {
	struct device dev;	/* one reference for the adapter and for each open file */
	struct cdev cdev;
	struct hpcap_adapter *adapter;	/* NULL once the adapter is gone; under `lock` */
	u32 number;		/* number of the adapter */
	u32 index;
	int node;		/* NUMA node of the NIC */

	/*
	 * Protects the ring. The poll thread holds it for each batch, a client while it attaches
	 * or detaches. A thread may take it while it holds rtnl, but never takes rtnl under it.
	 */
	struct mutex lock;
	/*
	 * Lets any user read sysfs at any rate without delaying the poll thread. The state that
	 * sysfs shows and the queue page does not have (memory, settings, stages) is written under
	 * both locks, and read under either. The poll thread only reads it.
	 */
	spinlock_t view;
	struct hpcap_ring ring;
	struct hpcap_memory *memory;
	struct hpcap_client *clients[HPCAP_SLOTS];	/* indexed by slot */
	u64 next_id;		/* id of the next listener; the first one gets 1 */
	wait_queue_head_t changed;	/* woken when a file starts, and when the queue ends */
	struct hpcap_settings settings;
	struct hpcap_stages stages;

	/* State of the harvest (harvest.c), under `lock`. */
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

	/* The poll thread (poll.c). */
	struct task_struct *thread;
	wait_queue_head_t idle;	/* the poll thread sleeps here */
	bool kicked;		/* set by hpcap_rxq_kick(): harvest once more before sleeping */
};

/* queue.c */

/*
 * Creates a queue with a ring of settings.ring_bytes and a poll thread that does not run yet. The
 * caller calls hpcap_chardev_add() next; the last reference of the queue's device frees the queue.
 * Returns an ERR_PTR on failure.
 */
struct hpcap_rxq *hpcap_rxq_create(struct hpcap_adapter *adapter, u32 index);
/*
 * Gives the queue another ring, with which its stream starts anew. Takes over the reference on
 * success. Returns 0; -EBUSY while a listener is attached; -ENODEV once the adapter is gone;
 * -EINVAL when the sizes do not make a ring; -ENOMEM. The caller does not hold `lock`.
 */
int hpcap_rxq_set_memory(struct hpcap_rxq *rxq, struct hpcap_memory *memory);
/* Ends the queue, wakes everybody who sleeps, and clears `adapter`. Takes `lock`. */
void hpcap_rxq_end(struct hpcap_rxq *rxq);
/* Calls hpcap_ring_service() with the current time, and wakes the listeners. Under `lock`. */
void hpcap_rxq_service(struct hpcap_rxq *rxq);
/* As hpcap_rxq_service(), with a clock that the caller has just read. */
void hpcap_rxq_service_at(struct hpcap_rxq *rxq, ktime_t clock);
/*
 * Starts a new file after the capture length or the filter has changed, so that the header of every
 * file describes all of its frames. Under `lock`.
 */
void hpcap_rxq_new_file(struct hpcap_rxq *rxq);
/* Returns the current memory of the queue, with a reference. Takes no `lock`. */
struct hpcap_memory *hpcap_rxq_memory(struct hpcap_rxq *rxq);
/*
 * Copies the ledger as listeners see it: the poll thread updates it after each batch, and adds the
 * NIC's own losses every 100 ms. Takes no `lock`.
 */
void hpcap_rxq_ledger(struct hpcap_rxq *rxq, struct hpcap_count ledger[HPCAP_LEDGER_REASONS]);

/* harvest.c; all under `lock` */

/*
 * Moves one batch from the NIC into the ring, or the rest of a batch that was held. Returns the
 * number of frames and errors; 0 when the NIC has nothing or the ring has no room.
 */
u32 hpcap_rxq_harvest(struct hpcap_rxq *rxq, ktime_t clock);
/* Whether frames of a batch wait for room in the ring (HPCAP_FULL_HOLD). */
bool hpcap_rxq_holds(const struct hpcap_rxq *rxq);
/* Adds the frames that the NIC has lost to the ledger. */
void hpcap_rxq_count(struct hpcap_rxq *rxq);
/* Moves all frames that wait in the NIC into the ring or the ledger, and counts its last losses. */
void hpcap_rxq_drain(struct hpcap_rxq *rxq);

/* poll.c */

/* Creates the poll thread, which does nothing before it is woken for the first time. */
int hpcap_poll_create(struct hpcap_rxq *rxq);
/* Stops the poll thread, and waits until it has ended. */
void hpcap_poll_stop(struct hpcap_rxq *rxq);
/* Binds the poll thread to a CPU, or with -1 to the CPUs of the NIC's node. */
int hpcap_poll_bind(struct hpcap_rxq *rxq, int cpu);
/* Wakes an idle poll thread, which harvests at once. From any context. */
void hpcap_rxq_kick(struct hpcap_rxq *rxq);

/* sysfs.c: the attributes of a queue's device. */
extern const struct attribute_group *hpcap_rxq_groups[];

/* chardev.c */

/* Registers the class and the device numbers, once for the module. */
int hpcap_chardev_init(void);
void hpcap_chardev_exit(void);
/*
 * Creates the device node of a queue that is otherwise ready. Initialises rxq->dev first, so the
 * caller drops its reference with put_device() also after an error.
 */
int hpcap_chardev_add(struct hpcap_rxq *rxq, struct device *parent);
/* Removes the device node. Files that are open stay open, and hold a reference of rxq->dev. */
void hpcap_chardev_del(struct hpcap_rxq *rxq);
/* Wakes the listeners of the slots whose bits are set. Under `lock`. */
void hpcap_chardev_wake(struct hpcap_rxq *rxq, u32 slots);
/* The release function of rxq->dev; queue.c. */
void hpcap_rxq_release(struct device *dev);

#endif /* _HPCAP_RXQ_H */
