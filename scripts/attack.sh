#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Repeats the attacking tests: hostile peers, foreign files under the names of queues, failing and stuck
# outputs, killed processes, mutated and vanishing files, stepping clocks. Each round has new random numbers
# and takes longer than the one round of `make test`; the fuzz targets run between two rounds.
#
#   scripts/attack.sh SECONDS
#
# The script ends after the first round that finds a fault, or after the round in which SECONDS are over,
# and prints how many rounds there were. HPCAP_ATTACK_ROUND=N begins with round N and so repeats a fault
# that round N has found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TIME=${1:?usage: scripts/attack.sh SECONDS}
# HPCAP_ATTACK_MS is the time for each attack in a round, FUZZ_SECONDS the time for each fuzz target.
export HPCAP_ATTACK_MS=${HPCAP_ATTACK_MS:-20000}
readonly FUZZ_SECONDS=${FUZZ_SECONDS:-10}
round=${HPCAP_ATTACK_ROUND:-1}

tests=()
for name in attack hostile_peers squatting status outputs signals waits losses \
	sigkill bad_capture_file bad_destination bad_interface bad_queue bad_settings; do
	tests+=(--test "$name")
done

cargo build --workspace --all-targets --quiet
first=$round
while :; do
	echo "==> attack: round $round, after $SECONDS s"
	HPCAP_ATTACK_ROUND=$round cargo test --quiet --workspace "${tests[@]}" || {
		echo "attack: round $round failed, see above (HPCAP_ATTACK_ROUND=$round repeats it)" >&2
		exit 1
	}
	fuzz/run.sh "$FUZZ_SECONDS" || {
		echo "attack: the fuzz targets of round $round failed, see above" >&2
		exit 1
	}
	round=$((round + 1))
	[ "$SECONDS" -lt "$TIME" ] || break
done
echo "==> attack: $((round - first)) rounds in $SECONDS s found no fault"
