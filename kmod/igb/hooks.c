// SPDX-License-Identifier: GPL-2.0-only
/* The hooks that only igb has. advrx/ has those of all drivers. */
#include "igb.h"
#include "advrx/capture.h"

/*
 * Registers that count frames on the wire that were received damaged. RLEC is not one of them,
 * because it counts again the frames of RUC and ROC.
 */
static const u32 error_regs[] = {
	E1000_CRCERRS, E1000_RUC, E1000_RFC, E1000_ROC, E1000_RJC,
};

static bool read_register(void *nic, u32 reg, u32 *value)
{
	struct igb_adapter *adapter = nic;
	struct e1000_hw *hw = &adapter->hw;

	*value = rd32(reg);
	return !E1000_REMOVED(hw->hw_addr);
}

static const struct hpcap_port_registers registers = {
	.missed = E1000_MPC,
	.dropped = E1000_RQDPC(0),
	.dropped_step = E1000_RQDPC(1) - E1000_RQDPC(0),
	.errors = error_regs,
	.error_count = ARRAY_SIZE(error_regs),
	.read = read_register,
};

static const struct hpcap_port_driver driver = {
	.name = "hpcap_igb",
	.registers = &registers,
};

/*
 * Refuses devices that no test has seen. Newer ones can put time stamps into the buffers, and count
 * lost frames in other ways.
 */
static int check_device(const struct igb_adapter *adapter)
{
	switch (adapter->hw.mac.type) {
	case e1000_82576:
		return 0;
	case e1000_82575:
		return hpcap_port_untested(adapter->pdev, "an 82575");
	default:
		return hpcap_port_untested(adapter->pdev,
					   "a NIC newer than the 82576 (82580, I350, I210)");
	}
}

/* Called after the driver has set its defaults, and before it allocates rings by them. */
int hpcap_igb_init(struct igb_adapter *adapter)
{
	struct hpcap_port *port;
	int err;

	err = hpcap_port_create(adapter->pdev, adapter->netdev, adapter, &driver, &port);
	if (err || !port)
		return err;
	err = check_device(adapter);
	if (err)
		return err;
	/* The largest Rx ring tolerates the longest pause of a poll thread. Nothing is sent. */
	adapter->rx_ring_count = HPCAP_PORT_DESCRIPTORS;
	adapter->tx_ring_count = IGB_MIN_TXD;
	/* The buffers have 2 KiB, whatever the MTU. */
	adapter->flags |= IGB_FLAG_RX_LEGACY;
	/* The module parameter max_vfs has no effect in hpcap mode. */
	adapter->vfs_allocated_count = 0;
	adapter->hpcap = port;
	return 0;
}

u32 hpcap_igb_queues(const struct igb_adapter *adapter)
{
	const struct hpcap_port *port = adapter->hpcap;

	if (!port)
		return num_online_cpus();
	/* There may be more interrupts after a resume, but these queues have no poll thread. */
	return port->queues ?: port->wanted;
}

void hpcap_igb_watch(struct igb_adapter *adapter)
{
	struct e1000_hw *hw = &adapter->hw;

	if (!adapter->hpcap)
		return;
	/* The driver notices the removal when it reads a register, and it may have read none. */
	rd32(E1000_STATUS);
	if (E1000_REMOVED(hw->hw_addr))
		hpcap_port_removed(adapter->hpcap);
}

void hpcap_igb_quiet(struct igb_adapter *adapter)
{
	struct hpcap_port *port = adapter->hpcap;
	struct e1000_hw *hw = &adapter->hw;

	if (!port || !port->receives)
		return;
	/* As in the driver's "down": frames that are under way arrive meanwhile. */
	wr32(E1000_RCTL, rd32(E1000_RCTL) & ~E1000_RCTL_EN);
	wrfl();
	usleep_range(10000, 20000);
	hpcap_port_quiet(port);
}

bool hpcap_igb_arm(struct igb_ring *ring)
{
	/* The ring of the driver's self test belongs to no vector. */
	struct hpcap_port *port = ring->q_vector ? ring->q_vector->adapter->hpcap : NULL;

	return hpcap_port_arm_driver_ring(port, ring, &ring->rx_stats, &ring->rx_syncp);
}

void hpcap_igb_interrupts(struct igb_adapter *adapter)
{
	if (adapter->hpcap)
		adapter->eims_enable_mask = adapter->eims_other;
}

u32 hpcap_igb_causes(const struct igb_adapter *adapter, u32 causes)
{
	if (!adapter->hpcap)
		return causes;
	return causes & ~(E1000_IMS_RXT0 | E1000_IMS_RXDMT0 | E1000_IMS_TXDW);
}

unsigned int hpcap_igb_flags(const struct igb_adapter *adapter, unsigned int flags)
{
	return adapter->hpcap ? flags | IFF_PROMISC : flags;
}

/*
 * Without pause frames, each of several queues drops the frames that it has no descriptor for
 * (SRRCTL.DROP_EN), so that a full queue does not hold up the others. A single queue fills the
 * NIC's packet buffer before it loses a frame.
 */
u32 hpcap_igb_pause(const struct igb_adapter *adapter, u32 mode)
{
	return adapter->hpcap ? e1000_fc_none : mode;
}

u32 hpcap_igb_frame_max(const struct igb_adapter *adapter)
{
	return adapter->hpcap ? MAX_JUMBO_FRAME_SIZE : adapter->max_frame_size;
}

u32 hpcap_igb_counter(struct igb_adapter *adapter, u32 reg)
{
	struct e1000_hw *hw = &adapter->hw;
	u32 news;

	if (hpcap_port_counter(adapter->hpcap, reg, &news))
		return news;
	return rd32(reg);
}
