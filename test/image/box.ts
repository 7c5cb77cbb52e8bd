/** What a person with a phone, a stick and ears finds out about an emulated box. */

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StatusSnapshot } from '../../src/web/snapshot.ts';
import { decodeFile } from '../fixtures/music.ts';
import { channel, find } from '../sound-lab/correlate.ts';
import { Machine, type MachineInit } from './machine.ts';

const RATE_HZ = 48_000;
const BYTES_A_FRAME = 4;
const WAV_HEADER_BYTES = 44;
/** An idle host boots it in a minute; a busy one takes several. */
export const BOOT_MS = 420_000;
export const MUSIC_MS = 420_000;
/** A box that was just put up listens first whether there is a station, and reads music at the player's leave. */
const SOUND_MS = 480_000;
/** So much of the recording is looked for in the files. */
const PIECE_SECONDS = 3;
/** What a sound card and a volume leave of a recording; other music stays far below. */
const LEAST_CORRELATION = 0.9;
/** Louder than the dither of a silent card. */
const LEAST_LEVEL = 100;
/** A card that people buy is larger than the image: the data partition is to grow. */
const CARD_SPARE = '+2G';

export class Box extends Machine {
  #music: { name: string; samples: Float32Array }[] = [];

  /** A fresh card from the built image. */
  static async make(image: string, init: Omit<MachineInit, 'disk'>): Promise<Box> {
    const box = new Box({ ...init, disk: join(init.directory, 'card.img') });
    execFileSync('cp', ['--sparse=always', image, box.init.disk]);
    execFileSync('truncate', ['-s', CARD_SPARE, box.init.disk]);
    return box;
  }

  /** Remembers how these files sound. */
  knowMusic(folder: string): void {
    this.#music = readdirSync(folder)
      .filter((name) => /\.(mp3|m4a|flac|ogg|opus|wav)$/i.test(name))
      .map((name) => ({ name, samples: channel(toSamples(decodeFile(join(folder, name), 's16le', RATE_HZ)), 0) }));
  }

  /** The status page's figures; null while nobody answers. */
  async status(): Promise<StatusSnapshot | null> {
    return await fetch(`${this.url}/api/status`, { signal: AbortSignal.timeout(15_000) })
      .then(async (response) => (response.ok ? ((await response.json()) as StatusSnapshot) : null))
      .catch(() => null);
  }

  /** Waits for a status, as `look` finds it. @throws `complaint`, with the last one in short, when it does not come */
  async until(
    complaint: string,
    withinMs: number,
    holds: (status: StatusSnapshot) => boolean,
    look: () => Promise<StatusSnapshot | null> = () => this.status(),
  ): Promise<StatusSnapshot> {
    const deadline = performance.now() + withinMs;
    let last: StatusSnapshot | null = null;
    while (performance.now() < deadline && this.running) {
      last = (await look()) ?? last;
      if (last !== null && holds(last)) return last;
      await sleep(1_000);
    }
    const seen = last === null ? 'the page never answered' : inShort(last);
    throw new Error(this.running ? `${complaint} within ${withinMs / 1_000} s (${seen})` : 'the machine stopped');
  }

  async page(withinMs = BOOT_MS): Promise<StatusSnapshot> {
    return await this.until('no answer from the page', withinMs, () => true);
  }

  /** Waits until the card is heard to play one of the known files. @returns which, and how surely */
  async hear(withinMs = SOUND_MS): Promise<{ name: string; correlation: number }> {
    const deadline = performance.now() + withinMs;
    let best = { name: 'nothing', correlation: 0 };
    while (performance.now() < deadline && this.running) {
      await sleep(5_000);
      const heard = this.recorded(PIECE_SECONDS);
      if (heard === null) continue;
      for (const { name, samples } of this.#music) {
        if (samples.length < heard.length) continue;
        const { correlation } = find(heard, samples);
        if (correlation > best.correlation) best = { name, correlation };
        if (correlation >= LEAST_CORRELATION) return { name, correlation };
      }
    }
    throw new Error(`not heard; best match: ${best.name}, correlation ${best.correlation.toFixed(3)}`);
  }

  /** The last seconds that the sound card was given, left channel; null while it is silent. */
  recorded(seconds: number): Float32Array | null {
    if (!existsSync(this.wav)) return null;
    const size = statSync(this.wav).size;
    const wanted = seconds * RATE_HZ * BYTES_A_FRAME;
    if (size < WAV_HEADER_BYTES + 2 * wanted) return null;
    const end = size - ((size - WAV_HEADER_BYTES) % BYTES_A_FRAME);
    const samples = channel(toSamples(readFileSync(this.wav).subarray(end - wanted, end)), 0);
    return samples.some((sample) => Math.abs(sample) > LEAST_LEVEL) ? samples : null;
  }

  /** Seconds of sound since the emulator started. */
  recordedSeconds(): number {
    const bytes = existsSync(this.wav) ? statSync(this.wav).size - WAV_HEADER_BYTES : 0;
    return bytes / (RATE_HZ * BYTES_A_FRAME);
  }

  /** Units that failed, and ordering cycles; empty when all is well. */
  async complaints(): Promise<string[]> {
    const failed = await this.agent.must('systemctl --failed --no-legend --plain');
    const journal = await this.agent.must(
      "journalctl -b -o cat --no-pager | grep -iE 'ordering cycle|Found dependency loop|Failed to start|oom-kill|segfault' || true",
    );
    return [failed, journal].flatMap((text) => text.split('\n')).filter((line) => line.trim() !== '');
  }

  /** Seconds of the box's own clock since its kernel started. */
  async uptimeS(): Promise<number> {
    return Number(await this.agent.must('cut -d" " -f1 /proc/uptime', 120_000));
  }

  /** @returns tells how many seconds of the box's own clock have passed since; not across a start */
  async stopwatch(): Promise<() => Promise<number>> {
    const startS = await this.uptimeS();
    return async () => Math.round((await this.uptimeS()) - startS);
  }

  /** Waits until systemd has nothing more to start. @returns what it says: "running" or "degraded" */
  async settled(withinMs = BOOT_MS): Promise<string> {
    const { output } = await this.agent.run('systemctl is-system-running --wait', withinMs);
    return output.trim();
  }

  /** @returns what systemd says once it has settled @throws when something failed */
  async well(): Promise<string> {
    const state = await this.settled();
    const complaints = await this.complaints();
    if (state !== 'running' || complaints.length > 0) throw new Error([state, ...complaints].slice(0, 4).join(' | '));
    return state;
  }

  /** Another name for the card's file, as it is now. */
  keepCard(path: string): void {
    copyFileSync(this.init.disk, path);
  }
}

function inShort({ station, library, now, output }: StatusSnapshot): string {
  const tracks = `${library.ready} of ${library.tracks} tracks ready, sources ${library.sources.join(' ') || 'none'}`;
  const playing = `slot ${station.slot}, ${now?.source ?? 'silence'} ${now?.track?.name ?? ''}`;
  return `${station.phase}, roster ${station.roster}; ${tracks}; ${playing}; output ${output.device ?? 'none'} ${output.state}`;
}

function toSamples(bytes: Buffer): Int16Array {
  const copy = Uint8Array.from(bytes.subarray(0, bytes.length - (bytes.length % 4)));
  return new Int16Array(copy.buffer);
}
