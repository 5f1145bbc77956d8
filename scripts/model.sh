#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Checks every model in kmod/model exhaustively with spin.
#
# Comments in a model say how to check it, one run a line:
#
#	// verify: -DNAME=VALUE ...     must hold: no error, and a complete search
#	// refute: -DNAME=VALUE ...     must fail, which shows that the model can find this mistake
#
# The words after the colon go to spin's preprocessor. A model without such lines is checked as if it had "verify:" alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly BUILD=${CARGO_TARGET_DIR:-target}/model
readonly DEPTH=10000000

# explore MODEL DEFINITION...: builds and runs the verifier of the model, and prints its report.
explore() {
	local model=$1 dir
	shift
	dir=$(mktemp -d "$BUILD/run.XXXXXX")
	(
		cd "$dir"
		spin "$@" -a "$model" >spin.log 2>&1 || { cat spin.log && exit 3; }
		gcc -O2 -w -DSAFETY -DMEMLIM=6144 -DCOLLAPSE -o pan pan.c
		./pan -n -m$DEPTH 2>&1
	) || true
	rm -rf "$dir"
}

check() {
	local model=$1 kind=$2 report name
	shift 2
	name="$(basename "$model") ${*:-without definitions}"
	report=$(explore "$PWD/$model" "$@")
	if grep -qE 'max search depth too small|out of memory|Search not completed' <<<"$report" && [ "$kind" = verify ]; then
		kind=incomplete
	fi
	case $kind in
	verify) if grep -qE 'errors: 0' <<<"$report"; then
		echo "model: $name: holds ($(grep -oE '[0-9.e+]+ states, stored' <<<"$report" | head -n 1))"
		return
	fi ;;
	refute) if grep -qE 'errors: [1-9]' <<<"$report"; then
		echo "model: $name: refuted, as expected"
		return
	fi ;;
	esac
	echo "model: $name: $kind: unexpected result; the report:" >&2
	echo "$report" >&2
	return 1
}

mkdir -p "$BUILD"
mapfile -t models < <(git ls-files 'kmod/model/*.pml')
[ "${#models[@]}" -gt 0 ] || { echo "model: kmod/model has no model" >&2 && exit 1; }
failed=0
for model in "${models[@]}"; do
	runs=$(grep -oE '(verify|refute):.*' "$model" | sed 's,\*/.*,,' || true)
	while read -r kind definitions; do
		# shellcheck disable=SC2086 # definitions are words
		check "$model" "${kind%:}" $definitions || failed=1
	done <<<"${runs:-verify:}"
done
exit $failed
