// SPDX-License-Identifier: GPL-2.0-only
// The driver beside the distribution's own: another name on the PCI bus, and no alias in the
// module: nothing loads it but the administrator.
@@
identifier name =~ "^ixgbevf_driver_name$";
@@
 const char name[] =
-	"ixgbevf"
+	"hpcap_ixgbevf"
 ;

@@
declarer name MODULE_DEVICE_TABLE;
identifier bus, table;
@@
-MODULE_DEVICE_TABLE(bus, table);
