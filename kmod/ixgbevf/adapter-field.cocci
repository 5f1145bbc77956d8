// SPDX-License-Identifier: GPL-2.0-only
// What hpcap knows of an adapter; NULL: standard mode, where every hook does nothing. Not as its
// first field: the driver wants another one to be that. And the declarations of the hooks, where
// every file of the driver sees them.
@@
type T;
@@
+#include "hpcap/hooks.h"
+
 struct ixgbevf_adapter {
 ...
 T hw;
+	struct hpcap_port *hpcap;
 ...
 };
