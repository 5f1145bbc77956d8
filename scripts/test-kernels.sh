#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Checks the modules on the kernels on which `make test` does not run them.
#
#   scripts/test-kernels.sh            does both
#   scripts/test-kernels.sh patches [--kept]
#                                      applies the semantic patches to the drivers of every series in
#                                      kmod/checked-series and of the newest one, and counts the hooks. With --kept,
#                                      only to the sources that were downloaded before: offline, a quarter of a minute
#                                      a series
#   scripts/test-kernels.sh newest [TEST...]
#                                      builds the modules for the newest kernel that Debian packages, boots it, and
#                                      runs the tests of the modules in it (all where no TEST is named)
#
# At the end, the lines for kmod/checked-series are printed. docs/kernels.md has what they mean, and the results.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TARGET=${CARGO_TARGET_DIR:-target}
results=()

die() {
	echo "test-kernels: $1" >&2
	exit "${2:-1}"
}

# record SERIES VERSION WHAT: keeps a line for kmod/checked-series.
record() {
	results+=("$1 $2 $(date +%F) $3")
}

# Prints the folders of the sources to check.
sources() {
	local series
	if [ "${1:-}" != --kept ]; then
		while read -r series; do
			scripts/kernels.sh source "$series" >/dev/null </dev/null
		done < <(awk '!/^#/ { print $1 }' kmod/checked-series)
		scripts/kernels.sh fetch newest >&2
	fi
	scripts/kernels.sh sources
}

# Applies the patches to every source; a series that is known not to fit is tried, too. With --kept, a kernel that was
# fetched is left out, because the build for it applies them.
check_patches() {
	local folder series version known failed=0 folders
	folders=$(sources "$@")
	[ -n "$folders" ] || {
		echo "test-kernels: skipped: no source of a driver was downloaded before"
		return
	}
	for folder in $folders; do
		series=${folder##*/}
		[ "${1:-}" != --kept ] || ! scripts/kernels.sh path "$series" >/dev/null 2>&1 || continue
		version=$(<"$folder/release")
		known=$(awk -v series="$series" '$1 == series { print $4 }' kmod/checked-series)
		if scripts/kmod.sh patch "$folder" --out "$TARGET/kmod/patched-$series" >"$TARGET/kmod/patched-$series.log" 2>&1; then
			echo "test-kernels: Linux $version: the patches fit"
			record "$series" "$version" "${known/#no-patches/patches}"
		elif [ "$known" = no-patches ]; then
			echo "test-kernels: Linux $version: the patches do not fit, as is known"
		else
			cat "$TARGET/kmod/patched-$series.log" >&2
			echo "test-kernels: Linux $version: the patches do not fit: see above" >&2
			failed=1
		fi
	done
	return $failed
}

# Boots the newest kernel and runs the tests of the modules in it.
check_newest() {
	local folder release series
	scripts/kernels.sh fetch newest
	folder=$(scripts/kernels.sh path newest)
	release=$(<"$folder/release")
	series=${folder##*/}
	echo "test-kernels: Linux $release: building the modules"
	scripts/kmod.sh newest --for-tests
	# The guest runs the programs and some of the other tests.
	cargo build --workspace --all-targets --quiet
	echo "test-kernels: Linux $release: running the tests of the modules"
	HPCAP_REQUIRE_VM=1 HPCAP_TEST_KERNEL=$folder \
		cargo test --workspace --test vm -- --ignored --test-threads 2 "${@:-on_6_1::}"
	[ $# -gt 0 ] || record "$series" "$(sed -n 's/^linux-source-[^ ]* \([0-9.]*\).*/\1/p' "$folder/versions")" tests
}

mkdir -p "$TARGET/kmod"
case ${1:-} in
"")
	check_patches
	check_newest
	;;
patches) check_patches "${@:2}" ;;
newest) check_newest "${@:2}" ;;
*) die "'$1' is not an action; they are: patches, newest" 2 ;;
esac
[ "${#results[@]}" = 0 ] || printf '%s\n' "test-kernels: for kmod/checked-series:" "${results[@]}"
