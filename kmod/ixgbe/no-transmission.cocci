// SPDX-License-Identifier: GPL-2.0-only
// A port that captures sends nothing: a frame is dropped before it reaches a queue, where it could
// get stuck. Neither a transmit timeout nor a lost link may reset the port, because a reset would
// interrupt the capture (developer guide 3.8.7).
@@
identifier skb, adapter, ring;
statement S, S1;
@@
 ixgbe_xmit_frame_ring(struct sk_buff *skb, struct ixgbe_adapter *adapter, struct ixgbe_ring *ring)
 {
 ... when != S
+	if (hpcap_port_polls(adapter))
+		return hpcap_port_drop(skb, ring->netdev);
 S1
 ... when any
 }

@@
identifier netdev, queue;
expression adapter;
@@
 ixgbe_tx_timeout(struct net_device *netdev, unsigned int queue)
 {
 ...
+	if (hpcap_port_polls(adapter))
+		return;
 ixgbe_tx_timeout_reset(adapter);
 }

@@
identifier adapter;
statement S;
@@
 ixgbe_watchdog_flush_tx(struct ixgbe_adapter *adapter)
 {
+	if (hpcap_port_polls(adapter))
+		return;
 S
 }
