// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lets the driver and the poll threads share registers that a read clears: those that count lost
 * and damaged frames (82599 datasheet 8.2.3.23). Only a poll thread reads these registers, and adds
 * what it has read to a sum here. The driver's watchdog and ethtool get the part of the sum that is
 * new to the driver. So no user of ethtool makes a poll thread wait, and the driver's statistics
 * are at most as old as the ledger's (100 ms).
 *
 * The 82599 counts frames that found no descriptor (QPRDC) for each queue that drops. It counts
 * frames that found no room in the packet buffer (RXMPC), and damaged frames, only for the port as
 * a whole; they are accounted for in queue 0.
 */
#include <linux/atomic.h>
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
	atomic64_t sum;	/* the poll thread of one queue writes it */
	u64 reported;	/* part of `sum` that the driver has got */
};

struct hpcap_ixgbe_counters {
	struct mutex lock;	/* protects `reported`; no poll thread takes it */
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

/* Returns the counter of a register that poll threads read, or NULL for all others. */
static struct counter *counter_of(const struct hpcap_port *port, u32 reg)
{
	struct hpcap_ixgbe_counters *c = port->priv;
	u32 i;

	if (reg == IXGBE_MPC(0))
		return &c->missed;
	for (i = 0; i < port->queues; i++)
		if (reg == IXGBE_QPRDC(i))
			return &c->dropped[i];
	for (i = 0; i < ARRAY_SIZE(error_regs); i++)
		if (reg == error_regs[i])
			return &c->errors[i];
	return NULL;
}

u32 hpcap_ixgbe_counter(struct ixgbe_adapter *adapter, u32 reg)
{
	struct hpcap_port *port = adapter->hpcap;
	struct counter *counter = port ? counter_of(port, reg) : NULL;
	struct hpcap_ixgbe_counters *c;
	u64 sum;
	u32 news;

	if (!counter)
		return IXGBE_READ_REG(&adapter->hw, reg);
	c = port->priv;
	mutex_lock(&c->lock);
	sum = atomic64_read(&counter->sum);
	news = sum - counter->reported;
	counter->reported = sum;
	mutex_unlock(&c->lock);
	return news;
}

/* Adds the value of a register, which the read clears, to its sum. Returns the sum. */
static u64 update(struct ixgbe_hw *hw, struct counter *counter, u32 reg)
{
	u32 value = IXGBE_READ_REG(hw, reg);

	/* A read from a removed device returns all ones. */
	if (!ixgbe_removed(hw->hw_addr))
		return atomic64_add_return(value, &counter->sum);
	return atomic64_read(&counter->sum);
}

void hpcap_ixgbe_lost(struct ixgbe_adapter *adapter, u32 queue,
		      struct hpcap_nic_counters *counters)
{
	struct hpcap_ixgbe_counters *c = adapter->hpcap->priv;
	struct ixgbe_hw *hw = &adapter->hw;
	u32 i;

	counters->missed = update(hw, &c->dropped[queue], IXGBE_QPRDC(queue));
	counters->errors = 0;
	if (queue == 0) {
		counters->missed += update(hw, &c->missed, IXGBE_MPC(0));
		for (i = 0; i < ARRAY_SIZE(error_regs); i++)
			counters->errors += update(hw, &c->errors[i], error_regs[i]);
	}
}
