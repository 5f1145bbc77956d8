// SPDX-License-Identifier: GPL-2.0-only
// A port that captures sends nothing: a frame is dropped before it reaches a queue, where it could
// get stuck. A transmit timeout may not reset the port, because a reset would interrupt the
// capture (developer guide 3.8.7).
@@
symbol adapter;
identifier skb, netdev;
statement S, S1;
@@
 igb_xmit_frame(struct sk_buff *skb, struct net_device *netdev)
 {
 ... when != S
+	if (hpcap_port_polls(adapter))
+		return hpcap_port_drop(skb, netdev);
 S1
 ... when any
 }

@@
symbol adapter;
identifier netdev, queue;
@@
 igb_tx_timeout(struct net_device *netdev, unsigned int queue)
 {
 <...
+	if (hpcap_port_polls(adapter))
+		return;
 adapter->tx_timeout_count++;
 ...>
 }
