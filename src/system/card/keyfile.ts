/** A network as NetworkManager keeps it on disk (nm-settings-keyfile(5)). Pure. */
import type { Variant } from '../wifi/dbus/codec.ts';
import { networkProfile, type Profile } from '../wifi/nm-profiles.ts';
import { bytesOfName, hexOf } from '../wifi/ssid.ts';
import type { Recipe, Wish } from '../wifi/types.ts';
import type { CardWifi } from './types.ts';

/** Sections that have another name on disk than on the bus. */
const ON_DISK = new Map([
  ['802-11-wireless', 'wifi'],
  ['802-11-wireless-security', 'wifi-security'],
]);

export interface Keyfile {
  /** Ends as NetworkManager wants it to. */
  name: string;
  content: string;
}

/**
 * The files that keep a network of which only the name is known. NetworkManager joins with the first that fits what it
 * sees: WPA2 without protected frames is what the Pi's firmware manages where WPA2 and WPA3 share a name, and WPA3 is for
 * networks that have nothing else.
 *
 * @param uuids one for each file, in their order
 */
export function keyfilesOf(wifi: CardWifi, uuids: readonly [string, string]): Keyfile[] {
  // A key of 64 digits is WPA2's; WPA3 would take it for a password.
  const isKey = wifi.password !== null && /^[0-9a-f]{64}$/i.test(wifi.password);
  const recipes: Recipe[] = wifi.password === null ? ['open'] : isKey ? ['wpa2'] : ['wpa2', 'sae'];
  const wish: Wish = { ...wifi, recipes };
  return recipes.map((recipe, index) => ({
    name: `starling-${wifi.ssidHex}-${recipe}.nmconnection`,
    content: textOf(networkProfile(wish, recipe, uuids[index] ?? uuids[0], true), recipes.length - 1 - index),
  }));
}

function textOf(profile: Profile, priority: number): string {
  const sections = Object.entries(profile).map(([name, values]) => {
    const lines = Object.entries(values).map(([key, value]) => `${key}=${textOfValue(value)}`);
    if (name === 'connection') lines.push(`autoconnect-priority=${priority}`);
    return [`[${ON_DISK.get(name) ?? name}]`, ...lines, ''].join('\n');
  });
  return sections.join('\n');
}

function textOfValue({ value }: Variant): string {
  if (value instanceof Uint8Array) return Array.from(value, (byte) => `${byte};`).join('');
  if (Array.isArray(value)) return value.map((item) => `${escaped(String(item))};`).join('');
  return typeof value === 'string' ? escaped(value) : String(value);
}

/** GLib's key files: a backslash escapes, and spaces at the ends would be trimmed. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replace(/^ +| +$/g, (spaces) => '\\s'.repeat(spaces.length))
    .replaceAll('\t', '\\t');
}

/** The name, in hexadecimal, of the network that a key file keeps; null for other connections. Never throws. */
export function ssidHexOf(content: string): string | null {
  const section = /^\[(?:wifi|802-11-wireless)\]\s*$([\s\S]*?)(?=^\[|(?![\s\S]))/m.exec(content)?.[1] ?? '';
  if (/^mode\s*=\s*(?!infrastructure)\S/m.test(section)) return null;
  const value = /^ssid\s*=[ \t]*(.*)$/m.exec(section)?.[1];
  if (value === undefined) return null;
  if (/^(\d{1,3};)+\s*$/.test(value)) return hexOf(Uint8Array.from(value.match(/\d+/g) ?? [], Number));
  const bytes = bytesOfName(unescaped(value));
  return bytes === null ? null : hexOf(bytes);
}

/** The same key file of a network, for one that tells its name or one that does not. */
export function withVisibility(content: string, isHidden: boolean): string {
  const line = /^hidden\s*=.*$/m;
  if (line.test(content)) return content.replace(line, `hidden=${isHidden}`);
  return isHidden ? content.replace(/^\[(?:wifi|802-11-wireless)\]\s*?\n/m, '$&hidden=true\n') : content;
}

function unescaped(text: string): string {
  const signs: Record<string, string> = { s: ' ', t: '\t', n: '\n', r: '\r' };
  return text.replace(/\\(.)/g, (_, sign: string) => signs[sign] ?? sign);
}
