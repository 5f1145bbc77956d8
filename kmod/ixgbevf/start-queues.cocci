// SPDX-License-Identifier: GPL-2.0-only
// The interface is up: the poll threads look at the rings from now on.
@@
identifier adapter;
@@
 ixgbevf_up_complete(struct ixgbevf_adapter *adapter)
 {
 ...
+	hpcap_ixgbevf_up(adapter);
 }
