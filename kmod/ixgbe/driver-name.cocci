// SPDX-License-Identifier: GPL-2.0-only
// The driver beside the distribution's own: another name on the PCI bus, no alias in the module
// (nothing loads it but the administrator), no symbol that both would export.
@@
identifier name =~ "^ixgbe_driver_name$";
@@
 char name[] =
-	"ixgbe"
+	"hpcap_ixgbe"
 ;

@@
declarer name MODULE_DEVICE_TABLE;
identifier bus, table;
@@
-MODULE_DEVICE_TABLE(bus, table);

@@
declarer name EXPORT_SYMBOL;
identifier symbol;
@@
-EXPORT_SYMBOL(symbol);
