/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An open file of /dev/hpcap_N_Q: it observes the queue, or is one listener.
 *
 * Locks, outermost first: mmap_lock of a process, rxq->lock, client->lock. So nothing under
 * rxq->lock may touch user memory, and mmap takes client->lock alone.
 */
#ifndef _HPCAP_CLIENT_H
#define _HPCAP_CLIENT_H

#include <linux/module.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>

#include "rxq.h"

struct hpcap_client {
	struct hpcap_rxq *rxq;
	struct module *nic;		/* of the NIC's driver; held while the file is open */
	spinlock_t lock;		/* of `memory`: whoever uses it takes a reference */
	struct hpcap_memory *memory;	/* what the queue had when it was last asked about */
	struct page *slot_page;
	struct hpcap_slot *slot;	/* its address; the listener may write there at any time */
	wait_queue_head_t wait;		/* sleeps on slot->waiting */
	kuid_t uid;			/* of whoever opened it */
	pid_t pid;

	/* Written under rxq->lock; `attached` after `index` and `id` (store-release). */
	bool attached;
	u32 index;			/* of the slot */
	u64 id;
};

/* client.c */

/* The memory that the client knows, with a reference. */
struct hpcap_memory *hpcap_client_memory(struct hpcap_client *client);
/*
 * From now on it knows that of the queue. Under rxq->lock; returns what it knew before, or NULL,
 * for hpcap_memory_put() without the lock: a large ring takes seconds to free.
 */
struct hpcap_memory *hpcap_client_learn(struct hpcap_client *client);
/* It is no listener any more. Under rxq->lock. */
void hpcap_client_detach(struct hpcap_client *client);
/* What the queue page says of its listener: enum hpcap_slot_state. */
u32 hpcap_client_state(const struct hpcap_client *client, const struct hpcap_memory *memory);
/* Whether nothing more will be published there. */
bool hpcap_memory_ended(const struct hpcap_memory *memory);

/* HPCAP_IOC_WAIT */
long hpcap_client_wait(struct hpcap_client *client, const u64 __user *timeout_ns);

__poll_t hpcap_client_poll(struct file *file, struct poll_table_struct *table);

/* ioctl.c */
long hpcap_client_ioctl(struct file *file, unsigned int command, unsigned long arg);

/* request.c: HPCAP_IOC_REQUEST */
long hpcap_client_request(struct hpcap_client *client, struct hpcap_attach __user *message);

#endif /* _HPCAP_CLIENT_H */
