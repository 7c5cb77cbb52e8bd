#!/usr/bin/env bash
# Takes on a real Raspberry Pi the figures that no other machine can give, and prints them as one report.
# Usage: hardware/measure.sh [MUSIC_FOLDER]   (in a checkout; about ten minutes; plays through the sound card)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH="$PWD/node_modules/.bin:$PATH"
music=${1:-}
seconds_of_sync=120

say() { printf '\n## %s\n' "$1"; }

say machine
tr -d '\0' </proc/device-tree/model 2>/dev/null || echo 'not a Raspberry Pi'
echo
uname -srm
free -m | sed -n 2p
ffmpeg -version | head -n 1
mpv --version | head -n 1

say 'memory and processor (MB, %)'
npm run --silent bench -- footprint --json | tail -n 1

say 'library against bare ffmpeg and hashing'
npm run --silent bench -- library --json | tail -n 1

say "sound against station time, ${seconds_of_sync} s (ms; the player's own reading)"
data=$(mktemp -d)
args=(--data "$data" --http 0 --name measure --station "measure-$$" --deploy-after 2 --output alsa)
[ -z "$music" ] || args+=(--music "$music")
npm start --silent -- "${args[@]}" >"$data/log" 2>&1 &
radio=$!
trap 'kill $radio 2>/dev/null || true; rm -rf "$data"' EXIT
until [ -s "$data/run.json" ]; do sleep 1; kill -0 $radio; done
port=$(sed -n 's/.*"http_port": \([0-9]*\).*/\1/p' "$data/run.json")
sleep 60
for _ in $(seq "$seconds_of_sync"); do
  node -e 'fetch(process.argv[1]).then((r) => r.json()).then(({ sync }) => sync.offset_ms !== null && console.log(sync.offset_ms))' \
    "http://127.0.0.1:$port/api/status"
  sleep 1
done | tr -d - | sort -n | awk '{ v[NR] = $1 } END { if (NR) printf "n %d  p50 %.3f  p95 %.3f  max %.3f\n", NR, v[int((NR + 1) / 2)], v[int(NR * 0.95 + 0.5)], v[NR]; else print "nothing was measured: is there a sound card?" }'
vcgencmd measure_temp 2>/dev/null || true
