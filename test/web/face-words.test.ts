/** The page's files, without a browser: its words in every language, and its weight. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadPageFiles } from '../../src/web/page-files.ts';
import { WEB_ROOT } from './serve.ts';

const LANGUAGES = ['en', 'de', 'es', 'ja'];
const MAX_GZIPPED_BYTES = 100_000;

const textsOf = (language: string) =>
  JSON.parse(readFileSync(join(WEB_ROOT, 'text', `${language}.json`), 'utf8')) as Record<string, string>;
const english = textsOf('en');
const read = (folder: string, ending: string) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
const html = readFileSync(join(WEB_ROOT, 'index.html'), 'utf8');
const scripts = read(join(WEB_ROOT, 'script'), '.js');
/** Key without the plural form that it may end in. */
const stem = (key: string) => key.replace(/\.(zero|one|two|few|many|other)$/, '');
const placeholders = (text: string) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort().join(' ');

describe('the words of the page', () => {
  it('are in English, German, Spanish and Japanese', () => {
    expect(readdirSync(join(WEB_ROOT, 'text')).sort()).toEqual(LANGUAGES.map((name) => `${name}.json`).sort());
  });

  it.each(LANGUAGES)('%s has every text, with every plural form of the language, and nothing else', (language) => {
    const texts = textsOf(language);
    const categories = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    const wanted = Object.keys(english).flatMap((key) => {
      if (key.endsWith('.one')) return [];
      // "many" is of millions in Spanish, and reads as "other" here.
      if (key.endsWith('.other') && `${stem(key)}.one` in english) {
        return categories.filter((form) => form === 'one' || form === 'other').map((form) => `${stem(key)}.${form}`);
      }
      return [key];
    });
    expect(Object.keys(texts).sort()).toEqual(wanted.sort());
    for (const [key, text] of Object.entries(texts)) {
      expect(text.trim(), key).not.toBe('');
      const pattern = english[key] ?? '';
      // "one" may do without its number.
      if (!key.endsWith('.one')) expect([key, placeholders(text)]).toEqual([key, placeholders(pattern)]);
    }
  });

  it.each(['de', 'es', 'ja'])('%s leaves no sentence in English', (language) => {
    const same = Object.entries(textsOf(language)).filter(([key, text]) => english[key] === text && text.includes(' '));
    expect(same.filter(([, text]) => !/^(in )?\{/.test(text))).toEqual([]);
  });

  it('are all there that the page and the server ask for, and no more', () => {
    const server = read(join(WEB_ROOT, '../src/web'), '.ts');
    const asked = [
      ...[...html.matchAll(/data-(?:text|label)="([^"]+)"/g)].map((match) => match[1] ?? ''),
      ...[...scripts.matchAll(/\bt\('([a-z.A-Z_]+)'/g)].map((match) => match[1] ?? ''),
      ...[...scripts.matchAll(/makeText\('\w+', '[^']*', '([a-z._]+)'\)/g)].map((match) => match[1] ?? ''),
      ...[...scripts.matchAll(/\b(?:button|field)\('([a-z._]+)'/g)].map((match) => match[1] ?? ''),
      ...[...server.matchAll(/\bt\('([a-z._]+)'/g)].map((match) => match[1] ?? ''),
    ];
    const known = new Set(Object.keys(english).flatMap((key) => [key, stem(key)]));
    expect(asked.filter((key) => !known.has(key))).toEqual([]);
    const all = html + scripts + server;
    const templates = [...all.matchAll(/`([\w.]+\.\$\{[^`]+)`/g)].map(
      ([, text = '']) => new RegExp(`^${text.replace(/\./g, '\\.').replace(/\$\{[^}]*\}/g, '.+')}$`),
    );
    const isAsked = (key: string) => {
      if (all.includes(`'${key}'`) || all.includes(`"${key}"`)) return true;
      return templates.some((template) => template.test(key)) || /^(error|notice)\./.test(key);
    };
    expect(Object.keys(english).filter((key) => key !== 'language' && !isAsked(stem(key)))).toEqual([]);
  });

  it('tell of the light what the table of the light tells', () => {
    const file = join(WEB_ROOT, '../hardware/light-patterns.json');
    const { patterns } = JSON.parse(readFileSync(file, 'utf8')) as {
      patterns: { name: string; looks: string; text: string; help: string }[];
    };
    const wanted = patterns.flatMap(({ name, looks, text, help }) => [
      [`light.${name}`, text],
      [`light.${name}.looks`, looks],
      [`light.${name}.help`, help],
    ]);
    const own = Object.entries(english).filter(
      ([key]) => key.startsWith('light.') && !/^light\.(heading|still)$/.test(key),
    );
    expect(Object.fromEntries(own)).toEqual(Object.fromEntries(wanted));
  });

  it('stand in the frame as they stand in the English file', () => {
    const frames = [...html.matchAll(/data-text="([^"]+)"[^>]*>([^<]*)</g)];
    expect(frames.length).toBeGreaterThan(40);
    for (const [, key = '', text] of frames) expect([key, text]).toEqual([key, english[key]]);
  });
});

describe("the page's files", () => {
  it('weigh at most 100 kB together, gzipped', async () => {
    const files = await loadPageFiles(WEB_ROOT);
    let total = 0;
    for (const file of files.values()) total += (file.gzipped ?? file.bytes).length;
    console.log(`the page: ${files.size} files, ${(total / 1_000).toFixed(1)} kB gzipped`);
    expect(total).toBeLessThanOrEqual(MAX_GZIPPED_BYTES);
  });

  it('fetch all modules at once instead of one after the other', () => {
    const modules = readdirSync(join(WEB_ROOT, 'script')).filter((name) => !['early.js', 'main.js'].includes(name));
    const preloaded = [...html.matchAll(/rel="modulepreload" href="\/script\/([^"]+)"/g)].map((match) => match[1]);
    expect(preloaded.sort()).toEqual(modules.sort());
  });

  it('hold no inline script, style or handler, and turn no text into markup', () => {
    expect(html).not.toMatch(/\sstyle=|\son\w+=|javascript:|<script(?![^>]*\ssrc=)/);
    expect(scripts).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write\b|DOMParser|\beval\b|new Function/,
    );
    expect(scripts + html + read(join(WEB_ROOT, 'style'), '.css')).not.toMatch(
      /https?:\/\/(?!www\.w3\.org\/2000\/svg)[a-z]/,
    );
  });
});
