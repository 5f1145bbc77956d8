// SPDX-License-Identifier: GPL-2.0-only
// Creates the port after the driver has set its defaults for descriptors and buffers, which the
// port changes, and before the driver allocates memory by them.
@@
expression adapter;
identifier err;
@@
 err = ixgbevf_sw_init(adapter);
+if (!err)
+	err = hpcap_ixgbevf_init(adapter);
