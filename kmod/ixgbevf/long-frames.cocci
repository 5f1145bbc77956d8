// SPDX-License-Identifier: GPL-2.0-only
// The longest frame that the physical function allows, whatever the MTU.
@@
symbol adapter;
expression hw, bytes;
@@
-	hw->mac.ops.set_rlpml(hw, bytes)
+	hpcap_ixgbevf_set_rlpml(adapter, bytes)
