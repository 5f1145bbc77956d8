// SPDX-License-Identifier: GPL-2.0-only
// The port's mode and number, as soon as the driver's own defaults stand: they change here
// (descriptors, kind of buffers), before anything is allocated after them.
@@
expression adapter;
identifier err;
@@
 err = ixgbevf_sw_init(adapter);
+if (!err)
+	err = hpcap_ixgbevf_init(adapter);
