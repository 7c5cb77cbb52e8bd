/** As much of Vorbis I (https://xiph.org/vorbis/doc/Vorbis_I_spec.html) as is needed to count samples. */

const MODE_BITS = 1 + 16 + 16 + 8;
const MAX_MODES = 64;
/** "\x03vorbis", no vendor, no comments, framing bit. */
const EMPTY_COMMENT = Buffer.from([3, 0x76, 0x6f, 0x72, 0x62, 0x69, 0x73, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

export class VorbisSetupError extends Error {
  override readonly name = 'VorbisSetupError';
}

export interface VorbisModes {
  channels: number;
  /** Block length of an audio packet, null when it is none. */
  blockOf(packet: Uint8Array): number | null;
}

/** Identification, comment and set-up header out of Xiph-laced codec data. @throws VorbisSetupError */
export function splitHeaders(config: Buffer): [Buffer, Buffer, Buffer] {
  if (config[0] !== 2) throw new VorbisSetupError('the Vorbis headers are not all there');
  let at = 1;
  const readLength = () => {
    let length = 0;
    for (let byte = 255; byte === 255; ) {
      byte = config[at] ?? 0;
      length += byte;
      at += 1;
    }
    return length;
  };
  const [first, second] = [readLength(), readLength()];
  const parts = [
    config.subarray(at, at + first),
    config.subarray(at + first, at + first + second),
    config.subarray(at + first + second),
  ] as [Buffer, Buffer, Buffer];
  if (parts[0][0] !== 1 || parts[1][0] !== 3 || parts[2][0] !== 5 || parts[0].length < 30) {
    throw new VorbisSetupError('the Vorbis headers are damaged');
  }
  return parts;
}

/** The same codec data without tags: pictures in there would make the initialisation part larger than a block. */
export function withoutComments(config: Buffer): Buffer {
  const [identification, , setup] = splitHeaders(config);
  return Buffer.concat([
    Buffer.from([2, identification.length, EMPTY_COMMENT.length]),
    identification,
    EMPTY_COMMENT,
    setup,
  ]);
}

/** @throws VorbisSetupError */
export function readVorbisModes(config: Buffer): VorbisModes {
  const [identification, , setup] = splitHeaders(config);
  const sizes = identification[28]!;
  const blocks = [1 << (sizes & 15), 1 << (sizes >> 4)] as const;
  const flags = readModeFlags(setup);
  const numberBits = flags.length > 1 ? 32 - Math.clz32(flags.length - 1) : 0;
  return {
    channels: identification[11]!,
    blockOf(packet) {
      if (packet.length === 0 || (packet[0]! & 1) !== 0) return null;
      const mode = (packet[0]! >> 1) & ((1 << numberBits) - 1);
      const flag = flags[mode];
      return flag === undefined ? null : blocks[flag];
    },
  };
}

/**
 * The modes stand at the very end of the set-up header, so they are read from there, backwards: everything before them
 * (codebooks, floors, residues) would have to be understood in full. A run of modes is believed when the 6 bits before
 * it name its length; of several such runs the longest is meant.
 */
function readModeFlags(setup: Buffer): (0 | 1)[] {
  const bit = (at: number) => (at < 0 ? 0 : ((setup[at >> 3] ?? 0) >> (at & 7)) & 1);
  const number = (at: number, width: number) => {
    let value = 0;
    for (let i = 0; i < width; i++) value += bit(at + i) << i;
    return value;
  };
  let framing = setup.length * 8 - 1;
  while (framing > 0 && bit(framing) === 0) framing -= 1;
  let best = 0;
  for (let modes = 1; modes <= MAX_MODES; modes++) {
    const start = framing - modes * MODE_BITS;
    if (start < 6 || number(start + 1, 16) !== 0 || number(start + 17, 16) !== 0) break;
    if (number(start - 6, 6) + 1 === modes) best = modes;
  }
  if (best === 0) throw new VorbisSetupError('the Vorbis set-up header names no modes');
  return Array.from({ length: best }, (_, i) => bit(framing - (best - i) * MODE_BITS) as 0 | 1);
}
