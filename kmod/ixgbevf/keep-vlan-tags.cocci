// SPDX-License-Identifier: GPL-2.0-only
// The NIC must not remove VLAN tags, which belong to the frame (developer guide 3.8.14).
@@
expression rxdctl;
@@
 ixgbevf_configure_rx_ring(...)
 {
 <...
 rxdctl |= IXGBE_RXDCTL_ENABLE |
-	IXGBE_RXDCTL_VME
+	hpcap_ixgbevf_vlan(adapter, IXGBE_RXDCTL_VME)
 ;
 ...>
 }
