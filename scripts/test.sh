#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Runs every test of the project. A part that fails does not stop the others. The last lines say which
# parts failed, and which tests were skipped and why.
#
#   scripts/test.sh              runs all parts
#   scripts/test.sh PART...      runs these parts, one after the other
#
# Without PART, parts that leave a processor idle run beside each other (see run_all). The output of such
# a part appears in one piece when the part has ended. Each part has a log, PART.log.
#
# With HPCAP_REQUIRE_VM=1, a test that needs a virtual machine fails where it would be skipped. After the time
# HPCAP_TEST_UNTIL, in seconds since 1970, no virtual machine boots any more, and the tests that are left are skipped.
#
# Fuzz targets and property tests get the same inputs every time, so that a failure is the fault of the change
# that is tested. `make fuzz`, `make attack` and a plain `cargo test` search with new random inputs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TARGET=${CARGO_TARGET_DIR:-target}
readonly LOGS=$TARGET/test-logs
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-1}
readonly PARTS=(kmod model fuzz packages cargo stress vm)

# Builds every test and, because tests run them, every program: `cargo test --no-run` leaves out the program
# of a package without tests of its own. All parts build with these words: another choice of packages gives
# the dependencies other features, and cargo would build them a second time.
build_tests() {
	cargo build --workspace --all-targets --quiet
}

part_model() {
	scripts/model.sh
}

part_fuzz() {
	fuzz/run.sh repeatable
}

# Builds the modules for the kernels of the virtual machine, and checks that kmod.sh refuses drivers that
# it does not know, and that the patches fit the drivers of all series whose sources are kept.
part_kmod() {
	scripts/kernels.sh fetch all || return
	scripts/kmod.sh 6.1 || return
	scripts/kmod.sh 6.12 || return
	scripts/test-kmod.sh || return
	scripts/test-kernels.sh patches --kept
}

# Makes the packages.
part_packages() {
	build_tests || return
	packaging/test-packages.sh "$TARGET/debug" && packaging/test-rpm.sh "$TARGET/debug"
}

# Sends a hundred million records from one process to another.
part_stress() {
	build_tests || return
	cargo test --workspace --test stress -- --ignored --nocapture
}

# A test that cannot do its work passes and prints "skipped: why", which the test runner shows only with
# --show-output. The log has all of it, the screen what cargo usually prints.
part_cargo() {
	build_tests || return
	cargo test --workspace --no-fail-fast -- --show-output 2>&1 | awk '
		/^successes:$/ { hidden = 1 }
		/^(failures:|test result:)/ { hidden = 0 }
		{ print > log_file }
		!hidden { print; fflush() }
	' log_file="$LOGS/cargo-full.log"
}

# Runs the tests of the modules in virtual machines. A machine keeps one to two processors busy, so two run
# at a time. Each subject has been tested on one kernel before the first is tested on the other, so that a run
# that has too little time (HPCAP_TEST_UNTIL) leaves out kernels rather than subjects.
part_vm() {
	local failed=0
	# Where this fails, the tests of igb are skipped, or fail with HPCAP_REQUIRE_VM.
	scripts/qemu.sh fetch || true
	build_tests || return
	for kernel in '--skip on_6_1::' 'on_6_1::'; do
		# shellcheck disable=SC2086 # an option and its value
		cargo test --workspace --test vm -- --ignored --show-output --test-threads 2 $kernel || failed=1
	done
	return $failed
}

# ---------------------------------------------------------------------------- running parts
failed=()

# Runs one part and prints how long it took; fails when the part fails.
run_part() {
	local started=$SECONDS code=0
	"part_$1" || code=$?
	echo "==> test: $1 took $((SECONDS - started)) s$([ $code = 0 ] || echo ", and FAILED")"
	return $code
}

# Runs parts one after the other, and shows what they print while they run.
in_sequence() {
	local part
	for part in "$@"; do
		echo "==> test: $part"
		run_part "$part" 2>&1 | tee "$LOGS/$part.log" || failed+=("$part")
	done
}

# beside "PART..." PART...: runs the first parts, one after the other, in the background while the others
# run in sequence. What the parts in the background print is shown when all of these parts have ended.
beside() {
	local background part process
	read -ra background <<<"$1"
	shift
	echo "==> test: ${background[*]} (in the background)"
	(
		for part in "${background[@]}"; do
			run_part "$part" >"$LOGS/$part.log" 2>&1 || touch "$LOGS/$part.failed"
		done
	) &
	process=$!
	in_sequence "$@"
	wait "$process"
	for part in "${background[@]}"; do
		echo "==> test: $part"
		cat "$LOGS/$part.log"
		[ ! -e "$LOGS/$part.failed" ] || failed+=("$part")
	done
}

part_build() {
	build_tests
}

# The order of all parts. The tests of `cargo` often wait, and the parts beside them need one processor.
# `stress` and `vm` keep two processors busy, so nothing runs beside them.
run_all() {
	beside kmod build
	beside "model fuzz packages" cargo
	in_sequence stress vm
}

# Prints the skipped tests, "NAME: why", one a line.
list_skipped() {
	awk '
		/^---- .* stdout ----$/ { name = $2 }
		/^skipped: / { sub(/^skipped: /, ""); print name ": " $0 }
	' "$LOGS"/{cargo-full,vm}.log 2>/dev/null | sort -u
	grep -hE '^[a-z-]+: skipped' "$LOGS"/{model,fuzz,packages}.log 2>/dev/null || true
}

for part in "$@"; do
	[[ " ${PARTS[*]} " == *" $part "* ]] || {
		echo "test: '$part' is not a part; the parts are: ${PARTS[*]}" >&2
		exit 2
	}
done
mkdir -p "$LOGS"
rm -f "$LOGS"/*.log "$LOGS"/*.failed
if [ $# = 0 ]; then
	run_all
else
	in_sequence "$@"
fi

skips=$(list_skipped)
if [ -n "$skips" ]; then
	echo "==> test: skipped"
	echo "$skips"
fi
if [ "${#failed[@]}" -gt 0 ]; then
	echo "==> test: FAILED: ${failed[*]} (logs in $LOGS)" >&2
	exit 1
fi
echo "==> test: all parts passed, in $SECONDS s: ${*:-${PARTS[*]}}"
