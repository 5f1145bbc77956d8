// SPDX-License-Identifier: GPL-2.0-only
// The port's mode and number, as soon as the driver's own defaults stand: they change here
// (queues, descriptors, flow control, offloads), before anything is allocated after them.
@@
expression adapter, info;
identifier err;
@@
 err = ixgbe_sw_init(adapter, info);
+if (!err)
+	err = hpcap_ixgbe_init(adapter);
