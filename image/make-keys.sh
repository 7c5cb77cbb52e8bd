#!/usr/bin/env bash
# make-keys.sh [PRIVATE-KEY]: makes the pair of release keys of whoever builds images: the private half signs updates, the
# public half goes into images, which take updates from nobody else. Neither belongs into the repository. A lost private
# key cannot be replaced on boxes that are out already: keep a copy of it in a safe place.
set -euo pipefail
private="${1:-${XDG_CONFIG_HOME:-$HOME/.config}/starling/release-key.pem}"
public="${private%.pem}.pub.pem"
for file in "$private" "$public"; do
  [ ! -e "$file" ] || { printf 'make-keys: %s is there already, and is not replaced\n' "$file" >&2; exit 1; }
done
mkdir -p "$(dirname "$private")"
umask 077
node - "$private" "$public" <<'SCRIPT'
const { generateKeyPairSync } = require('node:crypto');
const { writeFileSync } = require('node:fs');
const [privatePath, publicPath] = process.argv.slice(2);
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
writeFileSync(privatePath, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' });
writeFileSync(publicPath, publicKey.export({ type: 'spki', format: 'pem' }), { mode: 0o644, flag: 'wx' });
SCRIPT
chmod 644 "$public"
printf 'private key, for signing:   %s\npublic key, for the image:  %s\n' "$private" "$public"
