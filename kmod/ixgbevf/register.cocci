// SPDX-License-Identifier: GPL-2.0-only
// The interface gets its name, and in hpcap mode its device nodes, in one step; it loses them in
// one step, the queues first.
@@
identifier netdev;
@@
 ixgbevf_probe(...)
 {
 <...
-	register_netdev(netdev)
+	hpcap_ixgbevf_register(adapter)
 ...>
 }

@@
expression netdev;
@@
-	unregister_netdev(netdev)
+	hpcap_ixgbevf_unregister(adapter)
