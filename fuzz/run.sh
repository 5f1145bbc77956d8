#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Runs fuzz targets, and fails when one of them does.
#
#   fuzz/run.sh SECONDS [TARGET...]      runs each target for SECONDS with new random inputs, made from
#                                        the committed inputs and from what earlier runs found
#   fuzz/run.sh repeatable [TARGET...]   runs each target with the same inputs every time, made from the
#                                        committed inputs alone
#
# Tests that decide about a change use `repeatable`: they must not fail for a fault that the change did
# not make, and that the next run would not find.
#
# It needs neither a nightly compiler nor cargo-fuzz: the flags are those that cargo-fuzz gives
# for `--sanitizer none`, all of them stable. With cargo-fuzz and a nightly compiler,
# `cargo fuzz run TARGET` works too, and adds AddressSanitizer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# How many inputs a repeatable run makes of each target: about 20 seconds on an idle processor.
declare -rA REPEATABLE_RUNS=([pcap_reader]=1000000 [queue_page]=700000 [raw_reader]=35000)

readonly SECONDS_EACH=${1:?usage: fuzz/run.sh SECONDS|repeatable [TARGET...]}
shift
readonly HOST=x86_64-unknown-linux-gnu
readonly BUILD=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(basename -s .rs fuzz_targets/*.rs)

# With --target the flags do not reach build scripts and macros, which have no fuzzer's runtime.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions \
-Coverflow-checks --cfg fuzzing" \
	cargo build --quiet --release --locked --target "$HOST" --target-dir "$BUILD"

failed=0
for target in "${targets[@]}"; do
	found="$BUILD/corpus/$target"
	limits=(-max_total_time="$SECONDS_EACH")
	if [ "$SECONDS_EACH" = repeatable ]; then
		found="$BUILD/repeatable/$target"
		rm -rf "$found"
		limits=(-seed=1 -runs="${REPEATABLE_RUNS[$target]:?add a number of runs for $target}")
	fi
	crashes="artifacts/$target"
	mkdir -p "$found" "$crashes"
	seeds=()
	[ -d "corpus/$target" ] && seeds=("corpus/$target")
	log="$BUILD/$target.log"
	if "$BUILD/$HOST/release/$target" "${limits[@]}" -max_len=65536 -timeout=60 -rss_limit_mb=1024 \
		-artifact_prefix="$crashes/" "$found" "${seeds[@]}" >"$log" 2>&1; then
		echo "fuzz: $target: $(grep -aoE 'Done [0-9]+ runs in [0-9]+ second' "$log" | tail -n 1)s, no crash"
	else
		echo "fuzz: $target failed; the input is in fuzz/$crashes, the log in $log:" >&2
		tail -n 40 "$log" >&2
		failed=1
	fi
done
exit $failed
