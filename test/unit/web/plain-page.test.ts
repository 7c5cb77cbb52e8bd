import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { imageType, isCidText } from '../../../src/web/images.ts';
import { PLAIN_MARK, renderPage } from '../../../src/web/plain-page.ts';
import { escapeHtml, pickLanguage, type Texts, timeText, translator } from '../../../src/web/plain-text.ts';
import { sampleSnapshot } from '../../web/sample.ts';

const page = (path: string) => readFileSync(new URL(`../../../web-setup/${path}`, import.meta.url), 'utf8');
const languages = readdirSync(new URL('../../../web-setup/text', import.meta.url)).map((name) => name.slice(0, 2));
const texts = Object.fromEntries(
  languages.map((language) => [language, JSON.parse(page(`text/${language}.json`)) as Texts]),
);
const english = texts.en!;

describe('the plain page', () => {
  const render = (snapshot = sampleSnapshot(), language = 'en') =>
    renderPage(page('index.html'), snapshot, language, texts[language]!);

  it('tells what plays, what comes, who chose it and who is here, in the language asked for', () => {
    const html = render();
    for (const text of [
      'Night Birds',
      'Murmuration over the Pier',
      'Roost',
      'brought by <bdi>Wren</bdi>',
      'locked.m4p',
    ]) {
      expect(html).toContain(text);
    }
    expect(html).not.toContain(PLAIN_MARK);
    expect(render(sampleSnapshot(), 'ja')).toMatch(/<html lang="ja"[\s\S]*<bdi>Wren<\/bdi> の選曲/);
  });

  it('escapes whatever tags and peers bring, also where the template could be fooled', () => {
    const evil = `"><script>alert(1)</script>$&$'$\`{ready}{name}<!-- plain status -->`;
    const snapshot = sampleSnapshot();
    snapshot.station.name = evil;
    snapshot.now!.track = { hash: evil, name: evil, title: evil, artist: evil, cover: evil };
    snapshot.now!.node_name = evil;
    snapshot.queue[0]!.node_name = evil;
    snapshot.queue[0]!.track = { hash: evil, name: evil };
    snapshot.peers[0]!.name = evil;
    snapshot.library.skipped = [{ path: evil, reason: evil, text: evil }];
    snapshot.notices = [{ level: 'error', code: evil, text: evil }];
    const html = render(snapshot);
    expect(html).not.toContain('<script>alert');
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(html.split(escapeHtml(evil)).length).toBeGreaterThan(9);
    expect(html).not.toContain('/cover/');
  });

  it('says so when nothing plays, nobody is here and no music was found', () => {
    const snapshot = sampleSnapshot();
    Object.assign(snapshot, { now: null, queue: [], peers: [] });
    const html = render(snapshot);
    for (const key of ['now.nothing', 'queue.empty', 'flock.alone']) expect(html).toContain(english[key]);
  });

  it('never lets a text out of its element', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(escapeHtml(text)).not.toMatch(/[<>"']|&(?!amp;|lt;|gt;|quot;|#39;)/);
      }),
    );
  });
});

describe('the words', () => {
  it.each(languages)('%s has every text, with the same placeholders', (language) => {
    const fixed = (key: string) => key.replace(/\.(zero|one|two|few|many|other)$/, '');
    const keys = (of: Texts) => [...new Set(Object.keys(of).map(fixed))].sort();
    expect(keys(texts[language]!)).toEqual(keys(english));
    const holes = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
    for (const [key, text] of Object.entries(texts[language]!)) {
      expect([key, holes(text)]).toEqual([key, holes(english[key] ?? english[`${fixed(key)}.other`]!)]);
      expect(text.trim()).toBe(text);
    }
  });

  it('of the page as it is delivered are the English ones', () => {
    for (const [, key, text] of page('index.html').matchAll(/data-text="([^"]+)"[^>]*>([^<]*)</g)) {
      expect([key, text]).toEqual([key, english[key!]]);
    }
  });

  it('used by the script are all there', () => {
    const script = readdirSync(new URL('../../../web-setup/script', import.meta.url))
      .map((name) => page(`script/${name}`))
      .join('\n');
    const known = (key: string) => key in english || `${key}.other` in english;
    const used = [...script.matchAll(/\bt\('([\w.]+)'/g)].map(([, key]) => key!);
    expect(used.length).toBeGreaterThan(15);
    expect(used.filter((key) => !known(key))).toEqual([]);
  });

  it('follow the language that was asked for', () => {
    const offered = ['en', 'de', 'es', 'ja'];
    expect(pickLanguage('de-AT,de;q=0.9,en;q=0.8', offered)).toBe('de');
    expect(pickLanguage('fr, es;q=0.5, ja;q=0.7', offered)).toBe('ja');
    expect(pickLanguage('de;q=0, es', offered)).toBe('es');
    for (const header of [undefined, '', '*', 'fr', ',,;q', 'de;q=0']) expect(pickLanguage(header, offered)).toBe('en');
  });

  it('count in plurals and fill only the holes of their own text', () => {
    const t = translator('en', english);
    expect(t('music.skipped', { n: 1 })).toBe('1 file skipped');
    expect(t('music.skipped', { n: 1_200 })).toBe('1,200 files skipped');
    expect(t('by', { name: '{name} {x}' })).toBe('brought by {name} {x}');
    expect(t('no.such.text')).toBe('no.such.text');
  });

  it('show times as people write them', () => {
    expect([0, 999, 61_000, 3_723_000, -5].map(timeText)).toEqual(['0:00', '0:00', '1:01', '1:02:03', '0:00']);
  });
});

describe('pictures', () => {
  it('are known by their first bytes', () => {
    const bytes = (...parts: (number | string)[]) =>
      Buffer.concat(parts.map((part) => Buffer.from(typeof part === 'string' ? part : [part])));
    expect(imageType(bytes(0xff, 0xd8, 0xff, 0xe0))).toBe('image/jpeg');
    expect(imageType(bytes(0x89, 'PNG\r\n', 0x1a, '\n'))).toBe('image/png');
    expect(imageType(bytes('RIFF', 0, 0, 0, 0, 'WEBPVP8 '))).toBe('image/webp');
    expect(imageType(bytes('GIF89a'))).toBe('image/gif');
    for (const other of ['', '<svg onload=alert(1)>', '<!doctype html>', 'RIFF0000WAVE', '%PDF']) {
      expect(imageType(bytes(other))).toBeNull();
    }
  });

  it('are asked for by CIDs alone', () => {
    expect(isCidText('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')).toBe(true);
    expect(isCidText('QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG')).toBe(true);
    for (const other of [
      '',
      'x',
      '../../etc/passwd',
      `b${'a'.repeat(200)}`,
      'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbd/',
    ]) {
      expect(isCidText(other)).toBe(false);
    }
  });
});
