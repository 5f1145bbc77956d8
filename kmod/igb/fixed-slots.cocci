// SPDX-License-Identifier: GPL-2.0-only
// The NIC writes frames into slots that never move, and not into pages of the driver.
@@
identifier ring, count;
statement S, S1;
@@
 igb_alloc_rx_buffers(struct igb_ring *ring, u16 count)
 {
 ... when != S
+	if (hpcap_igb_arm(ring))
+		return;
 S1
 ... when any
 }

// When some rings could not be made, the driver has freed the others, and `i` is -1.
@@
identifier adapter;
symbol err, i;
@@
 igb_setup_all_rx_resources(struct igb_adapter *adapter)
 {
 ...
+	if (!err)
+		err = hpcap_port_alloc(adapter->hpcap, adapter->num_rx_queues, adapter->rx_ring[0]->count);
+	for (; err && i > 0; i--)
+		igb_free_rx_resources(adapter->rx_ring[i - 1]);
 return err;
 }

// The hook is also called when "up" fails after reception was switched on.
@@
identifier adapter, i;
@@
 igb_free_all_rx_resources(struct igb_adapter *adapter)
 {
 int i;
+	hpcap_igb_quiet(adapter);
 ...
+	hpcap_port_free(adapter->hpcap);
 }
