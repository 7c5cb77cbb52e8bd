import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { CardKeeper, CardRecord } from './card.ts';
import { ssidHexOf, withVisibility } from './keyfile.ts';
import { MAX_KEYFILES } from './limits.ts';

export interface KeeperInit {
  /** NetworkManager's kept networks. */
  connectionsDir: string;
  /** The radio's data directory, and how to write there as its owner. */
  radioDir: string;
  asRadio<T>(action: () => T): T;
  /** Authorized keys, and whether SSH is wanted; read by the SSH unit. */
  sshDir: string;
}

/** The name the radio and systemd/starling-country.service know. */
const COUNTRY_FILE = 'country';
/** The name the radio knows (src/main.ts). */
const LET_IN_FILE = 'let-in';
const KEYS_FILE = 'authorized_keys';
const SSH_MARK = 'ssh-enabled';
const SECRET_MODE = 0o600;
const PLAIN_MODE = 0o644;

export function createKeeper(init: KeeperInit): CardKeeper {
  const { connectionsDir, radioDir, sshDir, asRadio } = init;
  return {
    keepWifi(ssidHex, files) {
      mkdirSync(connectionsDir, { recursive: true, mode: 0o700 });
      const older = keyfilesWith(connectionsDir, ssidHex).filter((name) => files.every((file) => file.name !== name));
      for (const { name, content } of files) write(connectionsDir, name, content, SECRET_MODE);
      for (const name of older) rmSync(join(connectionsDir, name), { force: true });
      syncFolder(connectionsDir);
    },
    isKept: (ssidHex) => keyfilesWith(connectionsDir, ssidHex).length > 0,
    keepVisibility({ ssidHex, hidden }) {
      for (const name of keyfilesWith(connectionsDir, ssidHex)) {
        const content = readFileSync(join(connectionsDir, name), 'utf8');
        const changed = withVisibility(content, hidden);
        if (changed !== content) write(connectionsDir, name, changed, SECRET_MODE);
      }
    },
    keepCountry(code) {
      asRadio(() => write(radioDir, COUNTRY_FILE, `${code}\n`, PLAIN_MODE));
    },
    keepLetIn() {
      asRadio(() => write(radioDir, LET_IN_FILE, '', SECRET_MODE));
    },
    keepSshKeys(keys) {
      mkdirSync(sshDir, { recursive: true, mode: 0o755 });
      if (keys.length > 0) {
        write(sshDir, KEYS_FILE, `${keys.join('\n')}\n`, SECRET_MODE);
        write(sshDir, SSH_MARK, '', SECRET_MODE);
        return;
      }
      for (const name of [SSH_MARK, KEYS_FILE]) rmSync(join(sshDir, name), { force: true });
      syncFolder(sshDir);
    },
  };
}

/** Files of kept networks with this name; one that cannot be read is none. */
function keyfilesWith(dir: string, ssidHex: string): string[] {
  let names: string[] = [];
  try {
    names = readdirSync(dir).filter((name) => name.endsWith('.nmconnection'));
  } catch {
    // No network was kept yet.
  }
  return names.slice(0, MAX_KEYFILES).filter((name) => {
    try {
      return ssidHexOf(readFileSync(join(dir, name), 'utf8')) === ssidHex;
    } catch {
      return false;
    }
  });
}

/** The record, in words that the start script can look for: `"done": "<hash>"`. */
export function recordText(record: CardRecord): string {
  return `${JSON.stringify({ version: 1, ...record }, null, 1)}\n`;
}

/** @returns an empty one when it is not a record */
export function recordOf(text: string): CardRecord {
  try {
    const json = JSON.parse(text) as Partial<Record<keyof CardRecord, unknown>> | null;
    const done = typeof json?.done === 'string' ? json.done : null;
    return { applied: textsOf(json?.applied), left: textsOf(json?.left), done };
  } catch {
    return { applied: [], left: [], done: null };
  }
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** Old content or new, and on the disk. A hidden name: NetworkManager must not read a part. */
function write(dir: string, name: string, content: string, mode: number): void {
  const part = join(dir, `.${name}.part`);
  rmSync(part, { force: true });
  const file = openSync(part, 'wx', mode);
  try {
    writeSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(part, join(dir, name));
  syncFolder(dir);
}

function syncFolder(dir: string): void {
  const folder = openSync(dir, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
