// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waking those who sleep: the poll thread of a queue, and its listeners.
 *
 * A process may let a thousand threads wait with one descriptor, and to wake them takes a
 * millisecond. So the poll thread only queues the wake-up of a client, which wakes one thread at
 * most: a worker. It is the worker that wakes the client's threads, on a processor that the
 * scheduler chooses, with its own locks. Each client has a wake-up of its own, so the many threads
 * of one do not make another wait. hpcap_ring_service() limits the number of wake-ups.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "client.h"
#include "rxq.h"
#include "wake.h"

/* Ordinary workers may be busy with work that takes long. */
static struct workqueue_struct *hpcap_wakers;

void hpcap_rxq_kick(struct hpcap_rxq *rxq)
{
	WRITE_ONCE(rxq->kicked, true);
	/* Pairs with prepare_to_wait(): the thread sees the kick, or we see that it sleeps. */
	if (wq_has_sleeper(&rxq->idle))
		wake_up(&rxq->idle);
}

void hpcap_client_waking(struct work_struct *work)
{
	struct hpcap_client *client = container_of(work, struct hpcap_client, waking);

	wake_up_interruptible(&client->wait);
}

void hpcap_rxq_waking(struct work_struct *work)
{
	struct hpcap_rxq *rxq = container_of(work, struct hpcap_rxq, waking);

	wake_up_all(&rxq->changed);
}

void hpcap_wake_listeners(struct hpcap_rxq *rxq, u32 slots)
{
	for (; slots; slots &= slots - 1) {
		struct hpcap_client *client = rxq->clients[__ffs(slots)];

		if (client)
			queue_work(hpcap_wakers, &client->waking);
	}
}

void hpcap_wake_changed(struct hpcap_rxq *rxq)
{
	queue_work(hpcap_wakers, &rxq->waking);
}

int hpcap_wake_init(void)
{
	hpcap_wakers = alloc_workqueue("hpcap_wake", WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM, 0);
	return hpcap_wakers ? 0 : -ENOMEM;
}

void hpcap_wake_exit(void)
{
	destroy_workqueue(hpcap_wakers);
}
