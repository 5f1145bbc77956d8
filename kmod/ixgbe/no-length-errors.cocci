// SPDX-License-Identifier: GPL-2.0-only
// The length in an Ethernet header that is not a length is no error (developer guide 3.8.15).
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
