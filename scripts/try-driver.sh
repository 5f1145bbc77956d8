#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Tries the kernel module on a real kernel, on any machine. The script boots Debian's kernel in a virtual machine with a
# software 82599, or with an 82576 that QEMU itself emulates, records frames with hpcapdd, copies the files out, and
# checks on the host that every frame that the NIC was sent is in the files or in the ledger.
#
#   scripts/try-driver.sh
#
# It needs no root, no KVM and no NIC. KERNEL is 6.1 or 6.12, NIC is 82599 or igb, FRAMES the number of frames,
# SIZE the `size=` of the generator (docs/sources.md), and DIR a folder in which the files stay (otherwise they are
# removed).
set -euo pipefail

readonly KERNEL=${KERNEL:-6.1} NIC=${NIC:-82599} FRAMES=${FRAMES:-1000000} SIZE=${SIZE:-imix}

say() {
	printf '==> %s\n' "$*"
}

die() {
	echo "try-driver: $1" >&2
	exit 1
}

case $NIC in
82599) readonly DRIVER=ixgbe WHAT="a software 82599" ;;
igb) readonly DRIVER=igb WHAT="QEMU's own 82576 (igb)" ;;
*) die "NIC=$NIC: it must be 82599 or igb" ;;
esac

# ------------------------------------------------------------------------- in the guest

show() {
	printf '    # %s\n' "$*"
	"$@"
}

guest() {
	local recorder captured=/sys/class/hpcap/hpcap_0_0/ledger/captured
	say "in the guest: Linux $(uname -r), $(nproc) processor"
	show modprobe hpcap ring_bytes=64M when_full=hold
	show modprobe "hpcap_$DRIVER" mode=hpcap
	show ip link set hpcap0 up
	until grep -q up /sys/class/net/hpcap0/operstate; do sleep 0.02; done
	say "the driver has its NIC: $(ip -br link show hpcap0 | tr -s ' ')"
	printf '    # hpcapdd hpcap0 /out/raw\n'
	hpcapdd --json hpcap0 /out/raw >/out/recorder.json &
	recorder=$!
	until grep -q '"event":"start"' /out/recorder.json; do sleep 0.02; done
	say "the NIC is sent $FRAMES frames of size=$SIZE; the sender waits for the driver"
	lab traffic start "gen:size=$SIZE,count=$FRAMES"
	while read -r frames _ <$captured && [ "$frames" = 0 ]; do sleep 0.02; done
	touch /out/first-frame
	lab traffic wait
	# The poll thread takes the last frames at its next look.
	sleep 0.5
	kill -INT "$recorder"
	wait "$recorder"
	say "the ledger in the guest (frames, bytes)"
	(cd "${captured%/*}" && grep . ./* | sed 's|^\./|    |; s|:| |')
	show ip link set hpcap0 down
	show modprobe -r "hpcap_$DRIVER" hpcap
}

# -------------------------------------------------------------------------- on the host

scratch=

# Writes the seconds from STARTED to the guest's first captured frame into DIR/boot-seconds.
watch_for_first_frame() {
	local dir=$1 started=$2
	until [ -e "$dir/first-frame" ] || [ -e "$dir/nic0.record.json" ]; do sleep 0.05; done
	[ ! -e "$dir/first-frame" ] ||
		awk -v a="$started" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f\n", b - a }' >"$dir/boot-seconds"
}

host() {
	local bin dir started watcher code=0
	cd "$(dirname "${BASH_SOURCE[0]}")/.."
	bin=${CARGO_TARGET_DIR:-target}/release
	dir=${DIR:-}
	if [ -z "$dir" ]; then
		mkdir -p "${CARGO_TARGET_DIR:-target}"
		dir=$(mktemp -d "${CARGO_TARGET_DIR:-target}/try-driver.XXXXXX")
		scratch=$dir
		trap 'rm -rf "$scratch"' EXIT
	fi
	mkdir -p "$dir"
	dir=$(realpath "$dir")
	[ -z "$(ls -A "$dir")" ] || die "$dir is not empty: choose another DIR"

	say "kernel $KERNEL, its headers and its drivers, from Debian's packages"
	scripts/kernels.sh fetch "$KERNEL"
	[ "$NIC" != igb ] || scripts/qemu.sh fetch
	say "the programs (the first build takes minutes)"
	cargo build --release --quiet -p vmlab -p hpcapdd -p raw2pcap
	say "hpcap.ko, and hpcap_$DRIVER.ko from the distribution's $DRIVER"
	scripts/kmod.sh "$KERNEL"

	say "a virtual machine with $WHAT"
	started=$(date +%s.%N)
	watch_for_first_frame "$dir" "$started" &
	watcher=$!
	"$bin/vmlab" run --kernel "$KERNEL" --nic "$NIC" --mem 1G --out "$dir" --timeout 10m -- \
		env "NIC=$NIC" "FRAMES=$FRAMES" "SIZE=$SIZE" bash "$PWD/scripts/try-driver.sh" --in-guest || code=$?
	if [ "$code" != 0 ]; then
		kill "$watcher" 2>/dev/null || true
		die "the machine failed (exit code $code); its console is above"
	fi
	wait "$watcher"
	say "from power-on to the first captured frame: $(cat "$dir/boot-seconds") s"

	say "on the host: the files of the recording"
	"$bin/checkraw" "$dir/raw"
	say "the comparison: the frames that the NIC was sent are made again, and compared byte for byte"
	"$bin/vmlab" prove "$dir/nic0.record.json" "$dir/raw"
	[ -z "${DIR:-}" ] || say "the files are in $dir"
}

case ${1:-} in
--in-guest) guest ;;
"") host ;;
*) die "no arguments are allowed; the comment at the beginning of $0 has the variables" ;;
esac
