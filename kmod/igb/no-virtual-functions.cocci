// SPDX-License-Identifier: GPL-2.0-only
// A port that captures has no virtual functions, which would take queues and counters from it.
@@
identifier pdev, n;
symbol adapter;
statement S, S1;
@@
 igb_enable_sriov(struct pci_dev *pdev, int n, ...)
 {
 ... when != S
+	if (n && hpcap_port_polls(adapter))
+		return -EOPNOTSUPP;
 S1
 ... when any
 }
