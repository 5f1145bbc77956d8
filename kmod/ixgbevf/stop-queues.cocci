// SPDX-License-Identifier: GPL-2.0-only
// The queues of the NIC are disabled, the driver has waited for what was under way, and the rings
// still stand: the poll threads take what waits in them, and stop.
@@
identifier adapter;
@@
 ixgbevf_down(struct ixgbevf_adapter *adapter)
 {
 ...
 usleep_range(...);
+hpcap_ixgbevf_down(adapter);
 ...
 netif_tx_stop_all_queues(...);
 ...
 }
