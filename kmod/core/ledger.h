/* SPDX-License-Identifier: GPL-2.0-only */
/* The names of the ledger's reasons, which sysfs, `ethtool -S`, JSON and logs share. */
#ifndef _HPCAP_LEDGER_H
#define _HPCAP_LEDGER_H

#include <hpcap.h>

static const char *const hpcap_reason_names[HPCAP_LEDGER_REASONS] = {
	[HPCAP_CAPTURED] = "captured",
	[HPCAP_DUPLICATE] = "duplicate",
	[HPCAP_FILTERED] = "filtered",
	[HPCAP_NO_LISTENER] = "no_listener",
	[HPCAP_RING_FULL] = "ring_full",
	[HPCAP_NIC_MISSED] = "nic_missed",
	[HPCAP_NIC_ERROR] = "nic_error",
};

#endif /* _HPCAP_LEDGER_H */
