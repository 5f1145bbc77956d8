// SPDX-License-Identifier: GPL-2.0-only
// A read of a register that counts lost or damaged frames clears it, and both the driver and the
// ledger need its values. So only poll threads read these registers, and the driver gets what they
// have read.
@@
expression i;
@@
 igb_update_stats(...)
 {
 <...
(
-	rd32(E1000_RQDPC(i))
+	hpcap_igb_counter(adapter, E1000_RQDPC(i))
|
-	rd32(E1000_MPC)
+	hpcap_igb_counter(adapter, E1000_MPC)
|
-	rd32(E1000_CRCERRS)
+	hpcap_igb_counter(adapter, E1000_CRCERRS)
|
-	rd32(E1000_RUC)
+	hpcap_igb_counter(adapter, E1000_RUC)
|
-	rd32(E1000_RFC)
+	hpcap_igb_counter(adapter, E1000_RFC)
|
-	rd32(E1000_ROC)
+	hpcap_igb_counter(adapter, E1000_ROC)
|
-	rd32(E1000_RJC)
+	hpcap_igb_counter(adapter, E1000_RJC)
)
 ...>
 }
