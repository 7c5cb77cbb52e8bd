/** Little pieces of music and pictures, made from a seed: something to play where there is no music. */
import { crc32, deflateSync } from 'node:zlib';

export const DEMO_RATE_HZ = 44_100;
const TABLE_LENGTH = 4_096;
const SINE = Float32Array.from({ length: TABLE_LENGTH }, (_, i) => Math.sin((2 * Math.PI * i) / TABLE_LENGTH));
/** A soft sound with a few overtones. */
const WARM = SINE.map((value, i) => {
  const at = (harmonic: number) => SINE[(i * harmonic) % TABLE_LENGTH]!;
  return 0.7 * value + 0.22 * at(2) + 0.12 * at(3) + 0.05 * at(4);
});
const SCALES = {
  major: [0, 2, 4, 5, 7, 9, 11],
  minor: [0, 2, 3, 5, 7, 8, 10],
  dorian: [0, 2, 3, 5, 7, 9, 10],
} as const;
/** Chords by the step of the scale they stand on. */
const PROGRESSIONS = [
  [0, 4, 5, 3],
  [0, 5, 3, 4],
  [5, 3, 0, 4],
  [0, 3, 0, 4],
  [0, 2, 3, 4],
  [0, 6, 3, 4],
] as const;
const FADE_OUT_S = 2;
/** Converted at a time. */
const STEP_FRAMES = 32_768;

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Voice {
  table: Float32Array;
  attackS: number;
  /** Time until it has fallen to a third. */
  decayS: number;
  gain: number;
  /** Detuning of a second tone, as a factor; 1: none. */
  beat: number;
}

const PAD: Voice = { table: WARM, attackS: 0.5, decayS: 4, gain: 0.05, beat: 1.004 };
const BASS: Voice = { table: WARM, attackS: 0.02, decayS: 0.9, gain: 0.16, beat: 1 };
const BELL: Voice = { table: SINE, attackS: 0.004, decayS: 0.7, gain: 0.13, beat: 2.0 };
const PLUCK: Voice = { table: WARM, attackS: 0.003, decayS: 0.25, gain: 0.14, beat: 1.002 };

/**
 * Stereo samples of 16 bits, interleaved: chords, a bass, and a melody over them. In steps of some milliseconds on a small
 * board: what plays meanwhile is not to wait for a whole piece.
 */
export function* composeInSteps(seed: number, seconds: number): Generator<undefined, Buffer> {
  const random = randomFrom(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const scale = SCALES[pick(['major', 'minor', 'dorian'] as const)];
  const root = 48 + Math.floor(random() * 10);
  const beatS = 60 / (76 + random() * 50);
  const progression = pick(PROGRESSIONS);
  const lead = pick([BELL, PLUCK]);
  const frames = Math.round(seconds * DEMO_RATE_HZ);
  const mix = { left: new Float32Array(frames), right: new Float32Array(frames) };
  const frequency = (step: number) => {
    const note = root + scale[((step % 7) + 7) % 7]! + 12 * Math.floor(step / 7);
    return 440 * 2 ** ((note - 69) / 12);
  };
  let melody = 7;
  for (let bar = 0; bar * 4 * beatS < seconds; bar++) {
    const chord = progression[bar % progression.length]!;
    const startS = bar * 4 * beatS;
    for (const third of [0, 2, 4]) {
      addNote(mix, PAD, frequency(chord + third + 7), startS, 4.4 * beatS, third / 4);
      yield;
    }
    for (const beat of [0, 2.5]) addNote(mix, BASS, frequency(chord - 7), startS + beat * beatS, 1.6 * beatS, 0.5);
    yield;
    for (let eighth = 0; eighth < 8; eighth++) {
      if (random() < 0.28) continue;
      melody = Math.max(5, Math.min(18, melody + Math.floor(random() * 5) - 2));
      // on the strong beats a note of the chord
      const step = eighth % 4 === 0 ? chord + 7 + 2 * Math.floor(random() * 3) : melody;
      addNote(mix, lead, frequency(step + 7), startS + (eighth / 2) * beatS, 2 * beatS, 0.3 + 0.4 * random());
      yield;
    }
  }
  return yield* toSamples(mix.left, mix.right);
}

function addNote(
  mix: { left: Float32Array; right: Float32Array },
  voice: Voice,
  frequencyHz: number,
  startS: number,
  lengthS: number,
  pan: number,
): void {
  const start = Math.round(startS * DEMO_RATE_HZ);
  const end = Math.min(mix.left.length, start + Math.round(lengthS * DEMO_RATE_HZ));
  const attack = voice.attackS * DEMO_RATE_HZ;
  const release = Math.min(0.25 * DEMO_RATE_HZ, (end - start) / 3);
  const fall = Math.exp(-1.1 / (voice.decayS * DEMO_RATE_HZ));
  const stepA = (frequencyHz * TABLE_LENGTH) / DEMO_RATE_HZ;
  const stepB = stepA * voice.beat;
  let [phaseA, phaseB, level] = [0, 0, voice.gain];
  for (let i = start; i < end; i++) {
    const rise = Math.min(1, (i - start) / attack, (end - i) / release);
    const value = level * rise * (voice.table[phaseA & 4_095]! + 0.5 * voice.table[phaseB & 4_095]!);
    mix.left[i] = mix.left[i]! + value * (1 - pan);
    mix.right[i] = mix.right[i]! + value * pan;
    phaseA += stepA;
    phaseB += stepB;
    level *= fall;
  }
}

function* toSamples(left: Float32Array, right: Float32Array): Generator<undefined, Buffer> {
  const samples = new Int16Array(left.length * 2);
  for (let from = 0; from < left.length; from += STEP_FRAMES) {
    convert(left, right, from, samples);
    yield;
  }
  return Buffer.from(samples.buffer);
}

/** One step of frames from `from` on. A loop of its own: inside a generator it would run several times slower. */
function convert(left: Float32Array, right: Float32Array, from: number, samples: Int16Array): void {
  const fadeFrom = left.length - FADE_OUT_S * DEMO_RATE_HZ;
  const end = Math.min(left.length, from + STEP_FRAMES);
  for (let i = from; i < end; i++) {
    const fade = i < fadeFrom ? 1 : (left.length - i) / (left.length - fadeFrom);
    // tanh keeps the peaks inside without a hard edge
    samples[2 * i] = Math.round(Math.tanh(left[i]! * 1.6 * fade) * 32_000);
    samples[2 * i + 1] = Math.round(Math.tanh(right[i]! * 1.6 * fade) * 32_000);
  }
}

/** A picture of `edge` pixels square, as PNG: rings over a slope of two colours. */
export function drawCover(seed: number, edge = 240): Buffer {
  const random = randomFrom(seed ^ 0xc0ffee);
  const colour = () => [40 + random() * 200, 40 + random() * 200, 40 + random() * 200] as const;
  const [from, to, ink] = [colour(), colour(), colour()];
  const [centreX, centreY, rings] = [edge * random(), edge * random(), 12 + random() * 20];
  const rows = Buffer.alloc(edge * (1 + edge * 3));
  for (let y = 0; y < edge; y++) {
    for (let x = 0; x < edge; x++) {
      const slope = (x + y) / (2 * edge);
      const distance = Math.hypot(x - centreX, y - centreY);
      const ring = Math.floor(distance / rings) % 2 === 0 ? 0.3 : 0;
      for (let c = 0; c < 3; c++) {
        const base = from[c]! * (1 - slope) + to[c]! * slope;
        rows[y * (1 + edge * 3) + 1 + x * 3 + c] = Math.round(base * (1 - ring) + ink[c]! * ring);
      }
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(edge, 0);
  header.writeUInt32BE(edge, 4);
  // 8 bits a channel, red green blue
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, body: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), body]);
  const framed = Buffer.alloc(8 + typed.length);
  framed.writeUInt32BE(body.length, 0);
  typed.copy(framed, 4);
  framed.writeUInt32BE(crc32(typed), 4 + typed.length);
  return framed;
}
