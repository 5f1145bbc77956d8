// SPDX-License-Identifier: GPL-2.0-only
// Sets up the receiver after the driver has done so. Among other things, the NIC must not take an
// EtherType for a wrong length (developer guide 3.8.15).
@@
expression adapter;
@@
 ixgbe_configure_rx(...)
 {
 <...
 ixgbe_set_rx_buffer_len(adapter);
+hpcap_ixgbe_receiver(adapter);
 ...>
 }
