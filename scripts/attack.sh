#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The long form of the tests that attack: hostile peers, squatters, failing and stuck outputs, killed
# processes, mutated and vanishing files, stepping clocks; again and again, each round with other random
# numbers and for longer, with a turn of the fuzz targets in between. `make test` runs one short round of each.
#
#   scripts/attack.sh SECONDS
#
# It ends with the first round that finds something, after the round during which the time is over
# otherwise, and says how many there were. HPCAP_ATTACK_ROUND=N begins with round N: to repeat what
# was found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TIME=${1:?usage: scripts/attack.sh SECONDS}
# Milliseconds for each attack, seconds for each fuzz target, in a round.
export HPCAP_ATTACK_MS=${HPCAP_ATTACK_MS:-20000}
readonly FUZZ_SECONDS=${FUZZ_SECONDS:-10}
round=${HPCAP_ATTACK_ROUND:-1}

tests=()
for name in attack hostile_peers squatting status outputs signals waits losses \
	sigkill bad_capture_file bad_destination bad_interface bad_queue bad_settings; do
	tests+=(--test "$name")
done

cargo build --workspace --bins --quiet
first=$round
while :; do
	echo "==> attack: round $round, after $SECONDS s"
	HPCAP_ATTACK_ROUND=$round cargo test --quiet -p hpcap-e2e "${tests[@]}" || {
		echo "attack: round $round found the above (HPCAP_ATTACK_ROUND=$round repeats it)" >&2
		exit 1
	}
	fuzz/run.sh "$FUZZ_SECONDS" || {
		echo "attack: the fuzz targets of round $round found the above" >&2
		exit 1
	}
	round=$((round + 1))
	[ "$SECONDS" -lt "$TIME" ] || break
done
echo "==> attack: $((round - first)) rounds in $SECONDS s found nothing"
