// SPDX-License-Identifier: GPL-2.0-only
// A port that captures does not stop the sender, so the driver requests no pause frames.
@@
expression mode;
symbol e1000_fc_default;
@@
 igb_probe(...)
 {
 <...
 mode =
-	e1000_fc_default
+	hpcap_igb_pause(adapter, e1000_fc_default)
 ;
 ...>
 }
