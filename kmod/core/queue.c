// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue from its first ring to its last reference: its queue page, the change of its ring, the
 * service of its listeners, and its end.
 *
 * Debug messages: `file queue.c +p` in /proc/dynamic_debug/control.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/utsname.h>

#include "change.h"
#include "harvest.h"
#include "place.h"
#include "poll.h"
#include "queue.h"
#include "ring_listener.h"
#include "ring_start.h"
#include "rxq.h"
#include "service.h"
#include "wake.h"

/* A harvest is limited to an eighth of the ring, computed with frames of this size. */
#define HPCAP_BURST_FRAME	2048
#define HPCAP_BURST_MIN		16

/* Fills in the constant part of the queue page, except the sizes, which memory.c has set. */
static void hpcap_rxq_describe(struct hpcap_rxq *rxq, struct hpcap_queue *queue)
{
	const struct hpcap_adapter_info *info = &rxq->adapter->info;

	/* Every adapter takes frames where the machine receives them. */
	queue->flags = HPCAP_QUEUE_DIRECTIONS |
		       (rxq->settings.plain ? HPCAP_QUEUE_PLAIN : 0) |
		       (rxq->settings.look_back ? HPCAP_QUEUE_LOOK_BACK : 0);
	queue->caplen = rxq->settings.caplen;
	queue->start_ns = ktime_get_real_ns();
	get_random_bytes(queue->recording_id, sizeof(queue->recording_id));
	queue->link_type = info->link_type;
	queue->producer_pid = task_pid_nr(rxq->thread);
	queue->adapter = rxq->number;
	queue->queue = rxq->index;
	if (info->netdev)
		strscpy(queue->interface, info->netdev->name, sizeof(queue->interface));
	else
		snprintf(queue->interface, sizeof(queue->interface), "hpcap%u", rxq->number);
	strscpy(queue->host, init_utsname()->nodename, sizeof(queue->host));
	strscpy(queue->clock_source, rxq->adapter->ops->clock_source,
		sizeof(queue->clock_source));
	strscpy(queue->software, "hpcap.ko " HPCAP_VERSION, sizeof(queue->software));
	hpcap_stages_describe(&rxq->stages, queue->filter, sizeof(queue->filter));
	snprintf(queue->source, sizeof(queue->source), "%s %s queue %u", info->driver,
		 queue->interface, rxq->index);
}

/*
 * Makes a new ring in `memory`, which nobody uses yet. Under `lock`, so it allocates nothing: a
 * thread that waits for memory would hold up everybody who changes the queue, some of whom hold
 * rtnl. Returns -EINVAL when the sizes do not make a ring.
 */
static int hpcap_rxq_make_ring(struct hpcap_rxq *rxq, struct hpcap_ring *ring,
			       struct hpcap_memory *memory)
{
	hpcap_rxq_describe(rxq, memory->queue);
	return hpcap_ring_init(ring, memory->ring, memory->queue);
}

/* Goes on with another ring. */
static void hpcap_rxq_use_ring(struct hpcap_rxq *rxq, const struct hpcap_ring *ring)
{
	u64 burst = ring->ring_bytes / 8 / HPCAP_BURST_FRAME;

	rxq->ring = *ring;
	rxq->burst = clamp_t(u64, burst, HPCAP_BURST_MIN, HPCAP_BATCH);
	rxq->file_off = ring->file_off;
	rxq->gaps = 0;
}

/* Shows others the memory of the ring that is in use. Under `lock`. */
static void hpcap_rxq_show_memory(struct hpcap_rxq *rxq, struct hpcap_memory *memory)
{
	spin_lock(&rxq->view);
	rxq->memory = memory;
	rxq->settings.ring_bytes = memory->ring_bytes;
	spin_unlock(&rxq->view);
}

/* Makes the first ring, before the poll thread runs. */
static int hpcap_rxq_begin(struct hpcap_rxq *rxq)
{
	struct hpcap_memory *memory;
	struct hpcap_ring *ring;
	int err;

	ring = kzalloc(sizeof(*ring), GFP_KERNEL);
	if (!ring)
		return -ENOMEM;
	memory = hpcap_memory_alloc(rxq->settings.ring_bytes, rxq->node);
	if (IS_ERR(memory)) {
		pr_err("hpcap_%u_%u: no ring of %llu bytes (%ld)\n", rxq->number, rxq->index,
		       rxq->settings.ring_bytes, PTR_ERR(memory));
		kfree(ring);
		return PTR_ERR(memory);
	}
	err = hpcap_rxq_make_ring(rxq, ring, memory);
	if (!err) {
		hpcap_rxq_use_ring(rxq, ring);
		hpcap_rxq_show_memory(rxq, memory);
	} else {
		hpcap_memory_put(memory);
	}
	kfree(ring);
	return err;
}

/* Frees the queue with the last reference of its device: the adapter's, or that of an open file. */
static void hpcap_rxq_release(struct device *dev)
{
	struct hpcap_rxq *rxq = container_of(dev, struct hpcap_rxq, dev);

	hpcap_memory_put(rxq->memory);
	hpcap_stages_free(&rxq->stages);
	kfree(rxq->batch);
	mutex_destroy(&rxq->lock);
	kfree(rxq);
}

struct hpcap_rxq *hpcap_rxq_create(struct hpcap_adapter *adapter, u32 index)
{
	int node = adapter->info.parent ? dev_to_node(adapter->info.parent) : NUMA_NO_NODE;
	struct hpcap_rxq *rxq;
	int err = -ENOMEM;

	rxq = kzalloc_node(sizeof(*rxq), GFP_KERNEL, node);
	if (!rxq)
		return ERR_PTR(-ENOMEM);
	rxq->adapter = adapter;
	rxq->number = adapter->info.number;
	rxq->index = index;
	rxq->node = node;
	rxq->next_id = 1;
	rxq->settings = hpcap_default_settings();
	rxq->poll = rxq->settings.poll;
	rxq->when_full = rxq->settings.when_full;
	hpcap_stages_init(&rxq->stages);
	mutex_init(&rxq->lock);
	spin_lock_init(&rxq->view);
	init_waitqueue_head(&rxq->changed);
	INIT_WORK(&rxq->waking, hpcap_rxq_waking);
	init_waitqueue_head(&rxq->idle);
	rxq->batch = kzalloc_node(sizeof(*rxq->batch), GFP_KERNEL, rxq->node);
	if (!rxq->batch)
		goto free_rxq;
	err = hpcap_poll_create(rxq);
	if (err)
		goto free_batch;
	err = hpcap_rxq_begin(rxq);
	if (err)
		goto stop_poll;
	/* Changes need the poll thread, so it runs before anybody can open the device. */
	hpcap_poll_start(rxq);
	device_initialize(&rxq->dev);
	rxq->dev.release = hpcap_rxq_release;
	return rxq;

stop_poll:
	hpcap_poll_stop(rxq);
free_batch:
	kfree(rxq->batch);
free_rxq:
	kfree(rxq);
	return ERR_PTR(err);
}

static void hpcap_rxq_change_ring(struct hpcap_rxq *rxq, void *data)
{
	struct hpcap_queue *old = rxq->ring.queue;

	/* Losses until now belong to the old ring. */
	hpcap_rxq_count(rxq);
	hpcap_rxq_service(rxq);
	hpcap_rxq_use_ring(rxq, data);
	/* Observers of the old ring see its end. */
	smp_store_release(&old->state, HPCAP_QUEUE_STOPPED);
}

int hpcap_rxq_set_memory(struct hpcap_rxq *rxq, struct hpcap_memory *memory)
{
	u64 ring_bytes = memory->ring_bytes;
	struct hpcap_memory *old = NULL;
	struct hpcap_ring *ring;
	int err;

	ring = kzalloc(sizeof(*ring), GFP_KERNEL);
	if (!ring)
		return -ENOMEM;
	mutex_lock(&rxq->lock);
	if (!rxq->adapter)
		err = -ENODEV;
	else if (rxq->ring.slot_mask)
		err = -EBUSY;
	else
		err = hpcap_rxq_make_ring(rxq, ring, memory);
	if (!err) {
		hpcap_rxq_change(rxq, hpcap_rxq_change_ring, ring);
		old = rxq->memory;
		hpcap_rxq_show_memory(rxq, memory);
		wake_up_all(&rxq->changed);
	}
	mutex_unlock(&rxq->lock);
	kfree(ring);
	if (old)
		hpcap_memory_put(old);
	/* `memory` may be freed already, when another thread has set the next ring. */
	pr_debug("hpcap_%u_%u: ring of %llu bytes: %d\n", rxq->number, rxq->index, ring_bytes,
		 err);
	return err;
}

static void hpcap_rxq_finish(struct hpcap_rxq *rxq, void *data)
{
	struct hpcap_ring *r = &rxq->ring;
	u32 mask;

	hpcap_rxq_drain(rxq);
	hpcap_rxq_service(rxq);
	hpcap_ring_end(r, HPCAP_QUEUE_STOPPED);
	for (mask = r->slot_mask; mask; mask &= mask - 1)
		WRITE_ONCE(r->slots[__builtin_ctz(mask)].shared->waiting, 0);
	hpcap_wake_listeners(rxq, r->slot_mask);
	rxq->adapter = NULL;
}

void hpcap_rxq_end(struct hpcap_rxq *rxq)
{
	mutex_lock(&rxq->lock);
	hpcap_rxq_change(rxq, hpcap_rxq_finish, NULL);
	wake_up_all(&rxq->changed);
	hpcap_place_restful(rxq);
	hpcap_poll_stop(rxq);
	mutex_unlock(&rxq->lock);
	/* From here on, nobody queues it again. */
	flush_work(&rxq->waking);
	pr_debug("hpcap_%u_%u: ended\n", rxq->number, rxq->index);
}

struct hpcap_memory *hpcap_rxq_memory(struct hpcap_rxq *rxq)
{
	struct hpcap_memory *memory;

	spin_lock(&rxq->view);
	memory = rxq->memory;
	hpcap_memory_get(memory);
	spin_unlock(&rxq->view);
	return memory;
}

void hpcap_rxq_ledger(struct hpcap_rxq *rxq, struct hpcap_count ledger[HPCAP_LEDGER_REASONS])
{
	struct hpcap_memory *memory = hpcap_rxq_memory(rxq);
	const struct hpcap_queue *queue = memory->queue;
	u64 before, after;
	u32 i;

	do {
		/* Pairs with the release of hpcap_ring_publish_ledger(). */
		before = smp_load_acquire(&queue->ledger_seq);
		for (i = 0; i < HPCAP_LEDGER_REASONS; i++) {
			ledger[i].frames = READ_ONCE(queue->ledger[i].frames);
			ledger[i].bytes = READ_ONCE(queue->ledger[i].bytes);
		}
		/* Reads the counts before it reads the sequence again. */
		smp_rmb();
		after = READ_ONCE(queue->ledger_seq);
		if (before % 2)
			cpu_relax();
	} while (before != after || before % 2);
	hpcap_memory_put(memory);
}

bool hpcap_queue_listener(const struct hpcap_queue *queue, u32 slot, struct hpcap_listener *copy)
{
	const struct hpcap_listener *l = &queue->listeners[slot];
	u64 id = READ_ONCE(l->id);

	/* Pairs with smp_wmb() of hpcap_ring_attach(): a new id comes with a new state. */
	smp_rmb();
	/* Acquire: the other fields are written before the state. */
	if (smp_load_acquire(&l->state) == HPCAP_SLOT_FREE)
		return false;
	/* The fields may change meanwhile; then the id changes, too. */
	*copy = data_race(*l);
	/* Copies the fields before it reads the id again: no id is ever used for two listeners. */
	smp_rmb();
	return copy->state != HPCAP_SLOT_FREE && READ_ONCE(l->id) == id;
}
