#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Every test of the project, one part after the other; all parts run even when one fails. At the
# end it says what was skipped and why. FUZZ_SECONDS is the time for each fuzz target.
#
#   scripts/test.sh              all parts
#   scripts/test.sh PART...      scripts, kmod, model, fuzz, demo, stress, cargo, vm
#
# HPCAP_REQUIRE_VM=1: what needs a virtual machine fails where it would be skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly LOGS=${CARGO_TARGET_DIR:-target}/test-logs
readonly FUZZ_SECONDS=${FUZZ_SECONDS:-20}
mkdir -p "$LOGS"
failed=()

part_scripts() {
	scripts/test-scripts.sh
}

part_model() {
	scripts/model.sh
}

part_fuzz() {
	fuzz/run.sh "$FUZZ_SECONDS"
}

# The modules for the kernels of the virtual machine, and what the build says of unknown drivers.
part_kmod() {
	scripts/kernels.sh fetch all || return
	scripts/kmod.sh 6.1 || return
	scripts/kmod.sh 6.12 || return
	scripts/test-kmod.sh
}

# What the documents say of the programs, and what make run does, for a short time.
part_demo() {
	local folder=$LOGS/demo code=0
	cargo build --workspace --bins --quiet || return
	scripts/check-docs.sh "${CARGO_TARGET_DIR:-target}/debug" || return
	SECONDS_TO_RUN=3 DIR=$folder scripts/demo.sh "${CARGO_TARGET_DIR:-target}/debug" || code=$?
	[ $code != 0 ] || demo_says_what_it_did_not_compare "$folder" || code=$?
	rm -rf "$folder"
	[ $code = 0 ] || return $code
	scripts/test-readme.sh "${CARGO_TARGET_DIR:-target}/debug"
}

# Nobody else counts the frames of somebody else's interface.
demo_says_what_it_did_not_compare() {
	[ "$(id -u)" = 0 ] || return 0
	local said text
	said=$(SECONDS_TO_RUN=1 IFACE=lo DIR=$1 scripts/demo.sh "${CARGO_TARGET_DIR:-target}/debug" </dev/null) || return
	for text in "on the wire  *not compared" "Remove them: *rm -r $1/"; do
		grep -q "$text" <<<"$said" || {
			echo "demo: it does not say '$text': $said" >&2
			return 1
		}
	done
}

# A hundred million records from one process to another, which takes an optimised build.
part_stress() {
	cargo build --workspace --bins --release --quiet || return
	cargo test --release -p hpcap-e2e --test stress -- --ignored --nocapture
}

# Tests that pass say "skipped: why" when they could not do their work, and the test runner shows
# that only with --show-output: the log has everything, the screen what cargo usually prints.
part_cargo() {
	# The tests across the programs run them all as they are built.
	cargo build --workspace --bins --quiet || return
	cargo test --workspace --no-fail-fast -- --show-output 2>&1 | awk '
		/^successes:$/ { hidden = 1 }
		/^(failures:|test result:)/ { hidden = 0 }
		{ print > log_file }
		!hidden { print; fflush() }
	' log_file="$LOGS/cargo-full.log"
}

# The modules on real kernels. A machine takes one to two processors, so two run at a time.
part_vm() {
	scripts/guest-programs.sh || return
	cargo test -p hpcap-e2e --test vm -- --ignored --show-output --test-threads 2
}

# "test-name: why", one a line, out of the log of cargo.
skipped() {
	awk '
		/^---- .* stdout ----$/ { name = $2 }
		/^skipped: / { sub(/^skipped: /, ""); print name ": " $0 }
	' "$LOGS/cargo-full.log" 2>/dev/null | sort -u
	grep -hE '^[a-z-]+: skipped' "$LOGS"/{scripts,model,fuzz,demo}.log 2>/dev/null || true
}

rm -f "$LOGS"/*.log
parts=("$@")
[ $# -gt 0 ] || parts=(scripts kmod model fuzz demo stress cargo vm)
for part in "${parts[@]}"; do
	declare -F "part_$part" >/dev/null || {
		echo "test: '$part' is not a part; they are: scripts, kmod, model, fuzz, demo, stress, cargo, vm" >&2
		exit 2
	}
	echo "==> test: $part"
	started=$SECONDS
	"part_$part" 2>&1 | tee "$LOGS/$part.log" || failed+=("$part")
	echo "==> test: $part took $((SECONDS - started)) s"
done

skips=$(skipped)
if [ -n "$skips" ]; then
	echo "==> test: skipped"
	echo "$skips"
fi
if [ "${#failed[@]}" -gt 0 ]; then
	echo "==> test: FAILED: ${failed[*]} (logs in $LOGS)" >&2
	exit 1
fi
echo "==> test: all parts passed: ${parts[*]}"
