// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ledger in `ethtool -S`: three sums over all queues, under the names that scripts for the
 * original HPCAP expect, then the ledger of each queue.
 */
#include <linux/ethtool.h>
#include <linux/export.h>

#include "ledger.h"
#include "queue.h"
#include "rxq.h"

static const struct {
	const char *name;
	u32 reason;
} aliases[] = {
	{ "rx_hpcap_client_lost_frames", HPCAP_RING_FULL },
	{ "rx_hpcap_noclient_frames", HPCAP_NO_LISTENER },
	{ "rx_hpcap_dup_frames", HPCAP_DUPLICATE },
};

int hpcap_ethtool_count(struct hpcap_adapter *adapter)
{
	return adapter->count * HPCAP_LEDGER_REASONS * 2 + ARRAY_SIZE(aliases);
}
EXPORT_SYMBOL_GPL(hpcap_ethtool_count);

void hpcap_ethtool_strings(struct hpcap_adapter *adapter, u8 *data)
{
	char (*names)[ETH_GSTRING_LEN] = (void *)data;
	u32 queue, reason, i;

	for (i = 0; i < ARRAY_SIZE(aliases); i++)
		snprintf(*names++, ETH_GSTRING_LEN, "%s", aliases[i].name);
	for (queue = 0; queue < adapter->count; queue++) {
		for (reason = 0; reason < HPCAP_LEDGER_REASONS; reason++) {
			snprintf(*names++, ETH_GSTRING_LEN, "hpcap_q%u_%s", queue,
				 hpcap_reason_names[reason]);
			snprintf(*names++, ETH_GSTRING_LEN, "hpcap_q%u_%s_bytes", queue,
				 hpcap_reason_names[reason]);
		}
	}
}
EXPORT_SYMBOL_GPL(hpcap_ethtool_strings);

void hpcap_ethtool_stats(struct hpcap_adapter *adapter, u64 *data)
{
	struct hpcap_count ledger[HPCAP_LEDGER_REASONS];
	u64 *sums = data;
	u32 queue, reason, i;

	for (i = 0; i < ARRAY_SIZE(aliases); i++)
		*data++ = 0;
	for (queue = 0; queue < adapter->count; queue++) {
		hpcap_rxq_ledger(adapter->queues[queue], ledger);
		for (i = 0; i < ARRAY_SIZE(aliases); i++)
			sums[i] += ledger[aliases[i].reason].frames;
		for (reason = 0; reason < HPCAP_LEDGER_REASONS; reason++) {
			*data++ = ledger[reason].frames;
			*data++ = ledger[reason].bytes;
		}
	}
}
EXPORT_SYMBOL_GPL(hpcap_ethtool_stats);
