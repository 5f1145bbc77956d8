// SPDX-License-Identifier: GPL-2.0-only
// Buffers that never move, in place of the driver's pages.
@@
identifier ring, count;
statement S, S1;
@@
 ixgbe_alloc_rx_buffers(struct ixgbe_ring *ring, u16 count)
 {
 ... when != S
+	if (hpcap_ixgbe_arm(ring))
+		return;
 S1
 ... when any
 }

@@
identifier adapter;
symbol err;
@@
 ixgbe_setup_all_rx_resources(struct ixgbe_adapter *adapter)
 {
 <...
-	return 0;
+	err = hpcap_ixgbe_alloc(adapter);
+	if (!err)
+		return 0;
 ...>
 }

// Also where "up" fails after reception was switched on.
@@
identifier adapter, i;
@@
 ixgbe_free_all_rx_resources(struct ixgbe_adapter *adapter)
 {
 int i;
+	hpcap_ixgbe_quiet(adapter);
 ...
+	hpcap_ixgbe_free(adapter);
 }
