# Shared by the scripts of this folder; sourced, never run.
set -euo pipefail

readonly IMAGE_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly ROOT_DIR="$(dirname "$IMAGE_DIR")"
readonly ARCH=arm64
readonly SUITE=trixie
# Finished base roots and initramfs: what takes the time.
readonly CACHE="${STARLING_IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/starling-image}"
# Of whoever builds: the private half signs updates, the public ones beside it go into the image.
# Under sudo they are looked for where make-keys.sh put them, without it.
builder_home="$HOME"
[ -z "${SUDO_USER:-}" ] || builder_home="$(getent passwd "$SUDO_USER" | cut -d: -f6)"
readonly RELEASE_KEY="${STARLING_RELEASE_KEY:-${XDG_CONFIG_HOME:-$builder_home/.config}/starling/release-key.pem}"
readonly OUT="$IMAGE_DIR/out"
# Where Raspberry Pi Imager is to look for the card: here, until it is published somewhere.
readonly IMAGE_URL="${STARLING_IMAGE_URL:-file://$OUT}"
readonly HOST_PACKAGES=(mmdebstrap qemu-user-static squashfs-tools dosfstools mtools e2fsprogs fdisk xz-utils zstd kmod arch-test debian-archive-keyring u-boot-tools)

say() { printf '== %s\n' "$*" >&2; }
fail() { printf 'image: %s\n' "$*" >&2; exit 1; }

# The lines of a list without its comments.
list() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' "$1" | grep -v '^$'; }

# All that the base root is made from, as one name: packages, exclusions, the script itself.
base_name() {
  cat "$IMAGE_DIR/packages.txt" "$IMAGE_DIR/exclude.txt" "$IMAGE_DIR/base.sh" | sha256sum | cut -c1-16
}

# The time that stands in all that is made: of the last commit, so that the same tree makes the same files.
source_epoch() { printf '%s' "${SOURCE_DATE_EPOCH:-$(git -C "$ROOT_DIR" log -1 --format=%ct)}"; }

need_root() { [ "$(id -u)" -eq 0 ] || fail "making an image needs root (owners of files, the other architecture): sudo npm run image"; }

need_host_packages() {
  local missing=() package
  for package in "${HOST_PACKAGES[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ "${#missing[@]}" -eq 0 ] && return
  say "Debian packages for making images: ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get -qq update >&2
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >&2
}

# Programs of the other architecture run by themselves once the kernel knows their interpreter (F: also inside a root).
need_foreign_programs() {
  [ "$(dpkg --print-architecture)" = "$ARCH" ] && return
  mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
  [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] && return
  printf '%s' ':qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:F' \
    >/proc/sys/fs/binfmt_misc/register
}
