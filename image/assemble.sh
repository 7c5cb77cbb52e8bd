#!/usr/bin/env bash
# assemble.sh ROOT IMAGE: partitions, and from them the card. No loop device is needed.
#
#   1  STARLING       FAT32  256 MB  firmware, a/ (kernel and initramfs of slot A), starling.txt
#   2  slot A         squashfs, read-only
#   3  slot B         empty until the first update
#   4  STARLING-DATA  ext4, grows to the card on first boot
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
root="$1" image="$2"
readonly BOOT_MB=256 SLOT_MB=512 DATA_MB=128
readonly DISK_ID=53544152
epoch="${SOURCE_DATE_EPOCH:-$(git -C "$ROOT_DIR" log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH="$epoch" E2FSPROGS_FAKE_TIME="$epoch"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

say "slot A"
env -u SOURCE_DATE_EPOCH mksquashfs "$root" "$work/slot.img" -quiet -no-progress -comp zstd -Xcompression-level 19 -b 256K -noappend \
  -no-exports -mkfs-time "$epoch" -all-time "$epoch" -e boot/initrd.img* boot/vmlinuz* "$root/boot/firmware" -wildcards
slot_bytes="$(stat -c %s "$work/slot.img")"
[ "$slot_bytes" -le $((SLOT_MB * 1048576)) ] || fail "the root has $slot_bytes bytes; a slot holds $SLOT_MB MB"

say "boot partition"
boot="$work/boot"
mkdir -p "$boot/a"
cp "$root"/usr/lib/raspi-firmware/{bootcode.bin,start.elf,start_cd.elf,start4.elf,start4cd.elf,fixup.dat,fixup_cd.dat,fixup4.dat,fixup4cd.dat} "$boot/"
cp "$root"/boot/vmlinuz-* "$boot/a/vmlinuz"
cp "$root"/boot/initrd.img-* "$boot/a/initrd.img"
find "$root"/usr/lib/linux-image-*/broadcom -name 'bcm27*.dtb' -o -name 'bcm28*.dtb' | xargs -I{} cp {} "$boot/a/"
cp "$IMAGE_DIR"/boot/* "$boot/"
printf '%s\n' "console=ttyS1,115200 console=tty1 root=PARTUUID=$DISK_ID-02 rootfstype=squashfs ro rootwait panic=10 quiet" >"$boot/a/cmdline.txt"
find "$boot" -exec touch -h -d "@$epoch" {} +
truncate -s "${BOOT_MB}M" "$work/boot.img"
mkfs.vfat --invariant -F 32 -n STARLING -i "$DISK_ID" "$work/boot.img" >/dev/null
(cd "$boot" && MTOOLS_SKIP_CHECK=1 mcopy -s -m -i "$work/boot.img" ./* ::/)

say "data partition"
truncate -s "${DATA_MB}M" "$work/data.img"
mke2fs -q -t ext4 -L STARLING-DATA -U 53544152-0000-4000-8000-000000000004 -E hash_seed=53544152-0000-4000-8000-000000000005,lazy_itable_init=0 -m 1 "$work/data.img"

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
for part in 1:boot 2:slot 4:data; do
  dd if="$work/${part#*:}.img" of="$image" bs=1M seek=$((start[${part%%:*}] / 2048)) conv=notrunc,sparse status=none
done
