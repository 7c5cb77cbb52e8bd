// Words of the page in the reader's language. The files in /text are the only place where they stand.

import { COUNTRIES } from './countries.js';

export const LANGUAGES = ['en', 'de', 'es', 'ja'];
const REMEMBERED = 'starling.language';

let texts = {};
let language = 'en';
let plural = new Intl.PluralRules('en');
let number = new Intl.NumberFormat('en');

/** The choice that was made on this device, "" for none. Storage may be forbidden. */
export function rememberedLanguage() {
  try {
    const value = localStorage.getItem(REMEMBERED) ?? '';
    return LANGUAGES.includes(value) ? value : '';
  } catch {
    return '';
  }
}

/** @param {string} value a language, or "" for the browser's */
export function rememberLanguage(value) {
  try {
    if (value === '') localStorage.removeItem(REMEMBERED);
    else localStorage.setItem(REMEMBERED, value);
  } catch {
    // The choice holds until the page is left.
  }
}

function browserLanguage() {
  for (const wanted of navigator.languages ?? []) {
    const short = wanted.toLowerCase().split('-')[0];
    if (LANGUAGES.includes(short)) return short;
  }
  return 'en';
}

/** Loads the words. @param {string} wanted a language, or "" for the browser's */
export async function loadTexts(wanted) {
  language = wanted || browserLanguage();
  const response = await fetch(`/text/${language}.json`);
  if (!response.ok) throw new Error(`texts: ${response.status}`);
  texts = await response.json();
  plural = new Intl.PluralRules(language);
  number = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
  document.documentElement.lang = language;
}

/**
 * A text with its {placeholders} filled in, in the plural form of `values.n`. Never markup: callers put it into
 * textContent.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  const counted = typeof values.n === 'number' ? texts[`${key}.${plural.select(values.n)}`] : undefined;
  const template = counted ?? texts[`${key}.other`] ?? texts[key] ?? key;
  return template.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === 'number' ? number.format(value) : value;
  });
}

/** True when there is a text of this name. */
export function hasText(key) {
  return Object.hasOwn(texts, key);
}

/** "4 Nov 2026", in the reader's way. @param {number} ms wall clock */
export function dateText(ms) {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium' }).format(ms);
}

/** The countries as choices of a select, by name, with one for none before them. */
export function countryOptions() {
  const names = new Intl.DisplayNames(language, { type: 'region' });
  const option = (value, text) => {
    const element = document.createElement('option');
    element.value = value;
    element.textContent = text;
    return element;
  };
  const sorted = COUNTRIES.map((code) => [code, names.of(code) ?? code]).sort(([, a], [, b]) =>
    a.localeCompare(b, language),
  );
  return [option('', t('wifi.country.none')), ...sorted.map(([code, name]) => option(code, name))];
}

/** Fills every element that names its text. */
export function fillTexts(root) {
  for (const element of root.querySelectorAll('[data-text]')) element.textContent = t(element.dataset.text);
  for (const element of root.querySelectorAll('[data-label]'))
    element.setAttribute('aria-label', t(element.dataset.label));
}

/** "3:07", or "1:02:03" from an hour on. */
export function timeText(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value) => String(value).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}
