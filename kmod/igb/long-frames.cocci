// SPDX-License-Identifier: GPL-2.0-only
// Requests the longest frame that the NIC accepts, whatever the MTU is.
@@
identifier netdev;
symbol adapter;
@@
 igb_set_rx_mode(struct net_device *netdev)
 {
 <...
-	adapter->max_frame_size
+	hpcap_igb_frame_max(adapter)
 ...>
 }
