// SPDX-License-Identifier: GPL-2.0-only
// The NIC has stopped receiving, and its counters and rings are still valid. The queues harvest
// what waits in the rings, and stop. Any later, frames would be lost without being counted.
@@
identifier adapter;
@@
 ixgbe_down(struct ixgbe_adapter *adapter)
 {
 ...
 ixgbe_disable_rx(adapter);
+hpcap_port_down(adapter->hpcap);
 ...
 }
