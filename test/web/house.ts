import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWeb, type Web, type WebComponents, type WebInit } from '../../src/web/web.ts';
import { FakeBox, FakeListen, FakeMusic, FakePresence, FakeUpdate, FakeWifi } from './fakes.ts';
import { Phone } from './phone.ts';
import { sampleSnapshot } from './sample.ts';
import { WEB_ROOT } from './serve.ts';

/** A box with everything on it, in memory but for its web server and its list of phones. */
export interface House {
  web: Web;
  port: number;
  dataDir: string;
  music: FakeMusic;
  box: FakeBox;
  wifi: FakeWifi;
  presence: FakePresence;
  listen: FakeListen;
  update: FakeUpdate;
  /** All that was logged, as text. */
  logged(): string;
  /** Another phone; each has a loopback address of its own. */
  phone(): Phone;
  /** One that is paired. */
  paired(): Promise<Phone>;
  /** Stops and starts the server, as after a power cut. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function house(parts: Partial<WebComponents> = {}, init: Partial<WebInit> = {}): Promise<House> {
  const dataDir = init.dataDir ?? mkdtempSync(join(tmpdir(), 'starling-doors-'));
  const music = new FakeMusic();
  const box = new FakeBox();
  const wifi = new FakeWifi();
  const presence = new FakePresence();
  const listen = new FakeListen();
  const update = new FakeUpdate();
  const lines: string[] = [];
  const write = (message: string, fields?: object) => void lines.push(`${message} ${JSON.stringify(fields ?? {})}`);
  const components: WebComponents = {
    snapshot: sampleSnapshot,
    onChange: () => () => {},
    log: { debug: write, info: write, warn: write, error: write },
    ...{ music, box, wifi, presence, listen, update },
    ...parts,
  };
  const start = async (port: number): Promise<Web> => {
    const rate = { burst: 10_000, perSecond: 10_000 };
    const web = createWeb(components, { host: '127.0.0.1', webRoot: WEB_ROOT, rate, ...init, port, dataDir });
    await web.start();
    return web;
  };
  let phones = 0;
  const made: House = {
    web: await start(0),
    port: 0,
    ...{ dataDir, music, box, wifi, presence, listen, update },
    logged: () => lines.join('\n'),
    phone: () => new Phone(made.port, `127.0.0.${10 + phones++}`),
    async paired() {
      const phone = made.phone();
      const state = await phone.pair(`Phone ${phones}`, () => presence.hold());
      if (state !== 'granted') throw new Error(`not paired: ${state}`);
      return phone;
    },
    async restart() {
      await made.web.stop();
      made.web = await start(made.port);
    },
    async stop() {
      await made.web.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
  made.port = made.web.address()?.port ?? 0;
  return made;
}
