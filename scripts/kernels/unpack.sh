#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Unpacks the packages of a kernel into its folder; scripts/kernels.sh reads this file. Uses: work, die.
# shellcheck disable=SC2154 # scripts/kernels.sh sets work

# Modules of no use in a virtual machine, which are nine tenths of all modules' bytes.
readonly PRUNED=(sound virt arch/x86/kvm drivers/{accel,accessibility,acpi,ata,atm,auxdisplay,bluetooth,comedi,cpufreq}
	drivers/{edac,extcon,firewire,fpga,gnss,gpu,greybus,hid,hsi,hv,hwmon,iio,infiniband,input,isdn,leds,media}
	drivers/{memstick,message,misc,mmc,most,mtd,nfc,ntb,parport,pcmcia,pinctrl,platform,power,powercap,regulator}
	drivers/{rapidio,remoteproc,scsi,soundwire,spi,ssb,staging,target,thermal,thunderbolt,tty,usb,video,watchdog,xen}
	drivers/net/{arcnet,can,dsa,fddi,fjes,hamradio,hippi,ieee802154,plip,ppp,slip,usb,wan,wireless,wwan})

# unpack_image FOLDER RELEASE DEB...: unpacks the kernel and its modules, wherever its packages have them.
unpack_image() {
	local into=$1 release=$2 excluded=(--exclude=./usr/share) folder deb modules
	shift 2
	for folder in "${PRUNED[@]}"; do
		excluded+=("--exclude=*/lib/modules/*/kernel/$folder")
	done
	mkdir -p "$into/tree"
	for deb in "$@"; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$into/tree" "${excluded[@]}"
	done
	modules=$into/tree/lib/modules/$release
	[ -d "$modules" ] || modules=$into/tree/usr/lib/modules/$release
	if [ -e "$into/tree/boot/vmlinuz-$release" ]; then
		mv "$into/tree/boot/vmlinuz-$release" "$into/vmlinuz"
		mv "$into/tree/boot/config-$release" "$into/config"
	else
		mv "$modules/vmlinuz" "$modules/config" "$into/" ||
			die "$release: its packages have no vmlinuz where it was looked for"
	fi
	mv "$modules" "$into/modules"
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
	# These are the only absolute paths in the headers: the folder may move.
	# shellcheck disable=SC2016 # make expands it
	sed -i -E 's#(^include |KBUILD_OUTPUT ?:?= ?|[[:space:]])/usr/src/#\1$(dir $(realpath $(lastword $(MAKEFILE_LIST))))../#' \
		"$makefile"
	! grep -E '(^|[ =])/usr/' "$makefile" || die "$release: the Makefile of the headers has the absolute path above"
	rm -rf "$into/tree/usr/share" "$into/tree/lib" "$into/tree/usr/lib/modules"
	ln -s "tree/usr/src/linux-headers-$release" "$into/headers"
}

# unpack_toolchain FOLDER DEB...: unpacks compiler, linker and libraries beside the headers. `toolchain` is the folder
# for PATH.
unpack_toolchain() {
	# The kernel is built without link-time optimisation, and its modules are linked with no library.
	local into=$1 deb unused=(--exclude=./usr/share '--exclude=*/lto1' '--exclude=*lto-dump*' '--exclude=*.a'
		'--exclude=*san.so*')
	shift
	for deb in "$@"; do
		# /lib and /lib64 are links to folders below /usr.
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$into/tree" "${unused[@]}" --transform 's#^\./lib#./usr/lib#;s#^\./bin/#./usr/bin/#'
	done
	wrap_programs "$into/tree"
	ln -s tree/usr/bin "$into/toolchain"
}

# Programs of another release of Debian need its libc. A script takes the place of each program and starts it with the
# loader and the libraries that were unpacked beside it: without chroot, so without root, and wherever the folder is.
wrap_programs() {
	shopt -s extglob
	local root=$1 program folder up magic
	while IFS= read -r -d '' program; do
		IFS= read -r -N 4 magic <"$program" 2>/dev/null || continue
		[ "$magic" = $'\x7fELF' ] || continue
		folder=${program#"$root/"}
		folder=${folder%/*}
		# As many steps up as the folder has steps down.
		up=${folder//+([^\/])/..}
		mv "$program" "$program.elf"
		cat >"$program" <<-END
			#!/bin/sh
			here=\$(cd -P "\${0%/*}" && pwd)
			usr=\$here/$up/usr
			exec "\$usr/lib64/ld-linux-x86-64.so.2" --argv0 "\$here/\${0##*/}" \\
				--library-path "\$usr/lib/x86_64-linux-gnu" "\$here/${program##*/}.elf" "\$@"
		END
		chmod +x "$program"
	done < <(find "$root"/usr/{bin,libexec} "$root"/usr/lib/linux-kbuild-* -type f -perm -u+x \
		! -name '*.so*' ! -name '*.o' -print0 2>/dev/null)
}

# unpack_source TARBALL FOLDER SERIES: takes the source of the drivers out of the package's tarball.
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
