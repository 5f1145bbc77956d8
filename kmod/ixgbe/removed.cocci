// SPDX-License-Identifier: GPL-2.0-only
// A device that was removed answers every read with ones. Its queues end at once, so that the
// listeners see the removal even before the PCI core knows of it.
@@
expression adapter;
@@
 ixgbe_service_task(...)
 {
 <...
 if (ixgbe_removed(adapter->hw.hw_addr)) {
+	hpcap_port_removed(adapter->hpcap);
 ...
 }
 ...>
 }
