// SPDX-License-Identifier: GPL-2.0-only
/*
 * The numbers of interfaces. The number of a port is its rank on the PCI buses of the machine, so
 * hpcap0 is the same port after every boot, whichever driver probes first and whichever modes the
 * ports have. All ports of ixgbe and ixgbevf come before those of igb.
 *
 * Virtual functions of a physical function in the same machine have no rank: they appear and
 * disappear at run time, and would shift the ports behind them. They get the next free number, as
 * does a device that is plugged in when another port has its number already. A virtual machine
 * sees a virtual function as a device of its own, which has a rank.
 */
#include <linux/export.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "adapter.h"
#include "nic.h"

/* In driver_data of a family: its ports are numbered behind those of the families before it. */
enum { FAMILY_IXGBE, FAMILY_IGB };

/*
 * The 82599, X540 and X550 family, which hpcap_ixgbe.ko and hpcap_ixgbevf.ko drive, and the 82576,
 * which hpcap_igb.ko drives.
 */
static const struct pci_device_id family[] = {
	/* 82599 */
	{ PCI_VDEVICE(INTEL, 0x10f7) },	/* KX4 */
	{ PCI_VDEVICE(INTEL, 0x10f8) },	/* combined backplane */
	{ PCI_VDEVICE(INTEL, 0x10f9) },	/* CX4 */
	{ PCI_VDEVICE(INTEL, 0x10fb) },	/* SFP+ */
	{ PCI_VDEVICE(INTEL, 0x10fc) },	/* XAUI */
	{ PCI_VDEVICE(INTEL, 0x1507) },	/* SFP+, EM */
	{ PCI_VDEVICE(INTEL, 0x1514) },	/* KX4 mezzanine */
	{ PCI_VDEVICE(INTEL, 0x1517) },	/* KR */
	{ PCI_VDEVICE(INTEL, 0x151c) },	/* 10GBASE-T */
	{ PCI_VDEVICE(INTEL, 0x1529) },	/* SFP+, FCoE */
	{ PCI_VDEVICE(INTEL, 0x152a) },	/* backplane, FCoE */
	{ PCI_VDEVICE(INTEL, 0x154a) },	/* SFP+, four ports */
	{ PCI_VDEVICE(INTEL, 0x154d) },	/* SFP+, two ports */
	{ PCI_VDEVICE(INTEL, 0x154f) },	/* LS */
	{ PCI_VDEVICE(INTEL, 0x1557) },	/* EN, SFP+ */
	{ PCI_VDEVICE(INTEL, 0x1558) },	/* QSFP+ */
	{ PCI_VDEVICE(INTEL, 0x10ed) },	/* VF */
	{ PCI_VDEVICE(INTEL, 0x152e) },	/* VF, Hyper-V */
	/* X540 */
	{ PCI_VDEVICE(INTEL, 0x1528) },	/* two ports */
	{ PCI_VDEVICE(INTEL, 0x1560) },	/* one port */
	{ PCI_VDEVICE(INTEL, 0x1515) },	/* VF */
	{ PCI_VDEVICE(INTEL, 0x1530) },	/* VF, Hyper-V */
	/* X550 */
	{ PCI_VDEVICE(INTEL, 0x1563) },	/* two ports */
	{ PCI_VDEVICE(INTEL, 0x15d1) },	/* one port */
	{ PCI_VDEVICE(INTEL, 0x1565) },	/* VF */
	{ PCI_VDEVICE(INTEL, 0x1564) },	/* VF, Hyper-V */
	/* X550 in processors: X552, X553 */
	{ PCI_VDEVICE(INTEL, 0x15aa) },	/* KX4 */
	{ PCI_VDEVICE(INTEL, 0x15ab) },	/* KR */
	{ PCI_VDEVICE(INTEL, 0x15ac) },	/* SFP+ */
	{ PCI_VDEVICE(INTEL, 0x15ad) },	/* 10GBASE-T */
	{ PCI_VDEVICE(INTEL, 0x15ae) },	/* 1000BASE-T */
	{ PCI_VDEVICE(INTEL, 0x15b0) },	/* XFI */
	{ PCI_VDEVICE(INTEL, 0x15c2) },	/* KR */
	{ PCI_VDEVICE(INTEL, 0x15c3) },	/* KR, L */
	{ PCI_VDEVICE(INTEL, 0x15c4) },	/* SFP+, N */
	{ PCI_VDEVICE(INTEL, 0x15c6) },	/* SGMII */
	{ PCI_VDEVICE(INTEL, 0x15c7) },	/* SGMII, L */
	{ PCI_VDEVICE(INTEL, 0x15c8) },	/* 10GBASE-T */
	{ PCI_VDEVICE(INTEL, 0x15ce) },	/* SFP+ */
	{ PCI_VDEVICE(INTEL, 0x15e4) },	/* 1000BASE-T */
	{ PCI_VDEVICE(INTEL, 0x15e5) },	/* 1000BASE-T, L */
	{ PCI_VDEVICE(INTEL, 0x15a8) },	/* VF */
	{ PCI_VDEVICE(INTEL, 0x15a9) },	/* VF, Hyper-V */
	{ PCI_VDEVICE(INTEL, 0x15c5) },	/* VF */
	/* 82576 */
	{ PCI_VDEVICE(INTEL, 0x10c9), FAMILY_IGB },	/* 1000BASE-T */
	{ PCI_VDEVICE(INTEL, 0x10e6), FAMILY_IGB },	/* fiber */
	{ PCI_VDEVICE(INTEL, 0x10e7), FAMILY_IGB },	/* SerDes */
	{ PCI_VDEVICE(INTEL, 0x10e8), FAMILY_IGB },	/* 1000BASE-T, four ports */
	{ PCI_VDEVICE(INTEL, 0x150a), FAMILY_IGB },	/* NS */
	{ PCI_VDEVICE(INTEL, 0x150d), FAMILY_IGB },	/* SerDes, four ports */
	{ PCI_VDEVICE(INTEL, 0x1518), FAMILY_IGB },	/* NS, SerDes */
	{ PCI_VDEVICE(INTEL, 0x1526), FAMILY_IGB },	/* ET2, four ports */
	{ }
};

/* A device that has a number. */
struct hpcap_numbered {
	struct list_head list;
	struct pci_dev *pdev;
	u32 number;
};

static LIST_HEAD(numbered);
static DEFINE_MUTEX(numbered_lock);

static bool hpcap_is_ranked(struct pci_dev *pdev)
{
	return pci_match_id(family, pdev) && !pdev->is_virtfn;
}

/* Returns the order of a device that has a rank, among all of these devices. */
static u64 hpcap_pci_order(struct pci_dev *pdev)
{
	const struct pci_device_id *id = pci_match_id(family, pdev);

	return (u64)(id ? id->driver_data : 0) << 48 |
	       (u64)(u32)pci_domain_nr(pdev->bus) << 16 | pci_dev_id(pdev);
}

/* Returns the rank of a device, and in `count` the number of devices that have a rank. */
static u32 hpcap_pci_rank(struct pci_dev *pdev, u32 *count)
{
	struct pci_dev *other = NULL;
	u32 rank = 0;

	*count = 0;
	for_each_pci_dev(other) {
		if (!hpcap_is_ranked(other))
			continue;
		*count += 1;
		rank += hpcap_pci_order(other) < hpcap_pci_order(pdev);
	}
	return rank;
}

static bool hpcap_number_is_free(u32 number)
{
	struct hpcap_numbered *n;

	list_for_each_entry(n, &numbered, list)
		if (n->number == number)
			return false;
	return !hpcap_adapter_exists(number);
}

/* Frees the number of a device that its driver has left (devres action). */
static void hpcap_number_release(void *data)
{
	struct hpcap_numbered *n = data;

	mutex_lock(&numbered_lock);
	list_del(&n->list);
	mutex_unlock(&numbered_lock);
	kfree(n);
}

int hpcap_pci_index(struct pci_dev *pdev)
{
	struct hpcap_numbered *n;
	u32 number, ranked;
	int err;

	mutex_lock(&numbered_lock);
	list_for_each_entry(n, &numbered, list) {
		if (n->pdev == pdev) {
			number = n->number;
			mutex_unlock(&numbered_lock);
			return number;
		}
	}
	number = hpcap_pci_rank(pdev, &ranked);
	if (!hpcap_is_ranked(pdev) || !hpcap_number_is_free(number)) {
		number = ranked;
		while (!hpcap_number_is_free(number))
			number++;
	}
	n = kzalloc(sizeof(*n), GFP_KERNEL);
	if (n) {
		n->pdev = pdev;
		n->number = number;
		list_add(&n->list, &numbered);
	}
	mutex_unlock(&numbered_lock);
	if (!n)
		return -ENOMEM;
	err = devm_add_action_or_reset(&pdev->dev, hpcap_number_release, n);
	return err ?: (int)number;
}
EXPORT_SYMBOL_GPL(hpcap_pci_index);
