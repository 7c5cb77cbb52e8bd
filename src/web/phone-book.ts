import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MAX_PHONE_NAME_CHARS, MAX_PHONES, SEEN_INTERVAL_MS } from './limits.ts';

/** A phone that may change things. What it proves itself with is kept as a hash only. */
export interface Phone {
  id: string;
  name: string;
  /** 64 hex digits. */
  token_sha256: string;
  /** Wall clock, milliseconds since 1970. */
  paired_at_ms: number;
  seen_at_ms: number;
}

const FILE = 'phones.json';
const FILE_VERSION = 1;
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

export interface PhoneBookComponents {
  wallMs(): number;
  log: { warn(message: string, fields?: Record<string, unknown>): void };
}

/** The paired phones, in `phones.json` of the data directory: `{version, phones}`, mode 600, written atomically. */
export class PhoneBook {
  readonly #components: PhoneBookComponents;
  readonly #path: string;
  #phones: Phone[] = [];

  constructor(components: PhoneBookComponents, init: { dataDir: string }) {
    this.#components = components;
    this.#path = join(init.dataDir, FILE);
  }

  /** Reads the file. One that is damaged is moved aside, and phones have to be paired again. */
  load(): void {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#setAside(error as Error);
      return;
    }
    try {
      this.#phones = readPhones(JSON.parse(text));
    } catch (error) {
      this.#setAside(error as Error);
    }
  }

  get size(): number {
    return this.#phones.length;
  }

  /** The longest paired first. */
  list(): readonly Phone[] {
    return this.#phones;
  }

  /** Whose token this is. Takes as long for every wrong one: all hashes are compared, each in constant time. */
  find(token: string): Phone | null {
    if (!TOKEN.test(token)) return null;
    const hash = tokenHash(token);
    let found: Phone | null = null;
    for (const phone of this.#phones) {
      if (timingSafeEqual(hash, Buffer.from(phone.token_sha256, 'hex'))) found = phone;
    }
    return found;
  }

  /** Notes that a phone was here. */
  seen(phone: Phone): void {
    const nowMs = this.#components.wallMs();
    if (Math.abs(nowMs - phone.seen_at_ms) < SEEN_INTERVAL_MS) return;
    phone.seen_at_ms = nowMs;
    this.#keep();
  }

  /** Takes a phone in. The token is told here and never again. `kept`: it will be known after a restart too. */
  add(name: string): { phone: Phone; token: string; kept: boolean } {
    const nowMs = this.#components.wallMs();
    const token = randomBytes(32).toString('base64url');
    const phone: Phone = {
      id: randomBytes(9).toString('base64url'),
      name,
      token_sha256: tokenHash(token).toString('hex'),
      paired_at_ms: nowMs,
      seen_at_ms: nowMs,
    };
    if (this.#phones.length >= MAX_PHONES) {
      const stalest = this.#phones.reduce((least, other) => (other.seen_at_ms < least.seen_at_ms ? other : least));
      this.#phones = this.#phones.filter((other) => other !== stalest);
    }
    this.#phones.push(phone);
    return { phone, token, kept: this.#keep() };
  }

  /** Takes a phone off the list. @returns null for an unknown one; `kept` as in `add` */
  revoke(id: string): { kept: boolean } | null {
    const left = this.#phones.filter((phone) => phone.id !== id);
    if (left.length === this.#phones.length) return null;
    this.#phones = left;
    return { kept: this.#keep() };
  }

  /** Forgets all of them. */
  clear(): { kept: boolean } {
    this.#phones = [];
    return { kept: this.#keep() };
  }

  #keep(): boolean {
    try {
      writeFileAtomically(this.#path, `${JSON.stringify({ version: FILE_VERSION, phones: this.#phones }, null, 2)}\n`);
      return true;
    } catch (error) {
      this.#components.log.warn('the list of paired phones could not be written', { cause: (error as Error).message });
      return false;
    }
  }

  #setAside(error: Error): void {
    this.#phones = [];
    this.#components.log.warn('the list of paired phones was damaged and is kept aside', { cause: error.message });
    try {
      renameSync(this.#path, `${this.#path}.damaged`);
    } catch {
      // Not even that: the next phone that is paired writes a new one, or is known until the restart.
    }
  }
}

export function tokenHash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** @throws {TypeError} naming what is wrong */
function readPhones(file: unknown): Phone[] {
  const { version, phones } = (file ?? {}) as { version?: unknown; phones?: unknown };
  if (version !== FILE_VERSION) throw new TypeError(`version is ${String(version)}, allowed is ${FILE_VERSION}`);
  if (!Array.isArray(phones) || phones.length > MAX_PHONES) throw new TypeError('phones is no list within its bound');
  return phones.map(readPhone);
}

function readPhone(entry: unknown): Phone {
  const { id, name, token_sha256, paired_at_ms, seen_at_ms } = (entry ?? {}) as Record<string, unknown>;
  const isOurs =
    typeof id === 'string' &&
    /^[A-Za-z0-9_-]{12}$/.test(id) &&
    typeof name === 'string' &&
    name.length <= MAX_PHONE_NAME_CHARS &&
    typeof token_sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(token_sha256) &&
    Number.isSafeInteger(paired_at_ms) &&
    Number.isSafeInteger(seen_at_ms);
  if (!isOurs) throw new TypeError('an entry of phones is not as this program writes it');
  return { id, name, token_sha256, paired_at_ms: paired_at_ms as number, seen_at_ms: seen_at_ms as number };
}

/** A power cut leaves the old file or the new one: temporary file, fsync, rename, fsync of the directory. */
function writeFileAtomically(path: string, content: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  // One that a power cut left would keep its own mode.
  rmSync(temporary, { force: true });
  const file = openSync(temporary, 'wx', 0o600);
  try {
    writeSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
