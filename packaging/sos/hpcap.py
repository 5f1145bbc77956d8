# SPDX-License-Identifier: MIT OR Apache-2.0
"""Collects what explains a capture by hpcap, for `sos report`.

sos collects the facts of the machine and obscures addresses and names itself, so this plugin adds only what
belongs to hpcap, and not the tarball of `hpcap-diag collect`.
"""

from sos.report.plugins import DebianPlugin, Plugin, RedHatPlugin, UbuntuPlugin


class Hpcap(Plugin, RedHatPlugin, DebianPlugin, UbuntuPlugin):
    """Configuration, queues, listeners, losses and findings."""

    short_desc = "hpcap, capture of network frames"

    plugin_name = "hpcap"
    profiles = ("network", "services")
    packages = ("hpcap",)

    def setup(self):
        self.add_copy_spec(
            [
                "/etc/hpcap",
                "/etc/default/hpcap*",
                "/sys/class/hpcap",
                "/sys/module/hpcap*/parameters",
                "/var/lib/dkms/hpcap/*/build/make.log",
            ]
        )
        # The monitor's logs of the last days; older ones are as large as the disk allows.
        self.add_copy_spec("/var/log/hpcap", maxage=72)
        self.add_cmd_output(
            [
                "hpcapctl status --json",
                "hpcapctl listeners",
                "hpcapctl config show",
                "hpcapctl doctor",
                "hpcap-status --once",
                "hpcap-diag now",
            ],
            timeout=60,
        )
        for unit in ["hpcap*", "hpcapd@*", "hpcapdd*"]:
            self.add_journal(units=unit)
