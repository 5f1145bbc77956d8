#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Provides a QEMU that emulates the NIC igb, for virtual machines with `--nic igb`. Debian 12's QEMU is too old for
# that. The script downloads QEMU 10 from Debian 12's backports and unpacks it into a folder, beside the system's QEMU,
# which stays as it is. It needs no root.
#
#   scripts/qemu.sh fetch    downloads a missing QEMU; quick and offline when none is missing
#   scripts/qemu.sh path     prints the program; fails when it is missing
#
# The folder is ${HPCAP_QEMU:-target/qemu}. Nothing is downloaded where the system's own QEMU emulates igb (8.0 and newer).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly QEMU=${HPCAP_QEMU:-${CARGO_TARGET_DIR:-target}/qemu}
readonly NAME=qemu-system-x86_64
readonly SUITE=bookworm-backports

die() {
	echo "qemu: $1" >&2
	exit "${2:-1}"
}

say() {
	echo "qemu: $*"
}

# shellcheck source=scripts/kernels/suites.sh
. scripts/kernels/suites.sh

emulates_igb() {
	"$1" -device igb,help 2>/dev/null | grep -q "^igb options"
}

# Prints the QEMU to use.
find_qemu() {
	if [ -s "$QEMU/versions" ]; then
		realpath "$QEMU/$NAME"
	elif command -v $NAME >/dev/null && emulates_igb $NAME; then
		command -v $NAME
	else
		return 1
	fi
}

# Prints the packages (NAME=VERSION) that QEMU of the suite needs and this system does not have in that version.
needed_packages() {
	apt-get "${apt_options[@]}" -o Dir::State::status=/var/lib/dpkg/status -t $SUITE -qq --simulate \
		--no-install-recommends install qemu-system-x86 |
		awk '$1 == "Inst" { version = $3 ~ /^\[/ ? $4 : $3; sub(/^\(/, "", version); print $2 "=" version }'
}

# Unpacks the packages, and puts a script beside them that starts QEMU with its own modules, firmware and libraries.
unpack_qemu() {
	local into=$1 deb
	shift
	mkdir -p "$into"
	for deb in "$@"; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$into" --exclude=./usr/share/doc --exclude=./usr/share/man \
			--exclude='./usr/bin/qemu-system-i386' --exclude=./etc
	done
	cat >"$into/$NAME" <<-END
		#!/bin/sh
		here=\$(cd -P "\${0%/*}" && pwd)
		lib=\$here/usr/lib/x86_64-linux-gnu
		QEMU_MODULE_DIR=\$lib/qemu LD_LIBRARY_PATH=\$lib exec "\$here/usr/bin/$NAME" \\
			-L "\$here/usr/share/qemu" -L "\$here/usr/share/seabios" "\$@"
	END
	chmod +x "$into/$NAME"
}

fetch() {
	local tool packages debs
	find_qemu >/dev/null && return
	for tool in apt-get dpkg-deb tar flock; do
		command -v "$tool" >/dev/null || die "$tool is missing, which downloads and unpacks QEMU"
	done
	mkdir -p "$QEMU"
	exec 9>"$QEMU/.lock"
	flock 9
	find_qemu >/dev/null && return
	work=$(mktemp -d "$(realpath "$QEMU")/.work.XXXXXX")
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$work'" EXIT
	use_suite $SUITE
	mapfile -t packages < <(needed_packages)
	[ "${#packages[@]}" -gt 0 ] || die "$SUITE has no QEMU for this system (what apt-get said is above): install a QEMU of
  version 8.0 or newer, which emulates igb"
	mapfile -t debs < <(download "${packages[@]}")
	[ "${#debs[@]}" = "${#packages[@]}" ] || die "QEMU cannot be downloaded (what apt-get said is above)"
	say "unpacking ${packages[*]%%=*}"
	unpack_qemu "$work/new" "${debs[@]}"
	emulates_igb "$work/new/$NAME" || die "the QEMU of $SUITE does not run here: $("$work/new/$NAME" --version 2>&1 | head -3)"
	rm -rf "${QEMU:?}/usr"
	mv "$work/new"/* "$QEMU/"
	printf '%s\n' "${packages[@]/=/ }" >"$QEMU/versions"
	say "$("$QEMU/$NAME" --version | head -1), in $QEMU"
}

case ${1:-} in
fetch) fetch ;;
path) find_qemu || die "no QEMU here emulates igb: scripts/qemu.sh fetch" ;;
*) die "usage: scripts/qemu.sh fetch|path" 2 ;;
esac
