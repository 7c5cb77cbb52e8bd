import { setTimeout as sleep } from 'node:timers/promises';
import type { WifiView } from '../../src/system/wifi/view.ts';
import type { WifiInit } from '../../src/system/wifi/wifi.ts';
import type { Guest } from './guest.ts';

/**
 * Times of the box in the emulator: what depends on radios and programs is longer, because everything there is slower by a factor
 * that the host's load decides; what a person would wait for is shorter.
 */
const TIMES: WifiInit['times'] = {
  scanMs: 25_000,
  openMs: 120_000,
  reopenMs: 3_000,
  attemptMs: 240_000,
  bootGraceMs: 20_000,
  linkLostMs: 20_000,
  idleMs: 10_000,
  knownMs: 30_000,
};

const INIT: WifiInit = {
  suffix: 'rig1',
  countryFile: '/var/lib/starling/country',
  interfaceName: 'wlan0',
  times: TIMES,
};

export const HOTSPOT = 'Starling-rig1';
export const PASSWORD = 'correct horse';
/** Box, phone, and five for homes. */
const RADIOS = 7;
const LOOK_MS = 1_000;

export type Join = { ssid: string; password?: string; hidden?: boolean; country?: string };

/** The homes, the phone and the box in the guest. */
export class World {
  readonly #guest: Guest;
  #figures: Record<string, number> = {};

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  async start(): Promise<void> {
    await this.do(`radios ${RADIOS}`, 300_000);
    await this.do('install-snippets', 300_000);
  }

  /** What a check measures, by name; seconds of the guest. */
  beginFigures(): Record<string, number> {
    this.#figures = {};
    return this.#figures;
  }

  /** Runs something in the guest. @throws when it fails */
  async run(command: string, timeoutMs = 120_000): Promise<string> {
    const { code, output } = await this.#guest.run(command, timeoutMs);
    if (code !== 0) throw new Error(`${command.slice(0, 100)}: ${code}: ${output.trim().slice(-300)}`);
    return output;
  }

  do(command: string, timeoutMs?: number): Promise<string> {
    return this.run(`bash /rig/world.sh ${command}`, timeoutMs);
  }

  async startBox(): Promise<void> {
    await this.do(`box '${JSON.stringify(INIT)}'`);
    await this.until('started', () => true);
  }

  async stopBox(): Promise<void> {
    await this.run('systemctl stop box');
  }

  async home(name: string): Promise<void> {
    await this.do(`home ${name}`);
  }

  async away(name: string): Promise<void> {
    await this.do(`away ${name}`);
  }

  /** From the box itself: how it sees things. Null while its server does not answer. */
  async view(): Promise<WifiView | null> {
    const { code, output } = await this.#guest.run('curl -s -m 20 http://127.0.0.1/api/wifi', 60_000);
    return code === 0 && output !== '' ? (JSON.parse(output) as WifiView) : null;
  }

  /** Waits for a view, and notes how long it took. @throws with the last view when it does not come */
  async until(figure: string, holds: (view: WifiView) => boolean, timeoutMs = 300_000): Promise<WifiView> {
    const from = performance.now();
    let last: WifiView | null = null;
    while (performance.now() - from < timeoutMs) {
      last = await this.view();
      if (last !== null && holds(last)) {
        this.#figures[figure] = Math.round((performance.now() - from) / 1_000);
        return last;
      }
      await sleep(LOOK_MS);
    }
    throw new Error(`${figure}: not within ${timeoutMs / 1_000} s; ${JSON.stringify(last)}`);
  }

  hotspot(figure = 'hotspot'): Promise<WifiView> {
    return this.until(figure, ({ hotspot }) => hotspot.on);
  }

  /** From the box, as a page in its network would. */
  async wish(path: string, body: object): Promise<unknown> {
    const data = JSON.stringify(body).replaceAll("'", "'\\''");
    return JSON.parse(await this.run(`curl -sS -m 60 --data '${data}' http://127.0.0.1${path}`));
  }

  /** Joins, and waits for the outcome. */
  async join(join: Join): Promise<WifiView> {
    const answer = (await this.wish('/api/wifi/join', join)) as { ok: boolean };
    if (!answer.ok) throw new Error(`join: ${JSON.stringify(answer)}`);
    return this.until(
      'outcome',
      ({ phase, ssid, hotspot, failure }) =>
        phase !== 'trying' && (ssid === join.ssid || (failure !== null && hotspot.on)),
    );
  }

  /** From the phone, over the air. */
  async ask(method: string, path: string, body?: object): Promise<string> {
    return this.do(`ask ${method} ${path} ${body === undefined ? '' : `'${JSON.stringify(body)}'`}`);
  }

  journal(): Promise<string> {
    return this.run('journalctl --no-pager -o short-monotonic', 120_000);
  }
}
