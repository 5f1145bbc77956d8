#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Makes the RPM packages of built programs, installs them into an empty folder, checks what is there, and removes them.
# The scripts of the packages are not run: they need systemd and DKMS.
#
#   packaging/test-rpm.sh FOLDER-WITH-THE-TOOLS
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools=$(realpath "${1:?usage: packaging/test-rpm.sh FOLDER-WITH-THE-TOOLS}")
if ! command -v rpmbuild >/dev/null; then
	echo "test-rpm: skipped: rpmbuild is not installed"
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	echo "test-rpm: skipped: only root can install into a folder"
	exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/hpcap-rpm.XXXXXX")
trap 'rm -rf "$work"' EXIT

die() {
	echo "test-rpm: FAILED: $1" >&2
	exit 1
}

# Packages of rpm below a folder, which has a database of its own.
rpm_below() {
	rpm --root "$work/installed" --dbpath /database "$@"
}

# What is below the folder, without the database and empty folders.
installed_files() {
	(cd "$work/installed" && find . -path ./database -prune -o ! -type d -print | sort)
}

packaging/package.sh rpm "$work/packages" "$tools" >/dev/null

mkdir "$work/installed"
# Without this option, the rpm of Debian warns of installing and removing packages.
quiet=()
! rpm --help | grep -- --force-debian >/dev/null || quiet=(--force-debian)
rpm_below -i "${quiet[@]}" --nodeps --noscripts "$work"/packages/*.rpm
installed_files >"$work/files"
for name in hpcap hpcap-dkms; do
	rpm_below -q "$name" >/dev/null || die "$name is not installed"
	altered=$(rpm_below -V --nodeps --noscripts "$name" || true)
	[ -z "$altered" ] || die "files of $name are not those of the package: $altered"
done

# The Debian packages have the same programs, units and sources; only some folders have other names.
awk '{ print $4 }' packaging/deb-files | sed -E "s|hpcap-VERSION/|$(sed -nE 's|.*/src/(hpcap-[^/]*)/.*|\1/|p' "$work/files" | head -1)|" |
	grep -E '^\./usr/(bin|src|share/man|lib/systemd/system)/|^\./lib/systemd/system/' | sed 's|^\./lib/|./usr/lib/|' | sort >"$work/wanted"
missing=$(comm -23 "$work/wanted" "$work/files")
[ -s "$work/wanted" ] || die "packaging/deb-files names no programs"
[ -z "$missing" ] || die "the packages do not have what those of Debian have: $missing"
wrong=$(find "$work/installed" -path "$work/installed/database" -prune -o \( ! -type l -perm /o=w -o -perm /u=s,g=s \) -print)
[ -z "$wrong" ] || die "everybody may write, or the user changes: $wrong"
for program in "$work"/installed/usr/bin/*; do
	"$program" --help >/dev/null || die "$program does not run"
done

rpm_below -e "${quiet[@]}" --nodeps --noscripts hpcap hpcap-dkms
left=$(installed_files)
[ -z "$left" ] || die "removing the packages leaves $left"
echo "test-rpm: the packages install $(wc -l <"$work/files") files, and leave none"
