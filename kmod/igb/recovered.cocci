// SPDX-License-Identifier: GPL-2.0-only
// The PCI core has reset the device after an error. If the driver had noticed before that the
// device did not answer, the queues have ended. They are registered again before the interface is
// back.
@@
symbol adapter;
@@
 igb_io_slot_reset(...)
 {
 <...
 igb_reset(adapter);
+hpcap_port_recovered(adapter->hpcap);
 ...>
 }
