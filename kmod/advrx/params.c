// SPDX-License-Identifier: GPL-2.0-only
/* Parameters for the mode and the number of queues of each port, and the version of the module. */
#include <linux/module.h>

#include "capture.h"

/* hpcapctl refuses modules whose version is not that of hpcap.ko. */
MODULE_VERSION(HPCAP_VERSION);

/* Length of a parameter array; ports with higher numbers are in standard mode. */
#define PORTS	64

static char *mode[PORTS];
static unsigned int modes;
module_param_array(mode, charp, &modes, 0444);
MODULE_PARM_DESC(mode, "mode of each interface, in the order of their numbers: hpcap or standard (standard)");

static unsigned int queues[PORTS];
static unsigned int queue_counts;
module_param_array(queues, uint, &queue_counts, 0444);
MODULE_PARM_DESC(queues, "receive queues of each interface in hpcap mode, in the order of their numbers: 1 to 16 (1)");

int hpcap_param_mode(struct pci_dev *pdev, u32 number, bool *hpcap)
{
	const char *wanted = number < modes ? mode[number] : "standard";

	*hpcap = !strcmp(wanted, "hpcap");
	if (*hpcap || !strcmp(wanted, "standard"))
		return 0;
	dev_err(&pdev->dev, "mode=%s of interface %u: it must be hpcap or standard\n", wanted,
		number);
	return -EINVAL;
}

int hpcap_param_queues(struct pci_dev *pdev, u32 number, u32 *count)
{
	*count = number < queue_counts ? queues[number] : 1;
	if (*count >= 1 && *count <= HPCAP_PORT_QUEUES)
		return 0;
	dev_err(&pdev->dev, "queues=%u of interface %u: it must be 1 to %u\n", *count, number,
		HPCAP_PORT_QUEUES);
	return -EINVAL;
}
