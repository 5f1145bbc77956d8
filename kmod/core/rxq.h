/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A queue in the kernel: ring, memory, poll thread, device node and clients of one Rx queue of
 * an adapter. (`struct hpcap_queue` is the page that clients see.)
 */
#ifndef _HPCAP_RXQ_H
#define _HPCAP_RXQ_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/mutex.h>
#include <linux/wait.h>

#include "memory.h"
#include "nic.h"
#include "ring.h"

struct hpcap_client;	/* an open file; chardev.c */

struct hpcap_adapter {
	struct hpcap_adapter_info info;
	const struct hpcap_nic_ops *ops;
	struct list_head list;
	u32 count;
	struct hpcap_rxq *queues[];
};

struct hpcap_rxq {
	struct device dev;	/* counts the references: the adapter's and each open file's */
	struct cdev cdev;
	struct hpcap_adapter *adapter;	/* NULL once the adapter is gone; under `lock` */
	u32 number;		/* of the adapter */
	u32 index;

	/*
	 * The ring belongs to whoever holds this: the poll thread for each batch, a client for
	 * attaching and leaving.
	 */
	struct mutex lock;
	struct hpcap_ring ring;
	struct hpcap_memory *memory;
	struct hpcap_client *clients[HPCAP_SLOTS];	/* by slot */
	u64 next_id;		/* of a listener; 1 for the first */
	wait_queue_head_t changed;	/* a listener has become active, the queue has ended */

	/* the poll thread; poll.c */
	struct task_struct *thread;
	void *rx;		/* the driver's, between start and stop; NULL otherwise */
	struct hpcap_batch *batch;
};

/* poll.c */

/*
 * The queue gets another ring, and starts anew; takes over the reference. -EBUSY while a
 * listener is attached, -ENODEV once the adapter is gone. The caller does not hold `lock`.
 */
int hpcap_rxq_set_memory(struct hpcap_rxq *rxq, struct hpcap_memory *memory);
/* hpcap_ring_service() with the time of now, and the wake-ups that come of it. Under `lock`. */
void hpcap_rxq_service(struct hpcap_rxq *rxq);
/* An idle poll thread looks again at once. */
void hpcap_rxq_kick(struct hpcap_rxq *rxq);

/* sysfs.c: the attributes of a queue's device. */
extern const struct attribute_group *hpcap_rxq_groups[];

/* chardev.c */

/* Device numbers and the class; once for the module. */
int hpcap_chardev_init(void);
void hpcap_chardev_exit(void);
/* The device node of a queue that is otherwise ready. rxq->dev is initialised here. */
int hpcap_chardev_add(struct hpcap_rxq *rxq, struct device *parent);
/* No further opens. Open files stay, and hold a reference of rxq->dev. */
void hpcap_chardev_del(struct hpcap_rxq *rxq);
/* Wakes the listeners of these slots, a bit each. Under `lock`. */
void hpcap_chardev_wake(struct hpcap_rxq *rxq, u32 slots);
/* poll.c frees the rest of a queue when its last reference has gone. */
void hpcap_rxq_release(struct device *dev);

#endif /* _HPCAP_RXQ_H */
