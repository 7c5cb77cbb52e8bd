#!/usr/bin/env bash
# app.sh ROOT: puts the radio and its settings into a copy of the base root.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
root="$1"
home="$root/opt/starling"

say "the radio"
(cd "$ROOT_DIR" && node src/setup/bundle.mjs >/dev/null)
version="$(node -p "require('$ROOT_DIR/package.json').optionalDependencies['node-linux-$ARCH']")"
package="$CACHE/node-linux-$ARCH-$version.tgz"
if [ ! -e "$package" ]; then
  mkdir -p "$CACHE"
  (cd "$CACHE" && npm pack --silent "node-linux-$ARCH@$version" >/dev/null)
fi
install -d "$home/dist" "$home/node_modules/.bin"
tar -xOf "$package" package/bin/node >"$home/node_modules/.bin/node"
chmod 755 "$home/node_modules/.bin/node"
cp "$ROOT_DIR"/dist/{starling,card,updater}.mjs "$home/dist/"
cp "$ROOT_DIR/package.json" "$ROOT_DIR/LICENSE" "$ROOT_DIR/README.md" "$home/"
cp -r "$ROOT_DIR/web-setup" "$home/"
rm -rf "$home/web-setup/screenshots"
if compgen -G "$ROOT_DIR/hardware/*.json" >/dev/null; then
  install -d "$home/hardware"
  cp "$ROOT_DIR"/hardware/*.{json,sh} "$home/hardware/"
fi
cp -r "$IMAGE_DIR/overlay/." "$root/"
# A sound card starts as loud as it is, and the page's volume goes down from there: alsactl's own beginning is a tenth of it.
levels="$root/usr/share/alsa/init/default"
sed -i -e 's/^ENV{pvolume}:="-20dB"$/ENV{pvolume}:="0dB"/' -e 's/^ENV{ppercent}:="75%"$/ENV{ppercent}:="100%"/' "$levels"
grep -q '^ENV{pvolume}:="0dB"$' "$levels" && grep -q '^ENV{ppercent}:="100%"$' "$levels" || fail "alsactl's levels are written in another way now: $levels"
cp "$ROOT_DIR"/systemd/*.{service,path} "$root/etc/systemd/system/"
install -D -m 644 -t "$home/systemd" "$ROOT_DIR"/systemd/*.nft
install -D -m 644 -t "$root/etc/NetworkManager/conf.d" "$ROOT_DIR"/systemd/NetworkManager/*.conf
install -D -m 644 -t "$root/etc/NetworkManager/dnsmasq-shared.d" "$ROOT_DIR"/systemd/dnsmasq-shared.d/*.conf
install -D -m 644 -t "$root/etc/polkit-1/rules.d" "$ROOT_DIR"/systemd/polkit-1/*.rules
# What an untouched starling.txt looks like.
install -D -m 644 -t "$root/usr/lib/starling" "$IMAGE_DIR/boot/starling.txt"
install -d "$root/usr/lib/starling/release-keys"
if compgen -G "$(dirname "$RELEASE_KEY")/*.pub.pem" >/dev/null; then
  install -m 644 -t "$root/usr/lib/starling/release-keys" "$(dirname "$RELEASE_KEY")"/*.pub.pem
fi
install -d "$root/data" "$root/boot/firmware" "$root/var/lib/starling" "$root/media"
chown -R 0:0 "$home" "$root/etc" "$root/usr/lib/starling" "$root/usr/lib/sysusers.d"

say "users, services, and nothing that is one box's own"
chroot "$root" systemd-sysusers
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root"/etc/ssh/ssh_host_* "$root/etc/resolv.conf"
ln -s /run/NetworkManager/resolv.conf "$root/etc/resolv.conf"
passwd --root "$root" --lock root >/dev/null
chroot "$root" systemctl --quiet preset-all
chroot "$root" systemctl --quiet set-default multi-user.target
# Consoles: nobody has a password. Rebuilding caches on a volatile /etc would come with every start.
chroot "$root" systemctl --quiet mask getty.target getty@tty1.service serial-getty@.service console-getty.service \
  systemd-firstboot.service ldconfig.service systemd-journal-catalog-update.service systemd-hwdb-update.service
# What no radio uses, and every start would wait for; the ssh generator would open SSH to a hypervisor. Nothing is
# remounted: the root stays as it is. /run/lock is a folder of /run.
chroot "$root" systemctl --quiet mask systemd-logind.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount \
  systemd-sysext.socket systemd-hostnamed.socket systemd-creds.socket systemd-initctl.socket systemd-pcrextend.socket \
  systemd-pcrlock.socket dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
  sys-fs-fuse-connections.mount sys-kernel-config.mount modprobe@configfs.service modprobe@drm.service \
  modprobe@fuse.service run-lock.mount systemd-remount-fs.service kmod-static-nodes.service
install -d "$root/etc/systemd/system-generators"
for generator in ssh getty gpt-auto hibernate-resume rc-local run system-update sysv tpm2; do
  ln -s /dev/null "$root/etc/systemd/system-generators/systemd-$generator-generator"
done
# The volatile /etc and /var are as new as the /usr that they came with.
touch "$root/etc/.updated" "$root/var/.updated"
