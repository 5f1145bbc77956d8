#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Makes the Debian packages of built programs, and compares their files, owners and modes with packaging/deb-files.
# lintian must find nothing in them. Each program must have a man page and completions.
#
#   packaging/test-packages.sh FOLDER-WITH-THE-TOOLS
#   packaging/test-packages.sh FOLDER-WITH-THE-TOOLS --update    writes packaging/deb-files instead
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly LIST=packaging/deb-files
tools=$(realpath "${1:?usage: packaging/test-packages.sh FOLDER-WITH-THE-TOOLS [--update]}")
if ! command -v dh_dkms >/dev/null; then
	echo "test-packages: skipped: debhelper and dh-dkms are not installed"
	exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/hpcap-packages.XXXXXX")
trap 'rm -rf "$work"' EXIT

die() {
	echo "test-packages: FAILED: $1" >&2
	exit 1
}

# Prints "PACKAGE MODE OWNER PATH" for each file. Documents, man pages and completions have changing names, and the
# sources of the modules are those of kmod/.
listed() {
	local package
	for package in "$@"; do
		dpkg-deb -c "$package" | awk -v name="$(dpkg-deb -f "$package" Package)" '
			$6 !~ /\/$/ && $6 !~ /\/(doc|man|completions|vendor-completions|vendor_completions\.d|kmod)\// {
				print name, $1, $2, $6 }'
	done | sed -E 's|hpcap-[0-9][0-9.]*/|hpcap-VERSION/|' | sort
}

# Fails if a file or folder may be written by everybody, or changes its user.
check_modes() {
	local package wrong
	for package in "$@"; do
		wrong=$(dpkg-deb -c "$package" | grep -E '^[-d](.......w|..s|.....s)' || true)
		[ -z "$wrong" ] || die "$package: $wrong"
	done
}

check_programs() {
	local program file
	dpkg-deb -x "$1" "$work/unpacked"
	for program in "$work"/unpacked/usr/bin/*; do
		program=$(basename "$program")
		for file in "man/man1/$program.1.gz" "bash-completion/completions/$program" \
			"zsh/vendor-completions/_$program" "fish/vendor_completions.d/$program.fish"; do
			[ -s "$work/unpacked/usr/share/$file" ] || die "$1 has no $file"
		done
	done
}

# The plugin fits the sos that is installed.
check_sos() {
	local plugin
	dpkg-deb -x "$1" "$work/unpacked"
	plugin=$work/unpacked/usr/lib/python3/dist-packages/sos/report/plugins/hpcap.py
	if command -v sos >/dev/null; then
		/usr/bin/python3 -B -c 'import runpy, sys; assert runpy.run_path(sys.argv[1])["Hpcap"].plugin_name' "$plugin"
	else
		echo "test-packages: skipped the plugin of sos: sos is not installed"
	fi
}

# The folder of DKMS has what kmod.sh reads, and its configuration names each module that is built.
check_modules() {
	local folder part
	dpkg-deb -x "$1" "$work/modules"
	folder=$(echo "$work"/modules/usr/src/hpcap-*)
	[ -x "$folder/scripts/kmod.sh" ] || die "$1 has no kmod.sh"
	! grep -q '#' <(grep -v '^#' "$folder/dkms.conf") || die "$1: dkms.conf has a placeholder left"
	# Each tested kernel builds with the driver of the package, without a source package.
	while read -r part; do
		mkdir -p "$work/kernel-$part"
		cp "$(scripts/kernels.sh path "$part")/release" "$work/kernel-$part/"
		ln -s "$(scripts/kernels.sh path "$part")/headers" "$work/kernel-$part/headers"
		[[ $("$folder/scripts/kmod.sh" patch "$work/kernel-$part" --out "$work/out-$part") == */igb ]] ||
			die "$1 has no patched drivers for Linux $part"
	done < <(grep -v '^#' kmod/tested-series)
	for part in core netdev ixgbe ixgbevf igb; do
		local module
		module=$(sed -n 's/^obj-m := \(.*\)\.o/\1/p' "kmod/$part/Kbuild")
		grep -q "BUILT_MODULE_NAME.*\"$module\"" "$folder/dkms.conf" || die "dkms.conf does not name $module"
	done
	(
		# DKMS sets this variable; dkms.conf reads it.
		# shellcheck disable=SC2034
		kernelver=any
		# shellcheck disable=SC1091
		source "$folder/dkms.conf"
		while read -r part; do
			[[ $part.0-1-amd64 =~ $BUILD_EXCLUSIVE_KERNEL ]] || die "dkms.conf skips the tested kernel $part"
		done < <(grep -v '^#' kmod/tested-series)
		for part in 6.10.1 6.11.0 5.6.1 6.16.0; do
			! [[ $part =~ $BUILD_EXCLUSIVE_KERNEL ]] || die "dkms.conf builds for $part, which no test has run"
		done
	)
}

packaging/package.sh deb "$work/packages" "$tools" >/dev/null
packages=("$work"/packages/*.deb)
listed "${packages[@]}" >"$work/files"
if [ "${2:-}" = --update ]; then
	cp "$work/files" "$LIST"
	exit 0
fi
diff -u "$LIST" "$work/files" || die "the packages have other files than $LIST (packaging/test-packages.sh $1 --update)"
check_modes "${packages[@]}"
check_programs "$work"/packages/hpcap_*.deb
check_sos "$work"/packages/hpcap_*.deb
check_modules "$work"/packages/hpcap-dkms_*.deb
if command -v lintian >/dev/null; then
	lintian --allow-root --fail-on error,warning "${packages[@]}" || die "lintian found the above"
else
	echo "test-packages: skipped lintian: it is not installed"
fi
echo "test-packages: the packages have the files, owners and modes that they should have"
