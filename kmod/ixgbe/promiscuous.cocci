// SPDX-License-Identifier: GPL-2.0-only
// The port receives every frame on the wire, whatever the flags of the interface are.
@@
expression hw, fctrl;
@@
 ixgbe_set_rx_mode(...)
 {
 <...
 IXGBE_WRITE_REG(hw, IXGBE_FCTRL,
-	fctrl
+	hpcap_ixgbe_fctrl(adapter, fctrl)
 );
 ...>
 }
