import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { recordOf, recordText } from '../../../src/system/card/keeper.ts';
import { MAX_STICKS } from '../../../src/system/limits.ts';

/** The SD card's own scripts, run with programs that only write down what they are told. */
const SCRIPTS = resolve(import.meta.dirname, '../../../image/overlay/usr/lib/starling');
const dir = mkdtempSync(join(tmpdir(), 'starling-scripts-'));
const root = join(dir, 'root');
const told = join(dir, 'told');
const mounts = join(dir, 'mounts');
afterAll(() => rmSync(dir, { recursive: true }));

function program(name: string, text: string): void {
  mkdirSync(join(dir, 'bin'), { recursive: true });
  writeFileSync(join(dir, 'bin', name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(dir, 'bin', name), 0o755);
}

function file(path: string, text = 'x'): string {
  const full = join(root, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
  return full;
}

function run(script: string, ...words: string[]) {
  const { status, stderr } = spawnSync(join(SCRIPTS, script), words, {
    encoding: 'utf8',
    env: { PATH: `${join(dir, 'bin')}:/usr/sbin:/usr/bin:/sbin:/bin`, ROOT: root, NODE: join(dir, 'bin/node') },
  });
  return { status, stderr, said: existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : [] };
}

beforeEach(() => {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  writeFileSync(mounts, '');
  for (const name of ['logger', 'systemd-mount', 'systemctl']) program(name, `echo "${name} $*" >>'${told}'`);
  program('systemd-escape', 'echo escaped.mount');
  // The table of mounts of another machine.
  program(
    'grep',
    `last=$#\nfor word; do [ "$last" -eq 1 ] || set -- "$@" "$word"; shift; last=$((last - 1)); done\nexec /bin/grep "$@" '${mounts}'`,
  );
});

describe('a stick', () => {
  const mount = (type: string, name = 'sda1') => run('mount-stick', 'mount', `/dev/${name}`, name, type);
  const optionsOf = (type: string) => {
    rmSync(told, { force: true });
    const [line = ''] = mount(type).said;
    return { line, options: /--options=(\S*)/.exec(line)?.[1]?.split(',') ?? [] };
  };

  it('of any kind is mounted for reading alone, and goes with its device also while it is read', () => {
    for (const type of ['vfat', 'exfat', 'ntfs', 'ext2', 'ext3', 'ext4', 'hfsplus']) {
      const { line, options } = optionsOf(type);
      expect(line).toMatch(/^systemd-mount .* \/dev\/sda1 \/media\/sda1$/);
      expect(line).toContain('--no-block');
      expect(line).toContain('--property=LazyUnmount=yes');
      expect(line).toContain('--fsck=no');
      for (const option of ['ro', 'nosuid', 'nodev', 'noexec', 'x-systemd.device-bound'])
        expect(options).toContain(option);
      expect(line).toContain(`--type=${type === 'ntfs' ? 'ntfs3' : type} `);
    }
    // Nothing is played back into a journal: that would be writing.
    expect(optionsOf('ext4').options).toContain('noload');
  });

  it('that is mounted already is left as it is', () => {
    writeFileSync(mounts, '/dev/sda1 /media/sda1 vfat ro 0 0\n');
    expect(mount('vfat').said).toEqual([]);
    expect(mount('vfat', 'sda11').said).toHaveLength(1);
  });

  it('with more partitions than the radio takes gets as many as it takes, and a line for each of the rest', () => {
    const lines = Array.from({ length: MAX_STICKS - 1 }, (_, at) => `/dev/sda${at} /media/sda${at} vfat ro 0 0\n`);
    writeFileSync(mounts, `tmpfs /media tmpfs rw 0 0\n/dev/root / squashfs ro 0 0\n${lines.join('')}`);
    expect(mount('vfat', 'sdb1').said[0]).toMatch(/^systemd-mount/);
    writeFileSync(mounts, `${readFileSync(mounts, 'utf8')}/dev/sdb1 /media/sdb1 vfat ro 0 0\n`);
    rmSync(told);
    expect(mount('vfat', 'sdb2').said).toEqual([expect.stringMatching(/^logger .* sdb2 is left alone: 16 /)]);
  });

  it('that claims 128 partitions gets 16 of them, and one line', () => {
    for (let number = 1; number <= 128; number += 1) mount('vfat', `sda${number}`);
    const said = readFileSync(told, 'utf8').trim().split('\n');
    expect(said.filter((line) => line.startsWith('systemd-mount')).length).toBe(MAX_STICKS);
    expect(said.filter((line) => line.startsWith('logger'))).toEqual([expect.stringMatching(/sda17 and all/)]);
  });

  it('that cannot be read gets one line', () => {
    const { said, status } = run('mount-stick', 'ignore', '/dev/sda1', 'sda1', 'crypto_LUKS');
    expect(said).toEqual([
      expect.stringMatching(/^logger -t starling-stick -- sda1 is left alone: .*\(crypto_LUKS\)$/),
    ]);
    expect(status).toBe(0);
  });

  it('that was taken out of its reader is unmounted, if it was mounted', () => {
    expect(run('mount-stick', 'gone', '/dev/sdb', 'sdb', 'none').said).toEqual([]);
    writeFileSync(mounts, '/dev/sdb /media/sdb vfat ro 0 0\n');
    expect(run('mount-stick', 'gone', '/dev/sdb', 'sdb', 'none').said).toEqual([
      'systemctl --no-block stop escaped.mount',
    ]);
  });
});

describe('a reset of everything', () => {
  const order = 'var/lib/starling/forget-system';
  const system = (path: string) => file(`data/system/${path}`);
  const CARD = 'boot/firmware/starling.txt';
  const RECORD = 'data/card-settings.json';
  const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');
  const record = () => recordOf(readFileSync(join(root, RECORD), 'utf8'));
  /** Whether the next start would apply starling.txt, by a stand-in for Node. */
  const isApplied = () => {
    program('node', `echo node >>'${told}'`);
    program('grep', 'exec /bin/grep "$@"');
    rmSync(told, { force: true });
    const { status, said } = run('card-settings');
    expect(status).toBe(0);
    return said.includes('node');
  };

  it('that nobody ordered does nothing', () => {
    const kept = system('etc/starling/authorized_keys');
    expect(run('forget-system')).toMatchObject({ status: 0, said: [] });
    expect(existsSync(kept)).toBe(true);
  });

  it('forgets networks, keys and journal, keeps music and name, and starts anew', () => {
    const gone = [
      system('etc/NetworkManager/system-connections/Home.nmconnection'),
      system('etc/starling/authorized_keys'),
      system('etc/starling/ssh_host_ed25519_key'),
      system('var/lib/NetworkManager/internal-leases/a.lease'),
      system('var/log/journal/0123/system.journal'),
      system('machine-id'),
      file('data/card-settings.json.77.tmp'),
      file(order),
    ];
    const kept = [system('hostname'), system('var/lib/systemd/random-seed'), file('data/starling/demo-music/a.mp3')];
    expect(run('forget-system')).toMatchObject({
      status: 0,
      said: ['systemctl stop NetworkManager.service', 'systemctl --no-block reboot'],
    });
    expect(gone.filter((path) => existsSync(path))).toEqual([]);
    expect(kept.filter((path) => !existsSync(path))).toEqual([]);
    // The places themselves are mounted over.
    expect(readdirSync(join(root, 'data/system/etc'))).toEqual(['NetworkManager', 'starling']);
  });

  it('does not let the owner from before in again by starling.txt, until that is changed', () => {
    const text = 'ssh_key = ssh-ed25519 AAAA\n';
    file(CARD, text);
    expect(isApplied()).toBe(true);
    file(RECORD, recordText({ applied: [hashOf(text)], left: ['ssh'], done: null }));
    file(order);
    expect(run('forget-system').status).toBe(0);
    expect(record()).toEqual({ applied: [], left: [], done: hashOf(text) });
    expect(statSync(join(root, RECORD)).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(root, 'data'))).toEqual(['card-settings.json']);
    expect(isApplied()).toBe(false);
    file(CARD, `${text}\n`);
    expect(isApplied()).toBe(true);
  });

  it('knows starling.txt also after a cut at any step, and applies nothing before its end', () => {
    const text = 'ssh_key = ssh-ed25519 AAAA\n';
    for (const [cut, body] of [
      ['find', 'exit 1'],
      ['sha256sum', 'kill -9 $PPID'],
      ['mv', 'exit 1'],
      ['sync', 'kill -9 $PPID'],
    ] as const) {
      file(CARD, text);
      file(RECORD, recordText({ applied: [hashOf(text)], left: [], done: hashOf(text) }));
      file(order);
      system('etc/starling/authorized_keys');
      program(cut, body);
      expect(run('forget-system').status, cut).not.toBe(0);
      rmSync(join(dir, 'bin', cut));
      // Whatever the card says by now: the reset comes first.
      file(CARD, `${text}# changed\n`);
      expect(isApplied(), cut).toBe(false);
      file(CARD, text);
      expect(run('forget-system').status, cut).toBe(0);
      expect(record().done, cut).toBe(hashOf(text));
      expect(existsSync(join(root, order)), cut).toBe(false);
    }
  });

  it('makes a data partition anew that this start could not mount, and knows starling.txt there', () => {
    const text = 'ssh_key = ssh-ed25519 AAAA\n';
    const device = file('device');
    truncateSync(device, 128 * 2 ** 20);
    file(CARD, text);
    file('data/starling/x');
    file('run/starling-boot', `data=none device=${device}\n`);
    file(order);
    program('mke2fs', 'exit 1');
    expect(run('forget-system').status).not.toBe(0);
    expect(existsSync(join(root, order))).toBe(true);
    rmSync(join(dir, 'bin', 'mke2fs'));
    expect(run('forget-system')).toEqual({ status: 0, stderr: '', said: expect.anything() });
    const ask = (command: string) =>
      execFileSync('debugfs', ['-R', command, device], { encoding: 'utf8', stdio: 'pipe' });
    expect(recordOf(ask('cat card-settings.json')).done).toBe(hashOf(text));
    expect(ask('stats -h')).toMatch(/volume name: +STARLING-DATA/);
    expect(existsSync(join(root, order))).toBe(false);
  });

  it('leaves a data partition as it is that was mounted, and asks for none where there is none', () => {
    const device = file('device');
    for (const note of [`data=kept device=${device}`, 'data=none device=']) {
      file('run/starling-boot', `${note}\n`);
      file(order);
      expect(run('forget-system').status).toBe(0);
      expect(statSync(device).size).toBe(1);
    }
  });

  it('keeps what is known of starling.txt when the boot partition is not there', () => {
    const known = recordText({ applied: ['a'], left: [], done: 'a' });
    file(RECORD, known);
    file(order);
    expect(run('forget-system').status).toBe(0);
    expect(readFileSync(join(root, RECORD), 'utf8')).toBe(known);
  });

  it('does not follow a link in place of its order', () => {
    const precious = file('precious/file');
    mkdirSync(join(root, dirname(order)), { recursive: true });
    symlinkSync(dirname(precious), join(root, order));
    expect(run('forget-system').status).toBe(0);
    expect(existsSync(precious)).toBe(true);
    expect(existsSync(join(root, order))).toBe(false);
  });

  it('is done once more when it was cut off before its end', () => {
    file(order);
    program('sync', 'exit 0');
    program('find', 'exit 1');
    system('etc/starling/authorized_keys');
    expect(run('forget-system').status).toBe(1);
    expect(existsSync(join(root, order))).toBe(true);
  });
});

describe('the SSH key of the box', () => {
  const key = () => join(root, 'etc/starling/ssh_host_ed25519_key');

  it('is made once, and anew only when it is spoiled', () => {
    // Generating is OpenSSH's matter: a stand-in that makes and reads keys.
    program(
      'ssh-keygen',
      `while [ $# -gt 0 ]; do case "$1" in -y) read=1 ;; -f) file=$2 ;; esac; shift; done
[ -z "\${read:-}" ] || { /bin/grep -q good "$file"; exit; }
[ ! -e "$file" ] || exit 1
echo "good $$" >"$file"; echo public >"$file.pub"`,
    );
    mkdirSync(dirname(key()), { recursive: true });
    expect(run('ssh-host-key')).toMatchObject({ status: 0, stderr: '' });
    const first = readFileSync(key(), 'utf8');
    expect(run('ssh-host-key').status).toBe(0);
    expect(readFileSync(key(), 'utf8')).toBe(first);
    writeFileSync(key(), '');
    writeFileSync(`${key()}.new`, 'half');
    expect(run('ssh-host-key').status).toBe(0);
    expect(readFileSync(key(), 'utf8')).toMatch(/^good/);
    expect(readdirSync(dirname(key())).sort()).toEqual(['ssh_host_ed25519_key', 'ssh_host_ed25519_key.pub']);
  });
});

describe('the scripts', () => {
  it('are programs, and the shell understands them', () => {
    for (const name of ['mount-stick', 'forget-system', 'card-settings', 'ssh-host-key']) {
      execFileSync('test', ['-x', join(SCRIPTS, name)]);
      execFileSync('sh', ['-n', join(SCRIPTS, name)]);
    }
  });
});
