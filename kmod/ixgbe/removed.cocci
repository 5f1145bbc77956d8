// SPDX-License-Identifier: GPL-2.0-only
// A device that is gone answers every read with ones. The queues end at once; the listeners see
// it, although nobody has told the PCI core yet.
@@
expression adapter;
@@
 ixgbe_service_task(...)
 {
 <...
 if (ixgbe_removed(adapter->hw.hw_addr)) {
+	hpcap_ixgbe_removed(adapter);
 ...
 }
 ...>
 }
