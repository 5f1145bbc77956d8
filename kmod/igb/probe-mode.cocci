// SPDX-License-Identifier: GPL-2.0-only
// Creates the port after the driver has set its defaults for descriptors and buffers, which the
// port changes, and before the driver allocates rings by them.
@@
@@
 igb_sw_init(struct igb_adapter *adapter)
 {
 <...
 struct pci_dev *pdev = adapter->pdev;
+	int refused;
 ...>
 }

@@
@@
 igb_sw_init(struct igb_adapter *adapter)
 {
 <...
+	refused = hpcap_igb_init(adapter);
+	if (refused)
+		return refused;
 igb_probe_vfs(adapter);
 ...>
 }
