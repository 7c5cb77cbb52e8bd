/** The library as a whole, on real files: what it takes, what it leaves out and why, and what it survives. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { decode } from '@ipld/dag-cbor';
import { CID } from 'multiformats/cid';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDemoLibrary } from '../../src/library/demo-library.ts';
import { playlistHash } from '../../src/library/playlist.ts';
import { encode, ffmpeg, makeCover, makeSource } from '../fixtures/music.ts';
import { Pins, readManifest, type Setup, setUp, temporaryFolder, until } from './helpers.ts';

const folder = temporaryFolder();
/** Eight short pieces that each test copies from. */
const stock = join(folder.path, 'stock');
let pieces: string[];
const open: Setup[] = [];
let counter = 0;

beforeAll(async () => {
  pieces = await makeDemoLibrary(stock, { count: 8, minSeconds: 3, maxSeconds: 5, seed: 3 });
}, 60_000);
afterEach(async () => {
  for (const { library } of open.splice(0)) await library.stop();
});
afterAll(() => folder.remove());

function fresh(): { music: string; data: string } {
  counter += 1;
  const music = join(folder.path, `music-${counter}`);
  mkdirSync(music);
  return { music, data: join(folder.path, `data-${counter}`) };
}

function putPieces(music: string, count: number, from = 0): string[] {
  return pieces.slice(from, from + count).map((piece) => {
    const copy = join(music, basename(piece));
    copyFileSync(piece, copy);
    return copy;
  });
}

async function run(data: string, sources: string[], init = {}): Promise<Setup> {
  const setup = setUp(data, sources, init);
  open.push(setup);
  await setup.library.start();
  await setup.library.settled();
  return setup;
}

async function stop(setup: Setup): Promise<void> {
  open.splice(open.indexOf(setup), 1);
  await setup.library.stop();
}

const names = ({ library }: Setup) => library.tracks().map(({ name }) => name);

describe('a folder of music', () => {
  it('becomes tracks with tags, covers, pins, a playlist and a catalog', async () => {
    const { music, data } = fresh();
    putPieces(music, 8);
    let changes = 0;
    const setup = setUp(data, [music]);
    open.push(setup);
    setup.library.onChanged(() => {
      changes += 1;
    });
    await setup.library.start();
    await setup.library.settled();
    const { library, store, pins } = setup;
    expect(library.status()).toMatchObject({
      tracks: 8,
      ready: 8,
      scanning: false,
      doneFiles: 8,
      totalFiles: 8,
      skipped: [],
      absent: [],
    });
    expect(library.status().realtimeX).toBeGreaterThan(1);
    expect(changes).toBeGreaterThanOrEqual(2);
    for (const track of library.tracks()) {
      expect(basename(track.path)).toContain(`${track.artist} - ${track.title}`);
      expect(track.name).toBe(`${track.artist} – ${track.title}`);
      expect(track.year).toBeGreaterThan(1_989);
      expect(track.genre).not.toBe('');
      expect(track.durationMs).toBeGreaterThanOrEqual(3_000);
      if (!track.path.endsWith('.wav')) {
        const cover = await store.getBytes(CID.parse(track.cover!));
        expect(Buffer.from(cover!).toString('latin1', 1, 4)).toBe('PNG');
      }
    }
    await until(() => pins.pinned.size === 8, 'pinning');
    expect(library.tracks().map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(library.playlistHash()).toBe(playlistHash(library.tracks()));
    const root = decode<{ tracks: number; pages: CID[] }>((await store.getBytes(CID.parse(library.catalogCid()!)))!);
    const page = decode<{ tracks: { manifest: CID }[] }>((await store.getBytes(root.pages[0]!))!);
    expect(page.tracks.map(({ manifest }) => manifest.toString())).toEqual(
      library.tracks().map(({ manifest }) => manifest),
    );
  });

  it('is not read again, is offered at once after a restart, and shows changed tags under the same hash', async () => {
    const { music, data } = fresh();
    const [first] = putPieces(music, 3);
    const setup = await run(data, [music]);
    const before = setup.library.tracks();
    await stop(setup);
    ffmpeg([
      '-i',
      first!,
      '-c',
      'copy',
      '-map',
      '0',
      '-metadata',
      'title=Changed',
      '-metadata',
      'artist=Nobody',
      `${first}.new.mp3`,
    ]);
    renameSync(`${first}.new.mp3`, first!);
    const again = setUp(data, [music]);
    open.push(again);
    await again.library.start();
    expect(again.library.tracks()).toEqual(before);
    await again.library.settled();
    const changed = again.library.tracks().find(({ path }) => path === first)!;
    expect(changed.name).toBe('Nobody – Changed');
    expect(changed.trackHash).toBe(before.find(({ path }) => path === first)!.trackHash);
    expect(again.library.tracks().length).toBe(3);
  });

  it('counts the same audio once, whatever file it lies in', async () => {
    const { music, data } = fresh();
    const [first] = putPieces(music, 2);
    mkdirSync(join(music, 'copies'));
    copyFileSync(first!, join(music, 'copies', 'again.mp3'));
    const setup = await run(data, [music]);
    expect(setup.library.tracks().length).toBe(2);
    expect(setup.library.tracks().some(({ path }) => path === first)).toBe(true);
  });

  it('takes covers from the folder, and makes large ones smaller', async () => {
    const { music, data } = fresh();
    const source = makeSource(join(folder.path, 'cover-source.wav'), 2, 5);
    const noise = join(folder.path, 'noise.png');
    ffmpeg(['-f', 'lavfi', '-i', 'testsrc2=s=1400x1400,noise=alls=60', '-frames:v', '1', noise]);
    expect(readFileSync(noise).length).toBeGreaterThan(1 << 20);
    encode(source, 'mp3', join(music, 'inside'), { title: 'Inside' }, noise);
    encode(source, 'opus', join(music, 'beside'), { title: 'Beside' });
    makeCover(join(music, 'beside', 'Cover.PNG'), 4);
    encode(source, 'ogg', join(music, 'broken'), { title: 'Broken' });
    writeFileSync(join(music, 'broken', 'cover.jpg'), 'no picture');
    const { library, store } = await run(data, [music]);
    const cover = async (title: string) => {
      const cid = library.tracks().find((track) => track.title === title)!.cover;
      return cid === null ? null : Buffer.from((await store.getBytes(CID.parse(cid)))!);
    };
    const smaller = (await cover('Inside'))!;
    expect(smaller.length).toBeLessThanOrEqual(256 << 10);
    expect(smaller.toString('hex', 0, 3)).toBe('ffd8ff');
    expect((await cover('Beside'))!.equals(readFileSync(join(music, 'beside', 'Cover.PNG')))).toBe(true);
    expect(await cover('Broken')).toBeNull();
  });

  it('reads the advisory flag and loudness from tags, and bounds what tags may hold', async () => {
    const { music, data } = fresh();
    const source = makeSource(join(folder.path, 'tag-source.wav'), 2, 6);
    encode(source, 'flac', music, {
      title: 'Loud',
      ITUNESADVISORY: '1',
      REPLAYGAIN_TRACK_GAIN: '-6.50 dB',
      genre: 'g'.repeat(500),
    });
    encode(source, 'mp3', music, { title: `<b>\u202e${'t'.repeat(5_000)}`, artist: 'A\u0007B', date: '99999' });
    const { library, store } = await run(data, [music]);
    const [flac, mp3] = ['flac', 'mp3'].map((ending) => library.tracks().find(({ path }) => path.endsWith(ending))!);
    expect(flac).toMatchObject({ explicit: true, name: 'Loud' });
    expect(Buffer.byteLength(flac!.genre)).toBe(64);
    expect((await readManifest(store, flac!.manifest)).loudness_mlufs).toBe(-11_500);
    expect(mp3!.explicit).toBe(false);
    expect(Buffer.byteLength(mp3!.name)).toBeLessThanOrEqual(256);
    expect(mp3!.title.startsWith('<b> t')).toBe(true);
  });
});

describe('files that cannot be tracks', () => {
  it('are each listed with the reason, and harm nothing', async () => {
    const { music, data } = fresh();
    const put = (name: string, content: string | Buffer) => writeFileSync(join(music, name), content);
    const [, m4a] = putPieces(music, 2);
    const source = makeSource(join(folder.path, 'short.wav'), 2);
    put('empty.mp3', '');
    put('text.mp3', 'these are only words, many of them. '.repeat(500));
    put('zeros.mp3', Buffer.alloc(100_000));
    put('noise.flac', Buffer.from(Array.from({ length: 50_000 }, (_, i) => (i * 7_919 + (i >> 3)) & 0xfe)));
    put('picture.ogg', readFileSync(makeCover(join(folder.path, 'p.png'))));
    put('playlist.mp3', '#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n');
    put('page.m4a', '<html><body>Not found</body></html>');
    put('film.wma', Buffer.from('3026b2758e66cf11a6d900aa0062ce6c', 'hex'));
    put('header.flac', readFileSync(pieces[2]!).subarray(0, 200));
    put('header.ogg', readFileSync(pieces[3]!).subarray(0, 60));
    put(
      'endless-tag.mp3',
      Buffer.concat([Buffer.from('ID3\x03\x00\x00\x7f\x7f\x7f\x7f', 'latin1'), Buffer.alloc(1_000)]),
    );
    put('protected.m4p', Buffer.from(readFileSync(m4a!).toString('latin1').replaceAll('mp4a', 'drms'), 'latin1'));
    put('no-index.m4a', readFileSync(m4a!).subarray(0, 20_000));
    ffmpeg(['-i', source, '-t', '0.3', join(music, 'blip.wav')]);
    ffmpeg(['-f', 'lavfi', '-i', 'testsrc2=s=64x64:d=1', '-c:v', 'mpeg4', join(music, 'silent.mp4')]);
    const setup = await run(data, [music]);
    const reasons = Object.fromEntries(
      setup.library.status().skipped.map(({ path, reason }) => [basename(path), reason]),
    );
    expect(reasons).toEqual({
      'empty.mp3': 'empty',
      'text.mp3': 'not-audio',
      'zeros.mp3': 'not-audio',
      'noise.flac': 'not-audio',
      'picture.ogg': 'not-audio',
      'playlist.mp3': 'not-audio',
      'page.m4a': 'not-audio',
      'film.wma': 'unsupported',
      'header.flac': 'corrupt',
      'header.ogg': 'corrupt',
      'endless-tag.mp3': 'corrupt',
      'protected.m4p': 'protected',
      'no-index.m4a': 'corrupt',
      'blip.wav': 'too-short',
      'silent.mp4': 'no-audio',
    });
    for (const { text } of setup.library.status().skipped) expect(text).toMatch(/^[A-Z].{10,}/);
    expect(setup.library.tracks().length).toBe(2);
    // and they are remembered, so that the next start does not try them all again
    await stop(setup);
    const again = await run(data, [music], { ffmpeg: { program: 'no-such-program' } });
    expect(again.library.status().skipped.length).toBe(15);
    expect(again.library.status().stalled).toBeNull();
  });

  it('survives damage anywhere in a file', async () => {
    const { music, data } = fresh();
    let seed = 12_345;
    const random = () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed / 2 ** 32;
    };
    for (const [i, piece] of pieces.slice(0, 6).entries()) {
      for (const kind of ['flip', 'zero']) {
        const bytes = readFileSync(piece);
        if (kind === 'flip')
          for (let n = 0; n < 60; n++) bytes[Math.floor(random() * bytes.length)]! ^= 1 << Math.floor(random() * 8);
        else bytes.fill(0, Math.floor(bytes.length * 0.4), Math.floor(bytes.length * 0.5));
        writeFileSync(join(music, `${i}-${kind}.${piece.split('.').at(-1)}`), bytes);
      }
    }
    const { library } = await run(data, [music]);
    const { ready, skipped } = library.status();
    expect(ready + skipped.length).toBeGreaterThanOrEqual(10);
    expect(skipped.every(({ reason }) => ['corrupt', 'not-audio'].includes(reason))).toBe(true);
  });

  it('says that ffmpeg is missing, and goes on once it is there', async () => {
    const { music, data } = fresh();
    putPieces(music, 1);
    const setup = setUp(data, [music], { ffmpeg: { program: join(folder.path, 'later') } });
    open.push(setup);
    await setup.library.start();
    await until(() => setup.library.status().stalled !== null, 'the stall');
    expect(setup.library.status().stalled).toMatch(/apt-get install ffmpeg/);
    expect(setup.library.status().skipped).toEqual([]);
  });

  it('kills an ffmpeg that hangs', async () => {
    const { music, data } = fresh();
    putPieces(music, 1);
    const hanging = join(folder.path, 'hanging');
    writeFileSync(hanging, '#!/bin/sh\nexec sleep 1000\n');
    chmodSync(hanging, 0o755);
    const setup = await run(data, [music], { ffmpeg: { program: hanging, silenceMs: 300 } });
    expect(setup.library.status().skipped).toMatchObject([{ reason: 'timeout' }]);
    expect(childrenOf(process.pid)).toEqual([]);
  });

  it('ends its children when it is stopped', async () => {
    const { music, data } = fresh();
    putPieces(music, 4);
    const hanging = join(folder.path, 'hanging-2');
    writeFileSync(hanging, '#!/bin/sh\nexec sleep 1000\n');
    chmodSync(hanging, 0o755);
    const setup = setUp(data, [music], { ffmpeg: { program: hanging } });
    await setup.library.start();
    await until(() => childrenOf(process.pid).length === 2, 'two children');
    await setup.library.stop();
    await setup.library.stop();
    expect(childrenOf(process.pid)).toEqual([]);
  });
});

describe('a card that is full', () => {
  it('is told, and the music that is ready stays', async () => {
    const { music, data } = fresh();
    putPieces(music, 2);
    await stop(await run(data, [music]));
    putPieces(music, 2, 2);
    const { createContentStore } = await import('../../src/library/content-store.ts');
    const { createLibrary } = await import('../../src/library/library.ts');
    const { quiet } = await import('./helpers.ts');
    const store = createContentStore({ dir: join(data, 'blocks'), minFreeBytes: Number.MAX_SAFE_INTEGER });
    const pins = new Pins();
    const library = createLibrary(
      { store, pinner: pins, log: quiet },
      { sources: [music], dataDir: data, watchIntervalMs: 0 },
    );
    open.push({ library, store, pins });
    await library.start();
    await until(() => library.status().stalled !== null, 'the stall');
    expect(library.status().stalled).toMatch(/no room left/);
    expect(library.tracks().length).toBe(2);
    expect(library.status().skipped).toEqual([]);
  });
});

describe('sticks that come and go', () => {
  it('take their tracks along, and bring them back without reading them again, at another place too', async () => {
    const { music, data } = fresh();
    putPieces(music, 3);
    const stick = join(folder.path, `stick-${counter}`);
    mkdirSync(stick);
    putPieces(stick, 3, 3);
    const setup = await run(data, [music, stick], { watchIntervalMs: 50 });
    const all = names(setup);
    expect(all.length).toBe(6);
    const onStick = setup.library.tracks().filter(({ path }) => path.startsWith(stick));
    renameSync(stick, `${stick}-out`);
    await until(() => setup.library.tracks().length === 3, 'the stick to vanish');
    expect(setup.library.status().absent).toEqual([stick]);
    // what was on it can still be played
    for (const { manifest } of onStick) {
      const { segments } = await readManifest(setup.store, manifest);
      for (const { cid } of segments) expect(await setup.store.has(cid)).toBe(true);
    }
    renameSync(`${stick}-out`, stick);
    await until(() => setup.library.tracks().length === 6, 'the stick to come back');
    expect(names(setup)).toEqual(all);
    await stop(setup);
    // another place, and no way to read files anew
    renameSync(stick, `${stick}-elsewhere`);
    const moved = await run(data, [music, `${stick}-elsewhere`], { ffmpeg: { program: 'no-such-program' } });
    expect(names(moved)).toEqual(all);
    expect(moved.library.status()).toMatchObject({ stalled: null, skipped: [] });
  });

  it('may be pulled in the middle of a scan', async () => {
    const { music, data } = fresh();
    const stick = join(folder.path, `stick-${counter}`);
    mkdirSync(stick);
    putPieces(stick, 8);
    const setup = setUp(data, [stick, music], { concurrency: 1 });
    open.push(setup);
    await setup.library.start();
    await until(() => setup.library.tracks().length >= 1, 'a first track');
    renameSync(stick, `${stick}-out`);
    await setup.library.settled();
    expect(setup.library.tracks()).toEqual([]);
    expect(setup.library.status().skipped).toEqual([]);
    renameSync(`${stick}-out`, stick);
    await setup.library.setSources([stick]);
    await setup.library.settled();
    expect(setup.library.tracks().length).toBe(8);
  });

  it('may be changed while a scan runs', async () => {
    const { music, data } = fresh();
    putPieces(music, 8);
    const other = join(folder.path, `other-${counter}`);
    mkdirSync(other);
    putPieces(other, 2);
    const setup = setUp(data, [music], { concurrency: 1 });
    open.push(setup);
    await setup.library.start();
    await until(() => setup.library.tracks().length >= 1, 'a first track');
    await setup.library.setSources([other]);
    await setup.library.settled();
    expect(setup.library.tracks().every(({ path }) => path.startsWith(other))).toBe(true);
    expect(setup.library.tracks().length).toBe(2);
    expect(setup.library.status().totalFiles).toBe(2);
  });

  it('lose single files, and get new ones', async () => {
    const { music, data } = fresh();
    const [first] = putPieces(music, 3);
    const setup = await run(data, [music], { watchIntervalMs: 50 });
    rmSync(first!);
    await until(() => setup.library.tracks().length === 2, 'the file to vanish');
    putPieces(music, 1, 5);
    await until(() => setup.library.tracks().length === 3, 'the new file');
  });
});

describe('what it survives', () => {
  it('kill -9 in the middle of a scan: what was ready stays, the rest follows', async () => {
    const { music, data } = fresh();
    putPieces(music, 8);
    const child = spawnLibrary(data, music);
    await until(
      () => child.lines.some((line) => line.startsWith('ready ') && Number(line.slice(6)) >= 2),
      'two tracks',
    );
    child.process.kill('SIGKILL');
    await new Promise((resolve) => child.process.on('exit', resolve));
    const setup = setUp(data, [music]);
    open.push(setup);
    await setup.library.start();
    expect(setup.library.tracks().length).toBeGreaterThanOrEqual(2);
    await setup.library.settled();
    expect(setup.library.tracks().length).toBe(8);
    expect(readdirSync(join(data, 'blocks', 'parts'))).toEqual([]);
    for (const { manifest } of setup.library.tracks()) {
      const { segments } = await readManifest(setup.store, manifest);
      for (const { cid, bytes } of segments) expect((await setup.store.getBytes(cid))!.length).toBe(bytes);
    }
  });

  it('a power cut that left empty blocks: those tracks are made again', async () => {
    const { music, data } = fresh();
    putPieces(music, 3);
    const setup = await run(data, [music]);
    const track = setup.library.tracks()[1]!;
    const { segments } = await readManifest(setup.store, track.manifest);
    const hex = Buffer.from(segments[0]!.cid.multihash.digest).toString('hex');
    await stop(setup);
    truncateSync(join(data, 'blocks', hex.slice(0, 2), hex.slice(2)), 0);
    const again = await run(data, [music]);
    expect(again.library.tracks().length).toBe(3);
    expect(await again.store.getBytes(segments[0]!.cid)).not.toBeNull();
  });

  it('a file that grows while it is there', async () => {
    const { music, data } = fresh();
    const [first] = putPieces(music, 1);
    const setup = await run(data, [music]);
    const before = setup.library.tracks()[0]!;
    appendFileSync(first!, readFileSync(first!).subarray(4_000));
    utimesSync(first!, new Date(), new Date(Date.now() + 5_000));
    await stop(setup);
    const again = await run(data, [music]);
    expect(again.library.tracks().length).toBe(1);
    expect(again.library.tracks()[0]!.trackHash).not.toBe(before.trackHash);
  });

  it('pins that cannot be made yet', async () => {
    const { music, data } = fresh();
    putPieces(music, 2);
    const setup = setUp(data, [music]);
    open.push(setup);
    setup.pins.pin = async () => {
      throw new Error('the network is not up');
    };
    await setup.library.start();
    await setup.library.settled();
    expect(setup.library.tracks().length).toBe(2);
    await stop(setup);
    const again = await run(data, [music]);
    await until(() => again.pins.pinned.size === 2, 'the pins');
  });
});

describe('the demo library', () => {
  it('is made once, differs by seed, and holds every format', async () => {
    const [a, b] = [join(folder.path, 'demo-a'), join(folder.path, 'demo-b')];
    const options = { count: 6, minSeconds: 2, maxSeconds: 3 };
    const first = await makeDemoLibrary(a, { ...options, seed: 1 });
    expect(first.map((path) => path.split('.').at(-1))).toEqual(['mp3', 'm4a', 'flac', 'ogg', 'opus', 'wav']);
    const before = first.map((path) => readFileSync(path));
    expect(await makeDemoLibrary(a, { ...options, seed: 1 })).toEqual(first);
    expect(first.every((path, i) => readFileSync(path).equals(before[i]!))).toBe(true);
    await makeDemoLibrary(b, { ...options, seed: 2 });
    const { data } = fresh();
    const setup = await run(data, [a, b]);
    expect(setup.library.status()).toMatchObject({ ready: 12, skipped: [] });
    expect(new Set(names(setup)).size).toBe(12);
    expect(readdirSync(a).length).toBe(6);
  });

  it('refuses numbers that make no sense', async () => {
    await expect(makeDemoLibrary(folder.path, { count: 0 })).rejects.toThrow(/1 to 200/);
    await expect(makeDemoLibrary(folder.path, { minSeconds: 5, maxSeconds: 4 })).rejects.toThrow(/2 to 600/);
  });
});

/** Processes whose parent this is. */
function childrenOf(pid: number): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
        return Number(parent) === pid && state !== 'Z' && /ffmpeg|sleep/.test(command) ? [command] : [];
      } catch {
        return [];
      }
    });
}

/** A library in a process of its own, which says how many tracks are ready. */
function spawnLibrary(data: string, music: string): { process: ChildProcess; lines: string[] } {
  const script = `
    import { createContentStore, createLibrary } from '${join(import.meta.dirname, '../../src/library/index.ts')}';
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const store = createContentStore({ dir: ${JSON.stringify(join(data, 'blocks'))} });
    const pinner = { async pin() {}, async unpin() {} };
    const library = createLibrary({ store, pinner, log }, { sources: [${JSON.stringify(music)}], dataDir: ${JSON.stringify(data)}, concurrency: 1 });
    library.onChanged(() => console.log('ready ' + library.tracks().length));
    await library.start();
  `;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(...text.trim().split('\n')));
  return { process: child, lines };
}
