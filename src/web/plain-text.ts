/** Texts of the page for the server's own, script-free rendering: the same files that the script reads. */

/** Keys to texts with {placeholders}; plural forms as "key.one", "key.other" (CLDR categories). */
export type Texts = Readonly<Record<string, string>>;

/**
 * The best of the languages on offer for an Accept-Language field (RFC 9110, 12.5.4; lookup by primary subtag), or
 * the first one.
 */
export function pickLanguage(header: string | undefined, offered: readonly string[]): string {
  const wanted = (header ?? '')
    .slice(0, 256)
    .split(',')
    .map((part) => {
      const [range = '', ...parameters] = part.trim().toLowerCase().split(';');
      const quality = parameters.map((text) => /^\s*q=([01](?:\.\d{0,3})?)\s*$/.exec(text)?.[1]).find(Boolean);
      return { language: range.split('-')[0] ?? '', quality: quality === undefined ? 1 : Number(quality) };
    })
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality);
  for (const { language } of wanted) if (offered.includes(language)) return language;
  return offered[0] ?? 'en';
}

export type Translate = (key: string, values?: Readonly<Record<string, string | number>>) => string;

/** A lookup that fills {placeholders} and picks the plural by `values.n`. A missing text shows as its key. */
export function translator(language: string, texts: Texts): Translate {
  const plural = new Intl.PluralRules(language);
  const number = new Intl.NumberFormat(language);
  return (key, values = {}) => {
    const counted = typeof values.n === 'number' ? texts[`${key}.${plural.select(values.n)}`] : undefined;
    const template = counted ?? texts[`${key}.other`] ?? texts[key] ?? key;
    return template.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      if (value === undefined) return whole;
      return typeof value === 'number' ? number.format(value) : value;
    });
  };
}

/** "3:07", or "1:02:03" from an hour on. */
export function timeText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const two = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** Text as HTML content or inside a double-quoted attribute. */
export function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}
