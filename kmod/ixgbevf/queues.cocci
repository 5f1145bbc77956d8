// SPDX-License-Identifier: GPL-2.0-only
// The port has as many queues as the administrator wants, not as many as there are processors. The
// physical function and the hardware may allow fewer.
@@
@@
 ixgbevf_set_num_queues(...)
 {
 <...
-	num_online_cpus()
+	hpcap_ixgbevf_queues(adapter)
 ...>
 }
