import { readFile, rename, writeFile } from 'node:fs/promises';
import { isCountry } from './countries.ts';

/**
 * The country's rules for radio are the kernel's business, and only root may tell it. So the country stands in a file,
 * and systemd/starling-country.path has a small service read it; see systemd/README.md.
 */
export interface CountryPort {
  read(): Promise<string | null>;
  set(country: string): Promise<void>;
}

export function createCountryFile(path: string): CountryPort {
  return {
    async read() {
      const text = await readFile(path, 'utf8').catch(() => '');
      return isCountry(text.trim()) ? text.trim() : null;
    },
    async set(country) {
      if ((await this.read()) === country) return;
      const part = `${path}.part`;
      await writeFile(part, `${country}\n`, { mode: 0o644, flush: true });
      await rename(part, path);
    },
  };
}
