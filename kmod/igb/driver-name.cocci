// SPDX-License-Identifier: GPL-2.0-only
// Lets this driver be loaded beside the distribution's: it has another name on the PCI bus, and no
// aliases, so that only the administrator loads it.
@@
identifier name =~ "^igb_driver_name$";
@@
 char name[] =
-	"igb"
+	"hpcap_igb"
 ;

@@
declarer name MODULE_DEVICE_TABLE;
identifier bus, table;
@@
-MODULE_DEVICE_TABLE(bus, table);
