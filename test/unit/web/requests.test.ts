/** What is read out of a request before anything is done: cookies, JSON, fields, origins, forms. */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkOrigin, isType } from '../../../src/web/change-guards.ts';
import { readCookie } from '../../../src/web/cookies.ts';
import { RequestError } from '../../../src/web/errors.ts';
import { Forms } from '../../../src/web/forms.ts';
import { parseObject, readBody, repeatedKey } from '../../../src/web/json-body.ts';
import { FORM_TIME_MS, MAX_BODY_BYTES, MAX_FORMS, MAX_FORMS_PER_CLIENT } from '../../../src/web/limits.ts';
import { checkFields, type Rules } from '../../../src/web/schema.ts';

function refusalOf(action: () => unknown): RequestError {
  try {
    action();
  } catch (error) {
    if (error instanceof RequestError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

describe('a cookie', () => {
  it.each([
    ['a=1', '1'],
    ['b=2; a=1; c=3', '1'],
    [' a=1 ', '1'],
    ['a=', ''],
    ['a=1=2', '1=2'],
    ['aa=1', null],
    ['A=1', null],
    ['a=1; a=1', null],
    ['a=1;a=2', null],
    ['a', null],
    ['', null],
    [undefined, null],
  ])('of %j is %j', (header, value) => expect(readCookie(header, 'a')).toBe(value));
});

describe('a body', () => {
  const request = (chunks: Buffer[], headers: Record<string, string> = {}) =>
    Object.assign(Readable.from(chunks), { headers }) as unknown as IncomingMessage;

  it('is put together from its pieces', async () => {
    const pieces = [...Buffer.from('{"a":"鳥"}')].map((byte) => Buffer.from([byte]));
    expect(await readBody(request(pieces))).toBe('{"a":"鳥"}');
    expect(await readBody(request([]))).toBe('');
  });

  it.each([
    ['not UTF-8', [Buffer.from([0x7b, 0xff, 0x7d])], {}, 'bad_json'],
    ['cut off inside a character', [Buffer.from('鳥').subarray(0, 2)], {}, 'bad_json'],
    ['said to be large', [], { 'content-length': String(MAX_BODY_BYTES + 1) }, 'body_too_large'],
    [
      'larger than it said',
      [Buffer.alloc(MAX_BODY_BYTES), Buffer.alloc(1)],
      { 'content-length': '5' },
      'body_too_large',
    ],
    ['packed', [Buffer.from('{}')], { 'content-encoding': 'gzip' }, 'wrong_type'],
  ])('that is %s is refused', async (_, chunks, headers, code) => {
    await expect(readBody(request(chunks, headers))).rejects.toMatchObject({ code });
  });
});

describe('JSON', () => {
  it('with a key twice in one object is refused, however it is spelled', () => {
    expect(repeatedKey('{"a":1,"a":2}')).toBe('a');
    expect(repeatedKey('{"a":1,"\\u0061"\n\t :2}')).toBe('a');
    expect(repeatedKey('{"b":{"a":1},"a":2,"c":[{"a":1},{"a":1}]}')).toBeNull();
    expect(repeatedKey('{"b":[{"x":1,"x":2}]}')).toBe('x');
    expect(repeatedKey('{"a":"a\\":","b":"{\\"a\\":1,\\"a\\":2}"}')).toBeNull();
    expect(refusalOf(() => parseObject('{"a":1,"a":2}')).fault.field).toBe('a');
  });

  it('that says everything once passes', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat({ max: 4 }), (value, indent) => {
        expect(parseObject(JSON.stringify(value, null, indent))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe('fields', () => {
  const RULES = {
    text: { kind: 'text', pattern: /^.{1,4}$/u, mostBytes: 6, allowed: 'short' },
    whole: { kind: 'whole', least: -5, most: 5, nullable: true },
    choice: { kind: 'choice', of: ['on', 'off'], optional: true },
    secret: { kind: 'text', pattern: /^x+$/, allowed: 'x', optional: true, secret: true },
    texts: { kind: 'texts', pattern: /^[a-z]+$/, most: 2, allowed: 'two words', optional: true },
    yes: { kind: 'boolean', optional: true },
  } as const satisfies Rules;
  const right = { text: 'abc', whole: null };

  it('that fit are given as they are, and no others', () => {
    expect(checkFields(right, RULES)).toEqual(right);
    const all = { ...right, choice: 'on', secret: 'xx', texts: ['a', 'b'], yes: false, whole: -5 };
    expect(checkFields(all, RULES)).toEqual(all);
  });

  it.each([
    [{ whole: 1 }, 'text', 'bad_field'],
    [{ ...right, more: 1 }, 'more', 'unknown_field'],
    [{ ...right, text: 'abcde' }, 'text', 'bad_field'],
    [{ ...right, text: '鳥鳥鳥' }, 'text', 'bad_field'],
    [{ ...right, text: 'a\nb' }, 'text', 'bad_field'],
    [{ ...right, text: 'a\u001bb' }, 'text', 'bad_field'],
    [{ ...right, text: 'a\u0000b' }, 'text', 'bad_field'],
    [{ ...right, text: 'a\ud800b' }, 'text', 'bad_field'],
    [{ ...right, text: null }, 'text', 'bad_field'],
    [{ ...right, text: ['abc'] }, 'text', 'bad_field'],
    [{ ...right, whole: 6 }, 'whole', 'bad_field'],
    [{ ...right, whole: Number.NaN }, 'whole', 'bad_field'],
    [{ ...right, whole: '1' }, 'whole', 'bad_field'],
    [{ ...right, choice: 'ON' }, 'choice', 'bad_field'],
    [{ ...right, choice: 'toString' }, 'choice', 'bad_field'],
    [{ ...right, texts: ['a', 'b', 'c'] }, 'texts', 'bad_field'],
    [{ ...right, texts: ['a', 1] }, 'texts', 'bad_field'],
    [{ ...right, texts: { length: 0 } }, 'texts', 'bad_field'],
    [{ ...right, yes: 'true' }, 'yes', 'bad_field'],
    [{ ...right, secret: 'hunter2' }, 'secret', 'bad_field'],
  ])('%j are refused, and the answer names %s', (body, field, code) => {
    const error = refusalOf(() => checkFields(body as Record<string, unknown>, RULES));
    expect([error.status, error.code, error.fault.field]).toEqual([400, code, field]);
    expect(error.message).toContain(`"${field}"`);
    expect(error.fault.allowed?.length).toBeGreaterThan(0);
    expect(error.message).not.toContain('hunter2');
  });

  it('of any kind end in an answer, never in another error', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (body) => {
        try {
          checkFields(body, RULES);
        } catch (error) {
          expect(error).toBeInstanceOf(RequestError);
          expect((error as Error).message.length).toBeLessThan(300);
        }
      }),
    );
  });
});

describe('an origin', () => {
  const from = (headers: Record<string, string | undefined>) => () => checkOrigin({ headers } as never);

  it.each([
    { host: '192.168.1.5:8080' },
    { host: '192.168.1.5:8080', origin: 'http://192.168.1.5:8080' },
    { host: 'starling.local:80', origin: 'http://starling.local' },
    { host: 'Starling.local', origin: 'http://starling.local', 'sec-fetch-site': 'same-origin' },
    { host: '[::1]:8080', origin: 'http://[::1]:8080' },
  ])('of our own page passes: %j', (headers) => expect(from(headers)).not.toThrow());

  it.each([
    { host: 'a.local', origin: 'null' },
    { host: 'a.local', origin: '' },
    { host: 'a.local', origin: 'https://a.local' },
    { host: 'a.local', origin: 'http://a.local:81' },
    { host: 'a.local', origin: 'http://a.local.evil.example' },
    { host: 'a.local', origin: 'http://evil.example/http://a.local' },
    { host: 'a.local', origin: 'http://user@a.local' },
    { host: 'a.local', origin: 'http://a.local, http://evil.example' },
    { host: 'a.local', origin: 'http://a.local', 'sec-fetch-site': 'cross-site' },
    { host: 'a.local', 'sec-fetch-site': 'same-site' },
  ])('of another does not: %j', (headers) => expect(refusalOf(from(headers)).code).toBe('foreign_origin'));

  it('comes with a type of its own', () => {
    for (const type of ['application/json', 'Application/JSON; charset=UTF-8', 'application/json;charset="utf-8"']) {
      expect([type, isType(type, 'application/json')]).toEqual([type, true]);
    }
    for (const type of [
      'text/plain',
      'application/jsonp',
      'text/plain; application/json',
      'application/json; charset=utf-16',
    ]) {
      expect([type, isType(type, 'application/json')]).toEqual([type, false]);
    }
    expect(isType(undefined, 'application/json')).toBe(false);
  });
});

describe('a form', () => {
  it('is good once, for its client, for a while', () => {
    const forms = new Forms();
    const [one, two, three] = [forms.make('a', 'own', 0), forms.make('a', 'ask', 0), forms.make('a', 'let-in', 0)];
    expect(forms.take(one, 'b', 1)).toBeNull();
    expect(forms.take(one, 'a', 1)).toBe('own');
    expect(forms.take(one, 'a', 1)).toBeNull();
    expect(forms.take(two, 'a', FORM_TIME_MS - 1)).toBe('ask');
    expect(forms.take(three, 'a', FORM_TIME_MS)).toBeNull();
  });

  it('of one client pushes out none of another; all are bounded', () => {
    const forms = new Forms();
    const mine = forms.make('me', 'own', 0);
    for (let at = 0; at < 100; at++) forms.make('flood', 'own', 0);
    expect(forms.size).toBe(1 + MAX_FORMS_PER_CLIENT);
    expect(forms.take(mine, 'me', 1)).toBe('own');
    for (let at = 0; at < 300; at++) forms.make(`client ${at}`, 'own', 0);
    expect(forms.size).toBe(MAX_FORMS);
    forms.make('later', 'own', FORM_TIME_MS);
    expect(forms.size).toBe(1);
  });
});
