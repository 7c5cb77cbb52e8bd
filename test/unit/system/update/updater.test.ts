/** The updater's commands on a card of files: from a stick, from an upload, on trial, back; and what a hostile radio may try. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Sample } from '../../../../src/system/update/health.ts';
import { COMPANY_WAIT_MS } from '../../../../src/system/update/limits.ts';
import { encodeRequest } from '../../../../src/system/update/request.ts';
import { outcomeOf, readResult } from '../../../../src/system/update/result.ts';
import { updater } from '../../../../src/system/update/updater.ts';
import { confirmTrial, type Machine } from '../../../../src/system/update/updater-work.ts';
import { type Content, FileCard, someContent, Workshop } from './card-of-files.ts';

const LIMIT_MS = 8 * 60_000;
const old = someContent(60_000);
let shop: Workshop;
let fresh: Content;
let update: string;
beforeAll(() => {
  shop = new Workshop();
  fresh = someContent();
  update = shop.makeUpdate(fresh);
});
afterAll(() => shop.end());

/** A box in a folder: time goes by when the updater sleeps. */
class Box {
  readonly dir = join(shop.dir, 'box');
  readonly card: FileCard;
  readonly said: string[] = [];
  readonly complained: string[] = [];
  restarts = 0;
  nowMs = 0;
  started = { slot: 'a', onTrial: false };
  boot = 1;
  version = '1.1.0';
  /** What the radio's status shows at some time after the start. */
  radio: (ms: number) => Sample | null = (ms) => playing(ms);

  constructor() {
    rmSync(this.dir, { recursive: true, force: true });
    this.card = new FileCard(join(this.dir, 'card'), old);
    for (const folder of ['data/update', 'media/sda1', 'elsewhere'])
      mkdirSync(join(this.dir, folder), { recursive: true });
    copyFileSync(update, this.path('media/sda1/starling-1.2.0-arm64 (1).update'));
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  machine(): Machine {
    const { slot, onTrial } = this.started;
    return {
      places: { keys: shop.keys, results: this.path('results'), data: this.path('data'), sticks: this.path('media') },
      kernelLine: `quiet starling.slot=${slot} starling.trial=${onTrial ? 1 : 0}`,
      bootId: `boot-${this.boot}`,
      version: this.version,
      arch: 'arm64',
      openCard: () => this.card.open(),
      askRadio: async () => this.radio(this.nowMs),
      restart: () => void this.restarts++,
      sleep: async (ms) => {
        this.nowMs += ms;
      },
      monoMs: () => this.nowMs,
      wallMs: () => 1_790_000_000_000 + this.nowMs,
      say: (text) => void this.said.push(text),
      complain: (text) => void this.complained.push(text),
    };
  }

  run(...argv: string[]): Promise<number> {
    return updater(argv, this.machine());
  }

  ask(request: Parameters<typeof encodeRequest>[0] | string): void {
    const text = typeof request === 'string' ? request : encodeRequest(request);
    writeFileSync(this.path('data/update/request.json'), text);
  }

  /** Starts the machine anew, as its boot loader does. */
  restart(): void {
    this.started = this.card.start();
    this.version = this.started.slot === 'a' ? '1.1.0' : '1.2.0';
    this.boot += 1;
    this.nowMs = 0;
  }

  result() {
    return readResult(this.path('results'));
  }

  outcome(): string {
    return outcomeOf(this.result(), this.started as { slot: 'a'; onTrial: boolean }, `boot-${this.boot}`).kind;
  }
}

const playing = (ms: number, part: Partial<Sample> = {}): Sample => ({
  ...{ isMember: true, peers: 2, tracks: 40, silent: false, linked: true },
  playing: { track: '4 sha256:aa', positionMs: ms },
  ...part,
});
const STICK = {
  place: { kind: 'stick', stick: 'sda1', name: 'starling-1.2.0-arm64 (1).update' },
  anyVersion: false,
} as const;

let box: Box;
beforeEach(() => {
  box = new Box();
});
afterEach(() => rmSync(box.dir, { recursive: true, force: true }));

describe('an update from a stick', () => {
  it('is written, tried, confirmed, and stays', async () => {
    box.ask(STICK);
    expect(await box.run('request')).toBe(0);
    expect(existsSync(box.path('data/update/request.json'))).toBe(false);
    expect(box.result()).toMatchObject({
      state: 'restarting',
      version: '1.2.0',
      from: '1.1.0',
      slot: 'b',
      percent: 100,
    });
    expect(box.outcome()).toBe('restarting');
    box.restart();
    expect(box.started).toEqual({ slot: 'b', onTrial: true });
    expect(box.outcome()).toBe('trying');
    expect(await box.run('confirm')).toBe(0);
    expect(box.nowMs).toBeGreaterThanOrEqual(10_000);
    expect(box.outcome()).toBe('confirmed');
    box.restart();
    expect(box.started).toEqual({ slot: 'b', onTrial: false });
    expect(box.outcome()).toBe('confirmed');
    expect(box.card.content('b', fresh.slot.length)).toEqual(fresh);
  });

  it('is open before the request goes, and the request goes before anything is done', async () => {
    const seen: boolean[] = [];
    const isAsked = () => seen.push(existsSync(box.path('data/update/request.json')));
    box.ask(STICK);
    const machine = box.machine();
    const { sticks } = machine.places;
    Object.defineProperty(machine.places, 'sticks', { get: () => isAsked() && sticks });
    const openCard = () => (isAsked(), box.card.open());
    expect(await updater(['request'], { ...machine, openCard })).toBe(0);
    expect(seen).toEqual([true, false]);
  });

  it('that does not play is given up in time, and the old version comes back and knows why', async () => {
    box.ask(STICK);
    await box.run('request');
    box.restart();
    box.radio = () => playing(5_000);
    expect(await box.run('confirm')).toBe(1);
    expect(box.nowMs).toBe(LIMIT_MS);
    box.restart();
    expect(box.started).toEqual({ slot: 'a', onTrial: false });
    expect(box.result()).toMatchObject({ state: 'gave_up', version: '1.2.0', text: 'its player did not go on' });
    expect(box.outcome()).toBe('fell_back');
  });

  it('that never gets as far as its updater falls back all the same', async () => {
    box.ask(STICK);
    await box.run('request');
    box.restart();
    box.restart();
    expect([box.started.slot, box.outcome(), box.result()?.text]).toEqual(['a', 'fell_back', null]);
  });

  it('is not followed by another one while it is on trial', async () => {
    box.ask(STICK);
    await box.run('request');
    box.restart();
    box.ask({ ...STICK, anyVersion: true });
    expect(await box.run('request')).toBe(1);
    expect(box.complained.join()).toContain('on_trial');
    expect(box.outcome()).toBe('trying');
    expect(box.card.content('a', old.slot.length)).toEqual(old);
    await box.run('confirm');
    box.ask({ ...STICK, anyVersion: true });
    expect(await box.run('request')).toBe(0);
    expect(box.card.content('a', fresh.slot.length)).toEqual(fresh);
  });
});

describe('an upload', () => {
  const UPLOAD = { place: { kind: 'upload' }, anyVersion: false } as const;
  const upload = () => copyFileSync(update, box.path('data/update/upload.update'));
  const isThere = () => existsSync(box.path('data/update/upload.update'));

  it('goes after it was installed', async () => {
    upload();
    box.ask(UPLOAD);
    expect([await box.run('request'), isThere()]).toEqual([0, false]);
  });

  it('that a radio which starts anew takes away meanwhile is installed all the same', async () => {
    upload();
    box.ask(UPLOAD);
    box.radio = () => {
      if (!existsSync(box.path('data/update/request.json'))) rmSync(box.path('data/update/upload.update'));
      return null;
    };
    expect([await box.run('request'), isThere()]).toEqual([0, false]);
    expect(box.card.content('b', fresh.slot.length)).toEqual(fresh);
  });

  it('goes when it can never be installed, and stays when it may be asked for otherwise', async () => {
    upload();
    box.version = '2.0.0';
    box.ask(UPLOAD);
    expect([await box.run('request'), box.result()?.code, isThere()]).toEqual([1, 'not_newer', true]);
    writeFileSync(box.path('data/update/upload.update'), 'no update at all'.repeat(100));
    box.ask(UPLOAD);
    expect([await box.run('request'), box.result()?.code, isThere()]).toEqual([1, 'not_an_update', false]);
    expect(box.outcome()).toBe('refused');
  });
});

describe('the command line', () => {
  it('installs a file, tells, and restarts when asked to', async () => {
    expect(await box.run('install', update)).toBe(0);
    expect(box.said.join('\n')).toContain('version 1.2.0 is in slot b; the next start tries it');
    expect(box.restarts).toBe(0);
    expect(await box.run('install', update, '--restart')).toBe(0);
    expect(box.restarts).toBe(1);
  });

  it('tells what runs and what became of the last update', async () => {
    await box.run('install', update);
    box.said.length = 0;
    expect(await box.run('status')).toBe(0);
    expect(JSON.parse(box.said.join('\n'))).toMatchObject({
      ...{ version: '1.1.0', slot: 'a', other_slot: 'b', on_trial: false, boot_state: { slot: 'a', try: 'b' } },
      last: { outcome: 'restarting', version: '1.2.0' },
    });
  });

  it.each([
    [[]],
    [['reinstall']],
    [['install']],
    [['install', 'a', 'b']],
    [['install', 'a', '--force']],
    [['confirm', '--limit-s', 'soon']],
    [['request', 'x']],
  ])('refuses %j with its usage', async (argv) => {
    expect(await box.run(...argv)).toBe(2);
    expect(box.complained.join()).toContain('updater install FILE');
  });

  it('names what cannot be: no file, no slots, an older version that was not asked for as such', async () => {
    expect(await box.run('install', '/nowhere/x.update')).toBe(1);
    expect(box.complained.pop()).toMatch(/^unreadable: .*ENOENT/);
    box.version = '1.3.0';
    expect(await box.run('install', update)).toBe(1);
    expect(box.complained.pop()).toMatch(/^not_newer: /);
    expect(await box.run('install', update, '--any-version')).toBe(0);
    expect(await updater(['install', update], { ...box.machine(), kernelLine: 'quiet' })).toBe(1);
    expect(box.complained.pop()).toMatch(/^no_slots: /);
  });
});

describe('on trial', () => {
  beforeEach(async () => {
    await box.run('install', update);
    box.restart();
  });
  const confirm = () => confirmTrial(LIMIT_MS, box.machine());

  it.each<[string, string, (ms: number) => Sample | null]>([
    ['a radio that does not answer', 'the radio did not answer', () => null],
    ['one that joins no station', 'it did not join its station', (ms) => playing(ms, { isMember: false })],
    ['one without the network it had', 'it found no network', (ms) => playing(ms, { linked: false })],
    ['one without the sound it had', 'its sound card did not work', (ms) => playing(ms, { silent: true })],
    ['one that plays nothing', 'its player did not go on', (ms) => playing(ms, { playing: null })],
    [
      'one that stands still again and again',
      'its player did not go on',
      (ms) => playing(Math.floor(ms / 9_000) * 9_000),
    ],
    ['one that plays at a quarter of the speed', 'its player did not go on', (ms) => playing(ms / 4)],
    [
      'one that starts anew every eight seconds',
      'its player did not go on',
      (ms) => (ms % 8_000 === 0 ? null : playing(ms)),
    ],
  ])('%s is given up', async (_, missing, radio) => {
    box.radio = radio;
    expect(await confirm()).toBe(false);
    expect(box.result()?.text).toBe(missing);
    expect(box.card.start()).toEqual({ slot: 'a', onTrial: false });
  });

  it('a radio that takes its time is waited for', async () => {
    box.radio = (ms) => (ms < 300_000 ? null : playing(ms));
    expect(await confirm()).toBe(true);
  });

  it('a box that finds nobody of those it had waits, and is alone by choice then', async () => {
    box.radio = (ms) => playing(ms, { peers: 0 });
    expect(await confirm()).toBe(true);
    expect(box.nowMs).toBeGreaterThanOrEqual(COMPANY_WAIT_MS);
    expect(box.said.join()).toContain('it did not find the other boxes');
  });

  it('tracks that change in between do not count against it', async () => {
    box.radio = (ms) => playing(0, { playing: { track: `slot ${Math.floor(ms / 4_000)}`, positionMs: ms % 4_000 } });
    expect(await confirm()).toBe(true);
    expect(box.nowMs).toBeLessThan(60_000);
  });

  it('is over when it was confirmed, and there is none in a usual start', async () => {
    expect(await confirm()).toBe(true);
    box.said.length = 0;
    expect(await confirm()).toBe(true);
    expect(box.said).toEqual(['slot b is not on trial']);
    box.restart();
    expect(await confirm()).toBe(true);
  });

  it('a box that was alone, silent and without a network before need not be more', async () => {
    rmSync(box.path('results'), { recursive: true });
    box.radio = (ms) => playing(ms, { peers: 0, silent: true, linked: false });
    expect(await confirm()).toBe(true);
    expect(box.result()).toMatchObject({ state: 'confirmed', version: '1.2.0' });
  });
});

describe('on trial, a box whose only stick is the one with the update', () => {
  const alone = (part: Partial<Sample> = {}): Sample =>
    playing(0, { isMember: false, peers: 0, tracks: 0, playing: null, ...part });
  const tryIt = async (before: Sample, after: (ms: number) => Sample | null) => {
    box.radio = () => before;
    await box.run('install', update);
    box.restart();
    box.radio = after;
    return await confirmTrial(LIMIT_MS, box.machine());
  };

  it('works when the radio answers for a while: alone and without music there is no station', async () => {
    expect(await tryIt(alone(), (ms) => (ms < 20_000 ? null : alone()))).toBe(true);
    expect(box.nowMs).toBeGreaterThanOrEqual(30_000);
    expect(box.nowMs).toBeLessThan(60_000);
  });

  it.each<[string, string, Sample, (ms: number) => Sample | null]>([
    ['it had music', 'it did not join its station', alone({ tracks: 3 }), () => alone()],
    ['it has company now', 'it did not join its station', alone(), () => alone({ peers: 1 })],
    ['it has music now', 'it did not join its station', alone(), () => alone({ tracks: 3 })],
    ['its sound card is gone', 'its sound card did not work', alone(), () => alone({ silent: true })],
    ['it starts anew all the time', 'the radio did not answer', alone(), (ms) => (ms % 8_000 === 0 ? null : alone())],
  ])('does not work all the same when %s', async (_, missing, before, after) => {
    expect(await tryIt(before, after)).toBe(false);
    expect(box.result()?.text).toBe(missing);
  });
});

describe('a radio that is not to be trusted', () => {
  const SECRET = 'only root may read this';
  beforeEach(() => writeFileSync(box.path('elsewhere/secret.update'), SECRET));
  const upload = { place: { kind: 'upload' }, anyVersion: false } as const;

  it.each<[string, string, () => void]>([
    [
      'a link in place of the upload',
      'forbidden_place',
      () => {
        symlinkSync(update, box.path('data/update/upload.update'));
        box.ask(upload);
      },
    ],
    [
      'a folder in place of the upload',
      'forbidden_place',
      () => {
        mkdirSync(box.path('data/update/upload.update'));
        box.ask(upload);
      },
    ],
    [
      'a pipe in place of the upload',
      'forbidden_place',
      () => {
        execFileSync('mkfifo', [box.path('data/update/upload.update')]);
        box.ask(upload);
      },
    ],
    ['no upload', 'unreadable', () => box.ask(upload)],
    [
      'a link on a stick',
      'forbidden_place',
      () => {
        symlinkSync(update, box.path('media/sda1/x.update'));
        box.ask({ place: { kind: 'stick', stick: 'sda1', name: 'x.update' }, anyVersion: false });
      },
    ],
    [
      'a link in place of a stick',
      'forbidden_place',
      () => {
        symlinkSync(box.path('elsewhere'), box.path('media/sdb1'));
        box.ask({ place: { kind: 'stick', stick: 'sdb1', name: 'secret.update' }, anyVersion: false });
      },
    ],
    ['a stick that is not there', 'unreadable', () => box.ask({ ...STICK, place: { ...STICK.place, stick: 'sdz9' } })],
    [
      'a way out of the stick',
      'bad_request',
      () => box.ask({ ...STICK, place: { ...STICK.place, name: '../../elsewhere/secret.update' } }),
    ],
    ['a way out of the sticks', 'bad_request', () => box.ask({ ...STICK, place: { ...STICK.place, stick: '..' } })],
    [
      'a name that is a path',
      'bad_request',
      () => box.ask({ ...STICK, place: { ...STICK.place, name: '/etc/shadow.update' } }),
    ],
    ['a name with NUL', 'bad_request', () => box.ask({ ...STICK, place: { ...STICK.place, name: 'a\0.update' } })],
    [
      'a file of another kind',
      'bad_request',
      () => box.ask({ ...STICK, place: { ...STICK.place, name: 'music.flac' } }),
    ],
    [
      'another kind of place',
      'bad_request',
      () => box.ask(JSON.stringify({ version: 1, place: { kind: 'path', name: update }, any_version: false })),
    ],
    ['no JSON', 'bad_request', () => box.ask('{"version": 1')],
    ['a request of another version', 'bad_request', () => box.ask('{"version": 2}')],
    [
      'a wish that is none',
      'bad_request',
      () => box.ask(JSON.stringify({ version: 1, place: { kind: 'upload' }, any_version: 'yes' })),
    ],
    ['a huge request', 'bad_request', () => box.ask(`{"version": 1, "x": "${'y'.repeat(10_000)}"}`)],
    [
      'a request that is a link',
      'bad_request',
      () => symlinkSync(box.path('elsewhere/secret.update'), box.path('data/update/request.json')),
    ],
  ])('%s: %s', async (_, code, prepare) => {
    prepare();
    const before = [box.card.state(), box.card.content('b', 1_000), readdirSync(box.path('elsewhere'))];
    expect(await box.run('request')).toBe(1);
    expect(box.result()?.code).toBe(code);
    expect([box.card.state(), box.card.content('b', 1_000), readdirSync(box.path('elsewhere'))]).toEqual(before);
    expect(readFileSync(box.path('elsewhere/secret.update'), 'utf8')).toBe(SECRET);
    expect(JSON.stringify(box.result()) + box.complained.join()).not.toContain(SECRET);
    expect(existsSync(box.path('data/update/request.json'))).toBe(false);
  });

  it('a link in place of its folder: nothing is read, and nothing is taken away', async () => {
    rmSync(box.path('data/update'), { recursive: true });
    writeFileSync(box.path('elsewhere/request.json'), encodeRequest(STICK));
    symlinkSync(box.path('elsewhere'), box.path('data/update'));
    expect(await box.run('request')).toBe(1);
    expect(existsSync(box.path('elsewhere/request.json'))).toBe(true);
    expect(box.card.state()).toBeNull();
  });

  it('a result in its own folder is believed by nobody', async () => {
    writeFileSync(
      box.path('data/update/result.json'),
      JSON.stringify({ version: 1, state: 'confirmed', update: '9.9.9' }),
    );
    expect(box.result()).toBeNull();
    box.ask(STICK);
    await box.run('request');
    expect(readFileSync(box.path('data/update/result.json'), 'utf8')).toContain('9.9.9');
  });
});
