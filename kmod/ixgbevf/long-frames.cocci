// SPDX-License-Identifier: GPL-2.0-only
// Requests the longest frame that the physical function allows, whatever the MTU is.
@@
symbol adapter;
expression hw, bytes;
@@
-	hw->mac.ops.set_rlpml(hw, bytes)
+	hpcap_ixgbevf_set_rlpml(adapter, bytes)
