// SPDX-License-Identifier: GPL-2.0-only
// Refuses what would change the rings under the poll threads, or share the port with others.
@@
symbol adapter;
identifier dev, xdp;
statement S, S1;
@@
 ixgbe_xdp(struct net_device *dev, struct netdev_bpf *xdp)
 {
 ... when != S
+	if (hpcap_port_polls(adapter))
+		return -EOPNOTSUPP;
 S1
 ... when any
 }

@@
symbol adapter;
identifier dev, tc;
expression classes;
statement S;
@@
 ixgbe_setup_tc(struct net_device *dev, u8 tc)
 {
 ...
+	if (hpcap_port_polls(adapter))
+		return -EOPNOTSUPP;
 if (tc > classes) S
 ... when any
 }
