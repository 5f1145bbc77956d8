// SPDX-License-Identifier: GPL-2.0-only
// Lets this driver be loaded beside the distribution's: it has another name on the PCI bus,
// exports no symbol that the other one exports, and has no aliases, so that only the administrator
// loads it.
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
