// SPDX-License-Identifier: GPL-2.0-only
// What hpcap knows of an adapter; NULL: standard mode, where every hook does nothing. And the
// declarations of the hooks, where every file of the driver sees them.
@@
@@
+#include "hpcap/hooks.h"
+
 struct ixgbe_adapter {
+	struct hpcap_port *hpcap;
 	...
 };
