// SPDX-License-Identifier: GPL-2.0-only
/* The hooks that only ixgbevf has. advrx/ has those of all drivers. */
#include "ixgbevf.h"
#include "advrx/capture.h"

/*
 * A virtual function has no registers that count lost frames; those of the physical function count
 * the losses of all functions. So the ledger of such a queue has no missed frames.
 */
static const struct hpcap_port_driver driver = {
	.name = "hpcap_ixgbevf",
};

/*
 * The longest frame that a physical function lets a virtual function request (the host driver's
 * IXGBE_MAX_JUMBO_FRAME_SIZE); the MAC accepts longer ones.
 */
#define FRAME_MAX	9728u

static int check_device(const struct ixgbevf_adapter *adapter)
{
	switch (adapter->hw.mac.type) {
	case ixgbe_mac_82599_vf:
	/* By their datasheets, these have the registers and descriptors of the 82599. */
	case ixgbe_mac_X540_vf:
	case ixgbe_mac_X550_vf:
	case ixgbe_mac_X550EM_x_vf:
	case ixgbe_mac_x550em_a_vf:
		return 0;
	default:
		return hpcap_port_untested(adapter->pdev,
					   "a virtual function of a NIC newer than the X550 (E610)");
	}
}

/* Called after the driver has set its defaults, and before it allocates memory by them. */
int hpcap_ixgbevf_init(struct ixgbevf_adapter *adapter)
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
	adapter->tx_ring_count = IXGBEVF_MIN_TXD;
	/*
	 * The buffers have 2 KiB, whatever the MTU; with the driver's other kinds of buffers the
	 * X540 and later NICs would refuse longer frames.
	 */
	adapter->flags |= IXGBEVF_FLAGS_LEGACY_RX;
	adapter->hpcap = port;
	return 0;
}

u32 hpcap_ixgbevf_queues(const struct ixgbevf_adapter *adapter)
{
	const struct hpcap_port *port = adapter->hpcap;

	if (!port)
		return num_online_cpus();
	/* The physical function may allow more after a reset, but these have no poll thread. */
	return port->queues ?: port->wanted;
}

bool hpcap_ixgbevf_receives(const struct ixgbevf_adapter *adapter)
{
	return adapter->hpcap && adapter->hpcap->receives;
}

void hpcap_ixgbevf_quiet(struct ixgbevf_adapter *adapter)
{
	if (!hpcap_ixgbevf_receives(adapter))
		return;
	/* As in the driver's "down": frames that are under way arrive meanwhile. */
	usleep_range(10000, 20000);
	hpcap_port_quiet(adapter->hpcap);
}

bool hpcap_ixgbevf_arm(struct ixgbevf_ring *ring)
{
	struct hpcap_port *port = ring->q_vector ? ring->q_vector->adapter->hpcap : NULL;

	return hpcap_port_arm_driver_ring(port, ring, &ring->stats, &ring->syncp);
}

void hpcap_ixgbevf_interrupts(struct ixgbevf_adapter *adapter)
{
	if (adapter->hpcap)
		adapter->eims_enable_mask = adapter->eims_other;
}

unsigned int hpcap_ixgbevf_flags(const struct ixgbevf_adapter *adapter, unsigned int flags)
{
	return adapter->hpcap ? flags | IFF_PROMISC : flags;
}

u32 hpcap_ixgbevf_vlan(const struct ixgbevf_adapter *adapter, u32 vme)
{
	return adapter->hpcap ? 0 : vme;
}

/*
 * Requests the longest frame. An 82599's physical function refuses long frames, and stops the
 * virtual function's reception, while its own MTU is that of short frames. The hook then requests
 * the length that the driver wants.
 */
s32 hpcap_ixgbevf_set_rlpml(struct ixgbevf_adapter *adapter, u16 bytes)
{
	struct ixgbe_hw *hw = &adapter->hw;

	if (adapter->hpcap && bytes < FRAME_MAX && !hw->mac.ops.set_rlpml(hw, FRAME_MAX))
		return 0;
	return hw->mac.ops.set_rlpml(hw, bytes);
}
