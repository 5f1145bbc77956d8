// SPDX-License-Identifier: GPL-2.0-only
/*
 * hpcap.ko: queues in the kernel. It knows no NIC; modules like hpcap_ixgbe.ko use it (nic.h). It
 * cannot be unloaded while one of them is loaded, or a device node is open.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include <hpcap.h>

#include "chardev.h"
#include "wake.h"

static int __init hpcap_init(void)
{
	int err = hpcap_wake_init();

	if (err)
		return err;
	err = hpcap_chardev_init();
	if (err) {
		hpcap_wake_exit();
		return err;
	}
	pr_info("version " HPCAP_VERSION ", ABI %u\n", HPCAP_ABI_VERSION);
	return 0;
}

static void __exit hpcap_exit(void)
{
	hpcap_chardev_exit();
	hpcap_wake_exit();
}

module_init(hpcap_init);
module_exit(hpcap_exit);
MODULE_AUTHOR("hpcap");
MODULE_DESCRIPTION("High performance packet capture: queues, rings and their listeners");
MODULE_LICENSE("GPL");
MODULE_VERSION(HPCAP_VERSION);
