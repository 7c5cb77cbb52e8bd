/**
 * The sound itself: two players on two sound cards, recorded together under one clock, against each other and against the
 * music that went in. Prints what it measured.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPlayback } from '../../src/playback/playback.ts';
import type { PlayableTrack, Playback } from '../../src/playback/types.ts';
import { channel, find } from '../sound-lab/correlate.ts';
import { type SoundLab, soundLabMissing, startSoundLab } from '../sound-lab/sound-lab.ts';
import { decode, keptLog, TestClock, until } from './support.ts';
import { MemoryStore, makeTrack } from './tracks.ts';

const BOXES = ['A', 'B'] as const;
const RATE = 48_000;
const FIRST_MS = 4_000;
const SECOND_MS = 6_000;
/** Before the first note: players settle, decoders open. */
const LEAD_IN_MS = 4_000;
/** A machine that is too busy to feed a sound card at all says nothing about time. */
const ATTEMPTS = 3;
const HOOK_TIMEOUT_MS = 120_000;
const HALF_SECOND = RATE / 2;
/** The first piece compared begins 0.1 s after the first note: what comes late there is seen. */
const FIRST_PIECE = RATE / 10;
/** The same music, through encoder, player and sound system. */
const SAME_MUSIC = 0.98;

const missing = soundLabMissing();
if (missing !== null) console.log(`sound: skipped, no sound lab here (${missing})`);

/** Places of half-second pieces of `music` in a recording, with how far off each lies from where the first one says. */
function follow(music: Float32Array, recording: Float32Array, from: number) {
  const pieces = [];
  for (let at = FIRST_PIECE; at + HALF_SECOND <= music.length; at += HALF_SECOND) {
    const start = Math.max(0, from + at - 4_800);
    const match = find(music.subarray(at, at + HALF_SECOND), recording.subarray(start, start + HALF_SECOND + 9_600));
    pieces.push({ at, offset: start + match.lag - at, correlation: match.correlation });
  }
  return pieces;
}

const left = (pcm: Int16Array) => Float32Array.from(channel(pcm, 0), (sample) => sample / 32_768);
const ms = (frames: number) => Number(((1_000 * frames) / RATE).toFixed(3));
const quantile = (values: number[], q: number) =>
  [...values].sort((a, b) => a - b)[Math.floor(q * (values.length - 1))]!;

describe.skipIf(missing !== null)('two players, one recording', () => {
  let lab: SoundLab;
  const clock = new TestClock();
  const store = new MemoryStore();
  let players: Playback[] = [];
  let sound = new Map<string, Float32Array>();
  let programme: Float32Array;

  /** Both boxes play the two tracks while the recorder runs. */
  async function perform(first: PlayableTrack, second: PlayableTrack): Promise<void> {
    const recording = await lab.record();
    players = BOXES.map((box) => {
      const init = { output: `alsa:${lab.alsaDevice(box)}`, env: lab.env };
      return createPlayback({ clock, content: store, filler: () => null, log: keptLog() }, init);
    });
    await Promise.all(players.map((player) => player.start()));
    const startMs = Math.ceil(clock.stationNowMs()) + LEAD_IN_MS;
    for (const player of players) {
      player.schedule({ slot: 1, startMs, durationMs: FIRST_MS, track: first });
      player.schedule({ slot: 2, startMs: startMs + FIRST_MS, durationMs: SECOND_MS, track: second });
    }
    await until('the end', () => clock.stationNowMs() > startMs + FIRST_MS + SECOND_MS);
    await sleep(200);
    const recorded = await recording.stop();
    sound = new Map(BOXES.map((box) => [box, channel(recorded.get(box)!, 0)]));
  }

  beforeAll(async () => {
    const first = await makeTrack(store, { codec: 'mp3', seconds: FIRST_MS / 1_000, seed: 31 });
    const second = await makeTrack(store, { codec: 'flac', seconds: SECOND_MS / 1_000, seed: 32 });
    const pcm = [await decode(store, first.track, 0), await decode(store, second.track, 0)];
    programme = new Float32Array([...left(pcm[0]!), ...left(pcm[1]!)]);
    lab = await startSoundLab(BOXES);
    for (let attempt = 1; ; attempt++) {
      await perform(first.track, second.track);
      const underruns = players.map((player) => player.status().underruns);
      // The recorder can lose samples too, of which no player knows: a fault of ours would be there every time.
      const worst = Math.min(...BOXES.map((box) => worstPiece(programme, sound.get(box)!)));
      const undisturbed = underruns.every((count) => count === 0) && worst > SAME_MUSIC;
      if (attempt === ATTEMPTS || undisturbed) break;
      const told = `underruns: ${underruns.join(', ')}; least correlation: ${worst.toFixed(3)}`;
      console.log(`sound: the machine was too busy to play or to record (${told}); played again`);
      for (const player of players) await player.stop();
    }
  }, HOOK_TIMEOUT_MS);

  afterAll(async () => {
    for (const player of players) await player.stop();
    await lab?.stop();
  });

  it('sounds the music that went in, gapless over the change of tracks', () => {
    for (const box of BOXES) {
      const recording = sound.get(box)!;
      const whole = find(programme.subarray(RATE, 3 * RATE), recording);
      expect(whole.correlation).toBeGreaterThan(SAME_MUSIC);
      const pieces = follow(programme, recording, Math.round(whole.lag) - RATE);
      const offsets = pieces.map(({ offset }) => offset);
      const spread = Math.max(...offsets) - Math.min(...offsets);
      const worst = Math.min(...pieces.map(({ correlation }) => correlation));
      console.log(
        `sound of ${box}: ${pieces.length} pieces, least correlation ${worst.toFixed(4)}, place within ${ms(spread)} ms`,
      );
      expect(worst).toBeGreaterThan(SAME_MUSIC);
      // A gap or an overlap at the change would move all pieces after it.
      expect(ms(spread)).toBeLessThan(1);
    }
  });

  it('is heard from both at the same time', () => {
    const [a, b] = BOXES.map((box) => sound.get(box)!);
    const begin = Math.round(find(programme.subarray(RATE, 3 * RATE), a!).lag) - RATE;
    const offsets = [];
    for (let at = begin + FIRST_PIECE; at + HALF_SECOND < begin + programme.length; at += HALF_SECOND) {
      const match = find(a!.subarray(at, at + HALF_SECOND), b!.subarray(at - 2_400, at + HALF_SECOND + 2_400));
      expect(match.correlation).toBeGreaterThan(SAME_MUSIC);
      offsets.push(ms(match.lag - 2_400));
    }
    const sizes = offsets.map(Math.abs);
    const [p50, p95, max] = [quantile(sizes, 0.5), quantile(sizes, 0.95), Math.max(...sizes)];
    console.log(
      `sound of A against B, ms: p50 ${p50}, p95 ${p95}, max ${max}; first ${offsets[0]}, last ${offsets.at(-1)}`,
    );
    expect(max).toBeLessThan(5);
  });

  it('says of itself what the recording says', () => {
    for (const player of players) {
      const { silent, silentMs, offsetMs, driftPpm, sensorNoiseMs, slips, corrections, underruns } = player.status();
      console.log(JSON.stringify({ silentMs, offsetMs, driftPpm, sensorNoiseMs, slips, corrections, underruns }));
      expect(silent).toBe(false);
    }
  });
});

/** Correlation of the worst piece of a recording with what went in; 0 when the beginning is not even found. */
function worstPiece(programme: Float32Array, recording: Float32Array): number {
  const whole = find(programme.subarray(RATE, 3 * RATE), recording);
  if (whole.correlation <= SAME_MUSIC) return 0;
  const pieces = follow(programme, recording, Math.round(whole.lag) - RATE);
  return Math.min(...pieces.map(({ correlation }) => correlation));
}
