import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createControls } from '../../src/controls/controls.ts';
import type { GpioError } from '../../src/controls/errors.ts';
import { createGpiod } from '../../src/controls/gpiod.ts';
import type { Edge, GpioListener, Wiring } from '../../src/controls/ports.ts';
import { ROOT } from '../unit/house/files.ts';
import { CASES, runCase } from './contract.ts';
import { openSim, whyNoSim } from './gpio-sim.ts';

const wiring: Wiring = {
  chips: ['pinctrl-bcm2711'],
  skip: { offset: 5, activeLow: true },
  never: { offset: 6, activeLow: true },
  light: { offset: 12, activeLow: false },
};
const deaf: GpioListener = { onEdge: () => {}, onLost: () => {} };

async function refusal(opening: Promise<unknown>): Promise<GpioError> {
  return await opening.then(
    () => {
      throw new Error('was not refused');
    },
    (error: GpioError) => error,
  );
}

describe('the pins of this machine', () => {
  it('keep the contract on lines of gpio-sim', async ({ skip }) => {
    const reason = whyNoSim();
    if (reason !== null) skip(reason);
    const sim = openSim(createGpiod());
    try {
      for (const one of CASES.filter(({ holds }) => holds !== true)) await runCase(one, sim.bench);
    } finally {
      sim.close();
    }
  });

  it('are refused with a clear line where there are none, and the controls start all the same', async () => {
    const chips = ['pinctrl-of-another-world'];
    const error = await refusal(createGpiod().open({ ...wiring, chips }, deaf));
    expect(['absent', 'denied', 'tools']).toContain(error.reason);
    expect(error.message).toMatch(
      /^(This machine has no GPIO\.|No GPIO chip here|gpiodetect is not there|This user may)/,
    );
    const lines: string[] = [];
    const log = (line: string) => void lines.push(line);
    const fine = () => ({ ok: true }) as const;
    const controls = createControls(
      {
        gpio: createGpiod(),
        actions: { skip: fine, never: () => ({ ok: false, text: '' }), allow: fine, reset: async () => fine() },
        doing: () => {
          throw new Error('nobody asks without a light');
        },
        onChange: () => () => {},
        log: { debug: log, info: log, warn: log },
      },
      { hardwareDir: join(ROOT, 'hardware'), setting: 'chip=pinctrl-of-another-world' },
    );
    await controls.start();
    expect(lines).toEqual([`No buttons and no light: ${error.message}`]);
    await controls.stop();
  });
});

/**
 * Programs that misbehave as no real one does on demand. Their good behaviour is not tried here: `npm run test:gpio` does that
 * with the real ones.
 */
describe('tools that fail', () => {
  let dir: string;
  const script = (name: string, body: string) => {
    writeFileSync(join(dir, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(dir, name), 0o755);
  };
  const open = (listener: GpioListener = deaf) => createGpiod({ toolDir: dir }).open(wiring, listener);

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'tools-'));
    script(
      'gpiodetect',
      '[ "$1" = --version ] && echo "gpiodetect (libgpiod) v2.2.1" || echo "gpiochip0 [pinctrl-bcm2711] (58 lines)"',
    );
    script('gpioget', 'echo 1 1');
    script('gpiomon', 'echo Monitoring; exec sleep 60');
    script('gpioset', 'case "$*" in *--toggle\\ 0*) ;; *) exec sleep 60 ;; esac');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it.each([
    ['gpiodetect', 'echo "gpiodetect (libgpiod) v3.0"', 'tools', /1\.6 or 2 is needed/],
    ['gpiodetect', 'echo "cannot open: Permission denied" >&2; exit 1', 'denied', /group gpio/],
    ['gpioget', 'echo "unable to request lines: Device or resource busy" >&2; exit 1', 'busy', /taken by another/],
    ['gpioget', 'echo what', 'lost', /did not tell/],
    ['gpioget', 'head -c 1000000 /dev/zero', 'lost', /gpioget failed/],
    ['gpiomon', 'echo "gpiomon: strange" >&2; exit 3', 'lost', /gpiomon failed: gpiomon: strange/],
    ['gpiomon', 'kill -9 $$', 'lost', /SIGKILL/],
    ['gpioset', 'echo "unable to request lines: Device or resource busy" >&2; exit 1', 'busy', /taken by another/],
  ])('%s: %s', async (name, body, reason, message) => {
    script(name, body);
    const error = await refusal(open());
    expect(error).toMatchObject({ name: 'GpioError', reason, message: expect.stringMatching(message) });
    expect(error.message.length).toBeLessThan(300);
  });

  it('are missed by name', async () => {
    expect(await refusal(createGpiod({ toolDir: '/nonexistent' }).open(wiring, deaf))).toMatchObject({
      reason: 'tools',
    });
    rmSync(join(dir, 'gpiomon'));
    expect(await refusal(open())).toMatchObject({ reason: 'tools', message: expect.stringContaining('gpiomon') });
  });

  it('may say what they like: only edges of our lines count', async () => {
    const lines = [
      '5 2 99.5',
      '7 1 1.0',
      '5 3 1.0',
      'rm -rf',
      '',
      '6 2',
      '5 2 999999999999999999999.1',
      `${'x'.repeat(70_000)}`,
      '6 2 1.5',
    ];
    writeFileSync(join(dir, 'said'), `${lines.join('\n')}\n`);
    script('gpiomon', `echo Monitoring; sleep 0.3; cat '${join(dir, 'said')}'; exec sleep 60`);
    const edges: Edge[] = [];
    const held = await open({ ...deaf, onEdge: (edge) => edges.push(edge) });
    for (let wait = 0; wait < 200 && edges.length < 2; wait++) await sleep(20);
    await held.close();
    expect(edges.map(({ button, pressed }) => [button, pressed])).toEqual([
      ['skip', true],
      ['never', true],
    ]);
    // Stamps of another clock are not believed.
    const nowMs = Number(process.hrtime.bigint()) / 1e6;
    for (const { atMs } of edges) expect(Math.abs(nowMs - atMs)).toBeLessThan(60_000);
  });

  it('leave the lines when this process is killed', async ({ skip }) => {
    if (!existsSync('/usr/bin/setpriv')) skip('no setpriv here, which Debian has in util-linux');
    const pids = join(dir, 'pids');
    script('gpiomon', `echo $$ >> '${pids}'; echo Monitoring; exec sleep 60`);
    const code = `
      import { createGpiod } from '${join(ROOT, 'src/controls/gpiod.ts')}';
      await createGpiod({ toolDir: '${dir}' }).open(${JSON.stringify(wiring)}, { onEdge() {}, onLost() {} });
      console.log('holds'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const [pid] = readFileSync(pids, 'utf8').trim().split('\n');
    const alive = () =>
      execFileSync('sh', ['-c', `kill -0 ${pid} 2>/dev/null && echo yes || echo no`], { encoding: 'utf8' }).trim();
    expect(alive()).toBe('yes');
    child.kill('SIGKILL');
    for (let wait = 0; wait < 250 && alive() === 'yes'; wait++) await sleep(20);
    expect(alive()).toBe('no');
  });
});
