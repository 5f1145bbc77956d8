#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Finds the packages of a kernel; scripts/kernels.sh reads this file, and scripts/qemu.sh uses its lists of packages. Packages come from the system's own sources of apt
# or from another release of Debian, whose lists are kept apart: nothing here changes the system's apt.
#
# Uses: work (a scratch folder), say, die. Sets: release, packages, toolchain, suite.
# shellcheck disable=SC2034,SC2154 # scripts/kernels.sh has the other uses

# Where packages are looked for, in this order: the system's sources, then releases of Debian.
readonly SUITES=(system bookworm trixie sid bullseye)

readonly MIRROR=${HPCAP_DEBIAN_MIRROR:-http://deb.debian.org}

suite=system
# Options of apt for lists of our own.
apt_options=()

apt_cache() {
	apt-cache "${apt_options[@]}" "$@"
}

# Prints the entries of sources.list for a release of Debian.
entries() {
	local signed="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
	case $1 in
	bookworm-backports) entries bookworm ;;
	esac
	echo "deb $signed $MIRROR/debian $1 main"
	case $1 in
	sid | *-backports) return ;;
	trixie) echo "deb $signed $MIRROR/debian trixie-backports main" ;;
	esac
	echo "deb $signed $MIRROR/debian-security $1-security main"
}

# Makes apt look at the sources of a suite from now on.
use_suite() {
	suite=$1
	apt_options=()
	[ "$suite" != system ] || return 0
	private_lists
	[ -e "$work/apt/$suite/fetched" ] || update_lists
}

# Makes apt keep the lists of this suite in a folder of our own.
private_lists() {
	local folder=$work/apt/$suite
	mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
	{
		printf '%s "%s";\n' Dir::State::Lists "$folder/lists" Dir::Cache "$folder/cache" Debug::NoLocking 1 \
			APT::Sandbox::User "$(id -un)" Acquire::Languages none \
			Acquire::IndexTargets::deb::DEP-11::DefaultEnabled false
		# Programs that the system runs after an update of its own lists.
		printf '#clear %s;\n' APT::Update::Pre-Invoke APT::Update::Post-Invoke APT::Update::Post-Invoke-Success
		if [ "$suite" != system ]; then
			entries "$suite" >"$folder/sources.list"
			# No package counts as installed, so that apt names every package that one depends on.
			printf '%s "%s";\n' Dir::Etc::SourceList "$folder/sources.list" Dir::Etc::SourceParts /dev/null \
				Dir::Etc::Preferences /dev/null Dir::Etc::PreferencesParts /dev/null \
				Dir::State::status /dev/null APT::Architecture amd64 APT::Default-Release ""
		fi
	} >"$folder/apt.conf"
	apt_options=(-c "$folder/apt.conf")
}

# Fetches the lists of packages into a folder of our own.
update_lists() {
	say "fetching the lists of packages ($suite)"
	[ "${#apt_options[@]}" -gt 0 ] || private_lists
	apt-get "${apt_options[@]}" -qq update ||
		die "the lists of packages cannot be fetched (what apt-get said is above)"
	touch "$work/apt/$suite/fetched"
}

# Prints the first dependency of a package whose name matches a pattern.
dependency() {
	apt_cache depends --important "$1" 2>/dev/null | awk -v wanted="$2" '
		/^[ |]*Depends: / && $NF ~ wanted { print $NF; exit }'
}

candidate() {
	apt_cache policy "$1" 2>/dev/null | awk '/^ *Candidate:/ && $2 != "(none)" { print $2 }'
}

# Prints the releases of a series whose headers have a package, the newest first.
releases() {
	apt_cache pkgnames "linux-headers-$1" |
		sed -nE "s/^linux-headers-(${1//./\\.}\.[0-9].*-amd64)$/\1/p" |
		grep -vE -- '-(cloud|rt)-amd64$' | sort -rV
}

# Prints the series that have a source package in this suite.
source_series() {
	apt_cache pkgnames linux-source- | sed -nE 's/^linux-source-([0-9]+\.[0-9]+)$/\1/p'
}

# Adds packages in their newest version to `packages` (NAME=VERSION); fails when one is not there.
add_packages() {
	local name version
	for name in "$@"; do
		version=$(candidate "$name")
		[ -n "$version" ] || return 1
		packages+=("$name=$version")
	done
}

# Sets `release` and `packages` for a series; fails when this suite does not have all of them. The image of
# a kernel is signed later than its headers are made, so that the newest headers may have none. Newer series keep the
# image, the modules and the configuration in packages of their own, on which the package of the image depends.
resolve_here() {
	local series=$1 image headers parts
	for release in $(releases "$series"); do
		image=linux-image-$release headers=linux-headers-$release packages=()
		mapfile -t parts < <(apt_cache depends --important "$image" 2>/dev/null |
			awk -v end="-$release" '/^[ |]*Depends: / && substr($NF, length($NF) - length(end) + 1) == end { print $NF }')
		add_packages "$image" "${parts[@]}" "$headers" "$(dependency "$headers" '^linux-headers-.*-common$')" \
			"$(dependency "$headers" ^linux-kbuild-)" "linux-source-$series" && return 0
	done
	return 1
}

# Finds the first suite that has a series, and its packages.
resolve() {
	for suite in "${SUITES[@]}"; do
		use_suite "$suite"
		resolve_here "$1" && return 0
	done
	return 1
}

# Finds the newest version of the source package of a series in the suites.
resolve_source() {
	for suite in "${SUITES[@]}"; do
		use_suite "$suite"
		packages=()
		add_packages "linux-source-$1" && return 0
	done
	return 1
}

# Prints the newest series that Debian packages completely.
newest_series() {
	local one series
	for one in trixie sid; do
		use_suite "$one" >&2
		for series in $(source_series | sort -rV); do
			if resolve_here "$series"; then
				echo "$series"
				break
			fi
		done
	done | sort -V | tail -n 1
}

# Sets `toolchain` to the packages (NAME=VERSION) that building modules needs beside `packages`: nothing for a kernel of
# the system itself; for another one, its compiler, linker and libraries, because those of the system may be too old.
resolve_toolchain() {
	local known=" ${packages[*]%%=*} " package roots=() listed
	toolchain=()
	[ "$suite" != system ] || return 0
	for package in "${packages[@]}"; do
		[[ $package != linux-@(base|headers|kbuild)-* ]] || roots+=("$package")
	done
	listed=$(apt-get "${apt_options[@]}" -qq --simulate --no-install-recommends install "${roots[@]}" 2>&1) || {
		echo "$listed" >&2
		return 1
	}
	mapfile -t toolchain < <(awk -v known="$known" '
		$1 == "Inst" && !index(known, " " $2 " ") && $2 !~ /^(debconf|linux-base|linux-.*initramfs.*|dracut.*)$/ {
			sub(/^\(/, "", $3)
			print $2 "=" $3
		}' <<<"$listed")
}

# Downloads packages NAME=VERSION into $work/debs and prints their paths.
download() {
	local package
	mkdir -p "$work/debs"
	say "downloading ${*%%=*}" >&2
	# The user as which apt usually downloads may not write here.
	(cd "$work/debs" && apt-get "${apt_options[@]}" -o APT::Sandbox::User="$(id -un)" -qq \
		download "$@" >&2) || return 1
	for package in "$@"; do
		find "$work/debs" -name "${package%%=*}_*.deb"
	done
}
