#!/usr/bin/env bash
# plain.sh OUT: a card with the base root alone, as Debian sets it up: what the radio's start is held against. Its disk,
# kernel and initramfs are OUT.img, OUT.vmlinuz and OUT.initrd; it needs no U-Boot.
. "$(cd "$(dirname "${BASH_SOURCE[0]}")/../../image" && pwd)/lib.sh"
out="$1"
readonly PLAIN_MB=2048
need_root
base="$CACHE/base-$(base_name)"
[ -e "$base.done" ] || fail "there is no base root: npm run image"
work="$(mktemp -d -p "$CACHE")"
trap 'rm -rf "$work"' EXIT
cp -a "$base/." "$work/root"
root="$work/root"
say "initramfs of a plain Debian"
printf 'MODULES=list\nCOMPRESS=zstd\nFSTYPE=ext4\nRESUME=none\n' >"$root/etc/initramfs-tools/conf.d/plain"
printf 'ext4\nvirtio_pci\nvirtio_blk\n' >>"$root/etc/initramfs-tools/modules"
kernel="$(ls "$root/usr/lib/modules")"
chroot "$root" depmod "$kernel"
chroot "$root" mkinitramfs -o /boot/initrd.img "$kernel" >&2
mv "$root/boot/initrd.img" "$out.initrd"
cp "$root"/boot/vmlinuz-* "$out.vmlinuz"
echo 'LABEL=PLAIN / ext4 noatime 0 1' >"$root/etc/fstab"
echo plain >"$root/etc/hostname"
: >"$root/etc/machine-id"
truncate -s "${PLAIN_MB}M" "$out.img"
mke2fs -q -t ext4 -L PLAIN -m 0 -d "$root" "$out.img"
