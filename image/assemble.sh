#!/usr/bin/env bash
# assemble.sh ROOT IMAGE: partitions, and from them the card. No loop device is needed.
#
#      (8 MB before them: the boot state, one sector; zeros mean slot A)
#   1  STARLING       FAT32  256 MB  firmware, U-Boot, a/ (kernel and initramfs of slot A), starling.txt
#   2  slot A         squashfs, read-only
#   3  slot B         empty until the first update
#   4  STARLING-DATA  ext4, grows to the card on first boot
#
# Beside the card it leaves what an update is made of: IMAGE's name with .slot, .vmlinuz and .initrd.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
root="$1" image="$2"
readonly BOOT_MB=256 SLOT_MB=512 DATA_MB=128
readonly DISK_ID=53544152
epoch="$(source_epoch)"
parts="${image%.img}"
export SOURCE_DATE_EPOCH="$epoch" E2FSPROGS_FAKE_TIME="$epoch"

# The kernel's device trees, under the kernel's names and under those that the firmware looks for first.
copy_device_trees() {
  local trees
  trees="$(echo "$1"/usr/lib/linux-image-*/broadcom)"
  cp "$trees"/bcm2711-rpi-4-b.dtb "$trees"/bcm2837-rpi-{3-b,3-b-plus,zero-2-w}.dtb "$2/"
  local board
  for board in 3-b 3-b-plus zero-2-w; do cp "$trees/bcm2837-rpi-$board.dtb" "$2/bcm2710-rpi-$board.dtb"; done
}

work="$(mktemp -d -p "$CACHE")"
trap 'rm -rf "$work"' EXIT

mv "$root/boot/initrd.img" "$parts.initrd"
cp "$root"/boot/vmlinuz-* "$parts.vmlinuz"

say "boot partition"
boot="$work/boot"
mkdir -p "$boot/a"
cp "$root"/usr/lib/raspi-firmware/{bootcode.bin,start.elf,start_cd.elf,start4.elf,start4cd.elf,fixup.dat,fixup_cd.dat,fixup4.dat,fixup4cd.dat} "$boot/"
cp "$root/usr/lib/u-boot/rpi_arm64/u-boot.bin" "$boot/"
mkimage -A arm64 -T script -C none -n starling -d "$IMAGE_DIR/u-boot/boot.cmd" "$boot/boot.scr" >/dev/null
cp "$parts.vmlinuz" "$boot/a/vmlinuz"
cp "$parts.initrd" "$boot/a/initrd.img"
copy_device_trees "$root" "$boot"
node "$IMAGE_DIR/check-drivers.mjs" "$(echo "$root"/usr/lib/modules/*)" "$parts.initrd" "$boot"/*.dtb
cp "$IMAGE_DIR"/boot/* "$boot/"
find "$boot" -exec touch -h -d "@$epoch" {} +
truncate -s "${BOOT_MB}M" "$work/boot.img"
mkfs.vfat --invariant -F 32 -n STARLING -i "$DISK_ID" "$work/boot.img" >/dev/null
(cd "$boot" && MTOOLS_SKIP_CHECK=1 mcopy -s -m -i "$work/boot.img" ./* ::/)

say "slot A"
# What lies on the boot partition, device trees of other boards, names of hardware, and a desktop's pictures and sounds.
rm -rf "$root"/boot/* "$root"/usr/lib/{raspi-firmware,u-boot,linux-image-*} "$root"/usr/lib/udev/hwdb.{bin,d} \
  "$root"/usr/share/{fonts,mime,sounds,X11,libmysofa} "$root"/var/cache/debconf/*
mkdir "$root/boot/firmware"
rm -f "$parts.slot"
env -u SOURCE_DATE_EPOCH mksquashfs "$root" "$parts.slot" -quiet -no-progress -comp zstd -Xcompression-level 19 -b 256K -noappend \
  -no-exports -mkfs-time "$epoch" -all-time "$epoch"
slot_bytes="$(stat -c %s "$parts.slot")"
[ "$slot_bytes" -le $((SLOT_MB * 1048576)) ] || fail "the root has $slot_bytes bytes; a slot holds $SLOT_MB MB"

say "data partition"
truncate -s "${DATA_MB}M" "$work/data.img"
# Block and inode sizes of a large file system: it starts small only on paper.
mke2fs -q -t ext4 -T default -b 4096 -i 16384 -J size=16 -m 1 -L STARLING-DATA -U 53544152-0000-4000-8000-000000000004 \
  -E hash_seed=53544152-0000-4000-8000-000000000005,lazy_itable_init=0,resize=67108864 "$work/data.img"

say "card"
start=(0 8192)
start[2]=$((start[1] + BOOT_MB * 2048))
start[3]=$((start[2] + SLOT_MB * 2048))
start[4]=$((start[3] + SLOT_MB * 2048))
rm -f "$image"
truncate -s $(((start[4] + DATA_MB * 2048) * 512)) "$image"
sfdisk --quiet "$image" <<TABLE
label: dos
label-id: 0x$DISK_ID
start=${start[1]}, size=$((BOOT_MB * 2048)), type=c, bootable
start=${start[2]}, size=$((SLOT_MB * 2048)), type=83
start=${start[3]}, size=$((SLOT_MB * 2048)), type=83
start=${start[4]}, size=$((DATA_MB * 2048)), type=83
TABLE
write_part() { dd if="$2" of="$image" bs=1M seek=$((start[$1] / 2048)) conv=notrunc,sparse status=none; }
write_part 1 "$work/boot.img"
write_part 2 "$parts.slot"
write_part 4 "$work/data.img"
