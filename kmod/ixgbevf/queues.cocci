// SPDX-License-Identifier: GPL-2.0-only
// As many queues as were asked for, not as many as there are processors; the physical function
// and the hardware may give fewer.
@@
@@
 ixgbevf_set_num_queues(...)
 {
 <...
-	num_online_cpus()
+	hpcap_ixgbevf_queues(adapter)
 ...>
 }
