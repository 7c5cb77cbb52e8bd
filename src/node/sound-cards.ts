import { readFileSync } from 'node:fs';

/** More cards than a small computer takes. */
const MAX_CARDS = 16;
const ALWAYS = ['auto', 'alsa', 'pipewire'];

/**
 * Outputs to choose from, as the player names them: the choices that fit any machine, each sound card that Linux lists,
 * and silence.
 *
 * @param path - the kernel's list of cards
 */
export function outputChoices(path = '/proc/asound/cards'): string[] {
  return [...ALWAYS, ...cardIds(path).map((id) => `alsa:sysdefault:CARD=${id}`), 'null'];
}

/** Lines such as ` 0 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones`. */
function cardIds(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    // A machine without sound.
    return [];
  }
  const ids = [...text.matchAll(/^ *\d+ \[([A-Za-z0-9_]+) *\]:/gm)].map((match) => match[1]!);
  return ids.slice(0, MAX_CARDS);
}
