// SPDX-License-Identifier: GPL-2.0-only
/*
 * ethtool on a port in hpcap mode: the driver's operations, with the ledger behind its
 * statistics, and without what would change the rings.
 */
#include <linux/log2.h>

#include "capture.h"

/* An interface in hpcap mode has the operations that are in its port. */
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
 * The driver exchanges rings of an interface that is up one by one, in copies; slots belong to
 * the ring that was there when it went up.
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

/* Their number is fixed, so the most that there can be is what there is. */
static void get_channels(struct net_device *netdev, struct ethtool_channels *channels)
{
	port_of(netdev)->driver_ethtool->get_channels(netdev, channels);
	channels->max_combined = channels->combined_count;
}

void hpcap_port_set_ethtool(struct hpcap_port *port)
{
	const struct ethtool_ops *driver = port->netdev->ethtool_ops;
	/* The port is ours: this is the only place that writes to them. */
	struct ethtool_ops *const ops = (struct ethtool_ops *)&port->ethtool;

	*ops = *driver;
	ops->get_sset_count = get_sset_count;
	ops->get_strings = get_strings;
	ops->get_ethtool_stats = get_ethtool_stats;
	ops->set_ringparam = set_ringparam;
	/* Queues are a module parameter: device nodes and rings go with them. */
	if (driver->get_channels)
		ops->get_channels = get_channels;
	ops->set_channels = NULL;
	/* It runs frames of its own through the rings. */
	ops->self_test = NULL;
	/* A port that captures does not stop the sender. */
	ops->set_pauseparam = NULL;
	/* Kinds of buffers that are not used here. */
	ops->set_priv_flags = NULL;
	port->driver_ethtool = driver;
	port->netdev->ethtool_ops = ops;
}
