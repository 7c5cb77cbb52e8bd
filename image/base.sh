#!/usr/bin/env bash
# The base root: Debian with the packages of packages.txt, without initramfs and radio. Cached by what it is made from,
# because installing under emulation is what takes the time.
# Prints the directory.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

base="$CACHE/base-$(base_name)"
if [ -e "$base.done" ]; then
  printf '%s\n' "$base"
  exit
fi
need_root
need_host_packages
need_foreign_programs
mkdir -p "$CACHE"
rm -rf "$base"
say "base root from Debian $SUITE ($ARCH); the second time it comes from $CACHE"

excludes=()
while read -r pattern; do excludes+=("--dpkgopt=path-exclude=$pattern"); done < <(list "$IMAGE_DIR/exclude.txt")
# update-initramfs would run several times under emulation: it is diverted, and runs once (initramfs.sh).
mmdebstrap --quiet --architectures="$ARCH" --variant=apt --mode=root --components=main,non-free-firmware \
  --include="$(list "$IMAGE_DIR/packages.txt" | paste -sd,)" \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt=force-unsafe-io "${excludes[@]}" --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --essential-hook='mkdir -p "$1/boot/firmware"' \
  --essential-hook='chroot "$1" dpkg-divert --quiet --local --rename --divert /usr/sbin/update-initramfs.real --add /usr/sbin/update-initramfs; ln -s /bin/true "$1/usr/sbin/update-initramfs"' \
  --customize-hook='rm "$1/usr/sbin/update-initramfs"; chroot "$1" dpkg-divert --quiet --local --rename --remove /usr/sbin/update-initramfs' \
  "$SUITE" "$base" >&2
dpkg-query --admindir="$base/var/lib/dpkg" -W -f '${Package} ${Version} ${Architecture}\n' | sort >"$base.packages"
touch "$base.done"
printf '%s\n' "$base"
