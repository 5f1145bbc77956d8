#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Installs the packages of the distribution (Debian 12 and its relatives) that hpcap needs.
#
#   scripts/deps.sh install [GROUP...]  installs missing packages (of all groups but `browser` when none is named)
#   scripts/deps.sh need GROUP...       does the same, and prints nothing when no package is missing
#   scripts/deps.sh want GROUP...       does the same, but only warns when it cannot install them
#   scripts/deps.sh check GROUP...      prints missing packages and exits with 1; installs nothing
#   scripts/deps.sh list                prints the table
#
# The group `igb` is a QEMU that emulates the NIC igb. Where the system's QEMU does not, scripts/qemu.sh unpacks a newer
# one into target/qemu instead of installing it.
#
# The check looks for the command, file or library that a package is needed for, and does not ask the package manager.
# So it takes some milliseconds, notices a removed package, and passes on other distributions that have the same files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# GROUP PACKAGE PROBE. Probes: cmd:NAME, lib:PKG-CONFIG-NAME, so:SONAME, perl:MODULE, file:PATH.
readonly TABLE='
build  gcc              cmd:gcc
build  libc6-dev        file:/usr/include/stdio.h
build  make             cmd:make
build  pkg-config       cmd:pkg-config
build  libpcap-dev      lib:libpcap
run    iproute2         cmd:ip
run    tcpdump          cmd:tcpdump
test   g++              cmd:g++
test   iproute2         cmd:ip
test   tcpdump          cmd:tcpdump
test   tshark           cmd:tshark
test   zstd             cmd:zstd
test   spin             cmd:spin
test   ethtool          cmd:ethtool
test   nftables         cmd:nft
test   prometheus       cmd:promtool
test   faketime         cmd:faketime
test   man-db           cmd:man
test   systemd          cmd:systemd-analyze
test   groff-base       cmd:groff
test   valgrind         cmd:valgrind
lint   sparse           cmd:sparse
lint   shellcheck       cmd:shellcheck
lint   perl             perl:Term::ANSIColor
lint   xz-utils         cmd:xz
lint   linux-source-6.1 file:/usr/src/linux-source-6.1.tar.xz
test   lintian          cmd:lintian
test   sosreport        cmd:sos
deb    debhelper        cmd:dh
deb    dh-dkms          cmd:dh_dkms
deb    dpkg-dev         cmd:dpkg-buildpackage
vm     qemu-system-x86  cmd:qemu-system-x86_64
vm     busybox-static   cmd:busybox
vm     e2fsprogs        cmd:mkfs.ext4
vm     kmod             cmd:depmod
vm     iproute2         cmd:ip
vm     ethtool          cmd:ethtool
vm     xz-utils         cmd:xz
rpm    rpm              cmd:rpmbuild
image  debootstrap      cmd:debootstrap
image  e2fsprogs        cmd:mkfs.ext4
kmod   gcc-12           cmd:gcc-12
kmod   make             cmd:make
kmod   libc6-dev        file:/usr/include/stdio.h
kmod   coccinelle       cmd:spatch
kmod   libelf1          so:libelf.so.1
kmod   rsync            cmd:rsync
kmod   sparse           cmd:sparse
kmod   pahole           cmd:pahole
kmod   xz-utils         cmd:xz
kmod   debian-archive-keyring file:/usr/share/keyrings/debian-archive-keyring.gpg
kmod   linux-source-6.1 file:/usr/src/linux-source-6.1.tar.xz
kmod   linux-source-6.12 file:/usr/src/linux-source-6.12.tar.xz
igb    qemu-system-x86  cmd:qemu-system-x86_64
igb    debian-archive-keyring file:/usr/share/keyrings/debian-archive-keyring.gpg
sanitizer flex          cmd:flex
sanitizer bison         cmd:bison
sanitizer bc            cmd:bc
sanitizer libelf-dev    file:/usr/include/libelf.h
sanitizer libssl-dev    file:/usr/include/openssl/ssl.h
bench  iproute2         cmd:ip
bench  tcpdump          cmd:tcpdump
bench  tshark           cmd:dumpcap
bench  netsniff-ng      cmd:netsniff-ng
bench  ethtool          cmd:ethtool
bench  valgrind         cmd:valgrind
browser chromium        cmd:chromium
'
# A browser is large, and one test alone uses it: it is installed only if its group is named, as `make test` does.
readonly OPTIONAL=browser

die() {
	echo "deps: $1" >&2
	exit "${2:-1}"
}

# Whether the thing that PROBE names is there.
present() {
	local what=${1#*:}
	case $1 in
	cmd:*) PATH=$PATH:/usr/sbin:/sbin command -v "$what" >/dev/null ;;
	lib:*) command -v pkg-config >/dev/null && pkg-config --exists "$what" ;;
	so:*) PATH=$PATH:/usr/sbin:/sbin ldconfig -p | grep -F "$what" >/dev/null ;;
	perl:*) perl -M"$what" -e1 2>/dev/null ;;
	file:*) [ -e "$what" ] ;;
	*) die "unknown kind of probe: $1" ;;
	esac
}

# Prints the missing packages of the named groups, one a line.
missing() {
	local group package probe wanted=" $* "
	while read -r group package probe; do
		[[ -n $group && $wanted == *" $group "* ]] || continue
		present "$probe" || echo "$package"
	done <<<"$TABLE" | sort -u
}

group_names() {
	awk 'NF { print $1 }' <<<"$TABLE" | sort -u
}

check_groups() {
	local group
	for group in "$@"; do
		group_names | grep -qxF "$group" ||
			die "no group is called '$group'; the groups are: $(group_names | paste -sd' ')" 2
	done
}

# Rust comes from rustup, not from the distribution, whose version is too old.
check_rust() {
	local want have
	want=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' Cargo.toml)
	command -v cargo >/dev/null || die "cargo is missing, and this is a Rust project.
  Install Rust $want or newer with rustup (https://rustup.rs), then open a new shell,
  or: . \"\$HOME/.cargo/env\""
	have=$(cargo --version | awk '{ print $2 }')
	[ "$(printf '%s\n' "$want" "$have" | sort -V | head -n 1)" = "$want" ] ||
		die "cargo is version $have, and hpcap needs $want or newer.
  With rustup: rustup update stable"
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif ! command -v sudo >/dev/null; then
		return 1
	elif [ -t 0 ]; then
		sudo "$@"
	else
		sudo -n "$@"
	fi
}

# Installs the packages, or prints the commands to type.
install_packages() {
	local by_hand="apt-get update && apt-get install --no-install-recommends $*"
	if ! command -v apt-get >/dev/null; then
		echo "deps: missing: $*" >&2
		echo "  This system has no apt-get: install the contents of these Debian packages by other means." >&2
		return 1
	fi
	echo "deps: installing $*"
	if ! as_root true 2>/dev/null; then
		echo "deps: missing: $*" >&2
		echo "  Installing needs root, and there is no sudo to become it. As root: $by_hand" >&2
		return 1
	fi
	local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300) said
	if ! said=$(as_root "${apt[@]}" update 2>&1) ||
		! said=$(as_root "${apt[@]}" install -y --no-install-recommends "$@" 2>&1); then
		printf '%s\n' "$said" >&2
		echo "deps: could not install $* (what apt-get said is above)" >&2
		echo "  By hand, as root: $by_hand" >&2
		return 1
	fi
}

# Installs the missing packages of the groups; fails when one is still missing.
provide() {
	local packages
	mapfile -t packages < <(missing "$@")
	if [ "${#packages[@]}" -gt 0 ]; then
		install_packages "${packages[@]}" || return 1
		mapfile -t packages < <(missing "$@")
	fi
	if [ "${#packages[@]}" = 0 ]; then
		[[ " $* " != *" igb "* ]] || scripts/qemu.sh fetch
		return
	fi
	echo "deps: installed, but not found: ${packages[*]} (is /usr/bin in PATH?)" >&2
	return 1
}

main() {
	local action=${1:-install}
	[ $# = 0 ] || shift
	check_groups "$@"
	case $action in
	install)
		local all=("$@")
		[ $# -gt 0 ] || mapfile -t all < <(group_names | grep -vxF "$OPTIONAL")
		provide "${all[@]}"
		check_rust
		echo "deps: nothing is missing for: ${all[*]}"
		;;
	need)
		provide "$@"
		check_rust
		;;
	want)
		provide "$@" || echo "deps: going on without these packages" >&2
		;;
	check)
		local packages
		mapfile -t packages < <(missing "$@")
		[ "${#packages[@]}" = 0 ] || die "missing: ${packages[*]}"
		;;
	list)
		sed '/^$/d' <<<"$TABLE"
		;;
	*)
		die "'$action' is not an action; they are: install, need, want, check, list" 2
		;;
	esac
}

main "$@"
