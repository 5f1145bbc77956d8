// SPDX-License-Identifier: GPL-2.0-only
// Refuses what would change the rings under the poll threads, or share the port with others.
@@
identifier dev, bpf;
symbol adapter;
@@
 igb_xdp_setup(struct net_device *dev, struct netdev_bpf *bpf)
 {
 ...
+	if (hpcap_port_polls(adapter))
+		return -EOPNOTSUPP;
 for (...;...;...) { ... }
 ... when any
 }

@@
identifier dev, type, data;
symbol adapter;
statement S, S1;
@@
 igb_setup_tc(struct net_device *dev, enum tc_setup_type type, void *data)
 {
 ... when != S
+	if (hpcap_port_polls(adapter))
+		return -EOPNOTSUPP;
 S1
 ... when any
 }
