// SPDX-License-Identifier: GPL-2.0-only
// The interface is up: the poll threads look at the rings from now on.
@@
identifier adapter;
@@
 ixgbe_up_complete(struct ixgbe_adapter *adapter)
 {
 ...
+	hpcap_ixgbe_up(adapter);
 }
