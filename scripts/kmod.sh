#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Builds hpcap's kernel modules for one kernel. The drivers are the distribution's own, from its
# source package: a pristine copy is patched with the semantic patches in kmod/ixgbe, kmod/ixgbevf
# and kmod/igb, and refused, with the place, when a patch did not do what the manifest says.
#
#   scripts/kmod.sh [build] KERNEL [OPTION...]   all modules, into target/kmod/RELEASE/
#   scripts/kmod.sh patch KERNEL [OPTION...]     only the patched drivers: do the patches fit?
#   scripts/kmod.sh known KERNEL                 builds nothing; fails, with the reason, when `build` would refuse
#
# KERNEL is a series of Debian's kernels or `newest` (which scripts/kernels.sh fetches), the
# release of a kernel whose headers are installed (uname -r), or a folder like those of
# scripts/kernels.sh: release, headers/, toolchain/ when its compiler is another one, and source/
# when its drivers are other ones. `patch` needs no headers.
#
#   --debug          assertions and all debug messages; into target/kmod/RELEASE-debug/
#   --check          with W=1 and sparse: any message about our own files is a failure
#   --out DIR        builds into another folder
#   --source PLACE   the drivers' source: a kernel's tree, or a tarball of one
#   --untested       for a kernel that no test has run on, a source that is not the kernel's own,
#                    devices that no test has seen: all of them are refused otherwise
#   --for-tests      for the first tests on a kernel: a series that no test has run on is accepted, but
#                    nothing else that is refused otherwise
#
# When nothing has changed, the script takes less than a second. Two copies of it may run at once. The output of the
# kernel's build is in build.log beside the modules, and is shown when the build fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TARGET=${CARGO_TARGET_DIR:-target}
readonly INTEL=drivers/net/ethernet/intel
readonly DRIVERS=(ixgbe ixgbevf igb)
# The modules, in the order in which they need each other's symbols.
readonly PARTS=(core netdev testnic "${DRIVERS[@]}")

die() {
	echo "kmod: $1" >&2
	exit "${2:-1}"
}

usage() {
	sed -n '/^#   scripts/,/^# Nothing/{/^# Nothing/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
	exit 2
}

action=build kernel='' variant='' out='' source='' untested=false for_tests=false
case ${1:-} in build | patch | known) action=$1 && shift ;; esac
while [ $# -gt 0 ]; do
	case $1 in
	--debug) variant=-debug ;;
	--check) variant=-check ;;
	--out) out=${2:?} && shift ;;
	--source) source=${2:?} && shift ;;
	--untested) untested=true ;;
	--for-tests) for_tests=true ;;
	-*) usage ;;
	*) [ -z "$kernel" ] || usage && kernel=$1 ;;
	esac
	shift
done
[ -n "$kernel" ] || usage

# ------------------------------------------------------------ headers and source

# Sets release, headers, source, prepared and series, and source_version if the source names its version.
find_kernel() {
	local folder=''
	if [[ $kernel == newest || $kernel =~ ^[0-9]+\.[0-9]+$ ]]; then
		scripts/kernels.sh fetch "$kernel" >/dev/null
		folder=$(scripts/kernels.sh path "$kernel")
	elif [[ $kernel == */* ]]; then
		folder=$kernel
	fi
	if [ -n "$folder" ]; then
		[ -r "$folder/release" ] || die "$folder: not a kernel's folder, there is no 'release'"
		release=$(<"$folder/release")
		headers=$folder/headers
		[ ! -d "$folder/toolchain" ] || PATH=$(realpath -s "$folder")/toolchain:$PATH
		if [ -z "$source" ] && [ -d "$folder/source" ]; then
			source=$folder/source
			source_version=$(sed -n 's/^linux-source-[^ ]* \([0-9.]*\).*/\1/p' "$folder/versions" 2>/dev/null) || true
		fi
	else
		release=$kernel
		headers=/lib/modules/$release/build
	fi
	[ -e "$headers/Makefile" ] || [ "$action" = patch ] ||
		die "$headers: no headers of kernel $release (package linux-headers-$release)
  For a virtual machine: KVER=6.1 or KVER=6.12, Debian's, which are fetched" 3
	headers=$(realpath -m "$headers")
	series=$(sed -E 's/^([0-9]+\.[0-9]+).*/\1/' <<<"$release")
	# The packages of hpcap have drivers that were patched when the package was made, for some versions of Linux. They
	# take neither the source package nor spatch.
	prepared=kmod/prepared/$(headers_version)
	if [ -z "$source" ] && [ "$prepared" != kmod/prepared/ ] && [ -d "$prepared" ]; then
		source=$prepared
		source_version=${prepared##*/}
	else
		prepared=''
	fi
	[ -n "$source" ] || source=/usr/src/linux-source-$series.tar.xz
	[ -e "$source" ] ||
		die "$source: no source of kernel $series (package linux-source-$series, or --source)" 3
	source=$(realpath "$source")
}

# -------------------------------------------------------------- what is not known

# A kernel that is not known is refused: patches that fit and modules that build may still crash. On 6.16 the patches
# fitted, the modules were built, and the machine panicked.
refuse() {
	if $untested; then
		echo "kmod: --untested: $1" >&2
	else
		die "$1
  ${2:+$2
  }--untested builds it all the same: try it where a panic harms nobody" 4
	fi
}

# Prints the version at the beginning of a kernel's Makefile.
makefile_version() {
	sed -n 's/^VERSION = \([0-9]*\)$/\1/p; s/^PATCHLEVEL = \([0-9]*\)$/\1/p; s/^SUBLEVEL = \([0-9]*\)$/\1/p' \
		"$1" 2>/dev/null | head -3 | paste -sd. || true
}

# Prints the version of Linux that a kernel was made from. The name of its release may be another one.
headers_version() {
	local file
	for file in "$headers/include/generated/uapi/linux/version.h" "$headers/include/linux/version.h"; do
		[ -r "$file" ] || continue
		awk '$2 == "LINUX_VERSION_MAJOR" { major = $3 } $2 == "LINUX_VERSION_PATCHLEVEL" { level = $3 }
			$2 == "LINUX_VERSION_SUBLEVEL" { sub_level = $3 }
			END { print major "." level "." sub_level }' "$file"
		return
	done
}

# Prints the checks that were made of a series on which no test has run.
what_was_checked() {
	awk -v series="$1" '
		BEGIN { said = "Nothing was checked of Linux " series "." }
		$1 != series { next }
		$4 == "patches" { said = "Of Linux " $2 ", this was checked (" $3 "): the patches fit. Nothing was booted." }
		$4 == "part" { said = "Of Linux " $2 ", this was checked (" $3 "): the patches fit, and some tests of the modules passed." }
		$4 == "no-patches" { said = "Of Linux " $2 ", this was checked (" $3 "): the patches do not fit." }
		END { print said }' kmod/checked-series
}

# Fails unless the tests run on the series of the kernel, and the drivers come from the kernel's own source.
check_known() {
	local place=$1 tested version
	tested=$(grep -v '^#' kmod/tested-series | paste -sd' ')
	$for_tests || [[ " $tested " == *" $series "* ]] ||
		refuse "Linux $series ($release): no test of hpcap has run on this series; they run on: $tested" \
			"$(what_was_checked "$series")"
	version=$(headers_version)
	[ -n "$source_version" ] || source_version=$(makefile_version "$place/Makefile")
	[ "$source_version" != "$version" ] || return 0
	refuse "$source is Linux ${source_version:-of a version that it does not say}, the kernel $release is $version: its driver may be another one" \
		"Install linux-source-$series of the same version as the kernel, or name its source with --source"
}

# Fails when no driver of the kernel's version can be patched here, as far as that is known without unpacking its source.
check_patchable() {
	local package=linux-source-$series
	[ -z "$prepared" ] || return 0
	command -v spatch >/dev/null ||
		die "spatch is missing, which patches the driver of Linux $(headers_version) (package coccinelle)" 3
	[ -n "$source_version" ] || [ "$source" != "/usr/src/$package.tar.xz" ] ||
		source_version=$(dpkg-query -W -f '${source:Upstream-Version}' "$package" 2>/dev/null) || true
}

# Prints the folder of the pristine source with the drivers. A tarball is unpacked once.
pristine() {
	if [ -d "$source" ]; then
		echo "$source"
		return
	fi
	local key place
	key=$(stat -c 'with Makefile %n %s %Y' "$source" | sha256sum | cut -c1-16)
	place=$TARGET/kmod/source/$key
	if [ ! -e "$place/done" ]; then
		rm -rf "$place"
		mkdir -p "$place"
		tar -C "$place" -xf "$source" --strip-components=1 --wildcards --no-wildcards-match-slash \
			'*/Makefile' "${DRIVERS[@]/#/*/$INTEL/}" || die "$source: it has no $INTEL"
		touch "$place/done"
	fi
	echo "$place"
}

# ------------------------------------------------------------------------- hooks

# Prints the lines of a manifest that are for this kernel: PATCH FILE FUNCTION TEXT COUNT.
manifest() {
	awk -v series="$series" '!/^ *(#|$)/ {
		if (NF == 5) { print; next }
		for (i = 6; i <= NF; i++) if ($i == series) { print $1, $2, $3, $4, $5; next }
	}' "kmod/$1/manifest"
}

# Prints the body of a function of a file; "-" names the whole file. Fails when the file has no such function.
body_of() {
	if [ "$2" = - ]; then
		cat "$1"
		return
	fi
	# A line at the margin names the function. Its body is between braces at the margin, which no declaration has.
	awk -v name="$2" '
		/^[A-Za-z_]/ && match($0, "(^|[^A-Za-z0-9_])" name "\\(") { heading = 1 }
		heading && /;[ \t]*$/ { heading = 0 }
		heading && /^{/ { heading = 0; body = 1; found = 1 }
		body
		/^}/ { body = 0 }
		END { exit !found }' "$1"
}

# Prints the functions of a driver that use another one, one a line for each use: calls and pointers.
callers() {
	# shellcheck disable=SC2016 # awk expands it
	find "$1" -name '*.c' ! -path '*/hpcap/*' ! -path '*/advrx/*' -print0 | sort -z | xargs -0 awk -v name="$2" '
		# The last name before a parenthesis at the margin is that of the function whose body follows.
		/^[A-Za-z_].*\(/ && match($0, /[A-Za-z_0-9]+\(/) { inside = substr($0, RSTART, RLENGTH - 1) }
		/^[ \t]/ && !/^[ \t]*(\*|\/\*|\/\/)/ {
			line = " " $0
			while (match(line, "[^A-Za-z0-9_]" name "[^A-Za-z0-9_]")) {
				print inside
				line = substr(line, RSTART + RLENGTH - 1)
			}
		}'
}

# Compares a patched copy of a driver with the manifest, and prints every difference.
verify_hooks() {
	local driver=$1 place=$2 patch file functions function body text count found wrong=0 where
	while read -r patch file functions text count; do
		if [ "$patch" = callers ]; then
			found=$(callers "$place" "$text" | wc -l)
			[[ "|$count|" != *"|$found|"* ]] || continue
			echo "kmod: $driver of $release: $text() is used $found times, by" \
				"$(callers "$place" "$text" | sort -u | paste -sd' '); the manifest knows ${count//|/ or } uses: does the" \
				"new one need a hook?"
			wrong=1
			continue
		fi
		if [ ! -e "$place/$file" ]; then
			echo "kmod: $driver of $release: $file is missing, which $patch.cocci is for"
			wrong=1
			continue
		fi
		found=-1
		for function in ${functions//|/ }; do
			body=$(body_of "$place/$file" "$function") || continue
			found=$({ grep -owF -- "$text" || true; } <<<"$body" | wc -l)
			break
		done
		[ "$found" != "$count" ] || continue
		where=$file
		[ "$function" = - ] || where="$file, $function()"
		wrong=1
		if [ "$found" = -1 ]; then
			echo "kmod: $driver of $release: $file has no function ${functions//|/() and no }(), where" \
				"kmod/$driver/$patch.cocci puts $text"
		else
			echo "kmod: $driver of $release: $where has $text $found times, not $count:" \
				"kmod/$driver/$patch.cocci does not fit"
		fi
	done < <(manifest "$driver")
	# A patch that matches in other places, too, matches too much.
	while read -r file text; do
		found=$(grep -ow -- "$text" "$place/$file" | wc -l)
		count=$(manifest "$driver" | awk -v file="$file" -v text="$text" \
			'$2 == file && $4 == text { sum += $5 } END { print sum + 0 }')
		[ "$found" -gt "$count" ] || continue
		echo "kmod: $driver of $release: $file has $text $found times, the manifest names $count" \
			"places: a patch in kmod/$driver fits in another one, too"
		wrong=1
	done < <(cd "$place" && grep -ow 'hpcap_[a-z_]*' ./*.[ch] | sed 's#^\./##; s/:/ /' | sort -u)
	return $wrong
} >&2

# Each driver has its own way from an interface to its adapter, and the way has changed: since 6.16, netdev_priv() of
# ixgbe does not return the adapter, and the compiler does not notice.
check_glue() {
	local found
	found=$(grep -snE '\bnetdev_priv[[:space:]]*\(' kmod/{ixgbe,ixgbevf,igb,advrx}/*.[ch] kmod/{ixgbe,ixgbevf,igb}/*.cocci |
		grep -vE ':[[:space:]]*(\*|/\*|//)') || true
	[ -n "$found" ] || return 0
	die "netdev_priv() of a driver's device in our code; the port knows its adapter (port->nic):
$found"
}

# Makes a patched copy of the driver in a folder of its own.
patch_driver() {
	local driver=$1 from=$2 to=$3 patch files key stamp=$3.stamp said
	[ -e "$from/$driver/Makefile" ] || die "$from: it has no $driver"
	key=$(cat "$from/$driver"/*.[ch] "$from/$driver/Makefile" "kmod/$driver"/{*.cocci,manifest} | sha256sum)
	[ ! -d "$to" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$key" ] || return 0
	rm -rf "$to" "$stamp"
	cp -r "$from/$driver" "$to"
	for patch in "kmod/$driver"/*.cocci; do
		patch=$(basename "$patch" .cocci)
		mapfile -t files < <(manifest "$driver" | awk -v patch="$patch" '$1 == patch { print $2 }' | sort -u)
		[ "${#files[@]}" -gt 0 ] || die "kmod/$driver/$patch.cocci is not in the manifest"
		# A patch that does not match is no failure here, and neither is a missing file: the
		# comparison with the manifest finds both.
		said=$(cd "$to" && timeout 300 spatch --very-quiet --no-show-diff --in-place \
			--sp-file "$OLDPWD/kmod/$driver/$patch.cocci" "${files[@]}" 2>&1) || [ ! -e "$to/${files[0]}" ] ||
			die "kmod/$driver/$patch.cocci: spatch failed: $said"
	done
	verify_hooks "$driver" "$to" || die "$driver of kernel $release is not what the patches know: see above"
	echo "$key" >"$stamp"
}

# ------------------------------------------------------------------------- build

# Runs the kernel's build for one part.
make_part() {
	local part=$1 dir=$out/tree/$1 extra=() other
	for other in "$out"/tree/*/Module.symvers; do
		[ ! -e "$other" ] || [ "$other" -ef "$dir/Module.symvers" ] || extra+=("$other")
	done
	[ "$variant" != -check ] || extra_flags=(W=1 C=2)
	# The modules get no BTF, which needs the kernel's image beside its headers.
	make -C "$headers" M="$dir" "HPCAP_VERSION=$version" "DEBUG=$([ "$variant" = -debug ] && echo 1)" \
		"UNTESTED=$($untested && echo 1)" CONFIG_DEBUG_INFO_BTF_MODULES= "KBUILD_EXTRA_SYMBOLS=${extra[*]}" "${extra_flags[@]}" modules
}

# The kernel's build does not link modules again when only the versions of symbols that they use have changed. The old
# modules would not load.
symbols_changed() {
	cmp -s "$out/tree/core/Module.symvers" "$out/symvers" && return
	find "$out/tree" -mindepth 2 ! -path '*/core/*' \
		\( -name '*.mod*' -o -name Module.symvers -o -name '*.ko' \) -delete
	cp "$out/tree/core/Module.symvers" "$out/symvers"
}

# Prints the messages of the compiler and of sparse about our own files.
our_warnings() {
	local ours='(core|netdev|testnic|include|(ixgbe|ixgbevf|igb)/(hpcap|advrx))'
	grep -E 'warning:|error:' "$1" | grep -E "/tree/$ours/" || true
}

build() {
	local part ko extra_flags=() jobs
	# The sources of DKMS have no Cargo.toml.
	version=${HPCAP_VERSION:-$(sed -n '/^\[workspace.package\]/,/^\[/s/^version *= *"\(.*\)"/\1/p' Cargo.toml)}
	mkdir -p "$out/tree"
	# Times of files that did not change stay, so that make does only what is needed.
	for part in include core advrx netdev testnic; do
		[ ! -d "kmod/$part" ] || rsync -rc "kmod/$part" "$out/tree/"
	done
	for part in "${DRIVERS[@]}"; do
		rsync -rc "$out/patched/$part" "$out/tree/"
		rsync -c "kmod/$part/Kbuild" "$out/tree/$part/"
		mkdir -p "$out/tree/$part/hpcap" "$out/tree/$part/advrx"
		rsync -c "kmod/$part"/*.[ch] "$out/tree/$part/hpcap/"
		rsync -c kmod/advrx/*.[ch] "$out/tree/$part/advrx/"
	done
	# sparse reads everything each time, but the compiler prints its warnings only when it compiles.
	[ "$variant" != -check ] || find "$out/tree" -name '*.o' -delete
	jobs=-j$(nproc)
	export MAKEFLAGS=$jobs
	: >"$out/build.log"
	for part in "${PARTS[@]}"; do
		[ -e "$out/tree/$part/Kbuild" ] || continue
		[ "$part" = core ] || symbols_changed
		make_part "$part" >>"$out/build.log" 2>&1 || {
			grep -E 'error|Error|undefined' "$out/build.log" | head -40 >&2
			die "kmod/$part does not build for $release: see $out/build.log"
		}
	done
	if [ "$variant" = -check ] && [ -n "$(our_warnings "$out/build.log")" ]; then
		our_warnings "$out/build.log" >&2
		die "warnings about our own files for $release (all: $out/build.log)"
	fi
	rm -f "$out"/*.ko
	for ko in "$out"/tree/*/hpcap*.ko; do
		cp "$ko" "$out/"
	done
}

# One function: the shell has read all of it before anything runs.
main() {
	local inputs driver pid from modules=() source_version='' prepared=''
	check_glue
	find_kernel
	if [ "$action" = known ]; then
		check_patchable
		[ -z "$source_version" ] || check_known "$source"
		exit 0
	fi
	out=$(realpath -m "${out:-$TARGET/kmod/$release$variant}")
	mkdir -p "$out" "$TARGET/kmod"
	# Who comes second waits, and then finds nothing to do.
	exec 9>"$out/.lock"
	flock 9

	# Everything that the result depends on.
	inputs=$(
		{
			echo "$release $headers $variant $untested $source" "$(stat -c '%s %Y' "$source")"
			find kmod scripts/kmod.sh -type f ! -path '*/model/*' -print0 | sort -z | xargs -0 sha256sum
			[ ! -d "$source" ] || cat "$source/$INTEL"/{ixgbe,ixgbevf,igb}/*.[ch]
			stat -c '%s %Y' "$headers/Module.symvers" "$headers/.config" || [ "$action" = patch ]
		} 2>/dev/null | sha256sum
	)
	if [ "$action" = patch ] || [ "$(cat "$out/.stamp" 2>/dev/null)" != "$inputs" ]; then
		rm -f "$out/.stamp"
		exec 8>"$TARGET/kmod/.source-lock"
		flock 8
		from=$(pristine)
		exec 8>&-
		[ "$action" = patch ] || check_known "$from"
		mkdir -p "$out/patched"
		[ -z "$prepared" ] || rsync -rc --delete "$prepared/" "$out/patched/"
		for driver in "${DRIVERS[@]}"; do
			[ -z "$prepared" ] || continue
			patch_driver "$driver" "$from/$INTEL" "$out/patched/$driver" &
			modules+=($!)
		done
		for pid in "${modules[@]}"; do
			wait "$pid" || exit 1
		done
		if [ "$action" = patch ]; then
			printf '%s\n' "${DRIVERS[@]/#/$out/patched/}"
			exit 0
		fi
		build
		echo "$inputs" >"$out/.stamp"
	fi
	realpath --relative-to . "$out"/*.ko
}

main
