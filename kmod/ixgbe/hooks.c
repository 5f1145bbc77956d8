// SPDX-License-Identifier: GPL-2.0-only
/* The hooks that only ixgbe has. advrx/ has those of all drivers. */
#include "ixgbe.h"
#include "ixgbe_common.h"
#include "advrx/capture.h"

/* Registers that count frames on the wire that were received damaged. */
static const u32 error_regs[] = {
	IXGBE_CRCERRS, IXGBE_RLEC, IXGBE_RUC, IXGBE_RFC, IXGBE_ROC, IXGBE_RJC,
};

static bool read_register(void *nic, u32 reg, u32 *value)
{
	struct ixgbe_adapter *adapter = nic;

	*value = IXGBE_READ_REG(&adapter->hw, reg);
	return !ixgbe_removed(adapter->hw.hw_addr);
}

static const struct hpcap_port_registers registers = {
	.missed = IXGBE_MPC(0),	/* of packet buffer 0; only traffic classes use the other ones */
	.dropped = IXGBE_QPRDC(0),
	.dropped_step = IXGBE_QPRDC(1) - IXGBE_QPRDC(0),
	.errors = error_regs,
	.error_count = ARRAY_SIZE(error_regs),
	.read = read_register,
};

static const struct hpcap_port_driver driver = {
	.name = "hpcap_ixgbe",
	.registers = &registers,
};

/* Refuses devices that no test has seen. */
static int check_device(const struct ixgbe_adapter *adapter)
{
	switch (adapter->hw.mac.type) {
	case ixgbe_mac_82599EB:
	/* By their datasheets, these have the registers and descriptors of the 82599. */
	case ixgbe_mac_X540:
	case ixgbe_mac_X550:
	case ixgbe_mac_X550EM_x:
	case ixgbe_mac_x550em_a:
		return 0;
	case ixgbe_mac_82598EB:
		return hpcap_port_untested(adapter->pdev, "an 82598");
	default:
		return hpcap_port_untested(adapter->pdev, "a NIC newer than the X550 (E610)");
	}
}

/* Called after the driver has set its defaults, and before it allocates memory by them. */
int hpcap_ixgbe_init(struct ixgbe_adapter *adapter)
{
	struct ixgbe_hw *hw = &adapter->hw;
	struct hpcap_port *port;
	int err;

	err = hpcap_port_create(adapter->pdev, adapter->netdev, adapter, &driver, &port);
	if (err || !port)
		return err;
	err = check_device(adapter);
	if (err)
		return err;

	/* Each of our queues is an RSS queue; Flow Director would move flows between them. */
	adapter->ring_feature[RING_F_RSS].limit = port->wanted;
	adapter->atr_sample_rate = 0;
	/* The largest Rx ring tolerates the longest pause of a poll thread. Nothing is sent. */
	adapter->rx_ring_count = HPCAP_PORT_DESCRIPTORS;
	adapter->tx_ring_count = IXGBE_MIN_TXD;
	/*
	 * Without coalescing, so that one frame makes one record. The buffers have 2 KiB, whatever
	 * the MTU; with the driver's other kinds of buffers the X540 and later NICs would refuse
	 * longer frames.
	 */
	adapter->flags2 &= ~IXGBE_FLAG2_RSC_CAPABLE;
	adapter->flags2 |= IXGBE_FLAG2_RX_LEGACY;
	adapter->flags &= ~IXGBE_FLAG_DCB_CAPABLE;
#ifdef IXGBE_FCOE
	adapter->flags &= ~IXGBE_FLAG_FCOE_CAPABLE;
#endif
	/*
	 * A port that captures does not stop the sender. Without pause frames, each of several
	 * queues drops the frames that it has no descriptor for (SRRCTL.DROP_EN), so that a full
	 * queue does not hold up the others. A single queue fills the NIC's packet buffer before
	 * it loses a frame.
	 */
	hw->fc.requested_mode = ixgbe_fc_none;
	hw->fc.current_mode = ixgbe_fc_none;

	adapter->hpcap = port;
	return 0;
}

void hpcap_ixgbe_quiet(struct ixgbe_adapter *adapter)
{
	struct hpcap_port *port = adapter->hpcap;

	if (!port || !port->receives)
		return;
	ixgbe_disable_rx(adapter);
	hpcap_port_quiet(port);
}

bool hpcap_ixgbe_arm(struct ixgbe_ring *ring)
{
	/* The ring of the driver's self test belongs to no vector. */
	struct hpcap_port *port = ring->q_vector ? ring->q_vector->adapter->hpcap : NULL;

	return hpcap_port_arm_driver_ring(port, ring, &ring->stats, &ring->syncp);
}

u32 hpcap_ixgbe_counter(struct ixgbe_adapter *adapter, u32 reg)
{
	u32 news;

	if (hpcap_port_counter(adapter->hpcap, reg, &news))
		return news;
	return IXGBE_READ_REG(&adapter->hw, reg);
}

u32 hpcap_ixgbe_fctrl(const struct ixgbe_adapter *adapter, u32 fctrl)
{
	if (!adapter->hpcap)
		return fctrl;
	/* Without SBP, the NIC counts damaged frames but does not deliver them. */
	return (fctrl | IXGBE_FCTRL_UPE | IXGBE_FCTRL_MPE | IXGBE_FCTRL_BAM) & ~IXGBE_FCTRL_SBP;
}

void hpcap_ixgbe_receiver(struct ixgbe_adapter *adapter)
{
	struct ixgbe_hw *hw = &adapter->hw;
	u32 hlreg0, mhadd, i;

	if (!adapter->hpcap)
		return;
	/* Maps each queue to a counter; by default all use the first (datasheet 8.2.3.23.71). */
	for (i = 0; i < HPCAP_PORT_QUEUES; i += 4)
		IXGBE_WRITE_REG(hw, IXGBE_RQSMR(i / 4),
				i | (i + 1) << 8 | (i + 2) << 16 | (i + 3) << 24);
	hlreg0 = IXGBE_READ_REG(hw, IXGBE_HLREG0);
	IXGBE_WRITE_REG(hw, IXGBE_HLREG0, hlreg0 & ~IXGBE_HLREG0_RXLNGTHERREN);
	/*
	 * The driver has enabled jumbo frames (HLREG0.JUMBOEN), but only up to the length that the
	 * MTU needs.
	 */
	mhadd = IXGBE_READ_REG(hw, IXGBE_MHADD) & ~IXGBE_MHADD_MFS_MASK;
	IXGBE_WRITE_REG(hw, IXGBE_MHADD, mhadd | HPCAP_PORT_FRAME_MAX << IXGBE_MHADD_MFS_SHIFT);
}
