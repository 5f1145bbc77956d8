#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# A Linux kernel that checks itself, to run the modules in: Debian's source package, a minimal
# configuration (scripts/sanitizer.config), and one of
#
#   kasan   memory errors and leaks (KASAN, kmemleak, UBSAN, DMA_API_DEBUG), lockdep, sleeping in
#           atomic context, dead timers and work, allocation failures on demand
#   kcsan   data races (KCSAN), lockdep
#
#   scripts/sanitizer-kernel.sh build kasan|kcsan   builds it unless it is there
#   scripts/sanitizer-kernel.sh path kasan|kcsan    prints its folder; fails when it is not there
#
# It is made once, in five to ten minutes on two cores, and kept outside of the repository
# (${XDG_CACHE_HOME:-~/.cache}/hpcap/kernels, HPCAP_SANITIZER_KERNELS names another place; 3 GB each).
# A new source package or another configuration makes it anew. The folder has what
# scripts/kernels.sh describes, so vmlab run --kernel FOLDER boots it and scripts/kmod.sh builds
# modules for it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly TARBALL=${HPCAP_KERNEL_SOURCE:-/usr/src/linux-source-6.1.tar.xz}
readonly CACHE=${HPCAP_SANITIZER_KERNELS:-${XDG_CACHE_HOME:-$HOME/.cache}/hpcap/kernels}
readonly CC=gcc-12
readonly FRAGMENT=$PWD/sanitizer.config

die() {
	echo "sanitizer-kernel: $1" >&2
	exit "${2:-1}"
}

say() {
	echo "sanitizer-kernel: $*"
}

# Prints a line that names all inputs of the kernel. The kernel is built anew when this line changes.
recipe() {
	local package
	package=$(dpkg-query -W -f='${Version}' linux-source-6.1 2>/dev/null || stat -c '%s %Y' "$TARBALL")
	printf '%s %s %s\n' "$package" "$($CC -dumpfullversion)" \
		"$(cat "$FRAGMENT" "$1" | sha256sum | cut -c 1-16)"
}

is_ready() {
	[ -e "$1/recipe" ] && [ "$(cat "$1/recipe")" = "$(recipe "$2")" ]
}

# Checks that every line of the fragments is in the resulting configuration. An option that was renamed, or that needs
# another option, would otherwise be missing silently.
check_config() {
	local config=$1 line name missing=()
	shift
	while read -r line; do
		case $line in
		"# CONFIG_"*" is not set")
			name=${line#\# }
			! grep -q "^${name%% *}=" "$config" || missing+=("$line")
			;;
		CONFIG_*) grep -qxF "$line" "$config" || missing+=("$line") ;;
		esac
	done < <(cat "$@")
	[ "${#missing[@]}" = 0 ] ||
		die "the kernel's configuration lacks $(printf "'%s' " "${missing[@]}")(see $config)"
}

configure() {
	local source=$1 build=$2 flavour=$3
	rm -rf "$build"
	mkdir -p "$build"
	"${make[@]}" -C "$source" O="$build" tinyconfig
	(cd "$source" && ./scripts/kconfig/merge_config.sh -m -O "$build" "$build/.config" \
		"$FRAGMENT" "$flavour")
	"${make[@]}" -C "$source" O="$build" olddefconfig
	check_config "$build/.config" "$FRAGMENT" "$flavour"
}

# Builds into FOLDER.new and renames this folder, so that FOLDER is always complete.
build() {
	local folder=$1 flavour=$2 new=$1.new release source
	make=(make "ARCH=x86_64" "CC=$CC" "KBUILD_BUILD_HOST=hpcap" "KBUILD_BUILD_USER=hpcap")
	local log=$folder.log
	rm -rf "$new"
	mkdir -p "$new/tree"
	tar -C "$new/tree" -xf "$TARBALL" --strip-components=1
	(configure "$new/tree" "$new/headers" "$flavour") >"$log" 2>&1 || {
		tail -n 5 "$log" >&2
		die "the configuration failed; all of it is in $log"
	}
	say "building (its output goes to $log)"
	"${make[@]}" -C "$new/tree" O="$new/headers" -j"$(nproc)" bzImage modules >>"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "the build failed; all of it is in $log"
	}
	"${make[@]}" -C "$new/tree" O="$new/headers" modules_install \
		INSTALL_MOD_PATH="$new/installed" >>"$log" 2>&1 || die "modules_install failed; see $log"
	release=$(cat "$new/headers/include/config/kernel.release")
	echo "$release" >"$new/release"
	cp "$new/headers/arch/x86/boot/bzImage" "$new/vmlinuz"
	cp "$new/headers/.config" "$new/config"
	mv "$new/installed/lib/modules/$release" "$new/modules"
	rm -rf "$new/installed" "$new/modules/build" "$new/modules/source"
	ln -s tree "$new/source"
	# Neither modules nor stack traces need these files.
	find "$new/headers" \( -name '*.o' -o -name '*.a' -o -name '.*.cmd' \) \
		-not -path '*/scripts/*' -not -path '*/tools/*' -delete
	# Files of the build folder name the folder of the source.
	source=$(realpath "$new/tree")
	grep -rlF "$source" "$new/headers" --include=Makefile --include=source | while read -r file; do
		sed -i "s|$source|$folder/tree|g" "$file"
	done
	ln -sfn "$folder/tree" "$new/headers/source"
	recipe "$flavour" >"$new/recipe"
	rm -rf "$folder"
	mv "$new" "$folder"
	say "$folder: Linux $release"
}

main() {
	[ $# = 2 ] || die "usage: scripts/sanitizer-kernel.sh build|path kasan|kcsan" 2
	local flavour=$PWD/sanitizer-$2.config folder=$CACHE/6.1-$2
	[ -e "$flavour" ] || die "'$2' is not a flavour; the flavours are: kasan, kcsan" 2
	[ -e "$TARBALL" ] ||
		die "$TARBALL is missing: apt-get install linux-source-6.1, or make deps"
	case $1 in
	path)
		is_ready "$folder" "$flavour" ||
			die "$2 is not built for this source and configuration: scripts/sanitizer-kernel.sh build $2"
		echo "$folder"
		;;
	build)
		mkdir -p "$CACHE"
		exec {lock}>"$CACHE/6.1-$2.lock"
		flock "$lock"
		is_ready "$folder" "$flavour" || build "$folder" "$flavour"
		;;
	*) die "'$1' is not an action; the actions are: build, path" 2 ;;
	esac
}

main "$@"
