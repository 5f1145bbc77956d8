// SPDX-License-Identifier: GPL-2.0-only
// A port that captures sends nothing: frames are dropped before they reach a queue, so that none
// can hang there, and a timeout is no reason for a reset, which would interrupt the capture
// (developer guide 3.8.7).
@@
symbol adapter;
identifier skb, netdev;
statement S, S1;
@@
 ixgbevf_xmit_frame(struct sk_buff *skb, struct net_device *netdev)
 {
 ... when != S
+	if (hpcap_ixgbevf_polls(adapter))
+		return hpcap_port_drop(skb, netdev);
 S1
 ... when any
 }

@@
identifier netdev, queue;
expression adapter;
@@
 ixgbevf_tx_timeout(struct net_device *netdev, unsigned int queue)
 {
 ...
+	if (hpcap_ixgbevf_polls(adapter))
+		return;
 ixgbevf_tx_timeout_reset(adapter);
 }
