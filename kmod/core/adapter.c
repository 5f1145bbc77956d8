// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers and unregisters adapters, and starts and stops their queues. The device nodes of an
 * adapter go with it, but a queue outlives its adapter while a client has it open.
 *
 * Debug messages: `file adapter.c +p` in /proc/dynamic_debug/control.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/export.h>
#include <linux/slab.h>

#include "adapter.h"
#include "change.h"
#include "chardev.h"
#include "harvest.h"
#include "place.h"
#include "queue.h"
#include "rxq.h"
#include "wake.h"

/* The number of Rx queues of an 82599 (datasheet 7.1.2). */
#define HPCAP_ADAPTER_QUEUES	128

static LIST_HEAD(adapters);
static DEFINE_MUTEX(adapters_lock);

static struct hpcap_adapter *hpcap_adapter_find(u32 number)
{
	struct hpcap_adapter *adapter;

	list_for_each_entry(adapter, &adapters, list)
		if (adapter->info.number == number)
			return adapter;
	return NULL;
}

bool hpcap_adapter_exists(u32 number)
{
	bool exists;

	mutex_lock(&adapters_lock);
	exists = hpcap_adapter_find(number);
	mutex_unlock(&adapters_lock);
	return exists;
}

static void hpcap_adapter_remove_nodes(struct hpcap_adapter *adapter, u32 count)
{
	/* From here on there are no further opens, and no files in sysfs. */
	while (count)
		hpcap_chardev_del(adapter->queues[--count]);
}

static int hpcap_adapter_add_nodes(struct hpcap_adapter *adapter)
{
	u32 i;

	for (i = 0; i < adapter->count; i++) {
		int err = hpcap_chardev_add(adapter->queues[i], adapter->info.parent);

		if (err) {
			hpcap_adapter_remove_nodes(adapter, i);
			return err;
		}
	}
	return 0;
}

/* A process that has opened a node, or knows its number, sees the end of the queue. */
static void hpcap_adapter_end_queues(struct hpcap_adapter *adapter)
{
	u32 i;

	for (i = 0; i < adapter->count; i++)
		hpcap_rxq_end(adapter->queues[i]);
	adapter->ended = true;
}

struct hpcap_adapter *hpcap_adapter_create(const struct hpcap_adapter_info *info,
					   const struct hpcap_nic_ops *ops)
{
	struct hpcap_adapter *adapter;

	if (!info->queues || info->queues > HPCAP_ADAPTER_QUEUES || info->number > INT_MAX)
		return ERR_PTR(-EINVAL);
	adapter = kzalloc(struct_size(adapter, queues, info->queues), GFP_KERNEL);
	if (!adapter)
		return ERR_PTR(-ENOMEM);
	adapter->info = *info;
	adapter->ops = ops;
	while (adapter->count < info->queues) {
		struct hpcap_rxq *rxq = hpcap_rxq_create(adapter, adapter->count);

		if (IS_ERR(rxq)) {
			hpcap_adapter_free(adapter);
			return ERR_CAST(rxq);
		}
		adapter->queues[adapter->count++] = rxq;
	}
	return adapter;
}
EXPORT_SYMBOL_GPL(hpcap_adapter_create);

int hpcap_adapter_register(struct hpcap_adapter *adapter)
{
	const struct hpcap_adapter_info *info = &adapter->info;
	int err;

	mutex_lock(&adapters_lock);
	if (hpcap_adapter_find(info->number)) {
		pr_err("%s: there is an adapter %u already\n", info->driver, info->number);
		err = -EEXIST;
	} else {
		netdev_hold(info->netdev, &adapter->netdev_tracker, GFP_KERNEL);
		err = hpcap_adapter_add_nodes(adapter);
		if (err)
			netdev_put(info->netdev, &adapter->netdev_tracker);
		else
			list_add_tail(&adapter->list, &adapters);
	}
	mutex_unlock(&adapters_lock);
	if (!err)
		pr_info("hpcap%u: %u queue(s) of %s\n", info->number, info->queues, info->driver);
	return err;
}
EXPORT_SYMBOL_GPL(hpcap_adapter_register);

void hpcap_adapter_unregister(struct hpcap_adapter *adapter)
{
	/* The number is free once the device nodes are gone. */
	mutex_lock(&adapters_lock);
	hpcap_adapter_remove_nodes(adapter, adapter->count);
	list_del(&adapter->list);
	mutex_unlock(&adapters_lock);
	hpcap_adapter_end_queues(adapter);
	pr_info("hpcap%u: gone\n", adapter->info.number);
	netdev_put(adapter->info.netdev, &adapter->netdev_tracker);
}
EXPORT_SYMBOL_GPL(hpcap_adapter_unregister);

void hpcap_adapter_free(struct hpcap_adapter *adapter)
{
	u32 i;

	if (!adapter->ended)
		hpcap_adapter_end_queues(adapter);
	for (i = 0; i < adapter->count; i++)
		put_device(&adapter->queues[i]->dev);
	kfree(adapter);
}
EXPORT_SYMBOL_GPL(hpcap_adapter_free);

/* What hpcap_rxq_start() gives to the poll thread. */
struct hpcap_source {
	void *rx;
	u32 depth;
};

static void hpcap_source_begin(struct hpcap_rxq *rxq, void *data)
{
	const struct hpcap_source *source = data;

	/* hpcap_rxq_stop() has released the last harvest of the former `rx`. */
	WARN_ON_ONCE(rxq->rx);
	rxq->depth = source->depth;
	WRITE_ONCE(rxq->rx, source->rx);
}

void hpcap_rxq_start(struct hpcap_adapter *adapter, u32 queue, void *rx, u32 depth)
{
	struct hpcap_source source = { .rx = rx, .depth = depth };
	struct hpcap_rxq *rxq;

	if (WARN_ON_ONCE(queue >= adapter->count || !rx))
		return;
	rxq = adapter->queues[queue];
	mutex_lock(&rxq->lock);
	hpcap_place_wakeful(rxq);
	hpcap_rxq_change(rxq, hpcap_source_begin, &source);
	mutex_unlock(&rxq->lock);
	pr_debug("hpcap_%u_%u: started\n", rxq->number, rxq->index);
}
EXPORT_SYMBOL_GPL(hpcap_rxq_start);

static void hpcap_source_end(struct hpcap_rxq *rxq, void *data)
{
	hpcap_rxq_drain(rxq);
}

void hpcap_rxq_stop(struct hpcap_adapter *adapter, u32 queue)
{
	struct hpcap_rxq *rxq;

	if (WARN_ON_ONCE(queue >= adapter->count))
		return;
	rxq = adapter->queues[queue];
	mutex_lock(&rxq->lock);
	hpcap_rxq_change(rxq, hpcap_source_end, NULL);
	hpcap_place_restful(rxq);
	mutex_unlock(&rxq->lock);
	pr_debug("hpcap_%u_%u: stopped\n", rxq->number, rxq->index);
}
EXPORT_SYMBOL_GPL(hpcap_rxq_stop);

void hpcap_rxq_wake(struct hpcap_adapter *adapter, u32 queue)
{
	if (queue < adapter->count)
		hpcap_rxq_kick(adapter->queues[queue]);
}
EXPORT_SYMBOL_GPL(hpcap_rxq_wake);
