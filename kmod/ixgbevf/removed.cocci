// SPDX-License-Identifier: GPL-2.0-only
// A device that is gone answers every read with ones. The queues end at once; the listeners see
// it, although nobody has told the PCI core yet.
@@
expression hw;
symbol adapter;
@@
 ixgbevf_service_task(...)
 {
 <...
 if (IXGBE_REMOVED(hw->hw_addr)) {
+	hpcap_ixgbevf_removed(adapter);
 ...
 }
 ...>
 }
