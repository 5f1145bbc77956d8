#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Provides Debian's kernels for virtual machines and for building modules. The script downloads the packages and unpacks
# them into a folder, because apt would change the boot loader of the host and make an initial file system. It needs no
# root.
#
#   scripts/kernels.sh fetch 6.1|6.12|all    downloads missing kernels; quick and offline when none is missing
#   scripts/kernels.sh update 6.1|6.12|all   downloads missing kernels, and newer packages of the others
#   scripts/kernels.sh symbols 6.1|6.12|all  downloads symbols for debuggers, almost 1 GB a kernel
#   scripts/kernels.sh path 6.1|6.12         prints the folder of a kernel; fails when it is missing
#
# A kernel's folder, ${HPCAP_KERNELS:-target/kernels}/6.1:
#
#   release     its release, as printed by uname -r
#   versions    the packages that it was made from and their versions, one a line
#   vmlinuz     the image that boots
#   config      its configuration
#   modules/    the files of /lib/modules/RELEASE, without drivers for devices that no virtual machine has
#   headers/    the folder for make -C to build modules with (KDIR)
#   source/     the distribution's source of drivers/net/ethernet/intel/ixgbe and ixgbevf
#   vmlinux     with `symbols`: the kernel with its symbols and lines
#
# Any folder with release, vmlinuz and modules/ can be booted (vmlab run --kernel FOLDER).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly SERIES=(6.1 6.12)
readonly KERNELS=${HPCAP_KERNELS:-${CARGO_TARGET_DIR:-target}/kernels}
readonly DRIVERS=(ixgbe ixgbevf)

# Modules of no use in a virtual machine, which are nine tenths of all modules' bytes.
readonly PRUNED=(sound virt arch/x86/kvm drivers/{accel,accessibility,acpi,ata,atm,auxdisplay,bluetooth,comedi,cpufreq}
	drivers/{edac,extcon,firewire,fpga,gnss,gpu,greybus,hid,hsi,hv,hwmon,iio,infiniband,input,isdn,leds,media}
	drivers/{memstick,message,misc,mmc,most,mtd,nfc,ntb,parport,pcmcia,pinctrl,platform,power,powercap,regulator}
	drivers/{rapidio,remoteproc,scsi,soundwire,spi,ssb,staging,target,thermal,thunderbolt,tty,usb,video,watchdog,xen}
	drivers/net/{arcnet,can,dsa,fddi,fjes,hamradio,hippi,ieee802154,plip,ppp,slip,usb,wan,wireless,wwan})

die() {
	echo "kernels: $1" >&2
	exit "${2:-1}"
}

say() {
	echo "kernels: $*"
}

# Prints the package that depends on the newest package of a kind for a series. 6.1 is Debian 12's own series.
meta_package() {
	case $2 in
	6.1) echo "linux-$1-amd64" ;;
	*) echo "linux-$1-$2-amd64" ;;
	esac
}

# Options of apt for lists of our own, used when the lists of the system are missing or too old.
private_lists=()

apt_cache() {
	apt-cache "${private_lists[@]}" "$@"
}

# Prints the first dependency of a package whose name begins with a text.
dependency() {
	apt_cache depends --important "$1" 2>/dev/null | awk -v wanted="$2" '
		/^[ |]*Depends: / && index($NF, wanted) == 1 { print $NF; exit }'
}

candidate() {
	apt_cache policy "$1" 2>/dev/null | awk '/^ *Candidate:/ && $2 != "(none)" { print $2 }'
}

# Sets `image` and `packages` (NAME=VERSION) for a series; fails when apt does not know them.
resolve() {
	local series=$1 headers kbuild name version
	image=$(dependency "$(meta_package image "$series")" linux-image-)
	headers=$(dependency "$(meta_package headers "$series")" linux-headers-)
	[[ -n $image && -n $headers ]] || return 1
	kbuild=$(dependency "$headers" linux-kbuild-)
	packages=()
	for name in "$image" "$headers" "${headers%-amd64}-common" "$kbuild" "linux-source-$series"; do
		version=$(candidate "$name")
		[ -n "$version" ] || return 1
		packages+=("$name=$version")
	done
}

# Fetches the lists of packages into a folder of our own, from the system's sources.
update_lists() {
	say "fetching the lists of packages"
	mkdir -p "$work/apt/lists/partial" "$work/apt/cache"
	private_lists=(-o "Dir::State::Lists=$work/apt/lists" -o "Dir::Cache=$work/apt/cache")
	apt-get "${private_lists[@]}" -o Debug::NoLocking=1 -o APT::Sandbox::User="$(id -un)" -qq update ||
		die "the lists of packages cannot be fetched (what apt-get said is above)"
}

# Downloads the package NAME=VERSION into $work/debs and prints the path.
download() {
	mkdir -p "$work/debs"
	say "downloading ${1%%=*}" >&2
	# The user as which apt usually downloads may not write here.
	(cd "$work/debs" && apt-get "${private_lists[@]}" -o APT::Sandbox::User="$(id -un)" -qq \
		download "$1" >&2) || return 1
	find "$work/debs" -name "${1%%=*}_*.deb"
}

# Unpacks the kernel and its modules.
unpack_image() {
	local deb=$1 into=$2 release=$3 excluded=() folder
	for folder in "${PRUNED[@]}"; do
		excluded+=("--exclude=*/lib/modules/*/kernel/$folder")
	done
	mkdir -p "$into/tree"
	dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$into/tree" "${excluded[@]}" \
		--wildcards '*/boot/vmlinuz-*' '*/boot/config-*' '*/lib/modules/*'
	mv "$into/tree/boot/vmlinuz-$release" "$into/vmlinuz"
	mv "$into/tree/boot/config-$release" "$into/config"
	local modules=$into/tree/lib/modules
	[ -d "$modules" ] || modules=$into/tree/usr/lib/modules
	mv "$modules/$release" "$into/modules"
	# These links lead to installed headers, which there are not.
	rm -f "$into/modules/build" "$into/modules/source"
	# The guest's processor is slow; reading compressed modules would cost it seconds.
	find "$into/modules" -name '*.ko.xz' -print0 | xargs -0 -r -P 2 -n 64 xz -d
	rm -rf "$into/tree/boot" "$into/tree/lib"
}

# Unpacks the packages that together are a folder to build modules with.
unpack_headers() {
	local into=$1 release=$2 deb makefile
	shift 2
	for deb in "$@"; do
		dpkg-deb -x "$deb" "$into/tree"
	done
	makefile=$into/tree/usr/src/linux-headers-$release/Makefile
	[ -f "$makefile" ] || die "$release: the headers have no Makefile"
	# This is the only absolute path in the headers.
	# shellcheck disable=SC2016 # make expands it
	sed -i 's|^include /usr/src/|include $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../|' "$makefile"
	! grep -q '^include /' "$makefile" || die "$release: the headers include an absolute path"
	rm -rf "$into/tree/usr/share" "$into/tree/lib"
	ln -s "tree/usr/src/linux-headers-$release" "$into/headers"
}

# Takes the source of the drivers out of the package's tarball.
unpack_source() {
	local tarball=$1 into=$2 series=$3 driver members=()
	for driver in "${DRIVERS[@]}"; do
		members+=("linux-source-$series/drivers/net/ethernet/intel/$driver")
	done
	mkdir -p "$into/source"
	xz -T0 -dc "$tarball" | tar -x -C "$into/source" --strip-components=1 "${members[@]}"
}

# Prints the tarball of the package linux-source, which is installed or downloaded.
source_tarball() {
	local package=$1 name=${1%%=*} deb
	local installed=/usr/src/$name.tar.xz
	if [ -f "$installed" ] && [ "$(dpkg-query -W -f '${Version}' "$name" 2>/dev/null)" = "${package#*=}" ]; then
		echo "$installed"
		return
	fi
	deb=$(download "$package") || return 1
	dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/debs" "./usr/src/$name.tar.xz" || return 1
	rm "$deb"
	echo "$work/debs/usr/src/$name.tar.xz"
}

# Makes the folder of a series from `packages`, and renames it into place when it is complete.
make_kernel() {
	local series=$1 release=${image#linux-image-} fresh=$work/kernel debs=() package tarball
	for package in "${packages[@]:0:4}"; do
		debs+=("$(download "$package")") || return 1
	done
	tarball=$(source_tarball "${packages[4]}") || return 1
	say "unpacking $release"
	mkdir -p "$fresh"
	unpack_image "${debs[0]}" "$fresh" "$release"
	unpack_headers "$fresh" "$release" "${debs[@]:1}"
	unpack_source "$tarball" "$fresh" "$series"
	echo "$release" >"$fresh/release"
	printf '%s\n' "${packages[@]/=/ }" >"$fresh/versions"
	if [ -e "$KERNELS/$series" ]; then
		mv "$KERNELS/$series" "$work/old"
	fi
	mv "$fresh" "$KERNELS/$series"
	say "$series is $release, in $KERNELS/$series"
}

complete() {
	[ -s "$KERNELS/$1/versions" ]
}

# Whether the folder of a series was made from `packages`.
current() {
	complete "$1" && cmp -s "$KERNELS/$1/versions" <(printf '%s\n' "${packages[@]/=/ }")
}

need_tools() {
	local tool
	for tool in apt-get apt-cache dpkg-deb tar xz; do
		command -v "$tool" >/dev/null || die "$tool is missing, which unpacks Debian's kernel packages"
	done
}

fetch() {
	local series=$1 update=$2
	if ! $update && complete "$series"; then
		return 0
	fi
	need_tools
	mkdir -p "$KERNELS"
	# Two copies of this script would download everything twice.
	exec 9>"$KERNELS/.lock"
	flock 9
	if ! $update && complete "$series"; then
		return 0
	fi
	work=$(mktemp -d "$KERNELS/.work.XXXXXX")
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$work'" EXIT
	if $update || ! resolve "$series"; then
		update_lists
		resolve "$series" ||
			die "no packages for Linux $series: do the sources of apt name Debian 12 and its security updates?"
	fi
	if ! current "$series" && ! make_kernel "$series"; then
		# An old list names packages that the mirror has replaced.
		[ "${#private_lists[@]}" = 0 ] || die "Linux $series cannot be downloaded (what apt-get said is above)"
		update_lists
		if ! resolve "$series" || ! make_kernel "$series"; then
			die "Linux $series cannot be downloaded (what apt-get said is above)"
		fi
	fi
	rm -rf "$work"
	private_lists=()
	exec 9>&-
}

# Downloads the symbols of exactly the version in the folder.
fetch_symbols() {
	local series=$1 release version deb
	if [ -s "$KERNELS/$series/vmlinux" ]; then
		return 0
	fi
	release=$(cat "$KERNELS/$series/release")
	version=$(awk -v name="linux-image-$release" '$1 == name { print $2 }' "$KERNELS/$series/versions")
	work=$(mktemp -d "$KERNELS/.work.XXXXXX")
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$work'" EXIT
	deb=$(download "linux-image-$release-dbg=$version") ||
		die "the symbols of $release cannot be downloaded (what apt-get said is above)
  If there is a newer kernel: scripts/kernels.sh update $series"
	say "unpacking the symbols of $release"
	# The rest of the package is symbols of modules.
	dpkg-deb --fsys-tarfile "$deb" |
		tar -x -O --wildcards "*/usr/lib/debug/boot/vmlinux-$release" >"$work/vmlinux"
	[ -s "$work/vmlinux" ] || die "the package of symbols has no vmlinux"
	mv "$work/vmlinux" "$KERNELS/$series/vmlinux"
	rm -rf "$work"
}

check_series() {
	local known
	for known in "${SERIES[@]}"; do
		[ "$1" != "$known" ] || return 0
	done
	die "'$1' is not a series; they are: ${SERIES[*]}, all" 2
}

main() {
	local action=${1:-} wanted=${2:-} series
	[ $# = 2 ] || die "usage: scripts/kernels.sh fetch|update|symbols|path ${SERIES[*]/%/|}all" 2
	local all=("$wanted")
	[ "$wanted" = all ] && all=("${SERIES[@]}")
	for series in "${all[@]}"; do
		check_series "$series"
	done
	for series in "${all[@]}"; do
		case $action in
		fetch) fetch "$series" false ;;
		update) fetch "$series" true ;;
		symbols)
			fetch "$series" false
			fetch_symbols "$series"
			;;
		path)
			complete "$series" || die "Linux $series is missing: scripts/kernels.sh fetch $series"
			realpath "$KERNELS/$series"
			;;
		*) die "'$action' is not an action; they are: fetch, update, symbols, path" 2 ;;
		esac
	done
}

main "$@"
