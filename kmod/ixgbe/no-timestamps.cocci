// SPDX-License-Identifier: GPL-2.0-only
// An X550 that stamps all frames writes the stamps into the buffers, where they would be recorded
// as part of the frames. The first rule is for kernels before 6.17, the second for newer ones.
@@
identifier adapter, ifr;
statement S, S1;
@@
 ixgbe_ptp_set_ts_config(struct ixgbe_adapter *adapter, struct ifreq *ifr)
 {
 ... when != S
+	if (hpcap_port_polls(adapter))
+		return -EOPNOTSUPP;
 S1
 ... when any
 }

@@
symbol adapter;
identifier netdev, config, extack;
statement S, S1;
@@
 ixgbe_ptp_hwtstamp_set(struct net_device *netdev, struct kernel_hwtstamp_config *config,
			struct netlink_ext_ack *extack)
 {
 ... when != S
+	if (hpcap_port_polls(adapter))
+		return -EOPNOTSUPP;
 S1
 ... when any
 }
