#!/usr/bin/env bash
# Walks a person through a real box: board, power, card, watchdog, pins, buttons, light, sound, stick, Wi-Fi. Prints a report and keeps it.
# Usage: hardware/check.sh [--figures [MUSIC_FOLDER]]
# On the card (as root: ssh -t root@starling.local /opt/starling/hardware/check.sh) it asks the running radio; in a checkout it starts
# one with a data directory of its own, and nothing is kept. Writes to the temporary directory alone: the card is read-only.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.." || exit 1
PATH="$PWD/node_modules/.bin:$PATH"
figures=no music=
case ${1:-} in
  '') ;;
  --figures) figures=yes music=${2:-} ;;
  *)
    echo "usage: hardware/check.sh [--figures [MUSIC_FOLDER]]" >&2
    exit 2
    ;;
esac
report=${STARLING_REPORT:-$(mktemp -t starling-report-XXXXXX)}
work=$(mktemp -d)
radio='' unit=starling url=''
failed=0
answer_within_s=${STARLING_ANSWER_WITHIN_S:-60}

cleanup() {
  if [ -n "$radio" ]; then
    kill "$radio" 2>/dev/null
    wait "$radio" 2>/dev/null
    radio=''
  fi
  rm -rf "$work"
}
trap cleanup EXIT

note() { printf '%s\n' "$@" | tee -a "$report"; }
section() { note "" "## $1"; }
# result ok|failed|skipped WHAT WHY
result() {
  [ "$1" != failed ] || failed=$((failed + 1))
  note "$(printf '%-8s %s%s' "$1" "$2" "${3:+ ($3)}")"
}
# A yes or no of the person; nobody there counts as not answered.
ask() {
  local answer=''
  printf '\n  %s [y/n] ' "$1" >&2
  read -r -t "$answer_within_s" answer || answer=''
  case $answer in
    y* | Y*) result ok "$2" ;;
    n* | N*) result failed "$2" 'said the person' ;;
    *) result skipped "$2" 'not answered' ;;
  esac
}
log() {
  if [ -n "$radio" ]; then cat "$work/log" 2>/dev/null; else journalctl -q -u "$unit" -b -o cat --no-pager 2>/dev/null; fi
}
lines_of() { log | grep -cE "$1"; }
# Waits until one more line of the log is like this.
press() {
  local what=$1 pattern=$2 before waited=0
  before=$(lines_of "$pattern")
  printf '\n  %s\n' "$what" >&2
  while [ "$waited" -lt "$answer_within_s" ]; do
    if [ "$(lines_of "$pattern")" -gt "$before" ]; then
      result ok "$what"
      return
    fi
    sleep 1
    waited=$((waited + 1))
  done
  result failed "$what" "nothing came within $answer_within_s s"
}
# A value of the radio's status: status_of 'light.pattern'. Asked by Node, the one program for it that is on the card, too.
status_of() {
  node --input-type=module - "$url/api/status" "$1" <<'END'
const [url, path] = process.argv.slice(2);
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  let value = await response.json();
  for (const key of path.split('.')) value = value?.[key];
  console.log(Array.isArray(value) ? value.join(' ') : (value ?? ''));
} catch {
  process.exitCode = 1;
}
END
}
status() { status_of version >/dev/null; }

find_radio() {
  section 'the radio'
  if systemctl is-active --quiet "$unit" 2>/dev/null; then
    url=${STARLING_URL:-http://127.0.0.1}
    status || url=http://127.0.0.1:8080
  elif [ -e package.json ] && command -v npm >/dev/null; then
    local args=(--data "$work/data" --http 127.0.0.1:0 --name check --station "check-$$" --deploy-after 2)
    [ -z "$music" ] || args+=(--music "$music")
    npm start --silent -- "${args[@]}" >"$work/log" 2>&1 &
    radio=$!
    for _ in $(seq 120); do
      [ ! -s "$work/data/run.json" ] || break
      kill -0 "$radio" 2>/dev/null || break
      sleep 1
    done
    url=http://127.0.0.1:$(sed -n 's/.*"http_port": \([0-9]*\).*/\1/p' "$work/data/run.json" 2>/dev/null)
  fi
  if status; then
    result ok 'the radio runs and answers' "version $(status_of node.version)"
  else
    result failed 'the radio runs and answers' "is there a service $unit, or a checkout here?"
    log | tail -n 20 | tee -a "$report"
  fi
}

check_board() {
  section 'board and power'
  local model=/proc/device-tree/model
  if [ -r "$model" ]; then note "board    $(tr -d '\0' <"$model")"; else note 'board    not a Raspberry Pi'; fi
  note "kernel   $(uname -srm)"
  note "memory   $(free -m | awk 'NR == 2 { print $2 " MB, " $7 " available" }')"
  local zone=/sys/class/thermal/thermal_zone0/temp
  [ ! -r "$zone" ] || note "heat     $(($(cat "$zone") / 1000)) degrees"
  local alarm=''
  for hwmon in /sys/class/hwmon/hwmon*; do
    [ "$(cat "$hwmon/name" 2>/dev/null)" != rpi_volt ] || alarm=$(cat "$hwmon/in0_lcrit_alarm" 2>/dev/null)
  done
  case $alarm in
    0) result ok 'the power supply is strong enough' ;;
    1) result failed 'the power supply is strong enough' 'under-voltage: take a better supply or cable' ;;
    *) result skipped 'the power supply is strong enough' 'this board does not tell' ;;
  esac
}

# Only where the card was started.
check_card() {
  local start=/run/starling-boot dog=/sys/class/watchdog/watchdog0 opened
  [ -r "$start" ] || return 0
  section 'card'
  note "start    $(cat "$start")"
  note "slot     $(grep -oE 'root=[^ ]+|starling[.][^ ]+' /proc/cmdline | tr '\n' ' ')"
  note "times    $(systemd-analyze time 2>/dev/null | head -n 1)"
  opened=$(journalctl -q -u "$unit" -b -o short-monotonic --no-pager 2>/dev/null | grep -m 1 'The hotspot is open' | tr -d '[]' | awk '{ print $1 }')
  if [ -n "$opened" ]; then note "hotspot  open $opened s after the kernel"; else note 'hotspot  not opened in this start'; fi
  note "errors   $(journalctl -q -k -b -o cat --no-pager 2>/dev/null | grep -cE 'mmc.*(error|timeout)|I/O error') lines of the kernel about the card"
  if grep -q 'data=kept' "$start"; then
    result ok 'what the box keeps is on the card'
  else
    result failed 'what the box keeps is on the card' 'it runs from memory: reset it, or take a new card'
  fi
  if [ "$(cat "$dog/state" 2>/dev/null)" = active ]; then
    result ok 'a watchdog starts the board anew when it hangs' "$(cat "$dog/identity" 2>/dev/null)"
  else
    result failed 'a watchdog starts the board anew when it hangs' "there is none, or nobody feeds it"
  fi
}

check_controls() {
  section 'buttons and light'
  local there
  if [ -z "$(log | head -n 1)" ]; then
    result skipped 'buttons and light' "the radio's log cannot be read: run this as root"
    return
  fi
  there=$(log | grep -E 'Buttons and light are there|No buttons and no light' | tail -n 1)
  note "pins     ${there:-the log says nothing of them}"
  note "chips    $(gpiodetect 2>/dev/null | tr '\n' ';')"
  if [[ $there != *'are there'* ]]; then
    result skipped 'buttons and light' 'no pins were taken'
    return
  fi
  press 'Press SKIP shortly.' 'Button +wish=skip'
  press 'Press NEVER AGAIN shortly.' 'Button +wish=never'
  press 'Press NEVER AGAIN once more, soon.' 'Button +wish=undo'
  press 'Hold SKIP for four seconds.' 'Button +wish=pair'
  ask 'Did the light flash twice after each of these?' 'the light acknowledges'
  local pattern looks
  sleep 2
  pattern=$(status_of light.pattern)
  looks=$(status_of light.looks)
  if [ -n "$looks" ]; then
    ask "The light should be: $looks. Is it?" "the light shows \"$pattern\""
  else
    result skipped 'the light shows what the radio says' 'the radio does not tell'
  fi
  note 'Both buttons together would reset the box: not tried here.'
}

check_sound() {
  section 'sound'
  aplay -l 2>/dev/null | grep '^card' | tee -a "$report"
  note "output   $(status_of output.device) $(status_of output.reason)"
  ask 'Do you hear music?' 'music is heard'
  ask 'Clean, without hiss, hum or gaps, for half a minute?' 'the sound is clean'
  note "sync     $(status_of sync.offset_ms) ms, $(status_of sync.underruns) underruns"
}

check_stick() {
  section 'stick'
  ask 'Plug in a stick with music, wait half a minute. Ready?' 'a stick was plugged in'
  note "sources  $(status_of library.sources)"
  note "tracks   $(status_of library.tracks), ready $(status_of library.ready), skipped $(status_of library.skipped_total)"
}

check_wifi() {
  section 'network'
  # Addresses and strength, no names of networks and no keys: the report is to be shown around.
  ip -brief address 2>/dev/null | awk '$1 != "lo" { print "link     " $1 " " $2 }' | tee -a "$report"
  local interface gateway
  interface=$(iw dev 2>/dev/null | awk '$1 == "Interface" { print $2; exit }')
  if [ -z "$interface" ]; then
    result skipped 'Wi-Fi' 'no Wi-Fi here, or iw is missing'
  else
    note "country  $(iw reg get 2>/dev/null | awk '/^country/ { print $2; exit }')"
    note "signal   $(iw dev "$interface" link 2>/dev/null | awk '/signal|freq|tx bitrate/ { $1 = $1; printf "%s; ", $0 }')"
  fi
  gateway=$(ip route 2>/dev/null | awk '$1 == "default" { print $3; exit }')
  if [ -z "$gateway" ] || ! command -v ping >/dev/null; then
    result skipped 'the router answers' 'no router, or ping is missing'
  else
    local ping
    ping=$(ping -q -c 20 -i 0.2 "$gateway" 2>/dev/null | tail -n 2 | tr '\n' ' ')
    if [[ $ping == *' 0% packet loss'* ]]; then result ok 'the router answers'; else result failed 'the router answers' "$ping"; fi
  fi
  ask 'Does the page open on your phone?' 'the page opens on a phone'
  note "flock    $(status_of station.roster) boxes, $(status_of now.source)"
}

note "# Starling: report of a real box" "$(date -u +%Y-%m-%dT%H:%MZ)"
check_board
find_radio
check_card
check_controls
check_sound
check_stick
check_wifi
if [ "$figures" = yes ]; then
  section 'figures'
  cleanup
  if [ -e test/bench/main.ts ]; then
    "$here/measure.sh" ${music:+"$music"} 2>&1 | tee -a "$report"
  else
    result skipped figures 'only in a checkout'
  fi
fi
note "" "$failed failed"
echo "The report is in $report"
[ "$failed" -eq 0 ]
