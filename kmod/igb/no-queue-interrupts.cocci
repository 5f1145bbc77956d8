// SPDX-License-Identifier: GPL-2.0-only
// The poll threads find frames without interrupts. So the interrupts of the queues stay masked,
// and NAPI finds no frame if it runs. The interrupt for the link stays.
@@
symbol adapter;
@@
 igb_configure_msix(...)
 {
 <...
+hpcap_igb_interrupts(adapter);
 wrfl();
 ...>
 }

// Without MSI-X, one register enables all interrupts.
@@
identifier adapter;
@@
 igb_irq_enable(struct igb_adapter *adapter)
 {
 <...
-	IMS_ENABLE_MASK
+	hpcap_igb_causes(adapter, IMS_ENABLE_MASK)
 ...>
 }

@@
identifier vector;
symbol adapter;
statement S, S1;
@@
 igb_ring_irq_enable(struct igb_q_vector *vector)
 {
 ... when != S
+	if (hpcap_port_polls(adapter))
+		return;
 S1
 ... when any
 }

@@
identifier vector, budget;
@@
 igb_clean_rx_irq(struct igb_q_vector *vector, const int budget)
 {
 <...
+	if (hpcap_port_polls(vector->adapter))
+		return 0;
 xdp_init_buff(...);
 ...>
 }
