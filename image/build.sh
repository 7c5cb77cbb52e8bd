#!/usr/bin/env bash
# npm run image: makes image/out/starling-<version>-arm64.img.xz with a checksum, the list of packages, and a manifest
# for Raspberry Pi Imager. With --unpacked it leaves the card as a plain .img, for who only boots it in the emulator; with
# --fresh it takes Debian's packages of today and not those of the kept base root.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
case "${1:-}" in
  '' | --unpacked | --fresh) ;;
  *) fail "unknown option $1; there are --unpacked and --fresh" ;;
esac
need_root
need_host_packages
need_foreign_programs
version="$(node -p "require('$ROOT_DIR/package.json').version")"
name="starling-$version-$ARCH"
mkdir -p "$OUT"
kept="$CACHE/base-$(base_name)"
[ "${1:-}" != --fresh ] || rm -rf "$kept.done" "$kept"-initrd-*
if [ -n "$(find "$kept.done" -mtime +7 2>/dev/null)" ]; then
  say "the packages are those of $(date -r "$kept.done" +%F); --fresh takes today's, as a release should"
fi
base="$("$IMAGE_DIR/base.sh")"

root="$(mktemp -d "$CACHE/root.XXXXXX")"
trap 'rm -rf "$root"' EXIT
cp -a "$base/." "$root/"
"$IMAGE_DIR/initramfs.sh" "$root" "$(basename "$base")"
"$IMAGE_DIR/app.sh" "$root"
"$IMAGE_DIR/assemble.sh" "$root" "$OUT/$name.img"
cp "$base.packages" "$OUT/$name.packages"

if [ -r "$RELEASE_KEY" ]; then
  say "update"
  node "$IMAGE_DIR/make-update.mjs" --slot "$OUT/$name.slot" --kernel "$OUT/$name.vmlinuz" --initrd "$OUT/$name.initrd" \
    --version "$version" --key "$RELEASE_KEY" --out "$OUT/$name.update"
else
  say "no update is made: there is no release key ($RELEASE_KEY; image/make-keys.sh makes one)"
fi
compgen -G "$(dirname "$RELEASE_KEY")/*.pub.pem" >/dev/null || say "and boxes with this card will never take one: it holds no public key"

if [ "${1:-}" = --unpacked ]; then
  say "$OUT/$name.img"
  exit
fi

say "packing"
image_bytes="$(stat -c %s "$OUT/$name.img")"
image_hash="$(sha256sum "$OUT/$name.img" | cut -d' ' -f1)"
# The slot is packed already: more than a quick xz gains nothing.
xz --force --keep --threads=0 -1 "$OUT/$name.img"
(cd "$OUT" && sha256sum "$name.img.xz" "$name.packages" >"$name.sha256")
packed_bytes="$(stat -c %s "$OUT/$name.img.xz")"
cat >"$OUT/$name.imager.json" <<JSON
{
  "os_list": [
    {
      "name": "Starling $version",
      "description": "A radio with no station master",
      "url": "$IMAGE_URL/$name.img.xz",
      "extract_size": $image_bytes,
      "extract_sha256": "$image_hash",
      "image_download_size": $packed_bytes,
      "release_date": "$(date -u -d "@$(source_epoch)" +%F)",
      "devices": ["pi3-64bit", "pi4-64bit"],
      "init_format": "none"
    }
  ]
}
JSON
say "$OUT/$name.img.xz: $((packed_bytes / 1000000)) MB packed, $((image_bytes / 1000000)) MB on the card"
