// SPDX-License-Identifier: GPL-2.0-only
// The interface gets its name and, in hpcap mode, its device nodes in one step. It also loses them
// in one step, in which the queues end first.
@@
identifier dev;
@@
 igb_probe(...)
 {
 <...
-	register_netdev(dev)
+	hpcap_port_register(adapter->pdev, adapter->netdev, adapter->hpcap, adapter->num_rx_queues)
 ...>
 }

@@
expression dev;
@@
-	unregister_netdev(dev)
+	hpcap_port_unregister(adapter->netdev, adapter->hpcap)
