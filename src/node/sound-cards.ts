import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** More cards than a small computer takes. */
const MAX_CARDS = 16;
const ALWAYS = ['auto', 'alsa', 'pipewire'];
const CARDS_FILE = 'proc/asound/cards';

interface SoundCard {
  id: string;
  driver: string;
}

/**
 * Outputs to choose from, as the player names them: the choices that fit any machine, each sound card that Linux lists,
 * and silence.
 *
 * @param root - where the kernel's list of cards is looked for
 */
export function outputChoices(root = '/'): string[] {
  return [...ALWAYS, ...soundCards(root).map((card) => `alsa:${deviceOf(card)}`), 'null'];
}

/**
 * The ALSA devices of a Raspberry Pi, best first: what was put in on purpose (a USB adapter, a sound board) before a screen
 * that says it has loudspeakers, then the jack, then the rest. Linux numbers cards by chance, and ALSA's default is number 0.
 *
 * @param env - of the player: a sound server that runs there has its own choice
 * @param root - where the kernel tells of itself
 * @returns none on other machines: their default is as good
 */
export function automaticDevices(env: NodeJS.ProcessEnv = process.env, root = '/'): string[] {
  const cards = soundCards(root);
  if (!cards.some(isOnBoard) || hasSoundServer(env)) return [];
  return cards
    .map((card) => ({ device: deviceOf(card), rank: rankOf(card, root) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ device }) => device);
}

function deviceOf({ id }: SoundCard): string {
  return `sysdefault:CARD=${id}`;
}

/** Lines such as ` 0 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones`. */
function soundCards(root: string): SoundCard[] {
  // A machine without sound has no such file.
  const text = read(join(root, CARDS_FILE))?.toString('utf8') ?? '';
  const cards = [...text.matchAll(/^ *\d+ \[([A-Za-z0-9_]+) *\]: (\S+)/gm)].map(([, id, driver]) => {
    return { id: id!, driver: driver! };
  });
  return cards.slice(0, MAX_CARDS);
}

const isJack = ({ driver }: SoundCard) => driver.startsWith('bcm2835_');
const isHdmi = ({ driver }: SoundCard) => driver.startsWith('vc4-hdmi');
const isOnBoard = (card: SoundCard) => isJack(card) || isHdmi(card);

function rankOf(card: SoundCard, root: string): number {
  if (card.driver === 'USB-Audio') return 0;
  if (!isOnBoard(card)) return 1;
  if (isHdmi(card)) return screenPlays(card, root) ? 2 : 5;
  // Its chip has the output, and the board no jack.
  return read(join(root, 'proc/device-tree/model'))?.toString('latin1').includes('Zero') ? 4 : 3;
}

/** `vc4hdmi0` is the screen at HDMI-A-1; where there is one only, it has no number. */
function screenPlays({ id }: SoundCard, root: string): boolean {
  const connector = `-HDMI-A-${1 + Number(/\d+$/.exec(id)?.[0] ?? 0)}`;
  const folder = join(root, 'sys/class/drm');
  const place = namesIn(folder).find((name) => name.endsWith(connector));
  return place !== undefined && saysItPlays(read(join(folder, place, 'edid')) ?? Buffer.alloc(0));
}

const EDID_BLOCK_BYTES = 128;
/** The kind of block that tells of sound, and its sign for "basic audio" (CTA-861, section 7.5). */
const CTA_BLOCK = 0x02;
const BASIC_AUDIO = 0x40;

/** @param edid - what a screen says of itself; nothing while none is there */
function saysItPlays(edid: Buffer): boolean {
  for (let at = EDID_BLOCK_BYTES; at + EDID_BLOCK_BYTES <= edid.length; at += EDID_BLOCK_BYTES)
    if (edid[at] === CTA_BLOCK && (edid[at + 3]! & BASIC_AUDIO) !== 0) return true;
  return false;
}

function hasSoundServer({ XDG_RUNTIME_DIR: folder }: NodeJS.ProcessEnv): boolean {
  return folder !== undefined && ['pipewire-0', 'pulse/native'].some((name) => existsSync(join(folder, name)));
}

function read(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
