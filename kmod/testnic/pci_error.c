// SPDX-License-Identifier: GPL-2.0-only
/*
 * Simulates a PCI error of a real device by the calls that its driver gets in that case
 * (Documentation/PCI/pci-error-recovery.rst). Debian's kernels cannot inject PCI errors.
 *
 *	echo 0000:00:08.0 > /sys/module/hpcap_testnic/parameters/pci_error	# it is frozen
 *	echo 0000:00:08.0 > /sys/module/hpcap_testnic/parameters/pci_recovery	# reset, resumed
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/pci.h>

/* Returns the device with the name DOMAIN:BUS:SLOT.FUNCTION, or NULL. */
static struct pci_dev *find_device(const char *text)
{
	unsigned int domain, bus, slot, function;

	if (sscanf(text, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return NULL;
	return pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
}

/* Calls `step` with the named device and its driver's error handlers, as the PCI core does. */
static int with_handlers(const char *text,
			 int (*step)(struct pci_dev *pdev,
				     const struct pci_error_handlers *handlers))
{
	struct pci_dev *pdev = find_device(text);
	const struct pci_error_handlers *handlers;
	int err = -EOPNOTSUPP;

	if (!pdev)
		return -ENODEV;
	device_lock(&pdev->dev);
	handlers = pdev->dev.driver ? to_pci_driver(pdev->dev.driver)->err_handler : NULL;
	if (handlers && handlers->error_detected && handlers->slot_reset && handlers->resume)
		err = step(pdev, handlers);
	device_unlock(&pdev->dev);
	pci_dev_put(pdev);
	return err;
}

static int freeze(struct pci_dev *pdev, const struct pci_error_handlers *handlers)
{
	pdev->error_state = pci_channel_io_frozen;
	return handlers->error_detected(pdev, pci_channel_io_frozen) == PCI_ERS_RESULT_NEED_RESET ?
	       0 : -EIO;
}

static int recover(struct pci_dev *pdev, const struct pci_error_handlers *handlers)
{
	if (handlers->slot_reset(pdev) != PCI_ERS_RESULT_RECOVERED)
		return -EIO;
	pdev->error_state = pci_channel_io_normal;
	handlers->resume(pdev);
	return 0;
}

static int pci_error_set(const char *text, const struct kernel_param *kp)
{
	return with_handlers(text, freeze);
}

static int pci_recovery_set(const char *text, const struct kernel_param *kp)
{
	return with_handlers(text, recover);
}

static const struct kernel_param_ops pci_error_ops = {
	.set = pci_error_set,
};

static const struct kernel_param_ops pci_recovery_ops = {
	.set = pci_recovery_set,
};

module_param_cb(pci_error, &pci_error_ops, NULL, 0200);
MODULE_PARM_DESC(pci_error, "write DOMAIN:BUS:SLOT.FUNCTION to freeze the device with an error");
module_param_cb(pci_recovery, &pci_recovery_ops, NULL, 0200);
MODULE_PARM_DESC(pci_recovery, "write DOMAIN:BUS:SLOT.FUNCTION to reset the frozen device, which then goes on");
