// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaches and detaches the interfaces that are captured. rtnl protects all of this state, as it
 * protects the interfaces.
 *
 * An interface stays attached while it is down. An interface that is deleted, or moves into another
 * network namespace, is detached, and its queue ends.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/if_arp.h>
#include <linux/kernel.h>
#include <linux/nsproxy.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "tap.h"

/* Features that merge several frames of the wire into one. */
#define HPCAP_MERGING	(NETIF_F_GRO | NETIF_F_GRO_HW | NETIF_F_LRO)

#define HPCAP_LINKTYPE_ETHERNET	1

static LIST_HEAD(taps);
static bool loaded;

static struct hpcap_tap *hpcap_tap_find(const struct net_device *dev)
{
	struct hpcap_tap *tap;

	list_for_each_entry(tap, &taps, list)
		if (tap->dev == dev)
			return tap;
	return NULL;
}

static void hpcap_tap_switch_merging(struct hpcap_tap *tap, bool on)
{
	struct net_device *dev = tap->dev;

	if (on) {
		dev->wanted_features |= tap->switched_off;
	} else {
		tap->switched_off = dev->wanted_features & HPCAP_MERGING;
		dev->wanted_features &= ~HPCAP_MERGING;
	}
	netdev_update_features(dev);
	if (!on && dev->features & HPCAP_MERGING)
		netdev_warn(dev, "merges frames that were several on the wire, and cannot be told not to\n");
}

static int hpcap_tap_begin(struct hpcap_tap *tap)
{
	struct hpcap_adapter_info info = {
		.driver = KBUILD_MODNAME,
		.parent = tap->dev->dev.parent,
		.netdev = tap->dev,
		.number = tap->number,
		.queues = 1,
		.link_type = HPCAP_LINKTYPE_ETHERNET,
	};
	int err;

	tap->adapter = hpcap_adapter_register(&info, &hpcap_tap_ops);
	if (IS_ERR(tap->adapter))
		return PTR_ERR(tap->adapter);
	hpcap_tap_switch_merging(tap, false);
	err = dev_set_promiscuity(tap->dev, 1);
	if (err)
		goto switch_on;
	/* U32_MAX, because the FIFO may hold more than `limit` after that was lowered. */
	hpcap_rxq_start(tap->adapter, 0, tap, U32_MAX);
	/* -EBUSY when the interface belongs to a bridge, a bond, a team, a macvlan or the like. */
	err = netdev_rx_handler_register(tap->dev, hpcap_tap_handle, tap);
	if (err)
		goto stop;
	list_add_tail(&tap->list, &taps);
	return 0;

stop:
	hpcap_rxq_stop(tap->adapter, 0);
	dev_set_promiscuity(tap->dev, -1);
switch_on:
	hpcap_tap_switch_merging(tap, true);
	hpcap_adapter_unregister(tap->adapter);
	return err;
}

static void hpcap_tap_end(struct hpcap_tap *tap)
{
	list_del(&tap->list);
	/* Waits until no handler runs. */
	netdev_rx_handler_unregister(tap->dev);
	/* Moves the frames of the FIFO into the ring, or into the ledger when the ring is full. */
	hpcap_rxq_stop(tap->adapter, 0);
	dev_set_promiscuity(tap->dev, -1);
	hpcap_tap_switch_merging(tap, true);
	hpcap_adapter_unregister(tap->adapter);
	hpcap_tap_free(tap);
}

/* ------------------------------------------------------------------------- names */

static int hpcap_tap_attach_one(char *spec, bool exclusive)
{
	char *number = strrchr(spec, ':');
	struct net_device *dev;
	struct hpcap_tap *tap;
	u32 n;
	int err;

	if (!number)
		return -EINVAL;
	*number++ = '\0';
	if (kstrtou32(number, 10, &n))
		return -EINVAL;
	dev = __dev_get_by_name(current->nsproxy->net_ns, spec);
	if (!dev)
		return -ENODEV;
	if (dev->type != ARPHRD_ETHER && dev->type != ARPHRD_LOOPBACK) {
		netdev_err(dev, "is not Ethernet, and cannot be captured\n");
		return -EAFNOSUPPORT;
	}
	if (hpcap_tap_find(dev))
		return -EEXIST;
	tap = hpcap_tap_create(dev, n, exclusive);
	if (IS_ERR(tap))
		return PTR_ERR(tap);
	err = hpcap_tap_begin(tap);
	if (err)
		hpcap_tap_free(tap);
	return err;
}

int hpcap_tap_attach(const char *list, bool exclusive)
{
	char *copy = kstrdup(list, GFP_KERNEL), *rest, *spec;
	int err = 0;

	if (!copy)
		return -ENOMEM;
	rest = strim(copy);
	rtnl_lock();
	if (!loaded)
		err = -ENODEV;
	while (!err && (spec = strsep(&rest, ",")))
		err = hpcap_tap_attach_one(spec, exclusive);
	rtnl_unlock();
	kfree(copy);
	return err;
}

int hpcap_tap_detach(const char *name)
{
	char *copy = kstrdup(name, GFP_KERNEL);
	struct hpcap_tap *tap = NULL;
	struct net_device *dev;

	if (!copy)
		return -ENOMEM;
	rtnl_lock();
	dev = __dev_get_by_name(current->nsproxy->net_ns, strim(copy));
	if (dev)
		tap = hpcap_tap_find(dev);
	if (tap)
		hpcap_tap_end(tap);
	rtnl_unlock();
	kfree(copy);
	return tap ? 0 : -ENODEV;
}

int hpcap_tap_show(char *page)
{
	struct hpcap_tap *tap;
	int at = 0;

	rtnl_lock();
	list_for_each_entry(tap, &taps, list)
		at += sysfs_emit_at(page, at, "%s%s:%u", at ? "," : "", tap->dev->name,
				    tap->number);
	rtnl_unlock();
	return at + sysfs_emit_at(page, at, "\n");
}

/* -------------------------------------------------------------------------- life */

static int hpcap_tap_notice(struct notifier_block *block, unsigned long event, void *data)
{
	struct hpcap_tap *tap = hpcap_tap_find(netdev_notifier_info_to_dev(data));

	if (tap && event == NETDEV_UNREGISTER)
		hpcap_tap_end(tap);
	return NOTIFY_DONE;
}

static struct notifier_block hpcap_tap_notifier = {
	.notifier_call = hpcap_tap_notice,
};

int hpcap_tap_init(void)
{
	int err = register_netdevice_notifier(&hpcap_tap_notifier);

	if (err)
		return err;
	rtnl_lock();
	loaded = true;
	rtnl_unlock();
	return 0;
}

void hpcap_tap_exit(void)
{
	struct hpcap_tap *tap, *next;

	unregister_netdevice_notifier(&hpcap_tap_notifier);
	rtnl_lock();
	loaded = false;
	list_for_each_entry_safe(tap, next, &taps, list)
		hpcap_tap_end(tap);
	rtnl_unlock();
}
