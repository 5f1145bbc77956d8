// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers and unregisters adapters, and starts and stops their queues. The device nodes of an
 * adapter go with it, but a queue outlives its adapter while a client has it open.
 *
 * Debug messages: `file adapter.c +p` in /proc/dynamic_debug/control.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/export.h>
#include <linux/slab.h>

#include "adapter.h"
#include "change.h"
#include "chardev.h"
#include "harvest.h"
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

static int hpcap_adapter_add_queue(struct hpcap_adapter *adapter)
{
	struct hpcap_rxq *rxq = hpcap_rxq_create(adapter, adapter->count);
	int err;

	if (IS_ERR(rxq))
		return PTR_ERR(rxq);
	err = hpcap_chardev_add(rxq, adapter->info.parent);
	if (err) {
		/* A process that knows the number may have opened the node already. */
		hpcap_rxq_end(rxq);
		put_device(&rxq->dev);
		return err;
	}
	adapter->queues[adapter->count++] = rxq;
	return 0;
}

static void hpcap_adapter_remove_queue(struct hpcap_adapter *adapter)
{
	struct hpcap_rxq *rxq = adapter->queues[--adapter->count];

	/* From here on there are no further opens, and no files in sysfs. */
	hpcap_chardev_del(rxq);
	hpcap_rxq_end(rxq);
	put_device(&rxq->dev);
}

struct hpcap_adapter *hpcap_adapter_register(const struct hpcap_adapter_info *info,
					     const struct hpcap_nic_ops *ops)
{
	struct hpcap_adapter *adapter;
	int err = 0;

	if (!info->queues || info->queues > HPCAP_ADAPTER_QUEUES || info->number > INT_MAX)
		return ERR_PTR(-EINVAL);
	adapter = kzalloc(struct_size(adapter, queues, info->queues), GFP_KERNEL);
	if (!adapter)
		return ERR_PTR(-ENOMEM);
	adapter->info = *info;
	adapter->ops = ops;
	netdev_hold(info->netdev, &adapter->netdev_tracker, GFP_KERNEL);

	mutex_lock(&adapters_lock);
	if (hpcap_adapter_find(info->number)) {
		pr_err("%s: there is an adapter %u already\n", info->driver, info->number);
		err = -EEXIST;
	}
	while (!err && adapter->count < info->queues)
		err = hpcap_adapter_add_queue(adapter);
	if (!err)
		list_add_tail(&adapter->list, &adapters);
	mutex_unlock(&adapters_lock);
	if (err)
		goto fail;
	pr_info("hpcap%u: %u queue(s) of %s\n", info->number, info->queues, info->driver);
	return adapter;

fail:
	while (adapter->count)
		hpcap_adapter_remove_queue(adapter);
	netdev_put(info->netdev, &adapter->netdev_tracker);
	kfree(adapter);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(hpcap_adapter_register);

void hpcap_adapter_unregister(struct hpcap_adapter *adapter)
{
	/* The number is free once the device nodes are gone. */
	mutex_lock(&adapters_lock);
	while (adapter->count)
		hpcap_adapter_remove_queue(adapter);
	list_del(&adapter->list);
	mutex_unlock(&adapters_lock);
	pr_info("hpcap%u: gone\n", adapter->info.number);
	netdev_put(adapter->info.netdev, &adapter->netdev_tracker);
	kfree(adapter);
}
EXPORT_SYMBOL_GPL(hpcap_adapter_unregister);

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
