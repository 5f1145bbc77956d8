// SPDX-License-Identifier: GPL-2.0-only
// The poll threads look by themselves. The interrupts of queues stay masked, nothing fires them,
// and NAPI, should it run, finds nothing. The interrupt for link and mailbox stays.
@@
identifier adapter, mask;
statement S, S1;
@@
 ixgbe_irq_enable_queues(struct ixgbe_adapter *adapter, u64 mask)
 {
 ... when != S
+	if (hpcap_ixgbe_polls(adapter))
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
+	if (hpcap_ixgbe_polls(adapter))
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
+	if (hpcap_ixgbe_polls(vector->adapter))
+		return 0;
 xdp_init_buff(...);
 ... when any
 }
