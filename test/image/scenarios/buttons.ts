import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StatusSnapshot } from '../../../src/web/snapshot.ts';
import { BOOT_MS, type Box, MUSIC_MS } from '../box.ts';
import type { Outcome } from '../report.ts';
import { makeStick } from '../stick.ts';
import type { Lab } from './scenario.ts';

/** Lines of the emulated board's chip; 3 is its power key. */
const SKIP = 5;
const NEVER = 6;
const LIGHT = 7;
const WIRING = `skip=${SKIP},never=${NEVER},light=${LIGHT},chip=9030000.pl061`;
/** Contacts are pulled up: a hand pulls them down. */
const DOWN = 0;
const UP = 1;
/** A hand's; far from a bounce and from a long press (src/controls/limits.ts). */
const SHORT_MS = 300;
const PAIR_MS = 3_600;
const RESET_MS = 11_000;
const DEBOUNCE_MS = 30;
const BOUNCES = 1_000;
const MOST_IN_A_BURST = 6;
/** So that a flood of edges, which the radio stops to look at, is not what is tested. */
const LONGEST_GAP_MS = 60;
/** Reads of a register, some 30 us each, between two bounces. */
const LONGEST_PAUSE_READS = 40;
/** The light's steps are timed by a program in the emulator. */
const TOLERANCE_MS = 130;
const SLOW_MS = 120_000;
/** One command in an emulator that shares its host with others. */
const COMMAND_MS = 180_000;
/** So much of the track is to be left when something is asked for until its end. */
const LEAST_LEFT_MS = 25_000;
/** The track may have to pass first. */
const SLOT_MS = 240_000;
const HOME = 'Nest';

/** Two buttons and a light on the emulated board's pins, as on a header, with the radio playing from a stick. */
export async function buttons({ report, box: make, music, work }: Lab): Promise<void> {
  const stick = join(work, 'stick.img');
  makeStick(stick, music);
  const box = await make('box');
  const hand = new Hand(box);
  const wired = await report.check('the pins are taken, and music plays', async () => {
    await box.start();
    await box.plug('stick', stick);
    await box.agent.up(1, BOOT_MS);
    await hand.letGo();
    await wire(box);
    const { now, library } = await box.until('nothing plays', BOOT_MS + MUSIC_MS, (status) => {
      return status.now?.source === 'flock' && status.now.track != null && status.library.ready > 2;
    });
    await hand.told('Buttons and light are there', 0);
    return `${now?.track?.name}, ${library.ready} tracks ready`;
  });
  if (!wired) return;
  await report.check('the light plays the pattern that the page tells', async () => await lightPlays(box, 'alone'));
  await report.check(`${BOUNCES} bounces, and a press among them`, async () => await bounces(box, hand));
  await report.check(
    'skip: something of its own, and back in the programme by itself',
    async () => await skips(box, hand),
  );
  await report.check('never again, and taken back within ten seconds', async () => await neverAndBack(box, hand));
  await report.check('never again: the track is on the list', async () => await never(box, hand));
  await report.check('skip held: the phone that asked is let in', async () => await pairs(box, hand));
  await report.check(
    'both held: the light says when, and the Wi-Fi is forgotten',
    async () => await forgetsWifi(box, hand),
  );
  await report.check('nothing failed in all that', async () => {
    const complaints = await box.complaints();
    if (complaints.length > 0) throw new Error(complaints.slice(0, 3).join(' | '));
    return 'no unit failed';
  });
}

/** The card's own unit with other pins, a simulated radio, and a network that is kept; silent, as nobody listens here. */
async function wire(box: Box): Promise<void> {
  const folder = '/run/systemd/system/starling.service.d';
  const lines = [
    'set -e',
    'modprobe mac80211_hwsim radios=1',
    `mkdir -p ${folder}`,
    `(echo '[Service]'; grep '^ExecStart=' /etc/systemd/system/starling.service.d/box.conf) | sed 's/--gpio auto/--gpio ${WIRING} --output null/' >${folder}/test.conf`,
    `grep -q 'chip=' ${folder}/test.conf`,
    'systemctl daemon-reload',
    `for i in $(seq 120); do nmcli -t general status >/dev/null 2>&1 && break; sleep 1; done`,
    `nmcli connection add type wifi con-name ${HOME} ssid ${HOME} ifname wlan0 autoconnect no -- wifi-sec.key-mgmt wpa-psk wifi-sec.psk 'correct horse'`,
    'systemctl restart --no-block starling',
  ];
  await box.agent.must(lines.join('\n'), BOOT_MS);
}

async function bounces(box: Box, hand: Hand): Promise<Outcome> {
  const before = (await hand.wishes()).length;
  let longest = 0;
  for (const line of [SKIP, NEVER]) longest = Math.max(longest, await hand.bounce(line, BOUNCES / 2));
  await sleep(1_000);
  const heard = (await hand.wishes()).slice(before);
  const flood = await box.agent.must("journalctl -b -u starling -o cat --no-pager | grep -c 'flicker' || true");
  if (heard.length > 0)
    throw new Error(`taken for presses: ${heard.join(' | ')}; longest closed ${longest.toFixed(1)} ms`);
  if (longest >= DEBOUNCE_MS)
    throw new Error(`this machine stretched a bounce to ${longest.toFixed(0)} ms: nothing is shown`);
  if (flood !== '0') throw new Error('the radio stopped looking at the pins');
  await hand.press(SKIP);
  await hand.told('wish=skip', before);
  return {
    detail: `no wish; longest closed ${longest.toFixed(1)} ms; a press after it is taken`,
    figures: { longest_ms: longest },
  };
}

async function skips(box: Box, hand: Hand): Promise<Outcome> {
  const { station } = await inProgramme(box);
  const since = stopwatch();
  await hand.press(SKIP);
  const { now } = await box.until('not skipped', SLOW_MS, ({ diverged, diverged_reason: reason, now: current }) => {
    return diverged && reason === 'moderation' && current?.source !== 'flock' && current?.moderation === 'skip';
  });
  const skipped_s = since();
  const light = await lightPlays(box, 'diverged');
  const back = await box.until('not back', SLOT_MS, (status) => !status.diverged && status.now?.source === 'flock');
  if (back.station.slot <= station.slot)
    throw new Error(`back in slot ${back.station.slot}, skipped in ${station.slot}`);
  return {
    detail: `${now?.track?.name} in its stead; ${light.detail}; back in slot ${back.station.slot} after ${since()} s`,
    figures: { skipped_s, back_s: since() },
  };
}

async function neverAndBack(box: Box, hand: Hand): Promise<string> {
  await inProgramme(box);
  const before = (await hand.wishes()).length;
  await hand.press(NEVER);
  await hand.told('wish=never', before);
  await hand.press(NEVER);
  const [, second = ''] = (await hand.told('wish=undo', before)).slice(before);
  if (second.includes('refused')) throw new Error(second);
  const banned = await bans(box);
  if (banned.length > 0) throw new Error(`still on the list: ${banned.join(', ')}`);
  return 'nothing is on the list';
}

async function never(box: Box, hand: Hand): Promise<string> {
  // What is taken back plays on as skipped until its end.
  const { now } = await inProgramme(box);
  await hand.press(NEVER);
  await box.until(
    'not banned',
    SLOW_MS,
    (status) => status.now?.source !== 'flock' && status.now?.moderation === 'never',
  );
  const banned = await bans(box);
  if (banned.length !== 1 || banned[0] !== now?.track?.hash)
    throw new Error(`on the list: ${banned.join(', ') || 'nothing'}`);
  return now?.track?.name ?? '';
}

/** Hashes of the tracks that this box never plays again, from its own file. */
async function bans(box: Box): Promise<string[]> {
  const text = await box.agent.must('cat /var/lib/starling/listener.json 2>/dev/null || true');
  return [...new Set(text.match(/sha256:[0-9a-f]{64}/g) ?? [])];
}

async function pairs(box: Box, hand: Hand): Promise<string> {
  const headers = { 'X-Starling': '1', 'Content-Type': 'application/json' };
  const body = JSON.stringify({ name: 'phone of the buttons' });
  const asked = await fetch(`${box.url}/api/pair`, { method: 'POST', headers, body });
  const { request } = (await asked.json()) as { request: string };
  await box.until('the light does not ask', SLOW_MS, ({ light }) => light?.pattern === 'pairing');
  await hand.press(SKIP, PAIR_MS);
  for (let look = 0; look < 30; look += 1) {
    const answer = await fetch(`${box.url}/api/pair/${request}`);
    const { state } = (await answer.json()) as { state: string };
    const cookie = answer.headers.getSetCookie().find((field) => field.startsWith('starling_phone='));
    if (cookie !== undefined) return await letIn(box, cookie.split(';')[0]!);
    if (state !== 'waiting') throw new Error(`the request is ${state}`);
    await sleep(1_000);
  }
  throw new Error('the phone still waits');
}

async function letIn(box: Box, cookie: string): Promise<string> {
  const session = await fetch(`${box.url}/api/session`, { headers: { Cookie: cookie } });
  const answer = (await session.json()) as { paired: boolean; has_button: boolean; phone: { name: string } | null };
  if (!answer.paired || !answer.has_button) throw new Error(JSON.stringify(answer));
  return `"${answer.phone?.name}" is paired`;
}

async function forgetsWifi(box: Box, hand: Hand): Promise<Outcome> {
  const kept = () => box.agent.must(`nmcli -t -f NAME connection show | grep -c '^${HOME}$' || true`);
  if ((await kept()) !== '1') throw new Error('there is nothing to forget');
  const before = (await hand.wishes()).length;
  await box.setPin(SKIP, DOWN);
  await box.setPin(NEVER, DOWN);
  try {
    await sleep(RESET_MS);
    const light = await lightPlays(box, 'armed_wifi');
    if ((await hand.wishes()).length > before) throw new Error('something was done before the hand let go');
    await hand.letGo();
    const [told = ''] = (await hand.told('wish=reset wifi', before)).slice(before);
    if (told.includes('refused')) throw new Error(told);
    if ((await kept()) !== '0') throw new Error(`${HOME} is still kept`);
    return { detail: `${light.detail}; ${HOME} is forgotten` };
  } finally {
    await hand.letGo();
  }
}

/** In the programme with enough of the track left, so that what follows is about this track. */
async function inProgramme(box: Box): Promise<StatusSnapshot> {
  return await box.until('not in the programme', SLOT_MS, ({ now, station, diverged }) => {
    const leftMs = now === null ? 0 : now.start_ms + now.duration_ms - station.time_ms;
    return !diverged && now?.source === 'flock' && now.track !== null && leftMs > LEAST_LEFT_MS;
  });
}

/** Looks at the light's line until a whole round of the pattern was seen. @throws when it shows something else */
async function lightPlays(box: Box, pattern: string): Promise<Outcome> {
  const { light } = await box.until(
    `the page tells of another light`,
    SLOW_MS,
    (status) => status.light?.pattern === pattern,
  );
  const steps = light?.steps ?? [];
  const roundMs = steps.reduce((sum, ms) => sum + ms, 0);
  // gpioset may have begun a moment ago.
  for (let look = 1; ; look += 1) {
    const seen = await watch(box, 2.5 * roundMs);
    if (holdsRound(seen, steps))
      return { detail: `"${pattern}" lit and dark for ${seen.slice(0, steps.length).map(Math.round).join(', ')} ms` };
    if (look === 3)
      throw new Error(
        `"${pattern}" is ${steps.join(', ')} ms; seen: ${seen.map(Math.round).join(', ') || 'no change'}`,
      );
  }
}

/** @returns how long the line was lit, dark, lit ..., without the pieces at both ends, beginning lit */
async function watch(box: Box, forMs: number): Promise<number[]> {
  const changes: { level: number; atMs: number }[] = [];
  const untilMs = performance.now() + forMs;
  for (let level = -1; performance.now() < untilMs; await sleep(5)) {
    const now = await box.readPin(LIGHT);
    if (now !== level) changes.push({ level: now, atMs: performance.now() });
    level = now;
  }
  const whole = changes.slice(1);
  const first = whole.findIndex(({ level }) => level === 1);
  const from = first < 0 ? [] : whole.slice(first);
  return from.slice(1).map(({ atMs }, index) => atMs - from[index]!.atMs);
}

/** Whether the steps stand somewhere in what was seen, one after the other. */
function holdsRound(seen: readonly number[], steps: readonly number[]): boolean {
  const starts = Array.from({ length: Math.max(0, seen.length - steps.length + 1) }, (_, at) => at);
  return starts.some(
    (at) => at % 2 === 0 && steps.every((ms, index) => Math.abs(seen[at + index]! - ms) <= TOLERANCE_MS),
  );
}

/** Fingers on the two buttons. */
class Hand {
  readonly #box: Box;
  constructor(box: Box) {
    this.#box = box;
  }

  async letGo(): Promise<void> {
    for (const line of [SKIP, NEVER]) await this.#box.setPin(line, UP);
  }

  async press(line: number, forMs = SHORT_MS): Promise<void> {
    await this.#box.setPin(line, DOWN);
    await sleep(forMs);
    await this.#box.setPin(line, UP);
  }

  /** What the radio took from the buttons so far, by its log. */
  async wishes(): Promise<string[]> {
    const text = await this.#box.agent.must(
      "journalctl -b -u starling -o cat --no-pager | grep 'Button  wish=' || true",
      COMMAND_MS,
    );
    return text.split('\n').filter((line) => line !== '');
  }

  /** Waits for a line of the log, beyond so many of the buttons'. @returns the buttons' lines */
  async told(words: string, after: number): Promise<string[]> {
    const deadline = performance.now() + SLOW_MS;
    while (performance.now() < deadline) {
      const lines = await this.wishes();
      if (after === 0 && !words.includes('wish')) {
        const found = await this.#box.agent.run(`journalctl -b -u starling -o cat --no-pager | grep -qF '${words}'`);
        if (found.code === 0) return lines;
      } else if (lines.slice(after).some((line) => line.includes(words))) return lines;
      await sleep(500);
    }
    throw new Error(
      `the log does not tell "${words}"; buttons: ${(await this.wishes()).slice(after).join(' | ') || 'none'}`,
    );
  }

  /**
   * A contact that opens and closes at random, and ends open. The moves of a burst are sent in one go, with reads between
   * them for the time that they take: this machine's scheduler must not stretch a bounce into a press.
   * @returns the longest time closed, in ms, by when the emulator answered
   */
  async bounce(line: number, count: number): Promise<number> {
    let longestMs = 0;
    for (let left = count; left > 0; ) {
      const burst = Math.min(left, 1 + Math.floor(Math.random() * MOST_IN_A_BURST));
      left -= burst;
      let closedMs = 0;
      const moves: Promise<unknown>[] = [];
      for (let index = 0; index < burst; index += 1) {
        moves.push(this.#box.setPin(line, DOWN).then(() => (closedMs = performance.now())));
        moves.push(...this.#pause());
        moves.push(
          this.#box.setPin(line, UP).then(() => (longestMs = Math.max(longestMs, performance.now() - closedMs))),
        );
        moves.push(...this.#pause());
      }
      await Promise.all(moves);
      await sleep(Math.random() * LONGEST_GAP_MS);
    }
    return longestMs;
  }

  #pause(): Promise<unknown>[] {
    const reads = Math.floor(Math.random() * LONGEST_PAUSE_READS);
    return Array.from({ length: reads }, () => this.#box.readGpio(0x400));
  }
}

function stopwatch(): () => number {
  const startMs = performance.now();
  return () => Math.round((performance.now() - startMs) / 1_000);
}
