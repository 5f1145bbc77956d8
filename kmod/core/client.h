/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An open file of /dev/hpcap_N_Q: an observer of the queue, or one listener.
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
#include <linux/workqueue.h>

#include "rxq.h"

struct hpcap_client {
	struct hpcap_rxq *rxq;
	struct module *nic;		/* the NIC's driver; held while the file is open */
	spinlock_t lock;		/* protects `memory`; its users take references */
	struct hpcap_memory *memory;	/* the queue's memory at the time of the last request */
	struct page *slot_page;
	struct hpcap_slot *slot;	/* address of slot_page; the listener writes at any time */
	wait_queue_head_t wait;		/* HPCAP_IOC_WAIT and poll(2) sleep here */
	struct work_struct waking;	/* wakes `wait` for the poll thread (wake.c) */
	kuid_t uid;			/* user that opened the file */
	pid_t pid;			/* process that opened the file */

	/* Written under rxq->lock; `attached` after `index` and `id` (store-release). */
	bool attached;
	u32 index;			/* index of the slot */
	u64 id;				/* id of the listener */
};

/* client.c */

/* Returns the client's memory, with a reference. */
struct hpcap_memory *hpcap_client_memory(struct hpcap_client *client);
/*
 * Switches the client to the queue's current memory. Under rxq->lock. Returns the old reference or
 * NULL; the caller puts it after unlocking, because a large ring takes seconds to free.
 */
struct hpcap_memory *hpcap_client_learn(struct hpcap_client *client);
/* Ends the client's listener. Under rxq->lock. */
void hpcap_client_detach(struct hpcap_client *client);
/*
 * Ends the client's listener if it still waits for its start. Under rxq->lock. Returns whether the
 * listener had started, and so is attached.
 */
bool hpcap_client_detach_unless_started(struct hpcap_client *client);
/* Returns the state of the client's listener in the queue page (enum hpcap_slot_state). */
u32 hpcap_client_state(const struct hpcap_client *client, const struct hpcap_memory *memory);
/* Whether the queue in this memory has ended: nothing more will be published. */
bool hpcap_memory_ended(const struct hpcap_memory *memory);

/* Implements HPCAP_IOC_WAIT. */
long hpcap_client_wait(struct hpcap_client *client, const u64 __user *timeout_ns);

__poll_t hpcap_client_poll(struct file *file, struct poll_table_struct *table);

/* ioctl.c */
long hpcap_client_ioctl(struct file *file, unsigned int command, unsigned long arg);

/* request.c: HPCAP_IOC_REQUEST */
long hpcap_client_request(struct hpcap_client *client, struct hpcap_attach __user *message);

#endif /* _HPCAP_CLIENT_H */
