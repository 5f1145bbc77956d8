// SPDX-License-Identifier: GPL-2.0-only
// The queues of the NIC are disabled, the driver has waited for frames under way, and the rings
// are still valid. The poll threads harvest what waits in the rings, and stop.
@@
identifier adapter;
@@
 ixgbevf_down(struct ixgbevf_adapter *adapter)
 {
 ...
 usleep_range(...);
+hpcap_port_down(adapter->hpcap);
 ...
 netif_tx_stop_all_queues(...);
 ...
 }
