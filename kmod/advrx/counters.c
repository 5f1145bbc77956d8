// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lets the driver and the poll threads share registers that a read clears: those that count lost
 * and damaged frames (82599 datasheet 8.2.3.23, 82576 datasheet 8.18). Only a poll thread reads
 * these registers, and adds what it has read to a sum here. The driver's watchdog and ethtool get
 * the part of the sum that is new to the driver. So no user of ethtool makes a poll thread wait,
 * and the driver's statistics are at most as old as the ledger's (100 ms).
 *
 * The NICs count frames that found no descriptor for each queue that drops. They count frames that
 * found no room in the packet buffer, and damaged frames, only for the port as a whole; they are
 * accounted for in queue 0.
 */
#include <linux/atomic.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "capture.h"
#include "counters.h"

/* Most registers of a port for damaged frames. */
#define ERRORS	8

struct counter {
	atomic64_t sum;	/* the poll thread of one queue writes it */
	u64 reported;	/* part of `sum` that the driver has got */
};

struct hpcap_port_counters {
	spinlock_t lock;	/* protects `reported`; no poll thread takes it */
	struct counter missed;
	struct counter dropped[HPCAP_PORT_QUEUES];
	struct counter errors[ERRORS];
};

struct hpcap_port_counters *hpcap_port_counters_create(struct hpcap_port *port)
{
	struct hpcap_port_counters *c;

	if (WARN_ON_ONCE(port->driver->registers->error_count > ERRORS))
		return NULL;
	c = devm_kzalloc(&port->pdev->dev, sizeof(*c), GFP_KERNEL);
	if (c)
		spin_lock_init(&c->lock);
	return c;
}

/* Returns the counter of a register that poll threads read, or NULL for all others. */
static struct counter *counter_of(const struct hpcap_port *port, u32 reg)
{
	const struct hpcap_port_registers *regs = port->driver->registers;
	struct hpcap_port_counters *c = port->counters;
	u32 i;

	if (reg == regs->missed)
		return &c->missed;
	for (i = 0; i < port->queues; i++)
		if (reg == regs->dropped + i * regs->dropped_step)
			return &c->dropped[i];
	for (i = 0; i < regs->error_count; i++)
		if (reg == regs->errors[i])
			return &c->errors[i];
	return NULL;
}

bool hpcap_port_counter(struct hpcap_port *port, u32 reg, u32 *news)
{
	struct counter *counter = port ? counter_of(port, reg) : NULL;
	u64 sum;

	if (!counter)
		return false;
	spin_lock(&port->counters->lock);
	sum = atomic64_read(&counter->sum);
	*news = sum - counter->reported;
	counter->reported = sum;
	spin_unlock(&port->counters->lock);
	return true;
}

/* Adds the value of a register, which the read clears, to its sum. Returns the sum. */
static u64 update(struct hpcap_port *port, struct counter *counter, u32 reg)
{
	u32 value;

	/* A read from a removed device returns all ones. */
	if (port->driver->registers->read(port->nic, reg, &value))
		return atomic64_add_return(value, &counter->sum);
	return atomic64_read(&counter->sum);
}

void hpcap_port_lost(struct hpcap_port *port, u32 queue, struct hpcap_nic_counters *counters)
{
	const struct hpcap_port_registers *regs = port->driver->registers;
	struct hpcap_port_counters *c = port->counters;
	u32 i;

	counters->missed = 0;
	counters->errors = 0;
	if (!regs)
		return;
	counters->missed = update(port, &c->dropped[queue],
				  regs->dropped + queue * regs->dropped_step);
	if (queue)
		return;
	counters->missed += update(port, &c->missed, regs->missed);
	for (i = 0; i < regs->error_count; i++)
		counters->errors += update(port, &c->errors[i], regs->errors[i]);
}
