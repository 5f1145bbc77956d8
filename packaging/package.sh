#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Makes packages of built programs.
#
#   packaging/package.sh deb DESTINATION [PROGRAMS]    makes the Debian packages hpcap and hpcap-dkms
#   packaging/package.sh rpm DESTINATION [PROGRAMS]    makes the RPM packages of the same names
#
# PROGRAMS is the folder with the programs: those that `make build` has built, if it is not given. DEBFULLNAME and
# DEBEMAIL name the maintainer of a Debian package, as for other tools of Debian.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TARGET=${CARGO_TARGET_DIR:-target}
readonly MAINTAINER="${DEBFULLNAME:-The hpcap authors} <${DEBEMAIL:-hpcap@packages.invalid}>"

die() {
	echo "package: $1" >&2
	exit "${2:-1}"
}

[ $# = 2 ] || [ $# = 3 ] || die "usage: packaging/package.sh deb|rpm DESTINATION [PROGRAMS]" 2
kind=$1
mkdir -p "$2"
destination=$(realpath "$2")
programs=$(realpath "${3:-$TARGET/release}")
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version *= *"\(.*\)"/\1/p' Cargo.toml)
work=$(mktemp -d "${TMPDIR:-/tmp}/hpcap-package.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The time of the last change, so that the same sources make the same packages.
stamp=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
export SOURCE_DATE_EPOCH=$stamp

# Installs everything below a folder, as in a distribution.
install_tree() {
	make --no-print-directory install "PROGRAMS=$programs" "DESTDIR=$1" PREFIX=/usr >/dev/null
}

# Patches the drivers of the kernels that scripts/kernels.sh has, so that these kernels take neither Coccinelle nor the
# source package where the modules are built.
prepared_drivers() {
	local kernel version driver into
	while read -r kernel; do
		scripts/kernels.sh fetch "$kernel" >&2
		version=$(sed -n "s/^linux-source-$kernel \\([0-9.]*\\).*/\\1/p" "$(scripts/kernels.sh path "$kernel")/versions")
		into=$1/$version
		mkdir -p "$into"
		while read -r driver; do
			cp -r "$driver" "$into/"
		done < <(scripts/kmod.sh patch "$kernel" 2>/dev/null | grep '^/')
		[ -e "$into/ixgbe/ixgbe_main.c" ] || die "the drivers of Linux $version are not patched: scripts/kmod.sh patch $kernel"
	done < <(grep -v '^#' kmod/tested-series)
}

# Copies what DKMS needs to build the modules into a folder.
module_sources() {
	local series
	mkdir -p "$1/scripts"
	cp -r kmod "$1/"
	rm -rf "$1/kmod/model" "$1/kmod/testnic" "$1/kmod/udev"
	prepared_drivers "$1/kmod/prepared"
	cp scripts/kmod.sh "$1/scripts/"
	series=$(grep -v '^#' kmod/tested-series | sed 's/\./\\\\./g' | paste -sd'|')
	sed "s/#TESTED_KERNELS#/^($series)\\\\./" packaging/dkms/dkms.conf >"$1/dkms.conf"
}

make_deb() {
	local tree=$work/hpcap-$version
	mkdir -p "$tree"
	cp -r packaging/debian "$tree/debian"
	sed -i "s/^Maintainer: .*/Maintainer: ${MAINTAINER//\//\\/}/" "$tree/debian/control"
	cat >"$tree/debian/changelog" <<-END
		hpcap ($version-1) unstable; urgency=medium

		  * Release $version, see /usr/share/doc/hpcap/changelog.gz.

		 -- $MAINTAINER  $(LC_ALL=C date -u -R -d "@$stamp")
	END
	install_tree "$work/tree"
	cp packaging/systemd/hpcap.sysusers "$tree/debian/hpcap.sysusers"
	cp packaging/systemd/hpcap.tmpfiles "$tree/debian/hpcap.tmpfiles"
	cp kmod/udev/70-hpcap.rules "$tree/debian/hpcap.udev"
	# The rule has its number from dh_installudev, and Debian's zsh looks in a folder of its own.
	rm -r "$work/tree/etc"
	# debian/copyright has the licences, and names the file with those of the libraries.
	mv "$work/tree/usr/share/doc/hpcap/LICENSES/libraries.txt" "$work/tree/usr/share/doc/hpcap/"
	rm -r "$work/tree/usr/share/doc/hpcap/LICENSES"
	mv "$work/tree/usr/share/zsh/site-functions" "$work/tree/usr/share/zsh/vendor-completions"
	# The folder in which Debian's sos looks for plugins.
	mkdir -p "$work/tree/usr/lib/python3/dist-packages/sos/report/plugins"
	mv "$work/tree/usr/share/hpcap/sos/hpcap.py" "$work/tree/usr/lib/python3/dist-packages/sos/report/plugins/"
	rmdir "$work/tree/usr/share/hpcap/sos"
	mkdir -p "$work/tree/usr/src"
	module_sources "$work/tree/usr/src/hpcap-$version"
	echo "usr/src" >"$tree/debian/hpcap-dkms.install"
	mv "$work/tree/usr/src/hpcap-$version/dkms.conf" "$tree/debian/hpcap-dkms.dkms"
	(cd "$tree" && dpkg-buildpackage --build=binary --no-sign --no-pre-clean) >"$work/log" 2>&1 || {
		cat "$work/log" >&2
		die "dpkg-buildpackage failed: see above"
	}
	cp "$work"/*.deb "$destination/"
	(cd "$destination" && ls "$PWD"/hpcap*_"$version-1"_*.deb)
}

make_rpm() {
	local tree=$work/tree folder=$work/tree/usr/src/hpcap-$version
	install_tree "$tree"
	# A package's rules are not an administrator's, so they are not in /etc.
	mkdir -p "$tree/usr/lib/udev/rules.d"
	mv "$tree/etc/udev/rules.d/70-hpcap.rules" "$tree/usr/lib/udev/rules.d/"
	rm -r "${tree:?}/etc"
	module_sources "$folder"
	sed -i "s/#MODULE_VERSION#/$version/" "$folder/dkms.conf"
	rpmbuild -bb --quiet --define "_topdir $work/rpm" --define "hpcap_version $version" --define "tree $tree" \
		--define "use_source_date_epoch_as_buildtime 1" --define "_buildhost localhost" \
		packaging/rpm/hpcap.spec >"$work/log" 2>&1 || {
		cat "$work/log" >&2
		die "rpmbuild failed: see above"
	}
	find "$work/rpm/RPMS" -name '*.rpm' -exec cp {} "$destination/" \;
	(cd "$destination" && ls "$PWD"/hpcap*-"$version-1".*.rpm)
}

case $kind in
deb) make_deb ;;
rpm) make_rpm ;;
*) die "'$kind' is no kind of package: deb, rpm" 2 ;;
esac
