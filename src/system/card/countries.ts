/** Countries as people write them: the code, or the name in one of the page's languages. Pure. */
import { isCountry } from '../wifi/countries.ts';

const LANGUAGES = ['en', 'de', 'es', 'ja'];
/** What people write and no table of names knows. */
const USUAL: Record<string, string> = { uk: 'GB', england: 'GB', usa: 'US', america: 'US', holland: 'NL', brd: 'DE' };
const LETTERS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];

let names: Map<string, string> | null = null;

/** @returns the code, or null */
export function countryOf(text: string): string | null {
  const code = text.normalize('NFKC').toUpperCase();
  if (isCountry(code)) return code;
  return countryNames().get(plain(text)) ?? null;
}

/** Every name that countryOf knows, for "did you mean". */
export function countryNames(): ReadonlyMap<string, string> {
  names ??= new Map([...namesOfAll(), ...Object.entries(USUAL)]);
  return names;
}

function namesOfAll(): [string, string][] {
  const codes = LETTERS.flatMap((first) => LETTERS.map((second) => first + second)).filter(isCountry);
  return LANGUAGES.flatMap((language) => {
    const shown = new Intl.DisplayNames([language], { type: 'region', fallback: 'none' });
    return codes.flatMap((code): [string, string][] => {
      const name = shown.of(code);
      return name === undefined ? [] : [[plain(name), code]];
    });
  });
}

/** Without accents and capitals. */
function plain(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().trim();
}
