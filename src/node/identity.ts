import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from './atomic-file.ts';
import { takeOlderCopy } from './older-copy.ts';

const IDENTITY_FILE = 'identity.json';
/** Raised by nobody who does not leave a copy of this form behind (older-copy.ts). */
const IDENTITY_VERSION = 1;
const SEED_BYTES = 32;

/**
 * The two secrets of a node: one signs, the other draws. They are separate because a VRF proof and a signature made
 * with one secret could be combined to compute it.
 */
export interface Identity {
  signingSeed: Uint8Array;
  vrfSeed: Uint8Array;
}

/** The identity file is there but cannot be used; making a new one would silently turn this box into another. */
export class IdentityError extends Error {
  constructor(path: string, cause: string) {
    super(
      `${path}: ${cause}. Expected {"version":1,"signing_seed":<64 hex>,"vrf_seed":<64 hex>}. ` +
        'Restore the file from a backup, or remove it to let this box begin as a new one.',
    );
    this.name = 'IdentityError';
  }
}

/**
 * Reads the node's identity from the data directory, or makes one at the first start.
 * @throws IdentityError when the file is damaged
 */
export function loadIdentity(dataDir: string): Identity {
  const path = join(dataDir, IDENTITY_FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return createIdentity(path);
  }
  return parseIdentity(path, takeOlderCopy(path, text, IDENTITY_VERSION, 0o600) ?? text);
}

function createIdentity(path: string): Identity {
  const identity = { signingSeed: randomSeed(), vrfSeed: randomSeed() };
  const json = {
    version: IDENTITY_VERSION,
    signing_seed: Buffer.from(identity.signingSeed).toString('hex'),
    vrf_seed: Buffer.from(identity.vrfSeed).toString('hex'),
  };
  writeFileAtomically(path, `${JSON.stringify(json, null, 2)}\n`, 0o600);
  return identity;
}

function parseIdentity(path: string, text: string): Identity {
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(text);
  } catch {
    throw new IdentityError(path, 'not JSON');
  }
  if (json === null || typeof json !== 'object') throw new IdentityError(path, 'not a JSON object');
  if (json.version !== IDENTITY_VERSION)
    throw new IdentityError(path, `version ${JSON.stringify(json.version)} is not known here`);
  return { signingSeed: seed(path, json, 'signing_seed'), vrfSeed: seed(path, json, 'vrf_seed') };
}

function seed(path: string, json: Record<string, unknown>, field: string): Uint8Array {
  const value = json[field];
  if (typeof value !== 'string' || !/^[0-9a-f]{64}$/.test(value)) throw new IdentityError(path, `bad ${field}`);
  return Uint8Array.from(Buffer.from(value, 'hex'));
}

function randomSeed(): Uint8Array {
  return Uint8Array.from(randomBytes(SEED_BYTES));
}
