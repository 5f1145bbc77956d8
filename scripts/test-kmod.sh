#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# What scripts/kmod.sh says when a kernel's driver is not as the semantic patches know it: for a
# copy of the 6.1 driver in which a new kernel has moved things, it must name each hook that is
# missing, its function and its file, and fail. About 15 s, most of them for the patches.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/kernels.sh fetch 6.1 >/dev/null
kernel=$(scripts/kernels.sh path 6.1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/drivers/net/ethernet"
cp -r "$kernel/source/drivers/net/ethernet/intel" "$work/drivers/net/ethernet/"
driver=$work/drivers/net/ethernet/intel/ixgbe

# One of each kind. That each changes something is checked, too.
change() {
	cp "$driver/$1" "$work/before"
	sed -i -E "$2" "$driver/$1"
	! cmp -s "$work/before" "$driver/$1" || { echo "test-kmod: '$2' changes nothing in $1" >&2 && exit 1; }
}
change ixgbe_main.c '/^void ixgbe_down\(/,/^}/s/ixgbe_disable_rx\(adapter\)/ixgbe_stop_rx(adapter)/'
change ixgbe_main.c 's/\bixgbe_watchdog_flush_tx\b/ixgbe_watchdog_empty_tx/'
change ixgbe_main.c 's/IXGBE_READ_REG\(hw, IXGBE_RJC\)/ixgbe_jabbers(hw)/'
change ixgbe_main.c '/^void ixgbe_up\(/,/^}/s/^}/\tunregister_netdev(adapter->netdev);\n}/'
rm "$driver/ixgbe_sriov.c"

if scripts/kmod.sh patch 6.1 --source "$work" --out "$work/out" >"$work/said" 2>&1; then
	echo "test-kmod: a driver without some of the hooks was accepted" >&2
	exit 1
fi
failed=0
while read -r expected; do
	grep -qF "$expected" "$work/said" || {
		echo "test-kmod: kmod.sh does not say: $expected" >&2
		failed=1
	}
done <<-'END'
	ixgbe_main.c, ixgbe_down() has hpcap_ixgbe_down 0 times, not 1: kmod/ixgbe/stop-queues.cocci does not fit
	ixgbe_main.c has no function ixgbe_watchdog_flush_tx(), where kmod/ixgbe/no-transmission.cocci puts hpcap_ixgbe_polls
	ixgbe_main.c, ixgbe_update_stats() has hpcap_ixgbe_counter 7 times, not 8: kmod/ixgbe/lost-frames.cocci does not fit
	ixgbe_main.c has hpcap_ixgbe_unregister 5 times, the manifest names 4 places: a patch in kmod/ixgbe fits in another one, too
	ixgbe_sriov.c is missing, which no-virtual-functions.cocci is for
END
if grep -q 'ixgbevf of' "$work/said"; then
	echo "test-kmod: kmod.sh finds something wrong in the driver that is as it was" >&2
	failed=1
fi
if [ "$failed" = 1 ]; then
	cat "$work/said" >&2
	exit 1
fi
echo "test-kmod: what has moved is named"
