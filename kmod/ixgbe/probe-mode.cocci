// SPDX-License-Identifier: GPL-2.0-only
// Creates the port after the driver has set its defaults for queues, descriptors, flow control and
// offloads, which the port changes, and before the driver allocates memory by them.
@@
expression adapter, info;
identifier err;
@@
 err = ixgbe_sw_init(adapter, info);
+if (!err)
+	err = hpcap_ixgbe_init(adapter);
