/**
 * Every setting of a box, once: its key in the settings file, its flag, what it may be, and what it means. The command
 * line, the settings file and `--help` are all made from this table.
 */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { multiaddr } from '@multiformats/multiaddr';
import { parseRules, type Rules } from '../consensus/rules.ts';
import { jsonErrorPlace } from './json-place.ts';

/** Names travel in JOIN and on the page: one line of a phone's width. */
export const MAX_NAME_BYTES = 64;
/** A rules file lists some forty constants; a megabyte is somebody's wrong file. */
export const MAX_RULES_FILE_BYTES = 1 << 20;
/** More folders or addresses than this are a mistake in a script, and each one costs a watch or a dial. */
export const MAX_LIST_ITEMS = 32;

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The values of all settings, checked. Times in milliseconds, paths absolute. */
export interface SettingValues {
  /** Folders to play from. Empty: mounted sticks, then the user's music folder, then the demo library. */
  music: string[];
  station: string;
  /** 32 bytes that close the station, or null for an open one. Secret. */
  stationKey: Uint8Array | null;
  name: string;
  http: { host: string; port: number };
  /** Multiaddrs to listen on. */
  listen: string[];
  /** Multiaddrs of nodes to dial at the start, each with its peer id. */
  bootstrap: string[];
  mdns: boolean;
  /** Answers to this name of one label on the local network, beside all others that do; null: to none. */
  localName: string | null;
  /** As the player takes it: `auto`, `null`, `mpv-null`, `alsa[:DEV]`, `pipewire[:DEV]` or `file:PATH`. */
  output: string;
  /** Percent, 0 to 100. */
  volume: number;
  /** Plays this much later (positive) or earlier than the flock, for slow amplifiers. */
  trimMs: number;
  /** Rules to deploy a station with; null: the default rules. */
  rules: Rules | null;
  /** Buttons and light, as src/controls reads it; "none" leaves the pins alone. */
  gpio: string;
  /** The box's Wi-Fi is set up from its page: a hotspot where there is no network. */
  wifi: boolean;
  log: LogLevel;
  deployAfterMs: number;
}

/** Where relative paths start, and what `~` is. */
export interface PathContext {
  baseDir: string;
  homeDir: string;
  /** Paths on the command line must exist now; a stick named in the settings file may come later. */
  mustExist: boolean;
}

/** A value as it was understood, or why it was not. */
export type Checked<T> = { ok: true; value: T } | { ok: false; cause: string };

type JsonType = 'string' | 'number' | 'boolean' | 'object';

export interface SettingSpec<K extends keyof SettingValues = keyof SettingValues> {
  /** Key in the settings file. */
  key: string;
  /** Long flag without dashes. */
  flag: string;
  field: K;
  /** What stands after the flag in the help; null for a switch. */
  placeholder: string | null;
  /** A switch that is off by default: the help shows how to turn it on. */
  isOff?: boolean;
  list: boolean;
  /** Never printed back. */
  secret: boolean;
  /** What one value may be, in words. */
  allowed: string;
  /** JSON types that one value may have in the settings file. */
  json: readonly JsonType[];
  help: string;
  defaultText: string;
  /** Reads one value: text of the command line, or a JSON value of an allowed type. */
  check(value: unknown, paths: PathContext): Checked<unknown>;
}

const good = <T>(value: T): Checked<T> => ({ ok: true, value });
const bad = (cause: string): Checked<never> => ({ ok: false, cause });

/** Absolute form of a path as a person types it. */
function absolutePath(text: string, paths: PathContext): string {
  const expanded = text === '~' || text.startsWith('~/') ? paths.homeDir + text.slice(1) : text;
  return isAbsolute(expanded) ? resolve(expanded) : resolve(paths.baseDir, expanded);
}

function folderProblem(path: string): string | null {
  try {
    if (!statSync(path).isDirectory()) return 'is not a folder';
    accessSync(path, constants.R_OK | constants.X_OK);
    return null;
  } catch (error) {
    return fileCause(error);
  }
}

/** The cause of a failed file operation in plain words. */
export function fileCause(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const known: Record<string, string> = {
    ENOENT: 'does not exist',
    EACCES: 'may not be read by this user',
    EPERM: 'may not be read by this user',
    ENOTDIR: 'leads through something that is not a folder',
    EISDIR: 'is a folder',
    ELOOP: 'is a loop of symbolic links',
    ENAMETOOLONG: 'is too long a path',
    ERR_INVALID_ARG_VALUE: 'holds a character that no path can have',
  };
  return known[code] ?? `cannot be read (${code || String(error)})`;
}

function checkFolder(value: unknown, paths: PathContext): Checked<string> {
  const text = String(value);
  if (text === '') return bad('is empty');
  if (text.includes('\0')) return bad('holds a character that no path can have');
  const path = absolutePath(text, paths);
  const problem = paths.mustExist ? folderProblem(path) : null;
  return problem === null ? good(path) : bad(problem);
}

/** A name that people read: one line, trimmed, composed form. */
function checkName(value: unknown): Checked<string> {
  const text = String(value).normalize('NFC').trim();
  if (text === '') return bad('is empty');
  // Line breaks, and the marks that turn the writing direction: a name must not reorder the line that it stands in.
  if (/[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]/u.test(text)) return bad('holds a control character');
  if (Buffer.byteLength(text) > MAX_NAME_BYTES) return bad(`is longer than ${MAX_NAME_BYTES} bytes`);
  return good(text);
}

function checkStationKey(value: unknown): Checked<Uint8Array> {
  const text = String(value).trim();
  if (/^[0-9a-f]{64}$/i.test(text)) return good(Uint8Array.from(Buffer.from(text, 'hex')));
  if (!/^[\w-]+={0,2}$/.test(text)) return bad('holds characters that a key does not have');
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length !== 32) return bad(`has ${bytes.length} bytes as base64url, or ${text.length} hex digits`);
  if (bytes.toString('base64url') !== text.replace(/=+$/, '')) return bad('is not canonical base64url');
  return good(Uint8Array.from(bytes));
}

function integer(text: string, low: number, high: number): Checked<number> {
  if (!/^-?\d{1,9}$/.test(text)) return bad('is not a whole number');
  const number = Number(text);
  if (number < low) return bad(`is below ${low}`);
  return number > high ? bad(`is above ${high}`) : good(number);
}

const checkInteger = (low: number, high: number) => (value: unknown) => integer(String(value), low, high);

function checkHttp(value: unknown): Checked<{ host: string; port: number }> {
  const text = String(value);
  const match = /^(?:(.*):)?([^:]*)$/.exec(text);
  const port = integer(match?.[2] ?? '', 0, 65_535);
  if (!port.ok) return bad(match?.[1] === undefined ? port.cause : `has a port that ${port.cause}`);
  const host = match?.[1] ?? '0.0.0.0';
  const bare = /^\[(.*)\]$/.exec(host)?.[1] ?? host;
  if (!/^[0-9A-Za-z.:%-]+$/.test(bare) || (bare.includes(':') && bare === host)) return bad('has no usable address');
  return good({ host: bare, port: port.value });
}

/** Reads a multiaddr and asks for a TCP part, the one transport there is. */
function tcpMultiaddr(text: string): Checked<{ text: string; names: string[] }> {
  try {
    const address = multiaddr(text);
    const names = address.getComponents().map((component) => component.name);
    if (!names.includes('tcp')) return bad('has no /tcp/ part');
    return good({ text: address.toString(), names });
  } catch (error) {
    return bad(`is no multiaddr (${(error as Error).message})`);
  }
}

function checkListen(value: unknown): Checked<string> {
  const text = String(value);
  if (!text.startsWith('/')) {
    const port = integer(text, 0, 65_535);
    return port.ok ? good(`/ip4/0.0.0.0/tcp/${port.value}`) : port;
  }
  const address = tcpMultiaddr(text);
  if (!address.ok) return address;
  if (!['ip4', 'ip6'].includes(address.value.names[0] ?? '')) return bad('does not begin with /ip4/ or /ip6/');
  return good(address.value.text);
}

function checkBootstrap(value: unknown): Checked<string> {
  const address = tcpMultiaddr(String(value));
  if (!address.ok) return address;
  if (!address.value.names.includes('p2p')) return bad('has no /p2p/PEER-ID at its end');
  return good(address.value.text);
}

/** Outputs that are whole by their name, and those that may name a device. A test holds them against the player's own. */
const PLAIN_OUTPUTS = ['auto', 'null', 'mpv-null', 'alsa', 'pipewire'];
const NAMED_OUTPUTS = ['alsa', 'pipewire', 'file'];

function checkOutput(value: unknown, paths: PathContext): Checked<string> {
  const text = String(value);
  if (PLAIN_OUTPUTS.includes(text)) return good(text);
  const colon = text.indexOf(':');
  const kind = colon < 0 ? text : text.slice(0, colon);
  const device = colon < 0 ? '' : text.slice(colon + 1);
  if (!NAMED_OUTPUTS.includes(kind)) return bad('is no output');
  if (device.trim() === '' || /\p{Cc}/u.test(device)) return bad(`names no ${kind === 'file' ? 'file' : 'device'}`);
  if (kind !== 'file') return good(text);
  const path = absolutePath(device, paths);
  const problem = folderProblem(dirname(path));
  return problem === null ? good(`file:${path}`) : bad(`its folder ${problem}`);
}

/** Rules from a file, or (in the settings file) written out. */
function checkRules(value: unknown, paths: PathContext): Checked<Rules> {
  let json = value;
  if (typeof value === 'string') {
    const path = absolutePath(value, paths);
    let content = '';
    try {
      if (statSync(path).size > MAX_RULES_FILE_BYTES) return bad(`is larger than ${MAX_RULES_FILE_BYTES} bytes`);
      content = readFileSync(path, 'utf8');
      json = JSON.parse(content);
    } catch (error) {
      return bad(error instanceof SyntaxError ? `is not JSON: wrong at ${jsonErrorPlace(content)}` : fileCause(error));
    }
  }
  try {
    return good(parseRules(json));
  } catch (error) {
    return bad(`breaks a rule of rules: ${(error as Error).message}`);
  }
}

/** What the parts mean is checked against the machine when the pins are taken. A test holds this against src/controls. */
export const GPIO_PATTERN =
  /^(auto|none|(skip|never|light|chip)=[\w.:@-]{1,64}(,(skip|never|light|chip)=[\w.:@-]{1,64}){0,3})$/;

function checkGpio(value: unknown): Checked<string> {
  const text = String(value);
  return GPIO_PATTERN.test(text) ? good(text) : bad('names no pins');
}

function checkLocalName(value: unknown): Checked<string | null> {
  const text = String(value).toLowerCase();
  if (text === 'none') return good(null);
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text) ? good(text) : bad('is no name of a machine');
}

function checkLog(value: unknown): Checked<LogLevel> {
  const level = LOG_LEVELS.find((known) => known === value);
  return level === undefined ? bad('is no level') : good(level);
}

function checkSeconds(value: unknown): Checked<number> {
  const seconds = integer(String(value), 0, 86_400);
  return seconds.ok ? good(seconds.value * 1000) : seconds;
}

const text = { list: false, secret: false, json: ['string'] } as const;
const number = { list: false, secret: false, json: ['number'] } as const;
const list = { list: true, secret: false, json: ['string'] } as const;

/** The form of a flag that does something: `no-mdns` for what is on by default. */
export function usefulFlag({ flag, placeholder, isOff }: SettingSpec): string {
  return placeholder === null && isOff !== true ? `no-${flag}` : flag;
}

/** In the order in which `--help` shows them. */
export const SETTINGS: readonly SettingSpec[] = [
  {
    ...list,
    key: 'music',
    flag: 'music',
    field: 'music',
    placeholder: 'DIR',
    allowed: 'a folder that can be read',
    help: 'Play from this folder and all below it. May be given several times.',
    defaultText: 'mounted sticks, else your music folder, else a small demo library that Starling makes',
    check: checkFolder,
  },
  {
    ...text,
    key: 'station',
    flag: 'station',
    field: 'station',
    placeholder: 'NAME',
    allowed: `a name of 1 to ${MAX_NAME_BYTES} bytes on one line`,
    help: 'The station to tune to: boxes with the same station (and key) play together.',
    defaultText: 'Starling',
    check: checkName,
  },
  {
    ...text,
    secret: true,
    key: 'station_key',
    flag: 'station-key',
    field: 'stationKey',
    placeholder: 'KEY',
    allowed: '32 bytes as 64 hex digits or as base64url (43 characters)',
    help: 'Closes the station: only boxes with this key can hear or join it. Other users of this machine can see a command line; the settings file is readable by you alone.',
    defaultText: 'none, the station is open',
    check: checkStationKey,
  },
  {
    ...text,
    key: 'name',
    flag: 'name',
    field: 'name',
    placeholder: 'NAME',
    allowed: `a name of 1 to ${MAX_NAME_BYTES} bytes on one line`,
    help: 'What this box is called on the page and in the flock.',
    defaultText: "this machine's host name",
    check: checkName,
  },
  {
    list: false,
    secret: false,
    json: ['number', 'string'],
    key: 'http',
    flag: 'http',
    field: 'http',
    placeholder: '[ADDRESS:]PORT',
    allowed:
      'a port from 0 (any free one) to 65535, with or without an address before it: 8080, 127.0.0.1:8080, [::1]:8080',
    help: 'Where the page and the status are served.',
    defaultText: '8080 on every address',
    check: checkHttp,
  },
  {
    ...list,
    json: ['string', 'number'],
    key: 'listen',
    flag: 'listen',
    field: 'listen',
    placeholder: 'MULTIADDR|PORT',
    allowed: 'a TCP port from 0 to 65535 or a multiaddr such as /ip4/192.168.1.5/tcp/4100 or /ip6/::/tcp/4100',
    help: 'Where other boxes can reach this one. May be given several times.',
    defaultText: 'TCP port 4774, or a free one that is kept from then on; found by the others over mDNS',
    check: checkListen,
  },
  {
    ...list,
    key: 'bootstrap',
    flag: 'bootstrap',
    field: 'bootstrap',
    placeholder: 'MULTIADDR',
    allowed: 'a multiaddr with a TCP port and a peer id: /ip4/203.0.113.7/tcp/4100/p2p/12D3Koo...',
    help: 'A box to dial at the start, for flocks beyond one local network. May be given several times.',
    defaultText: 'none',
    check: checkBootstrap,
  },
  {
    list: false,
    secret: false,
    json: ['boolean'],
    key: 'mdns',
    flag: 'mdns',
    field: 'mdns',
    placeholder: null,
    allowed: 'true or false',
    help: 'Do not look for other boxes on the local network (in the settings file: "mdns": false).',
    defaultText: 'looks for them',
    check: (value) => good(value === true),
  },
  {
    ...text,
    key: 'local_name',
    flag: 'local-name',
    field: 'localName',
    placeholder: 'NAME',
    allowed: 'none, or letters, digits and hyphens, at most 63: starling for starling.local',
    help: 'A name under which browsers on the local network find this box, or any other that answers to it. Needs mDNS.',
    defaultText: 'none; starling on the SD card',
    check: checkLocalName,
  },
  {
    ...text,
    key: 'output',
    flag: 'output',
    field: 'output',
    placeholder: 'OUTPUT',
    allowed: 'auto, null, mpv-null, alsa, alsa:DEVICE, pipewire, pipewire:DEVICE or file:PATH',
    help: 'Where the sound goes: auto (the best there is, silent if there is none), null (silent), mpv-null (silent, through the player), alsa or an ALSA device such as alsa:hw:0, pipewire or a PipeWire sink such as pipewire:NAME, or file:PATH (.wav, or .raw for bare samples).',
    defaultText: 'auto',
    check: checkOutput,
  },
  {
    ...number,
    key: 'volume',
    flag: 'volume',
    field: 'volume',
    placeholder: 'PERCENT',
    allowed: 'a whole number from 0 to 100',
    help: 'How loud.',
    defaultText: '100',
    check: checkInteger(0, 100),
  },
  {
    ...number,
    key: 'trim',
    flag: 'trim',
    field: 'trimMs',
    placeholder: 'MS',
    allowed: 'a whole number of milliseconds from -500 to 500',
    help: 'Play this many milliseconds later than the others (or earlier, below 0), when the amplifier or speaker adds a delay of its own.',
    defaultText: '0',
    check: checkInteger(-500, 500),
  },
  {
    ...text,
    key: 'gpio',
    flag: 'gpio',
    field: 'gpio',
    placeholder: 'PINS',
    allowed: 'auto, none, or parts of skip=5,never=6,light=12,chip=LABEL with BCM numbers or none',
    help: 'Buttons and light on the pins of a Raspberry Pi: auto takes the pins of hardware/pins.json, none leaves all pins alone.',
    defaultText: 'none; auto on the SD card',
    check: checkGpio,
  },
  {
    list: false,
    secret: false,
    json: ['boolean'],
    key: 'wifi',
    flag: 'wifi',
    field: 'wifi',
    placeholder: null,
    isOff: true,
    allowed: 'true or false',
    help: "Set up this machine's Wi-Fi from the page, and open a hotspot where there is no network. For a machine that is a radio and nothing else; needs NetworkManager.",
    defaultText: 'leaves the network alone; on on the SD card',
    check: (value) => good(value === true),
  },
  {
    ...text,
    json: ['string', 'object'],
    key: 'rules',
    flag: 'rules',
    field: 'rules',
    placeholder: 'FILE',
    allowed:
      'a JSON file of rules as src/consensus/README.md lists them (in the settings file also the rules themselves)',
    help: 'Rules of the station, used when this box is the one that deploys it. A box that joins takes the rules it finds.',
    defaultText: 'the default rules',
    check: checkRules,
  },
  {
    ...number,
    key: 'deploy_after',
    flag: 'deploy-after',
    field: 'deployAfterMs',
    placeholder: 'SECONDS',
    allowed: 'a whole number of seconds from 0 to 86400',
    help: 'Deploy the station from this box after so long without hearing it.',
    defaultText: '20',
    check: checkSeconds,
  },
  {
    ...text,
    key: 'log',
    flag: 'log',
    field: 'log',
    placeholder: 'LEVEL',
    allowed: LOG_LEVELS.join(', '),
    help: `How much to tell: ${LOG_LEVELS.join(', ')}.`,
    defaultText: 'info',
    check: checkLog,
  },
];

/** What holds where neither the command line nor the settings file says anything. */
export function defaultValues(hostname: string): SettingValues {
  const name = checkName(hostname.split('.')[0] ?? '');
  return {
    music: [],
    station: 'Starling',
    stationKey: null,
    name: name.ok ? name.value : 'starling',
    http: { host: '0.0.0.0', port: 8080 },
    listen: ['/ip4/0.0.0.0/tcp/0'],
    bootstrap: [],
    mdns: true,
    localName: null,
    output: 'auto',
    volume: 100,
    trimMs: 0,
    rules: null,
    gpio: 'none',
    wifi: false,
    log: 'info',
    deployAfterMs: 20_000,
  };
}
