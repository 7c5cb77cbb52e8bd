import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const PROJECT = resolve(import.meta.dirname, '../../..');
const SCRIPT = join(PROJECT, 'image/overlay/usr/lib/starling/first-boot');
const MACHINE_ID = '0123456789abcdef0123456789abcdef';
/** Stand-ins write down how they were called. */
const TOOLS = ['findmnt', 'sfdisk', 'partx', 'resize2fs', 'gpiodetect', 'gpioset', 'sync'];

let root: string;
const at = (...parts: string[]) => join(root, ...parts);
const text = (...parts: string[]) => readFileSync(at(...parts), 'utf8');
const isDone = () => existsSync(at('data/.first-boot-done'));
const calls = () =>
  text('calls')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('sync'));

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'starling-first-boot-'));
  for (const dir of [
    'bin',
    'data',
    'etc',
    'opt/starling/hardware',
    'proc/sys/kernel',
    'sys/class/net',
    'sys/class/block',
  ])
    mkdirSync(at(dir), { recursive: true });
  writeFileSync(at('etc/machine-id'), `${MACHINE_ID}\n`);
  writeFileSync(at('etc/hosts'), '127.0.1.1 starling\n');
  writeFileSync(at('proc/sys/kernel/hostname'), 'starling\n');
  for (const name of TOOLS) tool(name, '');
  disk('vda', 'vda4');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function tool(name: string, body: string): void {
  writeFileSync(at('bin', name), `#!/bin/sh\necho "${name} $*" >>'${at('calls')}'\n${body}\n`);
  chmodSync(at('bin', name), 0o755);
}

/** A disk whose last partition is /data, as the kernel shows it. */
function disk(name: string, partition: string): void {
  mkdirSync(at('sys/devices', name, partition), { recursive: true });
  writeFileSync(at('sys/devices', name, partition, 'partition'), '4\n');
  symlinkSync(at('sys/devices', name, partition), at('sys/class/block', partition));
  tool('findmnt', `echo /dev/${partition}`);
}

function networkCard(name: string, address: string, isReal = true): void {
  mkdirSync(at('sys/class/net', name, isReal ? 'device' : '.'), { recursive: true });
  writeFileSync(at('sys/class/net', name, 'address'), `${address}\n`);
}

function boot(waitS = 0): { code: number | null; output: string } {
  writeFileSync(at('calls'), '');
  const env = { ...process.env, PATH: `${at('bin')}:${process.env.PATH}`, ROOT: root, WAIT_S: String(waitS) };
  const { status, stdout, stderr } = spawnSync('sh', [SCRIPT], { env, encoding: 'utf8' });
  return { code: status, output: stdout + stderr };
}

describe('the first boot', () => {
  it.each([
    ['mmcblk0', 'mmcblk0p4'],
    ['sda', 'sda4'],
    ['nvme0n1', 'nvme0n1p4'],
  ])('grows the last partition of %s', (name, partition) => {
    disk(name, partition);
    expect(boot().code).toBe(0);
    expect(calls().filter((line) => /^(sfdisk|partx|resize2fs)/.test(line))).toEqual([
      `sfdisk --quiet --no-reread --no-tell-kernel -N 4 /dev/${name}`,
      `partx --update --nr 4 /dev/${name}`,
      `resize2fs /dev/${partition}`,
    ]);
    expect(isDone()).toBe(true);
  });

  it('names the box after its first real network card, and keeps that', () => {
    networkCard('lo', '00:00:00:00:00:00', false);
    networkCard('docker0', '02:42:ac:11:ff:ff', false);
    networkCard('wlan0', 'b8:27:eb:12:34:56');
    networkCard('end0', 'b8:27:eb:aa:bb:cc');
    expect(boot()).toMatchObject({ code: 0, output: 'this box is starling-bbcc\n' });
    for (const file of ['data/system/hostname', 'etc/hostname', 'proc/sys/kernel/hostname'])
      expect(text(file)).toBe('starling-bbcc\n');
    expect(text('etc/hosts')).toBe(
      '127.0.0.1 localhost\n127.0.1.1 starling-bbcc\n::1 localhost ip6-localhost ip6-loopback\n',
    );
    expect(text('data/system/machine-id')).toBe(`${MACHINE_ID}\n`);
  });

  it('leaves a card its name in another Pi', () => {
    mkdirSync(at('data/system'));
    writeFileSync(at('data/system/hostname'), 'starling-0a1b\n');
    networkCard('end0', 'b8:27:eb:aa:bb:cc');
    boot();
    expect(text('etc/hostname')).toBe('starling-0a1b\n');
  });

  it('waits for a card that comes late, and takes chance where none comes', () => {
    tool(
      'sleep',
      `mkdir -p '${at('sys/class/net/wlan0/device')}'; echo b8:27:eb:00:c0:de >'${at('sys/class/net/wlan0/address')}'`,
    );
    boot(3);
    expect(text('etc/hostname')).toBe('starling-c0de\n');
    rmSync(at('sys/class/net/wlan0'), { recursive: true });
    rmSync(at('data/system/hostname'));
    tool('sleep', '');
    boot(2);
    expect(text('etc/hostname')).toMatch(/^starling-[0-9a-f]{4}\n$/);
    expect(calls().filter((line) => line === 'sleep 1')).toHaveLength(2);
  });

  it.each(['sfdisk', 'partx', 'resize2fs'])('is named, not marked and tried again where %s fails', (name) => {
    tool(name, 'exit 1');
    networkCard('end0', 'b8:27:eb:aa:bb:cc');
    expect(boot()).toMatchObject({
      code: 1,
      output: expect.stringContaining('tried again at the next start: growing'),
    });
    expect(text('etc/hostname')).toBe('starling-bbcc\n');
    expect(isDone()).toBe(false);
    tool(name, '');
    expect(boot().code).toBe(0);
    expect(isDone()).toBe(true);
  });

  it('grows nothing where the data is in memory or on a whole disk', () => {
    for (const source of ['starling-data', '/dev/vda']) {
      tool('findmnt', `echo ${source}`);
      expect(boot().code).toBe(0);
      expect(calls().filter((line) => /^(sfdisk|resize2fs)/.test(line))).toEqual([]);
    }
  });

  it('keeps no machine id that is none', () => {
    for (const id of ['', 'uninitialized\n', 'g'.repeat(32)]) {
      writeFileSync(at('etc/machine-id'), id);
      expect(boot().code).toBe(1);
      expect(existsSync(at('data/system/machine-id'))).toBe(false);
    }
  });

  it('flashes the light while it works, on the pin and chip of the pin map, and leaves it dark and free', () => {
    const pins = readFileSync(join(PROJECT, 'hardware/pins.json'), 'utf8');
    writeFileSync(at('opt/starling/hardware/pins.json'), pins);
    tool(
      'gpiodetect',
      "echo 'gpiochip0 [raspberrypi-exp-gpio] (8 lines)'; echo 'gpiochip4 [pinctrl-bcm2711] (58 lines)'",
    );
    tool('gpioset', `case "$*" in *900ms*) echo $$ >'${at('holder')}'; exec sleep 60 ;; esac`);
    tool('resize2fs', `for try in 1 2 3 4 5 6 7 8 9; do [ -s '${at('holder')}' ] && break; sleep 0.1; done`);
    expect(boot().code).toBe(0);
    const { bcm } = (JSON.parse(pins) as { parts: { light: { bcm: number } } }).parts.light;
    expect(calls().filter((line) => line.startsWith('gpioset'))).toEqual([
      `gpioset --chip gpiochip4 --toggle 100ms,900ms ${bcm}=1`,
      `gpioset --chip gpiochip4 --toggle 0 ${bcm}=0`,
    ]);
    expect(() => process.kill(Number(text('holder')), 0)).toThrow('ESRCH');
  });

  it('has a shell that finds no fault with it', () => {
    execFileSync('sh', ['-n', SCRIPT]);
    execFileSync('sh', ['-n', join(PROJECT, 'image/overlay/usr/lib/starling/card-settings')]);
  });
});
