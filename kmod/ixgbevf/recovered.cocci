// SPDX-License-Identifier: GPL-2.0-only
// The PCI core has reset the device after an error. The driver may have noticed before that it did
// not answer, and ended the queues: they are there again before the interface is.
@@
symbol adapter;
@@
 ixgbevf_io_slot_reset(...)
 {
 <...
 ixgbevf_reset(adapter);
+hpcap_ixgbevf_recovered(adapter);
 ...>
 }
