#!/usr/bin/env bash
# initramfs.sh ROOT NAME: makes the initramfs of a copy of the base root, as boot/initrd.img in it. NAME is the base
# root's: the result is cached by it and by what is in initramfs/, because making it runs under emulation.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
root="$1" base_name="$2"
settings="$root/etc/initramfs-tools"
key="$(cat "$IMAGE_DIR"/initramfs/* "${BASH_SOURCE[0]}" | sha256sum | cut -c1-16)"
kept="$CACHE/$base_name-initrd-$key.img"

install -d "$settings/conf.d"
printf 'MODULES=list\nCOMPRESS=zstd\nFSTYPE=squashfs\nRESUME=none\n' >"$settings/conf.d/starling"
cat "$IMAGE_DIR/initramfs/modules" >>"$settings/modules"
install -m 755 "$IMAGE_DIR/initramfs/starling-data" "$settings/scripts/init-bottom/starling-data"
install -m 755 "$IMAGE_DIR/initramfs/starling-hook" "$settings/hooks/starling"
if [ ! -e "$kept" ]; then
  say "initramfs"
  kernel="$(ls "$root/usr/lib/modules")"
  chroot "$root" depmod "$kernel"
  SOURCE_DATE_EPOCH="$(source_epoch)" chroot "$root" mkinitramfs -o /boot/initrd.part "$kernel" >&2
  mv "$root/boot/initrd.part" "$kept.part"
  mv "$kept.part" "$kept"
fi
cp "$kept" "$root/boot/initrd.img"
