/**
 * What the web room relies on, port by port. The fakes of this folder and the real parts pass the same suites: call one
 * of these inside a test file, with a way to make the part.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  Answer,
  BoxActions,
  ListenPort,
  MusicActions,
  PresencePort,
  UpdatePort,
  WifiPort,
} from '../../src/web/box.ts';

/** Something made for one test, and the way to end it. */
export interface Made<T> {
  part: T;
  end?(): void | Promise<void>;
}
type Make<T, More = object> = () => (Made<T> & More) | Promise<Made<T> & More>;

const UNKNOWN_HASH = `sha256:${'f'.repeat(64)}`;

function expectRefused(answer: Answer<unknown>): void {
  if (answer.ok) throw new Error(`was not refused: ${JSON.stringify(answer.value)}`);
  expect(answer.code).toMatch(/^[a-z0-9_]{2,40}$/);
  expect(answer.text.length).toBeGreaterThan(0);
}

function expectDone<T>(answer: Answer<T>): T {
  if (!answer.ok) throw new Error(`was refused: ${answer.code}: ${answer.text}`);
  return answer.value;
}

/** @param make a node in the middle of a track; `slot` is the one that plays */
export function musicContract(name: string, make: Make<MusicActions, { slot: number }>): void {
  describe(`${name} as MusicActions`, () => {
    let made: Made<MusicActions> & { slot: number };
    beforeEach(async () => {
      made = await make();
    });
    afterEach(() => made.end?.());

    it('refuses to skip a slot that is over, and skips the one that plays', () => {
      expectRefused(made.part.skip(made.slot - 1));
      const skipped = expectDone(made.part.skip(made.slot));
      expect(skipped.slot).toBe(made.slot);
      expect(Number.isSafeInteger(skipped.until_ms)).toBe(true);
    });

    it('blacklists what plays, once, and takes it back', () => {
      const never = expectDone(made.part.never(null));
      expect(never.hash).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(never.name.length).toBeGreaterThan(0);
      made.part.never(never.hash);
      const listed = made.part.blacklist().filter(({ hash }) => hash === never.hash);
      expect(listed).toHaveLength(1);
      expect(Number.isSafeInteger(listed[0]?.at_ms)).toBe(true);
      expect(expectDone(made.part.allow(never.hash)).hash).toBe(never.hash);
      expect(made.part.blacklist().some(({ hash }) => hash === never.hash)).toBe(false);
    });

    it('refuses to take back what is not on the list', () => expectRefused(made.part.allow(UNKNOWN_HASH)));

    it('keeps filters, and none that are no filters', () => {
      const filters = expectDone(made.part.setFilters({ explicit: false, genres: ['polka'] }));
      expect(filters).toEqual({ explicit: false, genres: ['polka'] });
      for (const wrong of [null, 7, 'x', {}, { explicit: 'no', genres: [] }, { explicit: true, genres: 'polka' }]) {
        expectRefused(made.part.setFilters(wrong));
      }
      expect(made.part.filters()).toEqual({ explicit: false, genres: ['polka'] });
    });

    it('knows no catalog of a node that is not there', async () => {
      expect(await made.part.catalogOf('12D3KooWNobodyIsHere', 0, 10)).toBeNull();
    });
  });
}

/** @param make a box whose station has `key`, in the form in which an invitation tells it */
export function boxContract(name: string, make: Make<BoxActions, { key: string }>): void {
  describe(`${name} as BoxActions`, () => {
    let made: Made<BoxActions> & { key: string };
    beforeEach(async () => {
      made = await make();
    });
    afterEach(() => made.end?.());

    it('shows its settings, and never the key among them', () => {
      const view = made.part.settings();
      expect(view).toMatchObject({ name: expect.any(String), station: expect.any(String), closed: true });
      expect(view.volume).toBeGreaterThanOrEqual(0);
      expect(view.volume).toBeLessThanOrEqual(100);
      expect(Array.isArray(view.outputs) && Array.isArray(view.fixed)).toBe(true);
      expect(JSON.stringify(view)).not.toContain(made.key);
    });

    it('changes what is asked, all or nothing', () => {
      const { volume } = made.part.settings();
      const other = volume === 33 ? 34 : 33;
      expectRefused(made.part.change({ volume: other, output: 'no:such\\output' }));
      expect(made.part.settings().volume).toBe(volume);
      expect(expectDone(made.part.change({ volume: other }))).toEqual({ applied: ['volume'], restarts: false });
      expect(made.part.settings().volume).toBe(other);
    });

    it('invites with the key, and tells of its faults without it', async () => {
      expect(made.part.invitation()).toMatch(/^starling:\/\/station\?/);
      expect(made.part.invitation()).toContain(made.key);
      expect(await made.part.diagnostics()).not.toContain(made.key);
    });
  });
}

/** @param make Wi-Fi that can be asked to try a network; `guest`: an address on its hotspot */
export function wifiContract(name: string, make: Make<WifiPort, { guest: string }>): void {
  describe(`${name} as WifiPort`, () => {
    let made: Made<WifiPort> & { guest: string };
    const wish = { ssid: 'Contract', password: 'correct horse', hidden: false, country: 'DE' };
    beforeEach(async () => {
      made = await make();
    });
    afterEach(() => made.end?.());

    it('shows what the page needs, and no password', () => {
      const view = made.part.view();
      expect(view.hostname).toMatch(/^[A-Za-z0-9-]+(\.local)?$/);
      expect(view.hotspot.address).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
      for (const { strength } of view.networks) expect(strength >= 0 && strength <= 100).toBe(true);
      expect(JSON.stringify(view)).not.toMatch(/psk|correct horse/);
    });

    it('tries one network at a time, tells of it, and keeps none before it worked', async () => {
      let told = 0;
      const leave = made.part.onChange(() => told++);
      expectDone(made.part.join(wish));
      while (told === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(made.part.view().phase).toBe('trying');
      expectRefused(made.part.join({ ...wish, ssid: 'Another' }));
      expect(made.part.view().saved).not.toContain('Contract');
      expect(JSON.stringify(made.part.view())).not.toContain('correct horse');
      leave();
    });

    it('refuses to forget what it does not keep', async () => expectRefused(await made.part.forget('Not kept')));

    it('sets the country', async () => {
      expectDone(await made.part.setCountry('GB'));
      expect(made.part.view().country).toBe('GB');
    });

    it('knows its own guests, and takes nobody else for one', () => {
      expect(made.part.isHotspotClient(made.guest)).toBe(true);
      for (const address of [
        '',
        '127.0.0.1',
        '::1',
        'unknown',
        '203.0.113.9',
        `${made.guest}.evil`,
        `x${made.guest}`,
      ]) {
        expect([address, made.part.isHotspotClient(address)]).toEqual([address, false]);
      }
    });
  });
}

/** @param make a presence and a hand to hold its button */
export function presenceContract(name: string, make: Make<PresencePort, { hold(): void }>): void {
  describe(`${name} as PresencePort`, () => {
    it('tells of a hold until its listener leaves', async () => {
      const made = await make();
      let held = 0;
      const leave = made.part.onHold(() => held++);
      made.hold();
      leave();
      made.hold();
      await made.end?.();
      expect([held, typeof made.part.hasButton]).toEqual([1, 'boolean']);
    });
  });
}

/** @param make a box whose stick holds one update that is newer, and bytes that are no update */
export function updateContract(name: string, make: Make<UpdatePort, { file: string; wrong: Uint8Array }>): void {
  describe(`${name} as UpdatePort`, () => {
    let made: Made<UpdatePort> & { file: string; wrong: Uint8Array };
    beforeEach(async () => {
      made = await make();
    });
    afterEach(() => made.end?.());
    async function* inPieces(bytes: Uint8Array) {
      for (let at = 0; at < bytes.length; at += 100) yield bytes.subarray(at, at + 100);
    }

    it('shows what runs, and what lies on the stick', async () => {
      const view = await made.part.view();
      expect(view).toMatchObject({ phase: 'idle', percent: null, target: null, last: null });
      expect(view.version).toMatch(/^\d+\.\d+\.\d+$/);
      expect(view.found).toMatchObject([{ file: made.file, place: 'stick', age: 'newer', refused: null }]);
    });

    it('refuses what is not there, whatever it is called', async () => {
      for (const file of [
        '',
        'upload',
        'sda1',
        'sda1/',
        '../x.update',
        `${made.file}/../x.update`,
        '/etc/passwd',
        'toString',
      ])
        expectRefused(await made.part.install({ file, any_version: true }));
      expect((await made.part.view()).phase).toBe('idle');
    });

    it('begins with one, and with no other beside it', async () => {
      expect(expectDone(await made.part.install({ file: made.file, any_version: false })).version).toMatch(/^\d/);
      const view = await made.part.view();
      expect([view.phase, typeof view.target]).toEqual(['waiting', 'string']);
      expectRefused(await made.part.install({ file: made.file, any_version: true }));
      expectRefused(await made.part.prepare(1_000));
      expectRefused(await made.part.receive(made.wrong.length, inPieces(made.wrong)));
    });

    it('takes no file that is too large, cut off or no update', async () => {
      expectRefused(await made.part.prepare(made.part.maxBytes + 1));
      expectDone(await made.part.prepare(1_000));
      expectRefused(await made.part.receive(made.wrong.length + 1, inPieces(made.wrong)));
      expectRefused(await made.part.receive(made.wrong.length - 1, inPieces(made.wrong)));
      expectRefused(await made.part.receive(made.wrong.length, inPieces(made.wrong)));
      const { phase, found } = await made.part.view();
      expect([phase, found.map(({ place }) => place)]).toEqual(['idle', ['stick']]);
    });
  });
}

/** @param make a programme that plays, with room for `places` listeners */
export function listenContract(name: string, make: Make<ListenPort, { places: number }>): void {
  describe(`${name} as ListenPort`, () => {
    it('sends sound to as many as have room, and has room again when one leaves', async () => {
      const made = await make();
      const open = Array.from({ length: made.places }, () => made.part.open());
      expect(open.every((listener) => listener !== null)).toBe(true);
      expect(made.part.open()).toBeNull();
      expect(open[0]?.type).toMatch(/^audio\//);
      const reader = open[0]!.stream[Symbol.asyncIterator]();
      const { value } = await reader.next();
      expect((value as Uint8Array).length).toBeGreaterThan(0);
      const toTheEnd = async () => {
        while (!(await reader.next()).done);
      };
      const rest = toTheEnd();
      open[0]?.close();
      open[0]?.close();
      await rest;
      const next = made.part.open();
      expect(next).not.toBeNull();
      for (const listener of [...open.slice(1), next]) listener?.close();
      await made.end?.();
    });
  });
}
