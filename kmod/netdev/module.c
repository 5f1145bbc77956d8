// SPDX-License-Identifier: GPL-2.0-only
/*
 * hpcap_netdev.ko captures from any network interface with Ethernet frames. It works with every
 * driver, but is slower than hpcap_ixgbe.ko, because the frames pass through the interface's driver
 * and a part of the network stack.
 *
 *	modprobe hpcap_netdev interfaces=eth0:3,eth1:4
 *	echo veth1:0 > /sys/module/hpcap_netdev/parameters/attach	# as hpcap0
 *	cat /sys/module/hpcap_netdev/parameters/attach			# what is attached
 *	echo veth1 > /sys/module/hpcap_netdev/parameters/detach
 *
 * The module does not see the frames of a VLAN interface on top of the interface (attach the VLAN
 * interface, too), the frames that tc or XDP drop, nor the frames that the machine sends.
 */
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "tap.h"

module_param_named(limit, hpcap_tap_limit, uint, 0644);
MODULE_PARM_DESC(limit, "most frames of an interface that wait for the poll thread; further ones are nic_missed (16384)");

static bool exclusive;
module_param(exclusive, bool, 0644);
MODULE_PARM_DESC(exclusive, "whether interfaces attached from now on give their frames to hpcap alone (0)");

static char *interfaces = "";
module_param(interfaces, charp, 0444);
MODULE_PARM_DESC(interfaces, "interfaces to capture from the start: NAME:NUMBER,...");

static int attach_set(const char *text, const struct kernel_param *kp)
{
	return hpcap_tap_attach(text, exclusive);
}

static int attach_get(char *page, const struct kernel_param *kp)
{
	return hpcap_tap_show(page);
}

static const struct kernel_param_ops attach_ops = {
	.set = attach_set,
	.get = attach_get,
};

module_param_cb(attach, &attach_ops, NULL, 0644);
MODULE_PARM_DESC(attach, "write NAME:NUMBER to capture interface NAME as hpcapNUMBER; read what is captured");

static int detach_set(const char *text, const struct kernel_param *kp)
{
	return hpcap_tap_detach(text);
}

static const struct kernel_param_ops detach_ops = {
	.set = detach_set,
};

module_param_cb(detach, &detach_ops, NULL, 0200);
MODULE_PARM_DESC(detach, "write NAME to stop capturing interface NAME");

static int __init hpcap_netdev_init(void)
{
	int err = hpcap_tap_init();

	if (err || !*interfaces)
		return err;
	err = hpcap_tap_attach(interfaces, exclusive);
	if (err)
		hpcap_tap_exit();
	return err;
}

static void __exit hpcap_netdev_exit(void)
{
	hpcap_tap_exit();
}

module_init(hpcap_netdev_init);
module_exit(hpcap_netdev_exit);
MODULE_AUTHOR("hpcap");
MODULE_DESCRIPTION("hpcap's queues, fed from any network interface");
MODULE_LICENSE("GPL");
MODULE_VERSION(HPCAP_VERSION);
