// SPDX-License-Identifier: GPL-2.0-only
// Everything on the wire is received, whatever the flags of the interface say.
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
