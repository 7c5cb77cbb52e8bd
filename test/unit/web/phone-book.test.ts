import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_PHONES, SEEN_INTERVAL_MS } from '../../../src/web/limits.ts';
import { PhoneBook } from '../../../src/web/phone-book.ts';

let dataDir: string;
let nowMs: number;
let warned: string[];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'starling-phones-'));
  nowMs = 1_700_000_000_000;
  warned = [];
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

function open(directory = dataDir): PhoneBook {
  const log = { warn: (message: string) => void warned.push(message) };
  const book = new PhoneBook({ wallMs: () => nowMs, log }, { dataDir: directory });
  book.load();
  return book;
}
const file = () => join(dataDir, 'phones.json');

describe('the list of phones', () => {
  it('finds a phone by its token, also after a restart, and by nothing else', () => {
    const { phone, token } = open().add('Ana');
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(readFileSync(file(), 'utf8')).not.toContain(token);
    const again = open();
    expect(again.find(token)).toEqual(phone);
    for (const wrong of ['', 'A'.repeat(43), token.slice(1), `${token}A`, phone.token_sha256, phone.id]) {
      expect(again.find(wrong)).toBeNull();
    }
  });

  it('is bounded: the one unseen for longest makes room', () => {
    const book = open();
    const added = Array.from({ length: MAX_PHONES }, (_, at) => {
      nowMs += 1;
      return book.add(`Phone ${at}`);
    });
    nowMs += SEEN_INTERVAL_MS;
    book.seen(book.find(added[0]!.token)!);
    const last = book.add('One more');
    expect(book.size).toBe(MAX_PHONES);
    expect(book.find(added[0]!.token)).not.toBeNull();
    expect(book.find(added[1]!.token)).toBeNull();
    expect(book.find(last.token)).not.toBeNull();
  });

  it('takes a phone off for good', () => {
    const book = open();
    const { phone, token } = book.add('Ana');
    expect(book.revoke('nobody')).toBeNull();
    expect(book.revoke(phone.id)).toEqual({ kept: true });
    expect([book.find(token), open().find(token)]).toEqual([null, null]);
  });

  it('writes down who was seen only now and then', () => {
    const book = open();
    const { phone } = book.add('Ana');
    const before = readFileSync(file(), 'utf8');
    nowMs += SEEN_INTERVAL_MS - 1;
    book.seen(phone);
    expect(readFileSync(file(), 'utf8')).toBe(before);
    nowMs += 1;
    book.seen(phone);
    expect(open().list()[0]?.seen_at_ms).toBe(nowMs);
  });

  it.each([
    ['nothing', ''],
    ['half a file', '{"version":1,"pho'],
    ['another version', '{"version":2,"phones":[]}'],
    ['no list', '{"version":1,"phones":{}}'],
    ['an entry without a hash', '{"version":1,"phones":[{"id":"AAAAAAAAAAAA","name":"x"}]}'],
    ['an empty hash', entry({ token_sha256: '' })],
    ['a hash of another length', entry({ token_sha256: 'ab' })],
  ])('with %s in its file begins anew and keeps the file', (_, text) => {
    writeFileSync(file(), text);
    expect(open().size).toBe(0);
    expect(warned).toHaveLength(1);
    expect(readdirSync(dataDir)).toEqual(['phones.json.damaged']);
  });

  it('that cannot be written goes on in memory, and says so', () => {
    const book = open(join(dataDir, 'nowhere'));
    const { token, kept } = book.add('Ana');
    expect([kept, book.find(token)?.name, warned.length]).toEqual([false, 'Ana', 1]);
    expect(book.revoke(book.list()[0]?.id ?? '')).toEqual({ kept: false });
    expect(book.size).toBe(0);
  });

  it('leaves no half-written file behind', () => {
    writeFileSync(`${file()}.${process.pid}.tmp`, 'from a power cut');
    chmodSync(`${file()}.${process.pid}.tmp`, 0o644);
    open().add('Ana');
    expect(readdirSync(dataDir)).toEqual(['phones.json']);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
  });
});

function entry(change: object): string {
  const phone = { id: 'AAAAAAAAAAAA', name: 'x', token_sha256: 'ab'.repeat(32), paired_at_ms: 1, seen_at_ms: 1 };
  return JSON.stringify({ version: 1, phones: [{ ...phone, ...change }] });
}
