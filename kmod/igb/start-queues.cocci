// SPDX-License-Identifier: GPL-2.0-only
// The interface is up, so the poll threads start to harvest the rings. The driver has two functions
// for that, one for "up" and one for the end of a reset.
@@
identifier adapter;
@@
 igb_up(struct igb_adapter *adapter)
 {
 <...
 netif_tx_start_all_queues(...);
+hpcap_port_up(adapter->hpcap, adapter->num_rx_queues);
 ...>
 }

@@
identifier netdev, resuming;
symbol adapter;
@@
 __igb_open(struct net_device *netdev, bool resuming)
 {
 <...
 netif_tx_start_all_queues(...);
+hpcap_port_up(adapter->hpcap, adapter->num_rx_queues);
 ...>
 }
