// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients: their reference to the queue's memory, how they wait, and how they detach.
 */
#include <linux/ktime.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "change.h"
#include "client.h"
#include "ring_listener.h"

struct hpcap_memory *hpcap_client_memory(struct hpcap_client *client)
{
	struct hpcap_memory *memory;

	spin_lock(&client->lock);
	memory = client->memory;
	hpcap_memory_get(memory);
	spin_unlock(&client->lock);
	return memory;
}

struct hpcap_memory *hpcap_client_learn(struct hpcap_client *client)
{
	struct hpcap_memory *old = client->memory;

	lockdep_assert_held(&client->rxq->lock);
	if (old == client->rxq->memory)
		return NULL;
	hpcap_memory_get(client->rxq->memory);
	spin_lock(&client->lock);
	client->memory = client->rxq->memory;
	spin_unlock(&client->lock);
	return old;
}

static void hpcap_detach_now(struct hpcap_rxq *rxq, void *data)
{
	const struct hpcap_client *client = data;

	hpcap_ring_detach(&rxq->ring, client->index);
	rxq->clients[client->index] = NULL;
}

void hpcap_client_detach(struct hpcap_client *client)
{
	struct hpcap_rxq *rxq = client->rxq;

	lockdep_assert_held(&rxq->lock);
	if (!client->attached)
		return;
	hpcap_rxq_change(rxq, hpcap_detach_now, client);
	WRITE_ONCE(client->attached, false);
}

/* A client whose listener waits for its start, and whether the listener has started by now. */
struct hpcap_start_check {
	struct hpcap_client *client;
	bool started;
};

static void hpcap_detach_unless_started_now(struct hpcap_rxq *rxq, void *data)
{
	struct hpcap_start_check *check = data;

	check->started = rxq->ring.slots[check->client->index].state != HPCAP_SLOT_STARTING;
	if (!check->started)
		hpcap_detach_now(rxq, check->client);
}

bool hpcap_client_detach_unless_started(struct hpcap_client *client)
{
	struct hpcap_rxq *rxq = client->rxq;
	struct hpcap_start_check check = { .client = client };

	lockdep_assert_held(&rxq->lock);
	if (hpcap_client_state(client, client->memory) != HPCAP_SLOT_STARTING)
		return true;
	hpcap_rxq_change(rxq, hpcap_detach_unless_started_now, &check);
	if (!check.started)
		WRITE_ONCE(client->attached, false);
	return check.started;
}

u32 hpcap_client_state(const struct hpcap_client *client, const struct hpcap_memory *memory)
{
	/* Acquire: a listener that is active has its start. */
	return smp_load_acquire(&memory->queue->listeners[client->index].state);
}

bool hpcap_memory_ended(const struct hpcap_memory *memory)
{
	/* Acquire: a queue that has ended has published everything. */
	return smp_load_acquire(&memory->queue->state) != HPCAP_QUEUE_RUNNING;
}

/* Whether the listener was killed or its end is fixed, so that it need not wait. */
static bool hpcap_client_has_end(const struct hpcap_client *client,
				 const struct hpcap_memory *memory)
{
	u32 state = hpcap_client_state(client, memory);

	return state == HPCAP_SLOT_KILLED || state == HPCAP_SLOT_FINISHED;
}

/* Whether the listener should go on sleeping. */
static bool hpcap_client_sleeps(const struct hpcap_client *client,
				const struct hpcap_memory *memory)
{
	return READ_ONCE(client->slot->waiting) == 1 && READ_ONCE(client->attached) &&
	       !hpcap_client_has_end(client, memory) && !hpcap_memory_ended(memory);
}

long hpcap_client_wait(struct hpcap_client *client, const u64 __user *timeout_ns)
{
	struct hpcap_memory *memory;
	u64 ns;
	int err;

	if (get_user(ns, timeout_ns))
		return -EFAULT;
	/* Acquire: a client that is attached has its slot. */
	if (!smp_load_acquire(&client->attached))
		return -ENOTCONN;
	memory = hpcap_client_memory(client);
	err = wait_event_interruptible_hrtimeout(client->wait,
						 !hpcap_client_sleeps(client, memory),
						 ns_to_ktime(min_t(u64, ns, KTIME_MAX)));
	hpcap_memory_put(memory);
	/* The timeout is relative, so only the program knows how much of it is left. */
	if (err == -ERESTARTSYS)
		return -EINTR;
	return err == -ETIME ? 0 : err;
}

/* Whether the listener has ended, or `published` has reached its wait_off. */
static bool hpcap_is_ready(const struct hpcap_client *client, const struct hpcap_memory *memory)
{
	return hpcap_client_has_end(client, memory) ||
	       READ_ONCE(memory->queue->published) >= READ_ONCE(client->slot->wait_off);
}

/* As hpcap_is_ready(). When it returns false, an attached listener will be woken later. */
static bool hpcap_poll_ready(const struct hpcap_client *client, const struct hpcap_memory *memory)
{
	/* Acquire: a client that is attached has its slot. */
	if (!smp_load_acquire(&client->attached))
		return false;
	if (hpcap_is_ready(client, memory))
		return true;
	WRITE_ONCE(client->slot->waiting, 1);
	/* Pairs with hpcap_ring_service(), which publishes before it reads `waiting`. */
	smp_mb();
	return hpcap_is_ready(client, memory);
}

/* EPOLLIN: there is something to read. EPOLLHUP: nothing more will be published. */
__poll_t hpcap_client_poll(struct file *file, poll_table *table)
{
	struct hpcap_client *client = file->private_data;
	struct hpcap_memory *memory = hpcap_client_memory(client);
	__poll_t events = 0;

	poll_wait(file, &client->wait, table);
	poll_wait(file, &client->rxq->changed, table);
	if (hpcap_memory_ended(memory))
		events |= EPOLLHUP;
	/* A caller that waits for EPOLLHUP alone must not be woken for data. */
	if (poll_requested_events(table) & (EPOLLIN | EPOLLRDNORM) &&
	    hpcap_poll_ready(client, memory))
		events |= EPOLLIN | EPOLLRDNORM;
	hpcap_memory_put(memory);
	return events;
}
