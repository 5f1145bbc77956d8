// SPDX-License-Identifier: GPL-2.0-only
// The NIC does not receive any more, the driver has waited for frames under way, and the rings
// are still valid. The poll threads harvest what waits in the rings, and stop.
@@
identifier adapter;
@@
 igb_down(struct igb_adapter *adapter)
 {
 <...
 usleep_range(...);
+hpcap_port_down(adapter->hpcap);
 ...>
 }
