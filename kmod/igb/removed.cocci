// SPDX-License-Identifier: GPL-2.0-only
// A device that was removed answers every read with ones. Its queues end at once, so that the
// listeners see the removal even before the PCI core knows of it.
@@
identifier link;
symbol adapter;
@@
 igb_watchdog_task(...)
 {
 <...
 link = igb_has_link(adapter);
+hpcap_igb_watch(adapter);
 ...>
 }
