// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lets the driver and the poll threads share registers that a read clears: those that count lost
 * and damaged frames (82599 datasheet 8.2.3.23). The driver's watchdog, ethtool and the poll
 * threads read them. Each read is added to a sum here, and each reader gets the part of the sum
 * that is new to it.
 *
 * The 82599 counts frames that found no descriptor (QPRDC) for each queue that drops. It counts
 * frames that found no room in the packet buffer (RXMPC), and damaged frames, only for the port as
 * a whole; they are accounted for in queue 0.
 */
#include <linux/mutex.h>

#include "ixgbe.h"
#include "ixgbe_common.h"
#include "advrx/capture.h"
#include "counters.h"

/* Registers that count frames on the wire that were received damaged. */
static const u32 error_regs[] = {
	IXGBE_CRCERRS, IXGBE_RLEC, IXGBE_RUC, IXGBE_RFC, IXGBE_ROC, IXGBE_RJC,
};

struct counter {
	u64 sum;
	u64 reported;	/* part of `sum` that the driver has got */
};

struct hpcap_ixgbe_counters {
	struct mutex lock;	/* makes the read of a register and its addition atomic */
	struct counter missed;	/* packet buffer 0; only traffic classes use the other ones */
	struct counter dropped[HPCAP_PORT_QUEUES];
	struct counter errors[ARRAY_SIZE(error_regs)];
};

void *hpcap_ixgbe_counters_create(struct ixgbe_adapter *adapter)
{
	struct hpcap_ixgbe_counters *c;

	c = devm_kzalloc(&adapter->pdev->dev, sizeof(*c), GFP_KERNEL);
	if (c)
		mutex_init(&c->lock);
	return c;
}

/* Returns the counter of a register, or NULL for a register that only the driver reads. */
static struct counter *counter_of(struct hpcap_ixgbe_counters *c, u32 reg)
{
	u32 i;

	if (reg == IXGBE_MPC(0))
		return &c->missed;
	for (i = 0; i < HPCAP_PORT_QUEUES; i++)
		if (reg == IXGBE_QPRDC(i))
			return &c->dropped[i];
	for (i = 0; i < ARRAY_SIZE(error_regs); i++)
		if (reg == error_regs[i])
			return &c->errors[i];
	return NULL;
}

/* Adds the value of a register, which the read clears, to its sum. Under `lock`. */
static void update(struct ixgbe_hw *hw, struct counter *counter, u32 reg)
{
	u32 value = IXGBE_READ_REG(hw, reg);

	/* A read from a removed device returns all ones. */
	if (!ixgbe_removed(hw->hw_addr))
		counter->sum += value;
}

u32 hpcap_ixgbe_counter(struct ixgbe_adapter *adapter, u32 reg)
{
	struct hpcap_ixgbe_counters *c = adapter->hpcap ? adapter->hpcap->priv : NULL;
	struct counter *counter = c ? counter_of(c, reg) : NULL;
	struct ixgbe_hw *hw = &adapter->hw;
	u32 news;

	if (!counter)
		return IXGBE_READ_REG(hw, reg);
	mutex_lock(&c->lock);
	update(hw, counter, reg);
	news = counter->sum - counter->reported;
	counter->reported = counter->sum;
	mutex_unlock(&c->lock);
	return news;
}

void hpcap_ixgbe_lost(struct ixgbe_adapter *adapter, u32 queue,
		      struct hpcap_nic_counters *counters)
{
	struct hpcap_ixgbe_counters *c = adapter->hpcap->priv;
	struct ixgbe_hw *hw = &adapter->hw;
	u32 i;

	mutex_lock(&c->lock);
	update(hw, &c->dropped[queue], IXGBE_QPRDC(queue));
	counters->missed = c->dropped[queue].sum;
	counters->errors = 0;
	if (queue == 0) {
		update(hw, &c->missed, IXGBE_MPC(0));
		counters->missed += c->missed.sum;
		for (i = 0; i < ARRAY_SIZE(error_regs); i++) {
			update(hw, &c->errors[i], error_regs[i]);
			counters->errors += c->errors[i].sum;
		}
	}
	mutex_unlock(&c->lock);
}
