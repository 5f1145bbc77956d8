// SPDX-License-Identifier: GPL-2.0-only
// The NIC receives nothing any more, and its counters and rings still stand: the queues take
// what waits in the rings, and stop. Anything later would lose frames without a trace.
@@
identifier adapter;
@@
 ixgbe_down(struct ixgbe_adapter *adapter)
 {
 ...
 ixgbe_disable_rx(adapter);
+hpcap_ixgbe_down(adapter);
 ...
 }
