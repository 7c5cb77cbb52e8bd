import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerText } from '../../../src/system/card/answer.ts';
import { checkCard } from '../../../src/system/card/check.ts';
import { keyfilesOf, ssidHexOf } from '../../../src/system/card/keyfile.ts';
import { parseCard, withoutValues } from '../../../src/system/card/parse.ts';
import { decodeCard, encodeCard } from '../../../src/system/card/text.ts';
import { knowledge, plan } from './card-knowledge.ts';

const KEYS = ['wifi', 'Wi-Fi password', 'passphrase', 'hidden', 'country', 'ssh_key', 'station', 'station_key'];
const word = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 70 }),
  fc.constantFrom('none', 'yes', 'DE', 'a'.repeat(9)),
);
const line = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc
    .tuple(
      fc.constantFrom(...KEYS, 'name', 'output', 'volume', '# wifi', 'x'),
      fc.constantFrom('=', ':', '＝', ' '),
      word,
    )
    .map(([key, sign, value]) => `${key} ${sign} ${value}`),
);
const file = fc
  .tuple(fc.array(line, { maxLength: 12 }), fc.constantFrom('\n', '\r\n'))
  .map(([all, end]) => all.join(end));

describe('any starling.txt', () => {
  it('of any bytes makes nothing throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const { text } = decodeCard(bytes);
        expect(answerText(checkCard(parseCard(text).lines, knowledge()), {})).toContain('starling.txt');
      }),
      { numRuns: 500 },
    );
  });

  it('has each of its lines applied, answered, or none that sets anything', () => {
    fc.assert(
      fc.property(file, (text) => {
        const { lines } = parseCard(text);
        const { good, findings } = plan(text);
        const told = new Set([...good, ...findings].map((item) => item.line));
        const lost = lines.filter(({ kind, number }) => (kind === 'setting' || kind === 'broken') && !told.has(number));
        expect(lost).toEqual([]);
        const both = good.filter((item) =>
          findings.some(({ line: at, level }) => at === item.line && level === 'problem'),
        );
        expect(both).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('stays without the secrets that were taken, and is understood alike afterwards', () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9]{20,40}$/);
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 6 }),
        secret,
        fc.constantFrom('wifi', 'ssid'),
        (others, password, key) => {
          const rest = others.filter(
            (other) => !/[\r\n\u2028\u2029]/.test(other) && parseCard(other).lines.length === 1,
          );
          const text = [
            `${key} = Home`,
            `password: ${password}`,
            ...rest.filter((other) => !/wifi|pass/i.test(other)),
          ].join('\n');
          const { lines } = parseCard(text);
          const before = plan(text);
          expect(before.wifi?.password).toBe(password);
          expect(answerText(before, {})).not.toContain(password);
          const after = withoutValues(text, lines, new Set(before.secrets.map(({ line: at }) => at)));
          expect(after).not.toContain(password);
          const again = plan(decodeCard(encodeCard(after)).text, ['486f6d65']);
          expect(again).toMatchObject({ wifi: null, secrets: [] });
          expect(again.good.map(({ line: at }) => at)).toEqual(before.good.map(({ line: at }) => at));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('gives key files whose network is found again by its bytes', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 32 });
    fc.assert(
      fc.property(bytes, fc.string({ unit: 'grapheme', minLength: 8, maxLength: 15 }), (ssid, password) => {
        const ssidHex = Buffer.from(ssid).toString('hex');
        const files = keyfilesOf({ ssid: 'any', ssidHex, password, hidden: false }, ['a', 'b']);
        expect(files.map(({ content }) => ssidHexOf(content))).toEqual([ssidHex, ssidHex]);
      }),
    );
  });
});
