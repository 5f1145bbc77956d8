// SPDX-License-Identifier: GPL-2.0-only
// The port requests every frame, whatever its address and its VLAN tag.
@@
identifier netdev;
@@
 igb_set_rx_mode(struct net_device *netdev)
 {
 <...
-	netdev->flags
+	hpcap_igb_flags(adapter, netdev->flags)
 ...>
 }
