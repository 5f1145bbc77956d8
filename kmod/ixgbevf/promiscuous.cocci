// SPDX-License-Identifier: GPL-2.0-only
// The port asks for all frames. Whether it gets them is up to the physical function: only a
// trusted virtual function may, and of the 82599 none gets other hosts' unicast frames.
@@
identifier flags, netdev;
@@
 ixgbevf_set_rx_mode(struct net_device *netdev)
 {
 ...
 unsigned int flags =
-	netdev->flags
+	hpcap_ixgbevf_flags(adapter, netdev->flags)
 ;
 ... when any
 }
