#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Measures the speed of the module's poll thread in a virtual machine with a software 82599. With a lossless listener,
# every frame becomes a record in the ring. Without a listener, the same loop only counts frames and gives their buffers
# back. The sender waits for room, so the poll thread sets the pace. The machine has one emulated processor, so only the
# ratio of the figures has a meaning.
#
#   scripts/bench-driver.sh       KERNEL=6.1 or 6.12, ROUNDS=5, SECONDS_EACH=3, SIZES="60 1514"
set -euo pipefail

readonly KERNEL=${KERNEL:-6.1} ROUNDS=${ROUNDS:-5} SECONDS_EACH=${SECONDS_EACH:-3}
readonly SIZES=${SIZES:-60 1514}
readonly TARGET=0.6	# of the bare loop, at 60 bytes

# ------------------------------------------------------------------------- in the guest

readonly QUEUE=/sys/class/hpcap/hpcap_0_0

# Prints the frames a second that are counted under REASON during SECONDS_EACH.
rate() {
	local from until began ended
	read -r from _ <"$QUEUE/ledger/$1"
	began=$(date +%s%N)
	sleep "$SECONDS_EACH"
	read -r until _ <"$QUEUE/ledger/$1"
	ended=$(date +%s%N)
	echo $(((until - from) * 1000000000 / (ended - began)))
}

guest() {
	local size round recorder bare full
	modprobe hpcap ring_bytes=64M poll=busy when_full=hold
	modprobe hpcap_ixgbe mode=hpcap
	ip link set hpcap0 up
	until grep -q up /sys/class/net/hpcap0/operstate; do sleep 0.02; done
	for size in $SIZES; do
		lab traffic start "gen:size=$size"
		for round in $(seq "$ROUNDS"); do
			bare=$(rate no_listener)
			hpcapdd --json hpcap0 null >/out/recorder.json &
			recorder=$!
			until grep -q '"event":"start"' /out/recorder.json; do sleep 0.02; done
			full=$(rate captured)
			kill -INT "$recorder"
			wait "$recorder"
			echo "$size $round $bare $full" >>/out/rounds
		done
		lab traffic stop
	done
	grep -H . "$QUEUE"/ledger/{ring_full,nic_missed,nic_error} >/out/lost
}

# -------------------------------------------------------------------------- on the host

scratch=

# Prints for each size the medians of bare and full, and the median of the ratios of the rounds.
report() {
	sort -k1,1n "$1" | awk -v target=$TARGET '
		function median(a, n,  i, j, t) {
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && a[j - 1] > a[j]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
			return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
		}
		function finish() {
			if (!n) return
			m = median(ratio, n)
			printf "%6d %14.3f %14.3f %8.2f  %s\n", size, median(bare, n) / 1e6, median(full, n) / 1e6, m,
				size == 60 ? (m >= target ? "at least " target ": yes" : "at least " target ": NO") : ""
			if (size == 60 && m < target) failed = 1
			n = 0
		}
		BEGIN { printf "%6s %14s %14s %8s\n", "bytes", "counted, M/s", "recorded, M/s", "ratio" }
		$1 != size { finish(); size = $1 }
		{ n++; bare[n] = $3; full[n] = $4; ratio[n] = $4 / $3 }
		END { finish(); exit failed }'
}

host() {
	local bin code=0
	cd "$(dirname "${BASH_SOURCE[0]}")/.."
	bin=${CARGO_TARGET_DIR:-target}/release
	mkdir -p "${CARGO_TARGET_DIR:-target}"
	scratch=$(mktemp -d "${CARGO_TARGET_DIR:-target}/bench-driver.XXXXXX")
	trap 'rm -rf "$scratch"' EXIT
	scripts/kernels.sh fetch "$KERNEL"
	scripts/kmod.sh "$KERNEL" >/dev/null
	cargo build --release --quiet --locked -p vmlab -p hpcapdd
	echo "poll thread of hpcap.ko on Linux $KERNEL, software 82599, 1 emulated processor;"
	echo "medians of $ROUNDS rounds of $SECONDS_EACH s"
	"$bin/vmlab" run --kernel "$KERNEL" --nic 82599 --mem 1G --out "$scratch" --timeout 10m -- \
		env "ROUNDS=$ROUNDS" "SECONDS_EACH=$SECONDS_EACH" "SIZES=$SIZES" \
		bash "$PWD/scripts/bench-driver.sh" --in-guest || code=$?
	if [ "$code" != 0 ]; then
		echo "bench-driver: the machine failed (exit code $code); its console is above" >&2
		exit 1
	fi
	report "$scratch/rounds"
}

case ${1:-} in
--in-guest) guest ;;
"") host ;;
*) echo "bench-driver: it takes no arguments; see the head of $0" >&2 && exit 2 ;;
esac
