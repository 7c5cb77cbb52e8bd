/** The page of a box in a large flock, on a slow phone: how late a change is seen, and what is left for fingers. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import type { StatusSnapshot } from '../../src/web/snapshot.ts';
import { launch, open, PHONE } from '../web/browser.ts';
import { type Living, paired, serveLiving } from '../web/living.ts';
import { type BenchOptions, type BenchResult, quantile, round } from './frame.ts';

export const description =
  'the page with 50 boxes and 20,000 tracks in Chromium, 4 times slowed: a change against 1 s, work against an idle page';

const BOXES = 50;
const TRACKS = 20_000;
/** Of the same list, for comparison: one page of it. */
const FEW_TRACKS = 50;
/** Chromium's own measure for a phone of the middle class on a PC. */
const THROTTLE = 4;
/** "A change in the flock shows on the page within 1 s." */
const CHANGE_LIMIT_MS = 1_000;
/** One picture of sixty a second. */
const FRAME_MS = 1_000 / 60;
/** What browsers call a long task, and a good answer to a finger (Interaction to Next Paint). */
const LONG_TASK_MS = 50;
const GOOD_INPUT_MS = 200;
const DEFAULT_SECONDS = 15;
/** The server sends no more often than this. */
const CHURN_MS = 250;
const SETTLE_MS = 1_500;
const VIEWS = ['now', 'flock', 'music', 'box'] as const;

/** What is seen in the page while it is watched. */
interface Watched {
  framesMs: number[];
  tasksMs: number[];
  drawsMs: number[];
  inputsMs: number[];
}

function bigFlock(snapshot: StatusSnapshot): StatusSnapshot {
  const [like] = snapshot.peers;
  const peers = Array.from({ length: BOXES }, (_, at) => ({
    ...like!,
    node_id: `12D3KooWWren${at}`,
    name: `Box ${at}`,
    offset_ms: at / 3,
    catalog: 'bafkcatalog',
    tracks: TRACKS,
  }));
  return {
    ...snapshot,
    peers,
    station: { ...snapshot.station, roster: BOXES },
    library: { ...snapshot.library, tracks: TRACKS, ready: TRACKS, total_files: TRACKS, done_files: TRACKS },
  };
}

/** Everybody's state, offset and way, and the queue: as much as can change at once. */
function churned(snapshot: StatusSnapshot, round_: number): StatusSnapshot {
  const state = round_ % 2 === 0 ? ('sync' as const) : ('diverged' as const);
  return {
    ...snapshot,
    station: { ...snapshot.station, time_ms: snapshot.station.time_ms + CHURN_MS },
    peers: snapshot.peers.map((peer, at) => ({ ...peer, state, offset_ms: (round_ + at) / 7, rtt_ms: round_ % 9 })),
    queue: snapshot.queue.map((entry) => ({ ...entry, ready: round_ % 2 === 0, proposals: BOXES + (round_ % 3) })),
  };
}

async function goTo(page: Page, view: (typeof VIEWS)[number]): Promise<void> {
  await page.locator(`.tabs a[href="#${view}"]`).click();
  await page.locator(`#${view}`).waitFor({ state: 'visible' });
}

/** In the page: begins to watch its frames, long tasks, drawing and answers to fingers. */
function startWatching(): void {
  const watched: Watched = { framesMs: [], tasksMs: [], drawsMs: [], inputsMs: [] };
  const observers = [
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) watched.tasksMs.push(duration);
    }),
    new PerformanceObserver((list) => {
      for (const { name, duration } of list.getEntries()) if (name === 'starling-draw') watched.drawsMs.push(duration);
    }),
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) watched.inputsMs.push(duration);
    }),
  ];
  observers[0]?.observe({ type: 'longtask' });
  observers[1]?.observe({ type: 'measure' });
  observers[2]?.observe({ type: 'event', durationThreshold: 16 } as PerformanceObserverInit);
  let lastMs = performance.now();
  const frame = (nowMs: number) => {
    watched.framesMs.push(nowMs - lastMs);
    lastMs = nowMs;
    if ('watched' in window) requestAnimationFrame(frame);
  };
  Object.assign(window, { watched, observers });
  requestAnimationFrame(frame);
}

function stopWatching(): Watched {
  const holder = window as unknown as { watched?: Watched; observers: PerformanceObserver[] };
  const { watched, observers } = holder;
  for (const observer of observers) observer.disconnect();
  delete holder.watched;
  if (watched === undefined) throw new Error('nothing was watched');
  return watched;
}

/** A page that is touched once a second; everything changes at the same time where `box` is given. */
async function watch(page: Page, seconds: number, box: Living | null): Promise<Watched> {
  await page.evaluate(startWatching);
  const endsMs = performance.now() + seconds * 1_000;
  let rounds = 0;
  const churning = (async () => {
    while (box !== null && performance.now() < endsMs) {
      box.state.snapshot = churned(box.state.snapshot, rounds++);
      box.changed();
      await sleep(CHURN_MS);
    }
  })();
  for (let turn = 0; performance.now() < endsMs; turn++) {
    await goTo(page, VIEWS[turn % VIEWS.length] ?? 'now');
    await sleep(1_000);
  }
  await churning;
  return await page.evaluate(stopWatching);
}

/** From the box's own word to the next picture on the screen, at moments that have nothing to do with each other. */
async function changeDelays(page: Page, box: Living, seconds: number): Promise<number[]> {
  await goTo(page, 'flock');
  const delaysMs: number[] = [];
  const endsMs = performance.now() + seconds * 1_000;
  for (let turn = 0; performance.now() < endsMs; turn++) {
    const name = `Changed ${turn}`;
    const seen = page.evaluate(untilShown, name);
    await sleep(100 + Math.random() * 700);
    const { peers } = box.state.snapshot;
    const at = turn % peers.length;
    box.state.snapshot = {
      ...box.state.snapshot,
      peers: peers.map((peer, index) => (index === at ? { ...peer, name, state: 'diverged' as const } : peer)),
    };
    const startedMs = performance.now();
    box.changed();
    await seen;
    delaysMs.push(performance.now() - startedMs);
  }
  return delaysMs;
}

/** In the page: resolves once the name is in the list and has been painted. */
function untilShown(name: string): Promise<void> {
  return new Promise((resolve) => {
    const list = document.getElementById('peers');
    const look = () => {
      if (![...document.querySelectorAll('#peers .row-title')].some((title) => title.textContent === name)) return;
      observer.disconnect();
      // The frame after the one that has it: by then it is on the screen.
      requestAnimationFrame(() => requestAnimationFrame(() => resolve()));
    };
    const observer = new MutationObserver(look);
    if (list !== null) observer.observe(list, { subtree: true, childList: true, characterData: true });
  });
}

/** The last page of a catalog, and how many elements the page then has. */
async function lastPageOf(page: Page, box: Living, tracks: number): Promise<{ ms: number; elements: number }> {
  box.music.tracks = tracks;
  await goTo(page, 'flock');
  await page.getByRole('button', { name: /^Catalog.* Box 49$/ }).click();
  await page.locator('.pager .item').nth(49).waitFor();
  const startedMs = performance.now();
  const last = page.getByRole('button', { name: 'Last page' });
  if (tracks > FEW_TRACKS) await last.click();
  await page.locator('.pager .item', { hasText: `Marsh Song No. ${tracks}` }).waitFor();
  const ms = performance.now() - startedMs;
  const elements = await page.evaluate(() => document.querySelectorAll('*').length);
  await page.keyboard.press('Escape');
  return { ms, elements };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const largest = (values: readonly number[]) => Math.max(0, ...values);

function rowOf(name: string, { framesMs, tasksMs, drawsMs, inputsMs }: Watched, seconds: number) {
  return [
    name,
    round(quantile(framesMs, 0.5)),
    round(quantile(framesMs, 0.99)),
    drawsMs.length === 0 ? null : round(quantile(drawsMs, 0.95)),
    round((100 * sum(tasksMs)) / (seconds * 1_000), 2),
    round(largest(tasksMs)),
    inputsMs.length === 0 ? null : round(quantile(inputsMs, 0.95)),
  ];
}

export async function run(options: BenchOptions): Promise<BenchResult> {
  const seconds = options.seconds ?? DEFAULT_SECONDS;
  const box = await serveLiving();
  const browser = await launch();
  try {
    const { page } = await open(browser, box.url, { viewport: PHONE }, paired(box));
    await page.locator('#app').waitFor({ state: 'visible' });
    const session = await page.context().newCDPSession(page);
    await session.send('Emulation.setCPUThrottlingRate', { rate: THROTTLE });
    // What is drawn for the first time costs once; neither of the two is to pay for it.
    for (const view of VIEWS) {
      await goTo(page, view);
      await sleep(SETTLE_MS);
    }
    options.say(`a small flock that does nothing, for ${seconds} s …`);
    const idle = await watch(page, seconds, null);
    box.state.snapshot = bigFlock(box.state.snapshot);
    box.changed();
    await sleep(SETTLE_MS);
    options.say(`${BOXES} boxes and the queue change four times a second, for ${seconds} s …`);
    const busy = await watch(page, seconds, box);
    options.say(`one change at a time, for ${seconds} s …`);
    const delaysMs = await changeDelays(page, box, seconds);
    options.say(`a catalog of ${TRACKS} tracks …`);
    const few = await lastPageOf(page, box, FEW_TRACKS);
    const many = await lastPageOf(page, box, TRACKS);
    return resultOf({ idle, busy, delaysMs, few, many }, seconds);
  } finally {
    await browser.close();
    await box.end();
  }
}

interface Measured {
  idle: Watched;
  busy: Watched;
  delaysMs: number[];
  few: { ms: number; elements: number };
  many: { ms: number; elements: number };
}

function resultOf({ idle, busy, delaysMs, few, many }: Measured, seconds: number): BenchResult {
  const figures = {
    change_p50_of_second: round(quantile(delaysMs, 0.5) / CHANGE_LIMIT_MS, 3),
    change_max_of_second: round(largest(delaysMs) / CHANGE_LIMIT_MS, 3),
    draw_p95_of_frame: round(quantile(busy.drawsMs, 0.95) / FRAME_MS, 3),
    frame_p99_of_idle: round(quantile(busy.framesMs, 0.99) / quantile(idle.framesMs, 0.99), 3),
    longest_task_of_long: round(largest(busy.tasksMs) / LONG_TASK_MS, 3),
    busy_pct: round((100 * sum(busy.tasksMs)) / (seconds * 1_000), 2),
    idle_busy_pct: round((100 * sum(idle.tasksMs)) / (seconds * 1_000), 2),
    input_p95_of_good: round(quantile(busy.inputsMs, 0.95) / GOOD_INPUT_MS, 3),
    idle_input_p95_of_good: round(quantile(idle.inputsMs, 0.95) / GOOD_INPUT_MS, 3),
    last_of_20000_of_second: round(many.ms / 1_000, 3),
    elements_of_20000_of_50: round(many.elements / few.elements, 3),
    changes: delaysMs.length,
    throttle: THROTTLE,
  };
  return {
    columns: ['page', 'frame ms', 'p99', 'drawing p95 ms', 'in long tasks %', 'longest ms', 'touch p95 ms'],
    rows: [rowOf('3 boxes, at rest', idle, seconds), rowOf(`${BOXES} boxes, all changing`, busy, seconds)],
    figures,
    notes: [
      `A change is on the screen after ${round(quantile(delaysMs, 0.5))} ms (median of ${delaysMs.length}), at most ${round(largest(delaysMs))} ms; the limit is ${CHANGE_LIMIT_MS}.`,
      `The last page of ${TRACKS} tracks is there after ${round(many.ms)} ms, with ${figures.elements_of_20000_of_50} times the elements of a list of ${FEW_TRACKS}.`,
      `A phone's window, processor slowed ${THROTTLE} times; another view is touched every second. Peers: the same page at rest, in the same run.`,
    ],
    good: figures.change_max_of_second <= 1 && figures.input_p95_of_good <= 1 && figures.last_of_20000_of_second <= 1,
  };
}
