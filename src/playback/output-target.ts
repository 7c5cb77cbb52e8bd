/** Names of outputs, as `--output` and the settings take them. */
import { OutputNameError } from './errors.ts';

export type OutputTarget =
  | { kind: 'auto' }
  /** Silent, by this machine's clock, with no player process. */
  | { kind: 'null' }
  /** Silent, through mpv: everything but the sound card. */
  | { kind: 'mpv-null' }
  | { kind: 'alsa'; device: string | null }
  | { kind: 'pipewire'; device: string | null }
  | { kind: 'file'; path: string };

export const OUTPUT_FORMS =
  'auto, null, mpv-null, alsa, alsa:DEVICE, pipewire, pipewire:DEVICE, file:PATH (.wav, or .raw for bare samples)';

/** Longest device or file name taken: PATH_MAX of Linux. */
const MAX_NAME_LENGTH = 4_096;

/** @throws OutputNameError naming what was given and what is allowed */
export function parseOutput(text: string): OutputTarget {
  if (typeof text !== 'string') throw new OutputNameError(`output must be a text; allowed: ${OUTPUT_FORMS}`);
  const colon = text.indexOf(':');
  const kind = colon === -1 ? text : text.slice(0, colon);
  const rest = colon === -1 ? null : text.slice(colon + 1);
  const refuse = (why: string) =>
    new OutputNameError(`output "${text.slice(0, 80)}": ${why}; allowed: ${OUTPUT_FORMS}`);
  if (rest !== null && rest.trim() === '') throw refuse(`nothing follows "${kind}:"`);
  if (rest !== null && (rest.length > MAX_NAME_LENGTH || hasControlCharacter(rest))) throw refuse('not a name');
  switch (kind) {
    case 'auto':
    case 'null':
    case 'mpv-null':
      if (rest !== null) throw refuse(`"${kind}" takes no name`);
      return { kind };
    case 'alsa':
    case 'pipewire':
      return { kind, device: rest };
    case 'file':
      if (rest === null) throw refuse('file needs a path');
      return { kind, path: rest };
    default:
      throw refuse('unknown');
  }
}

function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 32 || text.charCodeAt(i) === 127) return true;
  return false;
}

/** The name of a target, as `parseOutput` reads it. */
export function outputName(target: OutputTarget): string {
  if (target.kind === 'file') return `file:${target.path}`;
  if (target.kind === 'alsa' || target.kind === 'pipewire') {
    return target.device === null ? target.kind : `${target.kind}:${target.device}`;
  }
  return target.kind;
}
