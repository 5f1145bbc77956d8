// SPDX-License-Identifier: GPL-2.0-only
// The adapter gets a pointer to its port, which is NULL in standard mode. There every hook does
// nothing. The declarations of the hooks come with it, so that every file of the driver has them.
@@
@@
+#include "hpcap/hooks.h"
+
 struct ixgbe_adapter {
+	struct hpcap_port *hpcap;
 	...
 };
