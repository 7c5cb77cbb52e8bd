/** hardware/check.sh as it is on the card: no curl, no npm, nothing to write to but the temporary directory. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const HARDWARE = join(import.meta.dirname, '../../../hardware');
const STATUS = {
  version: 1,
  node: { version: '9.8.7' },
  light: { pattern: 'alone', looks: 'on, with a short blink' },
  output: { device: 'alsa:default', reason: null },
  sync: { offset_ms: 0.25, underruns: 3 },
  library: { sources: ['/media/sda1', '/media/sdb1'], tracks: 42, ready: 40, skipped_total: 2 },
  station: { roster: 2 },
  now: { source: 'flock' },
};

describe('check.sh on the card', () => {
  let directory: string;
  let server: Server;
  let asked = 0;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'check-'));
    const opt = join(directory, 'opt');
    mkdirSync(join(opt, 'node_modules/.bin'), { recursive: true });
    symlinkSync(process.execPath, join(opt, 'node_modules/.bin/node'));
    cpSync(HARDWARE, join(opt, 'hardware'), { recursive: true });
    writeFileSync(join(opt, 'package.json'), '{}');
    program('systemctl', 'exit 0');
    program('journalctl', 'echo "info  Buttons and light are there  skip=5"; echo "info  Button  wish=skip"');
    for (const absent of ['curl', 'npm', 'wget']) program(absent, `touch ${join(directory, 'used')}; exit 127`);
    program('ip', 'echo "default via 192.168.7.1 dev wlan0"');
    program('ping', 'echo "20 packets transmitted, 20 received, 0% packet loss, time 3806ms"');
    for (const quiet of ['iw', 'aplay', 'gpiodetect']) program(quiet, 'exit 1');
    server = createServer((_, response) => {
      asked += 1;
      response.end(JSON.stringify(STATUS));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  function program(name: string, script: string): void {
    const bin = join(directory, 'bin');
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }

  // It starts Node some twenty times, one after the other: half a minute where the cores are busy.
  it('asks the radio that runs, and writes a report', async () => {
    const before = readdirSync(join(directory, 'opt'), { recursive: true }).sort();
    const report = join(directory, 'report');
    const { port } = server.address() as AddressInfo;
    const env = {
      PATH: `${join(directory, 'bin')}:/usr/local/bin:/usr/bin:/bin`,
      STARLING_REPORT: report,
      STARLING_URL: `http://127.0.0.1:${port}`,
      STARLING_ANSWER_WITHIN_S: '1',
    };
    const child = spawn('bash', [join(directory, 'opt/hardware/check.sh')], { env, stdio: 'ignore' });
    const [code] = (await once(child, 'exit')) as [number];
    const text = readFileSync(report, 'utf8');
    expect(text).toContain('ok       the radio runs and answers (version 9.8.7)');
    expect(text).toContain('pins     info  Buttons and light are there  skip=5');
    // The log says nothing new, so no press was seen; and nobody was there to answer.
    expect(text).toContain('failed   Press SKIP shortly. (nothing came within 1 s)');
    expect(text).toContain('skipped  the light shows "alone" (not answered)');
    expect(text).toContain('sync     0.25 ms, 3 underruns');
    expect(text).toContain('sources  /media/sda1 /media/sdb1');
    expect(text).toContain('tracks   42, ready 40, skipped 2');
    expect(text).toContain('flock    2 boxes, flock');
    expect(text).toContain('ok       the router answers');
    expect(text).toMatch(/\n4 failed\n$/);
    expect(code).toBe(1);
    expect(asked).toBeGreaterThan(10);
    expect(readdirSync(join(directory, 'opt'), { recursive: true }).sort()).toEqual(before);
    expect(readdirSync(directory)).not.toContain('used');
  }, 120_000);
});
