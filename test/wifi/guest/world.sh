#!/bin/bash
# Runs in the guest: homes with access points and a phone, each on a simulated radio of its own in a network namespace.
#
#     world.sh install-snippets | box JSON | radios N | home NAME | away NAME | phone SSID [PASSWORD] | phone-off | ask METHOD PATH [JSON]
set -euo pipefail
# Not below /run: no program may run from there.
RUN=/var/lib/world
mkdir -p $RUN

# The snippets of systemd/, where the image has them.
install-snippets() {
  cd /rig/systemd
  install -D -m 644 NetworkManager/starling.conf /etc/NetworkManager/conf.d/starling.conf
  install -D -m 644 dnsmasq-shared.d/starling.conf /etc/NetworkManager/dnsmasq-shared.d/starling.conf
  install -D -m 644 polkit-1/starling-wifi.rules /etc/polkit-1/rules.d/50-starling-wifi.rules
  install -D -m 644 starling-hotspot.nft /opt/starling/systemd/starling-hotspot.nft
  install -m 644 starling-country.path starling-country.service starling-hotspot.service /etc/systemd/system/
  install -d -m 700 -o starling -g starling /var/lib/starling
  systemctl daemon-reload
  systemctl start starling-country.path starling-hotspot.service
  systemctl restart NetworkManager polkit
}

# The radio's Wi-Fi as the radio's user, as closed as starling.service is.
box() {
  systemctl reset-failed box 2>/dev/null || true
  systemd-run --quiet --unit=box -p User=starling -p StateDirectory=starling -p StateDirectoryMode=0700 \
    -p AmbientCapabilities=CAP_NET_BIND_SERVICE -p CapabilityBoundingSet=CAP_NET_BIND_SERVICE -p NoNewPrivileges=yes \
    -p ProtectSystem=strict -p ProtectHome=read-only -p ProtectProc=invisible -p PrivateTmp=yes -p UMask=0077 \
    -p 'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK' -p RestrictNamespaces=yes \
    -p SystemCallFilter=@system-service -p SystemCallArchitectures=native -p DevicePolicy=closed \
    /usr/local/bin/node /rig/box.mjs "$1"
}

# Radio 0 stays with the box; the others leave its namespace.
radios() {
  modprobe mac80211_hwsim radios="$1"
  ip netns add phone
  ip netns add homes
  ip -n phone link set lo up
  ip -n homes link set lo up
  for index in $(seq 1 $(("$1" - 1))); do
    local space=homes
    [ "$index" -eq 1 ] && space=phone
    iw phy "$(cat /sys/class/net/wlan"$index"/phy80211/name)" set netns name $space
  done
}

home() {
  local name=$1 device channel=1 ssid security='wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_passphrase=correct horse' extra='' dhcp=yes
  case $name in
  nest) device=wlan2 ssid='"Nest"' ;;
  mixed) device=wlan3 channel=6 ssid='"Mixed"'
    security='wpa=2
wpa_key_mgmt=WPA-PSK SAE
ieee80211w=1
sae_require_mfp=1
rsn_pairwise=CCMP
wpa_passphrase=correct horse' ;;
  meadow) device=wlan4 channel=11 ssid='"Meadow"' security='' ;;
  burrow) device=wlan5 ssid='"Burrow"' extra='ignore_broadcast_ssid=1' ;;
  desert) device=wlan6 channel=6 ssid='"Desert"' dhcp=no ;;
  summit) device=wlan3 channel=6 ssid='"Summit"'
    security='wpa=2
wpa_key_mgmt=SAE
ieee80211w=2
rsn_pairwise=CCMP
sae_password=correct horse' ;;
  odd) device=wlan4 channel=11 ssid='4ff6ff00225c3a' ;;
  esac
  [ -e "$RUN/$name.pid" ] && kill -0 "$(cat "$RUN/$name.pid")" && return
  local index=${device#wlan}
  cat >"$RUN/$name.conf" <<C
interface=$device
driver=nl80211
ssid2=$ssid
hw_mode=g
channel=$channel
beacon_int=200
$security
$extra
C
  rm -f "$RUN/$name.log"
  ip netns exec homes hostapd -B -P "$RUN/$name.pid" -f "$RUN/$name.log" "$RUN/$name.conf"
  # In the background it is not on the air yet.
  for _ in $(seq 50); do
    grep -q AP-ENABLED "$RUN/$name.log" && break
    sleep 0.2
  done
  ip -n homes addr replace "10.9.$index.1/24" dev "$device"
  if [ $dhcp = yes ]; then
    ip netns exec homes dnsmasq --conf-file=/dev/null --port=0 --interface="$device" --bind-interfaces \
      --dhcp-range="10.9.$index.10,10.9.$index.90,1h" --dhcp-leasefile="$RUN/$name.leases" --pid-file="$RUN/$name.dhcp"
  fi
}

away() {
  local file
  for file in "$RUN/$1.pid" "$RUN/$1.dhcp"; do
    if [ -e "$file" ]; then kill "$(cat "$file")" || true; rm -f "$file"; fi
  done
}

phone() {
  local secret='key_mgmt=NONE'
  [ -n "${2:-}" ] && secret="psk=\"$2\""
  printf 'network={\nssid="%s"\n%s\n}\n' "$1" "$secret" >$RUN/phone.conf
  ip -n phone link set wlan1 up
  ip netns exec phone wpa_supplicant -B -i wlan1 -c $RUN/phone.conf -P $RUN/phone.pid >/dev/null
  for _ in $(seq 1 40); do
    ip netns exec phone iw dev wlan1 link | grep -q Connected && break
    sleep 0.5
  done
  cat >$RUN/lease.sh <<'S'
#!/bin/bash
[ "$1" = bound ] || exit 0
env | grep -E '^(ip|router|dns|opt114|mask|subnet)=' >/var/lib/world/lease
ip addr replace "$ip/${mask:-24}" dev "$interface"
[ -z "${router:-}" ] || ip route replace default via "${router%% *}" dev "$interface"
S
  chmod +x $RUN/lease.sh
  rm -f $RUN/lease
  ip netns exec phone busybox udhcpc -q -n -f -t 10 -T 2 -i wlan1 -O 114 -s $RUN/lease.sh >$RUN/udhcpc.log 2>&1 || cat $RUN/udhcpc.log
  cat $RUN/lease
}

phone-off() {
  kill "$(cat $RUN/phone.pid)" || true
  sleep 1
  ip -n phone addr flush dev wlan1
  ip -n phone link set wlan1 down
}

# From the phone, by the box's address in its hotspot.
ask() {
  ip netns exec phone curl -sS -m 8 -X "$1" -H 'content-type: application/json' ${3:+--data "$3"} "http://10.42.0.1$2"
}

"$@"
