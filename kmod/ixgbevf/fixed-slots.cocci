// SPDX-License-Identifier: GPL-2.0-only
// Buffers that never move, in place of the driver's pages.
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
+	err = hpcap_ixgbevf_alloc(adapter);
+	if (!err)
+		return 0;
 ...>
 }

// Also where "up" fails after reception was switched on.
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
+	hpcap_ixgbevf_free(adapter);
 }
