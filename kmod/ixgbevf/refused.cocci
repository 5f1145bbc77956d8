// SPDX-License-Identifier: GPL-2.0-only
// Refuses what would change the rings under the poll threads.
@@
identifier dev, prog;
symbol adapter;
@@
 ixgbevf_xdp_setup(struct net_device *dev, struct bpf_prog *prog)
 {
 ...
+	if (hpcap_port_polls(adapter))
+		return -EOPNOTSUPP;
 for (...;...;...) { ... }
 ... when any
 }
