// SPDX-License-Identifier: GPL-2.0-only
// The poll threads find frames without interrupts. So the interrupts of the queues stay masked,
// and NAPI finds no frame if it runs. The interrupt of the mailbox stays.
@@
expression adapter;
@@
 ixgbevf_up_complete(...)
 {
 <...
 ixgbevf_configure_msix(adapter);
+hpcap_ixgbevf_interrupts(adapter);
 ...>
 }

@@
identifier adapter, mask;
statement S, S1;
@@
 ixgbevf_irq_enable_queues(struct ixgbevf_adapter *adapter, u32 mask)
 {
 ... when != S
+	if (hpcap_port_polls(adapter))
+		return;
 S1
 ... when any
 }

@@
identifier vector, ring, budget;
@@
 ixgbevf_clean_rx_irq(struct ixgbevf_q_vector *vector, struct ixgbevf_ring *ring, int budget)
 {
 ...
+	if (hpcap_port_polls(vector->adapter))
+		return 0;
 xdp_init_buff(...);
 ... when any
 }
