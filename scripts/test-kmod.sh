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
change ixgbe_main.c '/^int ixgbe_open\(/,/^}/s/^}/\tixgbe_free_all_rx_resources(adapter);\n}/'
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
	ixgbe_main.c, ixgbe_down() has hpcap_port_down 0 times, not 1: kmod/ixgbe/stop-queues.cocci does not fit
	ixgbe_main.c has no function ixgbe_watchdog_flush_tx(), where kmod/ixgbe/no-transmission.cocci puts hpcap_port_polls
	ixgbe_main.c, ixgbe_update_stats() has hpcap_ixgbe_counter 7 times, not 8: kmod/ixgbe/lost-frames.cocci does not fit
	ixgbe_main.c has hpcap_port_unregister 5 times, the manifest names 4 places: a patch in kmod/ixgbe fits in another one, too
	ixgbe_sriov.c is missing, which no-virtual-functions.cocci is for
	ixgbe_free_all_rx_resources() is used 3 times, by ixgbe_close_suspend ixgbe_open; the manifest knows 2 uses
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

# Both names of the function that sets time stamps: before 6.17, and since.
cp -r "$kernel/source/drivers/net/ethernet/intel/." "$work/drivers/net/ethernet/intel/"
python3 - "$driver/ixgbe_ptp.c" <<'PYTHON'
import re, sys
path = sys.argv[1]
text = open(path).read()
old = re.search(r"^int ixgbe_ptp_set_ts_config\(.*?^}\n", text, re.M | re.S).group(0)
new = """int ixgbe_ptp_hwtstamp_set(struct net_device *netdev,
			   struct kernel_hwtstamp_config *config,
			   struct netlink_ext_ack *extack)
{
	struct ixgbe_adapter *adapter = ixgbe_from_netdev(netdev);
	int err;

	err = ixgbe_ptp_set_timestamp_mode(adapter, config);
	if (err)
		return err;

	adapter->tstamp_config = *config;

	return 0;
}
"""
open(path, "w").write(text.replace(old, new))
PYTHON
scripts/kmod.sh patch 6.1 --source "$work" --out "$work/out" >"$work/said" 2>&1 || {
	echo "test-kmod: no-timestamps.cocci does not fit the function's name since 6.17" >&2
	cat "$work/said" >&2
	exit 1
}
grep -A9 '^int ixgbe_ptp_hwtstamp_set' "$work/out/patched/ixgbe/ixgbe_ptp.c" | grep -q hpcap_port_polls || {
	echo "test-kmod: ixgbe_ptp_hwtstamp_set() has no hook" >&2
	exit 1
}

# What is not known is refused before anything is built, with what was checked.
refused() {
	local expected=$1 status=0
	shift
	scripts/kmod.sh "$@" --out "$work/refused" >"$work/said" 2>&1 || status=$?
	if [ "$status" != 4 ] || ! grep -qF -- "$expected" "$work/said" || ! grep -qF -- --untested "$work/said"; then
		echo "test-kmod: '$*' ended with $status and did not say: $expected" >&2
		cat "$work/said" >&2
		exit 1
	fi
}
release=$(<"$kernel/release")
version=$(sed -n 's/^linux-source-[^ ]* \([0-9.]*\).*/\1/p' "$kernel/versions")
mkdir "$work/kernel"
ln -s "$(realpath "$kernel/headers")" "$work/kernel/headers"
ln -s "$(realpath "$kernel/source")" "$work/kernel/source"
cp "$kernel/versions" "$work/kernel/"
echo "9.9.9-test" >"$work/kernel/release"
tested=$(grep -v '^#' kmod/tested-series | paste -sd' ')
refused "Linux 9.9 (9.9.9-test): no test of hpcap has run on this series; they run on: $tested" "$work/kernel"
refused "Nothing was checked of Linux 9.9." "$work/kernel"
# Of a series on which no test has run, the refusal says what was checked.
untested=$(awk '$4 == "patches" { print $1, $2, $3; exit }' kmod/checked-series)
[ -n "$untested" ] || { echo "test-kmod: no series has only its patches checked" >&2 && exit 1; }
read -r series checked date <<<"$untested"
echo "$series.99-test" >"$work/kernel/release"
refused "Of Linux $checked, this was checked ($date): the patches fit. Nothing was booted." "$work/kernel"
echo "$release" >"$work/kernel/release"
sed -i 's/^linux-source-6.1 .*/linux-source-6.1 6.1.7-1/' "$work/kernel/versions"
refused "is Linux 6.1.7, the kernel $release is $version" "$work/kernel"
# DKMS asks `known` before it builds.
refused "is Linux 6.1.7, the kernel $release is $version" known "$work/kernel"
scripts/kmod.sh known 6.1
rm "$work/kernel/versions"
refused "is Linux of a version that it does not say, the kernel $release is $version" "$work/kernel"
printf 'VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 8\n' >"$work/Makefile"
refused "is Linux 6.1.8, the kernel $release is $version" 6.1 --source "$work"
# The driver of this kernel builds again: no kernel before 6.17 has what the function above uses.
cp "$kernel/source/drivers/net/ethernet/intel/ixgbe/ixgbe_ptp.c" "$driver/"
# --untested builds all the same, says what it has accepted, and the module says so when it loads.
status=0
scripts/kmod.sh 6.1 --source "$work" --untested --out "$work/untested" >"$work/said" 2>&1 || status=$?
if [ "$status" != 0 ] ||
	! grep -qF -- "kmod: --untested: $work is Linux 6.1.8, the kernel $release is $version" "$work/said" ||
	! grep -qaF 'hpcap mode on %s, which no test of hpcap has seen' "$work/untested/hpcap_ixgbe.ko"; then
	echo "test-kmod: --untested ended with $status, or built modules that still refuse" >&2
	cat "$work/said" >&2
	exit 1
fi
# Without the option the modules refuse a device that no test has seen.
scripts/kmod.sh 6.1 >/dev/null
if grep -qaF 'hpcap mode on %s, which no test of hpcap has seen' "$(dirname "$(scripts/kmod.sh 6.1 | head -1)")/hpcap_ixgbe.ko"; then
	echo "test-kmod: modules built without --untested accept untested devices" >&2
	exit 1
fi
# Beside a device's own netdev_priv() nothing of ours is built.
glue=kmod/advrx/test-kmod-glue.h
trap 'rm -rf "$work" "$glue"' EXIT
echo 'static inline void *wrong(struct net_device *netdev) { return netdev_priv(netdev); }' >"$glue"
if scripts/kmod.sh patch 6.1 --out "$work/out" >"$work/said" 2>&1 || ! grep -qF "netdev_priv() of a driver's device" "$work/said"; then
	echo "test-kmod: netdev_priv() in our code was accepted" >&2
	exit 1
fi
rm "$glue"
echo "test-kmod: what is not known is refused"
