// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaches and detaches the interfaces that are captured. rtnl protects all of this state, as it
 * protects the interfaces. Rings are allocated and freed without rtnl, because that takes long.
 *
 * An interface stays attached while it is down. An interface that is deleted, or moves into another
 * network namespace, is detached, and its queue ends.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/if_arp.h>
#include <linux/kernel.h>
#include <linux/llist.h>
#include <linux/nsproxy.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "tap.h"

/* Features that merge several frames of the wire into one. */
#define HPCAP_MERGING	(NETIF_F_GRO | NETIF_F_GRO_HW | NETIF_F_LRO)

#define HPCAP_LINKTYPE_ETHERNET	1

static LIST_HEAD(taps);
static bool loaded;

/* Taps that have ended, and that are freed as soon as nobody holds rtnl for them. */
static LLIST_HEAD(ended);

static void hpcap_tap_free_ended(struct work_struct *work)
{
	struct llist_node *list = llist_del_all(&ended);
	struct hpcap_tap *tap, *next;

	llist_for_each_entry_safe(tap, next, list, in_ended)
		hpcap_tap_free(tap);
}

static DECLARE_WORK(free_ended, hpcap_tap_free_ended);

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

/* Attaches the tap to its interface. Under rtnl. */
static int hpcap_tap_begin(struct hpcap_tap *tap)
{
	int err = hpcap_adapter_register(tap->adapter);

	if (err)
		return err;
	dev_get_stats(tap->dev, &tap->before);
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

/*
 * Detaches the tap from its interface. Under rtnl; afterwards, the caller sees to it that
 * hpcap_tap_free_ended() runs.
 */
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
	hpcap_tap_put_interface(tap);
	llist_add(&tap->in_ended, &ended);
}

/* ------------------------------------------------------------------------- names */

/* Whether an interface can be attached now. Under rtnl. */
static int hpcap_tap_check(const struct net_device *dev)
{
	if (!loaded || !dev || dev->reg_state != NETREG_REGISTERED ||
	    !net_eq(dev_net(dev), current->nsproxy->net_ns))
		return -ENODEV;
	return hpcap_tap_find(dev) ? -EEXIST : 0;
}

/* Creates a tap for the interface `name`; `parent` gets a reference to its device, or NULL. */
static struct hpcap_tap *hpcap_tap_prepare(const char *name, u32 number, bool exclusive,
					   struct device **parent)
{
	struct net_device *dev;
	struct hpcap_tap *tap;
	int err;

	rtnl_lock();
	dev = __dev_get_by_name(current->nsproxy->net_ns, name);
	err = hpcap_tap_check(dev);
	if (!err && dev->type != ARPHRD_ETHER && dev->type != ARPHRD_LOOPBACK) {
		netdev_err(dev, "is not Ethernet, and cannot be captured\n");
		err = -EAFNOSUPPORT;
	}
	tap = err ? ERR_PTR(err) : hpcap_tap_create(dev, number, exclusive);
	if (!IS_ERR(tap))
		*parent = get_device(dev->dev.parent);
	rtnl_unlock();
	return tap;
}

/*
 * Creates the adapter of a tap, with its ring. Without rtnl. Whoever deletes the interface
 * meanwhile waits for the tap's reference.
 */
static int hpcap_tap_allocate(struct hpcap_tap *tap, struct device *parent)
{
	struct hpcap_adapter_info info = {
		.driver = KBUILD_MODNAME,
		.parent = parent,
		.netdev = tap->dev,
		.number = tap->number,
		.queues = 1,
		.link_type = HPCAP_LINKTYPE_ETHERNET,
	};
	struct hpcap_adapter *adapter = hpcap_adapter_create(&info, &hpcap_tap_ops);

	if (IS_ERR(adapter))
		return PTR_ERR(adapter);
	tap->adapter = adapter;
	return 0;
}

static int hpcap_tap_attach_one(char *spec, bool exclusive)
{
	char *number = strrchr(spec, ':');
	struct device *parent = NULL;
	struct hpcap_tap *tap;
	u32 n;
	int err;

	if (!number)
		return -EINVAL;
	*number++ = '\0';
	if (kstrtou32(number, 10, &n))
		return -EINVAL;
	tap = hpcap_tap_prepare(spec, n, exclusive, &parent);
	if (IS_ERR(tap))
		return PTR_ERR(tap);
	err = hpcap_tap_allocate(tap, parent);
	if (!err) {
		rtnl_lock();
		err = hpcap_tap_check(tap->dev) ?: hpcap_tap_begin(tap);
		rtnl_unlock();
	}
	put_device(parent);
	if (err) {
		hpcap_tap_put_interface(tap);
		hpcap_tap_free(tap);
	}
	return err;
}

int hpcap_tap_attach(const char *list, bool exclusive)
{
	char *copy = kstrdup(list, GFP_KERNEL), *rest, *spec;
	int err = 0;

	if (!copy)
		return -ENOMEM;
	rest = strim(copy);
	while (!err && (spec = strsep(&rest, ",")))
		err = hpcap_tap_attach_one(spec, exclusive);
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
	hpcap_tap_free_ended(NULL);
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

	if (tap && event == NETDEV_UNREGISTER) {
		hpcap_tap_end(tap);
		/* The kernel holds rtnl. */
		schedule_work(&free_ended);
	}
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
	hpcap_tap_free_ended(NULL);
	flush_work(&free_ended);
}
