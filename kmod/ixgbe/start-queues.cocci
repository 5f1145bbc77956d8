// SPDX-License-Identifier: GPL-2.0-only
// The interface is up, so the poll threads start to harvest the rings.
@@
identifier adapter;
@@
 ixgbe_up_complete(struct ixgbe_adapter *adapter)
 {
 ...
+	hpcap_port_up(adapter->hpcap, adapter->num_rx_queues);
 }
