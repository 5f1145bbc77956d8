// SPDX-License-Identifier: GPL-2.0-only
/*
 * ethtool on a port in hpcap mode: the driver's operations, with the ledger behind the driver's
 * statistics, and without the operations that would change the rings.
 */
#include <linux/log2.h>

#include "capture.h"

/* The ethtool operations of an interface in hpcap mode are a field of its port. */
static struct hpcap_port *port_of(const struct net_device *netdev)
{
	return container_of(netdev->ethtool_ops, struct hpcap_port, ethtool);
}

static int ledger_count(const struct hpcap_port *port)
{
	return port->adapter ? hpcap_ethtool_count(port->adapter) : 0;
}

static int get_sset_count(struct net_device *netdev, int set)
{
	struct hpcap_port *port = port_of(netdev);
	int count = port->driver_ethtool->get_sset_count(netdev, set);

	return set == ETH_SS_STATS && count >= 0 ? count + ledger_count(port) : count;
}

static void get_strings(struct net_device *netdev, u32 set, u8 *data)
{
	struct hpcap_port *port = port_of(netdev);
	const struct ethtool_ops *driver = port->driver_ethtool;

	driver->get_strings(netdev, set, data);
	if (set == ETH_SS_STATS && port->adapter)
		hpcap_ethtool_strings(port->adapter, data + ETH_GSTRING_LEN *
				      driver->get_sset_count(netdev, set));
}

static void get_ethtool_stats(struct net_device *netdev, struct ethtool_stats *stats, u64 *data)
{
	struct hpcap_port *port = port_of(netdev);
	const struct ethtool_ops *driver = port->driver_ethtool;

	driver->get_ethtool_stats(netdev, stats, data);
	if (port->adapter)
		hpcap_ethtool_stats(port->adapter,
				    data + driver->get_sset_count(netdev, ETH_SS_STATS));
}

/*
 * Refused while the interface is up: the driver would replace its rings by new ones, but the slots
 * belong to the rings that existed when the interface went up.
 */
static int set_ringparam(struct net_device *netdev, struct ethtool_ringparam *ring,
			 struct kernel_ethtool_ringparam *kernel_ring,
			 struct netlink_ext_ack *extack)
{
	struct hpcap_port *port = port_of(netdev);

	if (netif_running(netdev)) {
		NL_SET_ERR_MSG(extack, "set the interface down first");
		return -EBUSY;
	}
	if (!is_power_of_2(ring->rx_pending) || ring->rx_pending < 64) {
		NL_SET_ERR_MSG(extack, "rx must be a power of two, 64 or more");
		return -EINVAL;
	}
	return port->driver_ethtool->set_ringparam(netdev, ring, kernel_ring, extack);
}

/* The number of queues is fixed, so the current number is the maximum, too. */
static void get_channels(struct net_device *netdev, struct ethtool_channels *channels)
{
	port_of(netdev)->driver_ethtool->get_channels(netdev, channels);
	channels->max_combined = channels->combined_count;
}

void hpcap_port_set_ethtool(struct hpcap_port *port)
{
	const struct ethtool_ops *driver = port->netdev->ethtool_ops;
	/* `ethtool` is const for all other code; only this function writes to it. */
	struct ethtool_ops *const ops = (struct ethtool_ops *)&port->ethtool;

	*ops = *driver;
	ops->get_sset_count = get_sset_count;
	ops->get_strings = get_strings;
	ops->get_ethtool_stats = get_ethtool_stats;
	ops->set_ringparam = set_ringparam;
	/* The module parameter `queues` sets their number: each has a device node and a ring. */
	if (driver->get_channels)
		ops->get_channels = get_channels;
	ops->set_channels = NULL;
	/* The self test sends its own frames through the rings. */
	ops->self_test = NULL;
	/* A port that captures does not stop the sender. */
	ops->set_pauseparam = NULL;
	/* The private flags select kinds of buffers that a port in hpcap mode does not use. */
	ops->set_priv_flags = NULL;
	port->driver_ethtool = driver;
	port->netdev->ethtool_ops = ops;
}
