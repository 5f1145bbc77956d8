// SPDX-License-Identifier: GPL-2.0-only
// The port requests every frame. The physical function decides whether the port gets them: only a
// trusted virtual function may, and an 82599 gives no virtual function the unicast frames of other
// hosts.
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
