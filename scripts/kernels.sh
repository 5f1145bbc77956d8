#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Provides Debian's kernels for virtual machines and for building modules. The script downloads the packages and unpacks
# them into a folder, because apt would change the boot loader of the host and make an initial file system. It needs no
# root.
#
#   scripts/kernels.sh fetch KERNEL     downloads a missing kernel; quick and offline when it is not missing
#   scripts/kernels.sh update KERNEL    downloads a missing kernel, or newer packages of it
#   scripts/kernels.sh symbols KERNEL   downloads symbols for debuggers, almost 1 GB a kernel
#   scripts/kernels.sh path KERNEL      prints the folder of a kernel; fails when it is missing
#   scripts/kernels.sh source SERIES    keeps only the source of the drivers, and prints its folder
#   scripts/kernels.sh sources          prints the folders of all sources of drivers that are kept
#
# KERNEL is a series that Debian packages, such as 6.1; `all`, which is 6.1 and 6.12; or `newest`, the newest series of
# which Debian (in trixie, its backports, or sid) has an image, headers and source. Packages come from the system's
# sources of apt, if these have them. Otherwise they come from another release of Debian, and the compiler, the linker
# and the libraries that this release builds modules with are unpacked beside the headers.
#
# A kernel's folder, ${HPCAP_KERNELS:-target/kernels}/6.1 (`newest` is a link):
#
#   release     its release, as printed by uname -r
#   versions    the packages that it was made from and their versions, one a line
#   vmlinuz     the image that boots
#   config      its configuration
#   modules/    the files of /lib/modules/RELEASE, without drivers for devices that no virtual machine has
#   headers/    the folder for make -C to build modules with (KDIR)
#   toolchain/  the compiler and its tools, for PATH; missing if the system's own are the right ones
#   source/     the distribution's source of drivers/net/ethernet/intel/ixgbe, ixgbevf and igb
#   vmlinux     with `symbols`: the kernel with its symbols and lines
#
# Any folder with release, vmlinuz and modules/ can be booted (vmlab run --kernel FOLDER).
#
# Sources of drivers that were downloaded once are kept, half a megabyte each, in
# ${HPCAP_DRIVERS:-~/.cache/hpcap/drivers}/SERIES: release, versions, source/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly SERIES=(6.1 6.12)
readonly KERNELS=${HPCAP_KERNELS:-${CARGO_TARGET_DIR:-target}/kernels}
readonly KEPT=${HPCAP_DRIVERS:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/hpcap/drivers}
readonly DRIVERS=(ixgbe ixgbevf igb)

die() {
	echo "kernels: $1" >&2
	exit "${2:-1}"
}

say() {
	echo "kernels: $*"
}

# shellcheck source=scripts/kernels/suites.sh
. scripts/kernels/suites.sh
# shellcheck source=scripts/kernels/unpack.sh
. scripts/kernels/unpack.sh

# Keeps the source of the drivers in FOLDER/source for later: other clones check their patches with it.
keep_source() {
	local series=$1 folder=$2 fresh
	mkdir -p "$KEPT" && fresh=$(mktemp -d "$KEPT/.new.XXXXXX") || return 0
	cp -r "$folder/source" "$fresh/"
	grep '^linux-source-' "$folder/versions" >"$fresh/versions"
	sed -n 's/^linux-source-[^ ]* \([0-9.]*\).*/\1/p' "$fresh/versions" >"$fresh/release"
	chmod 755 "$fresh"
	rm -rf "${KEPT:?}/$series"
	mv -T "$fresh" "$KEPT/$series" || rm -rf "$fresh"
}

# Makes the folder of a series from `packages` and `toolchain`, and renames it into place when it is complete.
make_kernel() {
	local series=$1 fresh=$work/kernel debs tarball deb images=() headers=() tools=()
	mapfile -t debs < <(download "${packages[@]:0:${#packages[@]}-1}")
	[ "${#debs[@]}" = $((${#packages[@]} - 1)) ] || return 1
	if [ "${#toolchain[@]}" -gt 0 ]; then
		mapfile -t tools < <(download "${toolchain[@]}")
		[ "${#tools[@]}" = "${#toolchain[@]}" ] || return 1
	fi
	tarball=$(source_tarball "${packages[-1]}") || return 1
	say "unpacking $release"
	mkdir -p "$fresh"
	for deb in "${debs[@]}"; do
		case ${deb##*/} in
		linux-headers-* | linux-kbuild-*) headers+=("$deb") ;;
		*) images+=("$deb") ;;
		esac
	done
	unpack_image "$fresh" "$release" "${images[@]}"
	unpack_headers "$fresh" "$release" "${headers[@]}"
	[ "${#tools[@]}" = 0 ] || unpack_toolchain "$fresh" "${tools[@]}"
	unpack_source "$tarball" "$fresh" "$series"
	echo "$release" >"$fresh/release"
	versions >"$fresh/versions"
	keep_source "$series" "$fresh"
	if [ -e "$KERNELS/$series" ]; then
		mv "$KERNELS/$series" "$work/old"
	fi
	mv "$fresh" "$KERNELS/$series"
	say "$series is $release, in $KERNELS/$series"
}

# Prints the packages and their versions, one a line.
versions() {
	local all=("${packages[@]}" "${toolchain[@]}")
	printf '%s\n' "${all[@]/=/ }"
}

complete() {
	[ -s "$KERNELS/$1/versions" ]
}

# Whether a folder has the source of every driver; one that was made before hpcap patched all of them does not.
has_drivers() {
	local driver
	for driver in "${DRIVERS[@]}"; do
		[ -d "$1/source/drivers/net/ethernet/intel/$driver" ] || return 1
	done
}

# Adds the source of drivers that the folder of a series does not have, of the same version as the others.
add_drivers() {
	local series=$1 folder=$KERNELS/$1 package tarball=''
	package=$(sed -n 's/^\(linux-source-[^ ]*\) /\1=/p' "$folder/versions")
	begin_work
	if ! has_drivers "$folder"; then
		say "adding drivers to $folder: ${DRIVERS[*]}"
		for suite in "${SUITES[@]}"; do
			use_suite "$suite"
			tarball=$(source_tarball "$package") && break
		done
		[ -n "$tarball" ] || die "$package, which has the drivers of Linux $series, cannot be downloaded (what apt-get said is above)
  If there is a newer kernel: scripts/kernels.sh update $series"
		unpack_source "$tarball" "$folder" "$series"
		keep_source "$series" "$folder"
	fi
	end_work
}

# Whether the folder of a series was made from `packages` and `toolchain`.
current() {
	complete "$1" && cmp -s "$KERNELS/$1/versions" <(versions)
}

need_tools() {
	local tool
	for tool in apt-get apt-cache dpkg-deb tar xz; do
		command -v "$tool" >/dev/null || die "$tool is missing, which unpacks Debian's kernel packages"
	done
}

# Makes a scratch folder that is removed when the script ends. Two copies of this script would download everything
# twice, so the second one waits.
begin_work() {
	need_tools
	mkdir -p "$KERNELS"
	exec 9>"$KERNELS/.lock"
	flock 9
	work=$(mktemp -d "$(realpath "$KERNELS")/.work.XXXXXX")
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$work'" EXIT
}

end_work() {
	rm -rf "$work"
	exec 9>&-
}

fetch() {
	local series=$1 update=$2
	if ! $update && complete "$series"; then
		has_drivers "$KERNELS/$series" || add_drivers "$series"
		return 0
	fi
	begin_work
	if [ "$series" = newest ]; then
		series=$(newest_series)
		[ -n "$series" ] || die "no suite of Debian has an image, headers and source of one kernel"
		say "the newest kernel of Debian is Linux $series"
		ln -sfn "$series" "$KERNELS/newest"
	fi
	if $update || ! complete "$series"; then
		# An old list names packages that the mirror has replaced.
		fetch_from_lists "$series" || { use_suite system && update_lists && fetch_from_lists "$series"; } ||
			die "Linux $series cannot be downloaded: no suite of ${SUITES[*]} has its image, headers and source, or
  what apt-get said is above"
	fi
	end_work
}

fetch_from_lists() {
	resolve "$1" && resolve_toolchain || return 1
	current "$1" || make_kernel "$1"
}

# Keeps the source of the drivers of a series, and prints its folder.
fetch_source() {
	local series=$1 fresh
	if [ ! -s "$KEPT/$series/versions" ] || ! has_drivers "$KEPT/$series"; then
		begin_work >&2
		if complete "$series" && has_drivers "$KERNELS/$series"; then
			keep_source "$series" "$KERNELS/$series"
		else
			fresh=$work/source-only
			mkdir -p "$fresh"
			resolve_source "$series" >&2 || die "no suite of ${SUITES[*]} has the package linux-source-$series"
			unpack_source "$(source_tarball "${packages[0]}")" "$fresh" "$series"
			printf '%s\n' "${packages[@]/=/ }" >"$fresh/versions"
			keep_source "$series" "$fresh"
		fi
		end_work
	fi
	echo "$KEPT/$series"
}

# Downloads the symbols of exactly the version in the folder.
fetch_symbols() {
	local series=$1 version deb
	if [ -s "$KERNELS/$series/vmlinux" ]; then
		return 0
	fi
	release=$(cat "$KERNELS/$series/release")
	version=$(awk -v name="linux-image-$release" '$1 == name { print $2 }' "$KERNELS/$series/versions")
	begin_work
	resolve "$series" || die "no suite has packages of Linux $series"
	deb=$(download "linux-image-$release-dbg=$version") ||
		die "the symbols of $release cannot be downloaded (what apt-get said is above)
  If there is a newer kernel: scripts/kernels.sh update $series"
	say "unpacking the symbols of $release"
	# The rest of the package is symbols of modules.
	dpkg-deb --fsys-tarfile "$deb" |
		tar -x -O --wildcards "*/vmlinux*" >"$work/vmlinux"
	[ -s "$work/vmlinux" ] || die "the package of symbols has no vmlinux"
	mv "$work/vmlinux" "$KERNELS/$series/vmlinux"
	end_work
}

check_series() {
	[[ $1 == newest || $1 =~ ^[0-9]+\.[0-9]+$ ]] ||
		die "'$1' is not a series of Linux, such as ${SERIES[*]}; nor is it 'newest' or 'all'" 2
}

main() {
	local action=${1:-} wanted=${2:-} series folder
	if [ "$action" = sources ] && [ $# = 1 ]; then
		for folder in "$KEPT"/*/; do
			[ ! -s "$folder/versions" ] || ! has_drivers "$folder" || echo "${folder%/}"
		done | sort -V
		return
	fi
	[ $# = 2 ] || die "usage: scripts/kernels.sh fetch|update|symbols|path|source ${SERIES[*]/%/|}...|newest|all, or sources" 2
	local all=("$wanted")
	[ "$wanted" = all ] && all=("${SERIES[@]}")
	for series in "${all[@]}"; do
		check_series "$series"
	done
	for series in "${all[@]}"; do
		case $action in
		fetch) fetch "$series" false ;;
		update) fetch "$series" true ;;
		source) fetch_source "$series" ;;
		symbols)
			fetch "$series" false
			fetch_symbols "$series"
			;;
		path)
			complete "$series" || die "Linux $series is missing: scripts/kernels.sh fetch $series"
			realpath "$KERNELS/$series"
			;;
		*) die "'$action' is not an action; they are: fetch, update, symbols, path, source, sources" 2 ;;
		esac
	done
}

main "$@"
