// SPDX-License-Identifier: GPL-2.0-only
// A port that captures has no virtual functions, which would take queues and counters from it.
@@
identifier adapter, max;
statement S, S1;
@@
 ixgbe_enable_sriov(struct ixgbe_adapter *adapter, unsigned int max)
 {
 ... when != S
+	if (hpcap_port_polls(adapter))
+		return;
 S1
 ... when any
 }

@@
identifier pdev, n;
statement S;
@@
 ixgbe_pci_sriov_configure(struct pci_dev *pdev, int n)
 {
+	if (n && hpcap_port_polls((struct ixgbe_adapter *)pci_get_drvdata(pdev)))
+		return -EOPNOTSUPP;
 S
 }
