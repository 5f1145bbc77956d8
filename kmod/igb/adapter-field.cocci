// SPDX-License-Identifier: GPL-2.0-only
// The adapter gets a pointer to its port, which is NULL in standard mode. There every hook does
// nothing. The pointer is not the first field, because the driver needs another field there. The
// declarations of the hooks come with it, so that every file of the driver has them.
@@
type T;
@@
+#include "hpcap/hooks.h"
+
 struct igb_adapter {
 ...
 T hw;
+	struct hpcap_port *hpcap;
 ...
 };
