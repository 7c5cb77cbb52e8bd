/** Public keys for SSH, one line each. Pure. */
import type { Checked } from './types.ts';

export const SSH_ALLOWED =
  'one line of a file such as id_ed25519.pub: ssh-ed25519 AAAA... (also ecdsa-sha2-nistp256, ssh-rsa with 2048 bits and more, and keys of security keys); or "none" to turn SSH off';

const TYPES = new Set([
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
  'ssh-rsa',
]);
/** 2048 bits and a leading zero byte. */
const MIN_RSA_BYTES = 256;
/** An RSA key of 16384 bits. */
const MAX_BLOB_BYTES = 4_096;

/** @returns the line for authorized_keys */
export function checkSshKey(text: string): Checked<string> {
  if (/PRIVATE KEY/.test(text)) return bad('is a private key, which belongs on no card; the public one ends in .pub');
  const [type = '', blob = '', ...comment] = text.trim().split(/\s+/);
  if (type === 'ssh-dss') return bad('is a DSA key, which OpenSSH no longer takes');
  if (!TYPES.has(type)) return bad('does not begin with a kind of key that is taken');
  const fields = fieldsOf(blob);
  if (fields === null) return bad('is cut off or damaged: a key is one long line');
  if (new TextDecoder().decode(fields[0]) !== type) return bad('is damaged: the kind inside is another one');
  const modulus = fields[2]?.length ?? 0;
  if (type === 'ssh-rsa' && modulus < MIN_RSA_BYTES) return bad('is an RSA key of less than 2048 bits');
  const note = comment.join(' ').replace(/[^\p{L}\p{N}@._+ -]/gu, '');
  return { ok: true, value: `${type} ${blob} ${note}`.trim() };
}

function bad(cause: string): Checked<never> {
  return { ok: false, cause };
}

/** A key is a list of fields, each with its length before it; null when it is not. */
function fieldsOf(base64: string): Uint8Array[] | null {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length > MAX_BLOB_BYTES * 2) return null;
  const bytes = bytesOf(base64);
  if (bytes === null) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) return null;
    const end = at + 4 + view.getUint32(at);
    if (end > bytes.length) return null;
    fields.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return fields.length >= 2 ? fields : null;
}

function bytesOf(base64: string): Uint8Array | null {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}
