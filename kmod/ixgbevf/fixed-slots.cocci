// SPDX-License-Identifier: GPL-2.0-only
// The NIC writes frames into slots that never move, and not into pages of the driver.
@@
identifier ring, count;
statement S, S1;
@@
 ixgbevf_alloc_rx_buffers(struct ixgbevf_ring *ring, u16 count)
 {
 ... when != S
+	if (hpcap_ixgbevf_arm(ring))
+		return;
 S1
 ... when any
 }

@@
identifier adapter;
symbol err;
@@
 ixgbevf_setup_all_rx_resources(struct ixgbevf_adapter *adapter)
 {
 <...
-	return 0;
+	err = hpcap_port_alloc(adapter->hpcap, adapter->num_rx_queues, adapter->rx_ring[0]->count);
+	if (!err)
+		return 0;
 ...>
 }

// The hook is also called when "up" fails after reception was switched on.
@@
identifier adapter, i;
@@
 ixgbevf_free_all_rx_resources(struct ixgbevf_adapter *adapter)
 {
 int i;
+	for (i = 0; hpcap_ixgbevf_receives(adapter) && i < adapter->num_rx_queues; i++)
+		ixgbevf_disable_rx_queue(adapter, adapter->rx_ring[i]);
+	hpcap_ixgbevf_quiet(adapter);
 ...
+	hpcap_port_free(adapter->hpcap);
 }
