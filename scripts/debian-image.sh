#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Makes the disk image of a Debian 12 with systemd, udev, DKMS, and a kernel 6.1 with its headers, for
# `vmlab run --system`, and downloads the packages of a kernel 6.12 that such a system can be upgraded to. Both kernels have
# the versions of scripts/kernels.sh, for which the package hpcap-dkms has patched drivers. The packages come from the mirror
# of the host's own apt. Making an image takes some minutes and root (for chroot); the image is kept in
# target/debian-image, under the hash of this script and of the kernels' releases.
#
#   scripts/debian-image.sh          makes the image if it is missing, and prints its folder
#   scripts/debian-image.sh path     prints the folder; fails when the image is missing
#
# The folder of an image:
#
#   root.ext4   the disk: a single ext4 file system, sparse
#   vmlinuz     the kernel of /boot
#   initrd      its initial file system
#   release     its release, as printed by uname -r
#   packages    names and versions of all packages
#   upgrade/    the packages that are installed with a kernel 6.12 and its headers
#   times       how many seconds each part took
#
# When the machine starts, the unit lab.service mounts the host's file system at /host, and runs the program of the
# kernel's argument lab.program= there, which serves the host's commands (vmlab run --system).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly IMAGES=${CARGO_TARGET_DIR:-target}/debian-image
readonly SUITE=bookworm
readonly DISK_SIZE=6G

# What the packages hpcap and hpcap-dkms depend on is there before, because the machine has no network.
readonly PACKAGES=(systemd-sysv udev kmod dbus iproute2 ethtool procps pciutils initramfs-tools zstd
	dkms gcc make patch rsync xz-utils libc6-dev openssl libpcap0.8 ca-certificates)

die() {
	echo "debian-image: $1" >&2
	exit "${2:-1}"
}

# Prints the release of a kernel that was fetched.
release_of() {
	cat "$(scripts/kernels.sh path "$1")/release"
}

scripts/kernels.sh fetch all >&2
release=$(release_of 6.1)
next_release=$(release_of 6.12)
readonly release next_release

folder=$IMAGES/$({
	cat "${BASH_SOURCE[0]}"
	echo "$release $next_release"
} | sha256sum | cut -c1-16)
case ${1:-make} in
path)
	[ -e "$folder/times" ] || die "the image is missing: scripts/debian-image.sh"
	realpath "$folder"
	exit
	;;
make) ;;
*) die "usage: scripts/debian-image.sh [path]" 2 ;;
esac

# part NAME COMMAND...: runs the command, with its output in the log, and notes the seconds it took.
part() {
	local name=$1 started=$SECONDS
	shift
	echo "debian-image: $name" >&2
	"$@" >>"$work/log" 2>&1 || {
		tail -20 "$work/log" >&2
		die "$name failed: see above
  If the mirror has replaced a kernel: scripts/kernels.sh update all"
	}
	printf '%s %s\n' "$((SECONDS - started))" "$name" >>"$work/times"
}

# The mirror of the host's apt, so that a local one is used.
mirror() {
	local found
	# shellcheck disable=SC2016 # apt expands it
	found=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' 2>/dev/null | sort -u | head -1)
	echo "${found:-http://deb.debian.org/debian/}"
}

in_root() {
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/ DEBIAN_FRONTEND=noninteractive \
		chroot "$root" "$@"
}

bootstrap() {
	debootstrap --variant=minbase "$SUITE" "$root" "$(mirror)"
}

# The initial file system has the drivers of a virtual machine's disk and nothing else, because a slow processor
# unpacks it.
configure() {
	local mirror
	mirror=$(mirror)
	cat >"$root/etc/apt/sources.list" <<-END
		deb $mirror $SUITE main
		deb http://deb.debian.org/debian-security $SUITE-security main
	END
	mkdir -p "$root/etc/initramfs-tools/conf.d" "$root/etc/dpkg/dpkg.cfg.d"
	echo 'MODULES=list' >"$root/etc/initramfs-tools/conf.d/virtual-machine"
	printf 'virtio_pci\nvirtio_blk\next4\n' >>"$root/etc/initramfs-tools/modules" 2>/dev/null || {
		mkdir -p "$root/etc/initramfs-tools"
		printf 'virtio_pci\nvirtio_blk\next4\n' >"$root/etc/initramfs-tools/modules"
	}
	printf 'path-exclude=%s\n' '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/locale/*' \
		>"$root/etc/dpkg/dpkg.cfg.d/small"
	# No service starts in a chroot.
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	echo debian >"$root/etc/hostname"
	echo '/dev/vda / ext4 errors=remount-ro 0 1' >"$root/etc/fstab"
}

install_packages() {
	in_root apt-get -qq update &&
		in_root apt-get -qq -y -o Dpkg::Options::=--force-confold --no-install-recommends install "${PACKAGES[@]}" \
			"linux-image-$release" "linux-headers-$release" &&
		in_root apt-get clean
}

# Downloads what an upgrade to the next kernel installs, because the machine has no network.
download_upgrade() {
	mkdir -p "$root/upgrade/partial" "$fresh/upgrade"
	in_root apt-get -qq -y --no-install-recommends --download-only -o Dir::Cache::archives=/upgrade install \
		"linux-image-$next_release" "linux-headers-$next_release" &&
		mv "$root"/upgrade/*.deb "$fresh/upgrade/" &&
		rm -r "$root/upgrade"
}

remove_lists() {
	rm -rf "$root"/var/lib/apt/lists/* "$root/usr/sbin/policy-rc.d"
}

# The program that serves the host's commands is one of the host's, whose file system is at /host.
add_lab_unit() {
	cat >"$root/usr/local/sbin/lab-serve" <<-'END'
		#!/bin/sh
		set -e
		modprobe -a 9pnet_virtio virtio_console
		mkdir -p /host
		mountpoint -q /host || mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,ro,cache=loose host /host
		program=/host$(sed -n 's/.*lab\.program=\([^ ]*\).*/\1/p' /proc/cmdline)
		ln -sf "$program" /run/lab
		exec "$program" serve
	END
	chmod 755 "$root/usr/local/sbin/lab-serve"
	cat >"$root/etc/systemd/system/lab.service" <<-'END'
		[Unit]
		Description=Serve the commands of the host
		After=multi-user.target

		[Service]
		ExecStart=/usr/local/sbin/lab-serve
		StandardOutput=journal+console
		# The commands belong to nobody here, and may go on until the machine ends.
		KillMode=process

		[Install]
		WantedBy=graphical.target
	END
	in_root systemctl enable lab.service
	in_root systemctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer \
		serial-getty@ttyS0.service getty@tty1.service systemd-timesyncd.service
	# A fresh machine identifies itself at its first start.
	: >"$root/etc/machine-id"
}

# Makes the disk out of the folder, without mounting it.
make_disk() {
	truncate -s "$DISK_SIZE" "$fresh/root.ext4"
	mkfs.ext4 -q -F -L root -E lazy_itable_init=1,nodiscard -O ^metadata_csum_seed -d "$root" "$fresh/root.ext4"
	cp "$root/boot/vmlinuz-$release" "$fresh/vmlinuz"
	cp "$root/boot/initrd.img-$release" "$fresh/initrd"
	echo "$release" >"$fresh/release"
	in_root dpkg-query -W >"$fresh/packages"
}

mkdir -p "$IMAGES"
exec 9>"$IMAGES/.lock"
flock 9
if [ ! -e "$folder/times" ]; then
	[ "$(id -u)" = 0 ] || die "only root can make the image: debootstrap needs chroot"
	command -v debootstrap >/dev/null || die "debootstrap is missing: apt install debootstrap"
	work=$(mktemp -d "$IMAGES/.work.XXXXXX")
	# shellcheck disable=SC2064 # the folder of now
	trap "umount '$work/system/proc' 2>/dev/null || true; rm -rf --one-file-system '$work'" EXIT
	root=$(realpath "$work")/system
	fresh=$(realpath "$work")/fresh
	mkdir -p "$root" "$fresh"
	part "bootstrapping $SUITE" bootstrap
	part "configuring" configure
	mount -t proc proc "$root/proc"
	part "installing packages" install_packages
	part "downloading the packages of Linux $next_release" download_upgrade
	remove_lists
	part "adding the unit of the laboratory" add_lab_unit
	umount "$root/proc"
	part "making the disk" make_disk
	cp "$work/times" "$fresh/times"
	rm -rf "$folder"
	mv "$fresh" "$folder"
fi
cat "$folder/times" >&2
realpath "$folder"
