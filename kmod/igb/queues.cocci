// SPDX-License-Identifier: GPL-2.0-only
// The port has as many queues as the administrator wants, not as many as there are processors. The
// hardware may allow fewer.
@@
@@
 igb_init_queue_configuration(...)
 {
 <...
-	num_online_cpus()
+	hpcap_igb_queues(adapter)
 ...>
 }
