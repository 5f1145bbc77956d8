#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The kernel module on a real kernel, on any machine: boots Debian's kernel in a virtual machine with
# a software 82599, records frames with the ordinary hpcapdd, copies the files out, and proves on the
# host that every frame that the NIC was sent is in the files or in the ledger.
#
#   scripts/try-driver.sh
#
# Takes no root, no KVM and no hardware. KERNEL is 6.1 or 6.12, FRAMES how many, SIZE what `size=`
# of the generator says (docs/sources.md), DIR where the files are left (otherwise they are removed).
set -euo pipefail

readonly KERNEL=${KERNEL:-6.1} FRAMES=${FRAMES:-1000000} SIZE=${SIZE:-imix}

say() {
	printf '==> %s\n' "$*"
}

die() {
	echo "try-driver: $1" >&2
	exit 1
}

# ------------------------------------------------------------------------- in the guest

show() {
	printf '    # %s\n' "$*"
	"$@"
}

guest() {
	local recorder captured=/sys/class/hpcap/hpcap_0_0/ledger/captured
	say "in the guest: Linux $(uname -r), $(nproc) processor"
	show modprobe hpcap ring_bytes=64M when_full=hold
	show modprobe hpcap_ixgbe mode=hpcap
	show ip link set hpcap0 up
	until grep -q up /sys/class/net/hpcap0/operstate; do sleep 0.02; done
	say "the driver has its NIC: $(ip -br link show hpcap0 | tr -s ' ')"
	printf '    # hpcapdd hpcap0 /out/raw\n'
	hpcapdd --json hpcap0 /out/raw >/out/recorder.json &
	recorder=$!
	until grep -q '"event":"start"' /out/recorder.json; do sleep 0.02; done
	say "the NIC gets $FRAMES frames of size=$SIZE; it waits when the driver is slower"
	lab traffic start "gen:size=$SIZE,count=$FRAMES"
	while read -r frames _ <$captured && [ "$frames" = 0 ]; do sleep 0.02; done
	touch /out/first-frame
	lab traffic wait
	# What the NIC has delivered, the poll thread takes at its next look.
	sleep 0.5
	kill -INT "$recorder"
	wait "$recorder"
	say "the ledger in the guest (frames, bytes)"
	(cd "${captured%/*}" && grep . ./* | sed 's|^\./|    |; s|:| |')
	show ip link set hpcap0 down
	show modprobe -r hpcap_ixgbe hpcap
}

# -------------------------------------------------------------------------- on the host

scratch=

# The moment, in seconds, at which the guest has captured its first frame.
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

	say "kernel $KERNEL, its headers and its ixgbe, out of Debian's packages"
	scripts/kernels.sh fetch "$KERNEL"
	say "the programs (the first time takes minutes)"
	cargo build --release --quiet -p vmlab -p hpcapdd -p raw2pcap
	say "hpcap.ko, and hpcap_ixgbe.ko out of the distribution's ixgbe"
	scripts/kmod.sh "$KERNEL"

	say "a virtual machine with a software 82599"
	started=$(date +%s.%N)
	watch_for_first_frame "$dir" "$started" &
	watcher=$!
	"$bin/vmlab" run --kernel "$KERNEL" --nic 82599 --mem 1G --out "$dir" --timeout 10m -- \
		env "FRAMES=$FRAMES" "SIZE=$SIZE" bash "$PWD/scripts/try-driver.sh" --in-guest || code=$?
	if [ "$code" != 0 ]; then
		kill "$watcher" 2>/dev/null || true
		die "the machine failed (exit code $code); its console is above"
	fi
	wait "$watcher"
	say "from power-on to the first captured frame: $(cat "$dir/boot-seconds") s"

	say "on the host: what the recording holds"
	"$bin/checkraw" "$dir/raw"
	say "the proof: the frames that the NIC was sent are made again, and compared byte for byte"
	"$bin/vmlab" prove "$dir/nic0.record.json" "$dir/raw"
	[ -z "${DIR:-}" ] || say "the files are in $dir"
}

case ${1:-} in
--in-guest) guest ;;
"") host ;;
*) die "it takes no arguments; see the head of $0" ;;
esac
