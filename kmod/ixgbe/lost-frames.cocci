// SPDX-License-Identifier: GPL-2.0-only
// A read of a register that counts lost or damaged frames clears it, and both the driver and the
// ledger need its values. So only poll threads read these registers, and the driver gets what they
// have read.
@@
expression hw, i;
@@
 ixgbe_update_stats(...)
 {
 <...
(
-	IXGBE_READ_REG(hw, IXGBE_MPC(i))
+	hpcap_ixgbe_counter(adapter, IXGBE_MPC(i))
|
-	IXGBE_READ_REG(hw, IXGBE_QPRDC(i))
+	hpcap_ixgbe_counter(adapter, IXGBE_QPRDC(i))
|
-	IXGBE_READ_REG(hw, IXGBE_CRCERRS)
+	hpcap_ixgbe_counter(adapter, IXGBE_CRCERRS)
|
-	IXGBE_READ_REG(hw, IXGBE_RLEC)
+	hpcap_ixgbe_counter(adapter, IXGBE_RLEC)
|
-	IXGBE_READ_REG(hw, IXGBE_RUC)
+	hpcap_ixgbe_counter(adapter, IXGBE_RUC)
|
-	IXGBE_READ_REG(hw, IXGBE_RFC)
+	hpcap_ixgbe_counter(adapter, IXGBE_RFC)
|
-	IXGBE_READ_REG(hw, IXGBE_ROC)
+	hpcap_ixgbe_counter(adapter, IXGBE_ROC)
|
-	IXGBE_READ_REG(hw, IXGBE_RJC)
+	hpcap_ixgbe_counter(adapter, IXGBE_RJC)
)
 ...>
 }
