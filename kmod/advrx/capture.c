// SPDX-License-Identifier: GPL-2.0-only
/* The life of a port in hpcap mode: probe, up, down and remove. */
#include <linux/io.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "capture.h"

/* ------------------------------------------------------------------- nic_ops */

static u32 port_harvest(void *rx, struct hpcap_batch *batch, u32 n, const struct timespec64 *now)
{
	struct hpcap_port_queue *q = rx;

	return hpcap_advrx_harvest(&q->rx, batch, n, now->tv_sec, now->tv_nsec);
}

static void port_release(void *rx, u32 n)
{
	struct hpcap_port_queue *q = rx;
	u64 bytes = 0;
	u32 tail;

	tail = hpcap_advrx_release(&q->rx, n, &bytes);
	if (n) {
		u64_stats_update_begin(q->stats.syncp);
		*q->stats.packets += n;
		*q->stats.bytes += bytes;
		u64_stats_update_end(q->stats.syncp);
	}
	/* writel() is ordered after the writes to the descriptors, which are in coherent memory. */
	if (tail != HPCAP_ADVRX_KEEP_TAIL)
		writel(tail, q->tail);
}

static void port_counters(void *rx, struct hpcap_nic_counters *counters)
{
	struct hpcap_port_queue *q = rx;

	hpcap_port_lost(q->port, q->index, counters);
}

static const struct hpcap_nic_ops port_ops = {
	.owner = THIS_MODULE,
	.clock_source = "kernel",
	.harvest = port_harvest,
	.release = port_release,
	.counters = port_counters,
};

/* ----------------------------------------------------------- probe and remove */

int hpcap_port_create(struct pci_dev *pdev, struct net_device *netdev, void *nic,
		      const struct hpcap_port_driver *driver, struct hpcap_port **port)
{
	struct hpcap_port *p;
	bool hpcap;
	int number, err;
	u32 i;

	*port = NULL;
	number = hpcap_pci_index(pdev);
	if (number < 0)
		return number;
	err = hpcap_param_mode(pdev, number, &hpcap);
	if (err || !hpcap)
		return err;
	p = devm_kzalloc(&pdev->dev, sizeof(*p), GFP_KERNEL);
	if (!p)
		return -ENOMEM;
	err = hpcap_param_queues(pdev, number, &p->wanted);
	if (err)
		return err;
	p->driver = driver;
	p->nic = nic;
	p->pdev = pdev;
	p->netdev = netdev;
	if (driver->registers) {
		p->counters = hpcap_port_counters_create(p);
		if (!p->counters)
			return -ENOMEM;
	}
	for (i = 0; i < p->wanted; i++) {
		p->queue[i] = devm_kzalloc(&pdev->dev, sizeof(*p->queue[i]), GFP_KERNEL);
		if (!p->queue[i])
			return -ENOMEM;
		p->queue[i]->port = p;
		p->queue[i]->index = i;
	}
	*port = p;
	return 0;
}

int hpcap_port_untested(struct pci_dev *pdev, const char *kind)
{
	if (IS_ENABLED(CONFIG_HPCAP_UNTESTED)) {
		dev_warn(&pdev->dev, "hpcap mode on %s, which no test of hpcap has seen\n", kind);
		return 0;
	}
	dev_err(&pdev->dev, "no hpcap mode on %s: no test of hpcap has seen this device. Load with mode=standard for it, or build the modules with scripts/kmod.sh --untested\n",
		kind);
	return -EOPNOTSUPP;
}

/*
 * Switches off all offloads, so that frames are captured as they are on the wire, and lets nobody
 * switch one on. Features that the stack adds by itself do no harm, because no frame reaches it.
 */
static void no_features(struct net_device *netdev)
{
	netdev->features = NETIF_F_HIGHDMA;
	netdev->hw_features = 0;
	netdev->vlan_features = 0;
	netdev->hw_enc_features = 0;
	netdev->mpls_features = 0;
	netdev->gso_partial_features = 0;
#ifdef CONFIG_XFRM_OFFLOAD
	/* Nothing checks the features before it tells the NIC to decrypt frames. */
	netdev->xfrmdev_ops = NULL;
#endif
}

/* Creates the adapter of a port, with its rings. Not under RTNL. */
static struct hpcap_adapter *adapter_create(struct hpcap_port *port, u32 number, u32 queues)
{
	struct hpcap_adapter_info info = {
		.driver = port->driver->name,
		.parent = &port->pdev->dev,
		.netdev = port->netdev,
		.number = number,
		.queues = min(queues, port->wanted),
		.link_type = 1,
	};

	return hpcap_adapter_create(&info, &port_ops);
}

/* Registers the adapter. Under RTNL. */
static int adapter_add(struct hpcap_port *port, struct hpcap_adapter *adapter, u32 queues)
{
	int err = hpcap_adapter_register(adapter);

	if (err)
		return err;
	port->queues = min(queues, port->wanted);
	if (port->queues < port->wanted)
		dev_warn(&port->pdev->dev, "%u queues, not %u: there are no more interrupts\n",
			 port->queues, port->wanted);
	port->adapter = adapter;
	return 0;
}

/*
 * Unregisters the adapter, if there is one, and returns it: the caller frees it after RTNL, because
 * large rings take seconds to free. Under RTNL.
 */
static struct hpcap_adapter *adapter_del(struct hpcap_port *port)
{
	struct hpcap_adapter *adapter = port->adapter;

	port->adapter = NULL;
	if (adapter)
		hpcap_adapter_unregister(adapter);
	return adapter;
}

/*
 * The interface and the device nodes come under one hold of RTNL: whoever sees the interface and
 * sets it up at once finds its queues registered, so they start. The rings exist before.
 */
int hpcap_port_register(struct pci_dev *pdev, struct net_device *netdev, struct hpcap_port *port,
			u32 queues)
{
	struct hpcap_adapter *adapter;
	int number, err;

	number = hpcap_pci_index(pdev);
	if (number < 0)
		return number;
	snprintf(netdev->name, sizeof(netdev->name), "%s%d", port ? "hpcap" : "xgb", number);
	/* udev keeps a predictable name (developer guide 3.8.4; systemd.link(5), "kernel"). */
	netdev->name_assign_type = NET_NAME_PREDICTABLE;
	if (!port)
		return register_netdev(netdev);

	no_features(netdev);
	hpcap_port_set_ethtool(port);
	adapter = adapter_create(port, number, queues);
	if (IS_ERR(adapter))
		return PTR_ERR(adapter);
	rtnl_lock();
	err = register_netdevice(netdev);
	if (!err) {
		err = adapter_add(port, adapter, queues);
		if (err)
			unregister_netdevice(netdev);
	}
	rtnl_unlock();
	if (err)
		hpcap_adapter_free(adapter);
	return err;
}

void hpcap_port_unregister(struct net_device *netdev, struct hpcap_port *port)
{
	struct hpcap_adapter *adapter;

	if (!port) {
		unregister_netdev(netdev);
		return;
	}
	rtnl_lock();
	/* Closes first, so that the queues still take the frames that the NIC has delivered. */
	dev_close(netdev);
	/* unregister_netdevice() waits for the reference that the adapter has. */
	adapter = adapter_del(port);
	unregister_netdevice(netdev);
	rtnl_unlock();
	if (adapter)
		hpcap_adapter_free(adapter);
}

void hpcap_port_removed(struct hpcap_port *port)
{
	struct hpcap_adapter *adapter;

	if (!port)
		return;
	/* The PCI core has frozen the device and will reset it, so the queues stay. */
	if (READ_ONCE(port->pdev->error_state) == pci_channel_io_frozen)
		return;
	rtnl_lock();
	if (port->adapter)
		netdev_err(port->netdev, "the device is gone: its queues end\n");
	adapter = adapter_del(port);
	rtnl_unlock();
	if (adapter)
		hpcap_adapter_free(adapter);
}

/* Registers a port that has no adapter again. Not under RTNL. */
static int adapter_renew(struct hpcap_port *port)
{
	int number = hpcap_pci_index(port->pdev), err = -EEXIST;
	struct hpcap_adapter *adapter;

	if (number < 0)
		return number;
	adapter = adapter_create(port, number, port->queues);
	if (IS_ERR(adapter))
		return PTR_ERR(adapter);
	rtnl_lock();
	if (!port->adapter)
		err = adapter_add(port, adapter, port->queues);
	rtnl_unlock();
	if (err)
		hpcap_adapter_free(adapter);
	return err;
}

/*
 * The queues have ended only when the driver noticed before the PCI core that the device does not
 * answer; then the adapter is registered again.
 */
void hpcap_port_recovered(struct hpcap_port *port)
{
	bool ended;
	int err;

	if (!port)
		return;
	rtnl_lock();
	ended = !port->adapter;
	rtnl_unlock();
	err = ended ? adapter_renew(port) : 0;
	if (err)
		netdev_err(port->netdev, "the device is back, but its queues are not: %d\n", err);
}

/* ---------------------------------------------------------------- up and down */

bool hpcap_port_arm(struct hpcap_port *port, const struct hpcap_port_ring *ring)
{
	struct hpcap_port_queue *q;

	if (!port)
		return false;
	if (ring->index >= port->wanted)
		return true;
	q = port->queue[ring->index];
	/* The slots are for another number of descriptors. The queue then receives nothing. */
	if (WARN_ON_ONCE(ring->count != q->slots))
		return true;
	q->rx.ring = ring->descriptors;
	q->rx.count = ring->count;
	q->rx.chunks = q->chunks;
	q->rx.chunk_dma = q->chunk_dma;
	q->tail = ring->tail;
	q->stats = ring->stats;
	port->receives = true;
	writel(hpcap_advrx_arm(&q->rx), ring->tail);
	return true;
}

void hpcap_port_up(struct hpcap_port *port, u32 queues)
{
	u32 i;

	if (!port || !port->adapter)
		return;
	for (i = 0; i < port->queues && i < queues; i++)
		if (port->queue[i]->slots)
			hpcap_rxq_start(port->adapter, i, port->queue[i], port->queue[i]->slots);
}

void hpcap_port_down(struct hpcap_port *port)
{
	u32 i;

	if (!port)
		return;
	port->receives = false;
	if (!port->adapter)
		return;
	for (i = 0; i < port->queues; i++)
		hpcap_rxq_stop(port->adapter, i);
}

void hpcap_port_quiet(struct hpcap_port *port)
{
	port->receives = false;
}

netdev_tx_t hpcap_port_drop(struct sk_buff *skb, struct net_device *netdev)
{
	dev_core_stats_tx_dropped_inc(netdev);
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}
