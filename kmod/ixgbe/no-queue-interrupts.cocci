// SPDX-License-Identifier: GPL-2.0-only
// The poll threads find frames without interrupts. So the interrupts of the queues stay masked,
// nothing triggers them, and NAPI finds no frame if it runs. The interrupt of link and mailbox
// stays.
@@
identifier adapter, mask;
statement S, S1;
@@
 ixgbe_irq_enable_queues(struct ixgbe_adapter *adapter, u64 mask)
 {
 ... when != S
+	if (hpcap_port_polls(adapter))
+		return;
 S1
 ... when any
 }

@@
identifier adapter, mask;
statement S, S1;
@@
 ixgbe_irq_rearm_queues(struct ixgbe_adapter *adapter, u64 mask)
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
 ixgbe_clean_rx_irq(struct ixgbe_q_vector *vector, struct ixgbe_ring *ring, const int budget)
 {
 ...
+	if (hpcap_port_polls(vector->adapter))
+		return 0;
 xdp_init_buff(...);
 ... when any
 }
