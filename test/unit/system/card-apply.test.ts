import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBootFiles } from '../../../src/system/card/boot-files.ts';
import { applyCard, type CardComponents, type CardRecord, STEPS } from '../../../src/system/card/card.ts';
import { createKeeper, recordOf, recordText } from '../../../src/system/card/keeper.ts';
import { TAKEN } from '../../../src/system/card/parse.ts';
import { ED25519, knowledge, TEMPLATE } from './card-knowledge.ts';

const PROJECT = resolve(import.meta.dirname, '../../..');
const CONNECTIONS = 'etc/NetworkManager/system-connections';
const GOOD = 'wifi = Büro\r\nwifi_password = swordfish!\r\ncountry = DE\r\nname = Kitchen\r\n';
const NAME_HEX = Buffer.from('Büro').toString('hex');

let root: string;
const at = (...parts: string[]) => join(root, ...parts);
const text = (...parts: string[]) => readFileSync(at(...parts), 'utf8');
const modeOf = (...parts: string[]) => statSync(at(...parts)).mode & 0o777;
const writeCard = (content: string | Uint8Array) => writeFileSync(at('boot/firmware/starling.txt'), content);
const keyfiles = () => readdirSync(at(CONNECTIONS)).sort();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'starling-card-'));
  for (const dir of ['boot/firmware', 'data', 'var/lib/starling', 'etc', 'usr/lib/starling'])
    mkdirSync(at(dir), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A card below `root`, with what the test wants otherwise. */
class Box {
  readonly lines: string[] = [];
  readonly mounts: string[] = [];
  readonly saved: Record<string, unknown>[] = [];
  readonly components: CardComponents;

  constructor(other: Partial<CardComponents> = {}) {
    this.components = {
      steps: STEPS,
      boot: createBootFiles({ dir: at('boot/firmware'), remount: (mode) => this.mounts.push(mode) }),
      keeper: createKeeper({
        connectionsDir: at(CONNECTIONS),
        radioDir: at('var/lib/starling'),
        sshDir: at('etc/starling'),
        asRadio: (action) => action(),
      }),
      readRecord: () => recordOf(existsSync(at('data/record')) ? text('data/record') : ''),
      writeRecord: (record) => writeFileSync(at('data/record'), recordText(record)),
      saveSettings: (changes) => void this.saved.push(changes),
      knowledge: knowledge(),
      log: (line) => this.lines.push(line),
      ...other,
    };
  }

  apply(): this {
    applyCard(this.components);
    return this;
  }
}

const fails = (code: string) => (): never => {
  throw Object.assign(new Error(`${code}: sorry`), { code });
};

describe('a good file', () => {
  it('is kept where each part is looked for, and answered', () => {
    writeCard(`${GOOD}ssh_key = ${ED25519}\r\n`);
    const box = new Box().apply();
    expect(keyfiles()).toEqual([`starling-${NAME_HEX}-sae.nmconnection`, `starling-${NAME_HEX}-wpa2.nmconnection`]);
    expect(keyfiles().map((name) => modeOf(CONNECTIONS, name))).toEqual([0o600, 0o600]);
    expect(text('var/lib/starling/country')).toBe('DE\n');
    expect(box.saved).toEqual([{ name: 'Kitchen' }]);
    expect(text('etc/starling/authorized_keys')).toBe(`${ED25519}\n`);
    expect([modeOf('etc/starling/authorized_keys'), modeOf('etc/starling/ssh-enabled')]).toEqual([0o600, 0o600]);
    expect(text('boot/firmware/starling-answer.txt')).toContain('All is well: 5 lines applied.');
    expect(box.mounts).toEqual(['rw', 'ro']);
    expect(readdirSync(at('boot/firmware')).sort()).toEqual(['starling-answer.txt', 'starling.txt']);
    expect(box.lines.join()).not.toContain('swordfish');
  });

  it('becomes key files that NetworkManager reads, WPA2 first', () => {
    writeCard('wifi = Büro\nwifi_password = " back\\slash; "\nhidden = yes\ncountry = DE');
    new Box().apply();
    const [sae, wpa2] = keyfiles().map((name) => text(CONNECTIONS, name));
    const uuid = /uuid=[0-9a-f-]{36}/;
    expect(wpa2?.replace(uuid, 'uuid=X')).toBe(
      [
        ...[
          '[connection]',
          'id=Büro',
          'uuid=X',
          'type=802-11-wireless',
          'autoconnect=true',
          'autoconnect-priority=1',
          '',
        ],
        ...['[wifi]', 'ssid=66;195;188;114;111;', 'mode=infrastructure', 'hidden=true', 'powersave=2', ''],
        ...['[wifi-security]', 'key-mgmt=wpa-psk', 'proto=rsn;', 'pmf=1', 'psk=\\sback\\\\slash;\\s', ''],
        ...['[ipv4]', 'method=auto', 'dhcp-timeout=20', '', '[ipv6]', 'method=auto', ''],
      ].join('\n'),
    );
    expect(sae).toMatch(/autoconnect-priority=0[\s\S]*key-mgmt=sae/);
    expect(uuid.exec(sae ?? '')?.[0]).not.toBe(uuid.exec(wpa2 ?? '')?.[0]);
  });

  it('holds the password no longer, nor does the place on the disk where it stood', () => {
    writeCard(GOOD);
    const old = openSync(at('boot/firmware/starling.txt'), 'r');
    new Box().apply();
    const buffer = Buffer.alloc(500);
    const length = readSync(old, buffer, 0, 500, 0);
    closeSync(old);
    expect(buffer.subarray(0, length)).toEqual(Buffer.alloc(Buffer.byteLength(GOOD)));
    const now = text('boot/firmware/starling.txt');
    expect(now).toBe(`\ufeff${GOOD.replace('swordfish!', TAKEN)}`);
  });

  it('takes the place of older files of the same network, in any spelling of NetworkManager', () => {
    mkdirSync(at(CONNECTIONS), { recursive: true });
    const other = '[connection]\nid=x\n[wifi]\nmode=infrastructure\nssid=Other\n';
    writeFileSync(at(CONNECTIONS, 'other.nmconnection'), other);
    writeFileSync(at(CONNECTIONS, 'a.nmconnection'), other.replace('Other', 'Büro'));
    writeFileSync(
      at(CONNECTIONS, 'b.nmconnection'),
      other.replace('[wifi]', '[802-11-wireless]').replace('Other', '66;195;188;114;111;'),
    );
    writeCard(GOOD);
    new Box().apply();
    expect(keyfiles()).toEqual([
      'other.nmconnection',
      `starling-${NAME_HEX}-sae.nmconnection`,
      `starling-${NAME_HEX}-wpa2.nmconnection`,
    ]);
  });

  it('turns SSH off again', () => {
    writeCard(`ssh_key = ${ED25519}`);
    new Box().apply();
    writeCard('ssh_key = none');
    new Box().apply();
    expect(readdirSync(at('etc/starling'))).toEqual([]);
  });
});

describe('the next start', () => {
  it('does nothing while the file is the same, so that later changes stay', () => {
    writeCard(GOOD);
    new Box().apply();
    const { done } = recordOf(text('data/record'));
    rmSync(at(CONNECTIONS), { recursive: true });
    writeFileSync(at('var/lib/starling/country'), 'JP\n');
    const box = new Box().apply();
    expect(done).toMatch(/^[0-9a-f]{64}$/);
    expect(existsSync(at(CONNECTIONS))).toBe(false);
    expect(text('var/lib/starling/country')).toBe('JP\n');
    expect([box.mounts, box.saved, box.lines]).toEqual([[], [], []]);
  });

  it('applies what was changed, and keeps the network whose password was taken', () => {
    writeCard(GOOD);
    new Box().apply();
    const before = keyfiles().map((name) => text(CONNECTIONS, name));
    writeCard(text('boot/firmware/starling.txt').replace('Kitchen', 'Küche'));
    const box = new Box().apply();
    expect(box.saved).toEqual([{ name: 'Küche' }]);
    expect(keyfiles().map((name) => text(CONNECTIONS, name))).toEqual(before);
    expect(text('boot/firmware/starling-answer.txt')).toContain('All is well: 4 lines applied.');
  });

  it('makes a kept network hidden and back, with all else as it was', () => {
    writeCard(GOOD);
    new Box().apply();
    const before = keyfiles().map((name) => text(CONNECTIONS, name));
    writeCard(`${text('boot/firmware/starling.txt')}hidden = yes\r\n`);
    const box = new Box().apply();
    const hidden = keyfiles().map((name) => text(CONNECTIONS, name));
    expect(hidden).toEqual(before.map((file) => file.replace('hidden=false', 'hidden=true')));
    expect(hidden).not.toEqual(before);
    expect(box.lines).toEqual([
      expect.stringContaining('applied wifi, wifi_password, country, name, hidden; 0 problems'),
    ]);
    writeCard(text('boot/firmware/starling.txt').replace('hidden = yes', 'hidden = no'));
    new Box().apply();
    expect(keyfiles().map((name) => text(CONNECTIONS, name))).toEqual(before);
  });

  it('makes a network hidden that was kept from the page', () => {
    const file = '[connection]\nid=x\n\n[wifi]\nmode=infrastructure\nssid=Home\n\n[ipv4]\nmethod=auto\n';
    mkdirSync(at(CONNECTIONS), { recursive: true });
    for (const name of ['home', 'other'])
      writeFileSync(at(CONNECTIONS, `${name}.nmconnection`), name === 'home' ? file : file.replace('Home', 'Other'));
    writeCard('wifi = Home\nhidden = yes');
    new Box().apply();
    expect(text(CONNECTIONS, 'home.nmconnection')).toBe(file.replace('[wifi]\n', '[wifi]\nhidden=true\n'));
    expect(text(CONNECTIONS, 'other.nmconnection')).toBe(file.replace('Home', 'Other'));
  });

  it('neither does nor claims the steps that it may not do', () => {
    writeCard(`${GOOD}let_in = yes\nssh_key = ${ED25519}`);
    const box = new Box({ steps: ['wifi', 'country', 'settings'] }).apply();
    expect(box.lines).toEqual([expect.stringContaining('applied wifi, wifi_password, country, name; 0 problems')]);
    expect([existsSync(at('etc/starling')), existsSync(at('var/lib/starling/let-in'))]).toEqual([false, false]);
    expect(keyfiles()).toHaveLength(2);
  });

  it('after a power cut at any step ends as without one', () => {
    writeCard(GOOD);
    new Box().apply();
    const card = text('boot/firmware/starling.txt');
    const answer = text('boot/firmware/starling-answer.txt');
    for (let cut = 1; cut <= 6; cut += 1) {
      rmSync(at('data/record'), { force: true });
      rmSync(at('boot/firmware/starling-answer.txt'));
      writeCard(GOOD);
      cutAfter(cut).apply();
      expect(existsSync(at('data/record')) && recordOf(text('data/record')).done !== null, String(cut)).toBe(false);
      new Box().apply();
      expect([text('boot/firmware/starling.txt'), text('boot/firmware/starling-answer.txt')]).toEqual([card, answer]);
      expect(recordOf(text('data/record')).done).not.toBeNull();
    }
  });

  it('applies once what was noted, though the boot partition could not be written', () => {
    writeCard(GOOD);
    const deaf = new Box();
    deaf.components.boot.write = fails('EROFS');
    deaf.apply();
    expect(deaf.lines).toContain('starling.txt could not be answered: the disk cannot be written to');
    expect(deaf.saved).toHaveLength(1);
    const box = new Box().apply();
    expect(box.saved).toEqual([]);
    expect(text('boot/firmware/starling.txt')).not.toContain('swordfish');
  });

  it('tries again what failed, and nothing else', () => {
    writeCard(GOOD);
    new Box({ saveSettings: fails('ENOSPC') }).apply();
    expect(text('boot/firmware/starling-answer.txt')).toContain('Line 4 (name): there is no space left.');
    expect(text('boot/firmware/starling.txt')).not.toContain('swordfish');
    writeFileSync(at('var/lib/starling/country'), 'JP\n');
    const box = new Box().apply();
    expect(box.saved).toEqual([{ name: 'Kitchen' }]);
    expect(text('var/lib/starling/country')).toBe('JP\n');
    expect(text('boot/firmware/starling-answer.txt')).toContain('All is well');
  });

  it('leaves a password in the file that could not be kept', () => {
    writeCard(GOOD);
    const box = new Box();
    box.components.keeper.keepWifi = fails('ENOSPC');
    box.apply();
    expect(text('boot/firmware/starling.txt')).toBe(GOOD);
    new Box().apply();
    expect(keyfiles()).toHaveLength(2);
    expect(text('boot/firmware/starling.txt')).not.toContain('swordfish');
  });

  it('lets a phone in by a mark for the radio, once', () => {
    writeCard('let_in = yes');
    new Box().apply();
    expect(text('var/lib/starling/let-in')).toBe('');
    expect(text('boot/firmware/starling.txt')).toBe(`let_in = ${TAKEN}`);
    rmSync(at('var/lib/starling/let-in'));
    writeCard(`let_in = ${TAKEN}\nname = a`);
    new Box().apply();
    expect(existsSync(at('var/lib/starling/let-in'))).toBe(false);
  });

  it('goes on without a record, and with a damaged one', () => {
    for (const damaged of ['', '{', 'null', '[]', '{"applied":7,"done":7}']) {
      writeFileSync(at('data/record'), damaged);
      writeCard('name = a');
      expect(new Box().apply().saved).toEqual([{ name: 'a' }]);
    }
    const box = new Box({ readRecord: (): CardRecord => recordOf(''), writeRecord: fails('EROFS') }).apply();
    expect(box.lines[0]).toContain('could not be noted');
  });
});

/** A box whose power goes after so many steps that change something: no later one happens. */
function cutAfter(steps: number): Box {
  const box = new Box();
  let left = steps;
  const powered = <A extends unknown[]>(action: (...args: A) => void) => {
    return (...args: A): void => {
      left -= 1;
      if (left >= 0) action(...args);
    };
  };
  const { components } = box;
  const { keeper, boot } = components;
  const write = boot.write.bind(boot);
  keeper.keepWifi = powered(keeper.keepWifi);
  keeper.keepCountry = powered(keeper.keepCountry);
  components.saveSettings = powered(components.saveSettings);
  components.writeRecord = powered(components.writeRecord);
  boot.write = (answer, card) => {
    powered(write)(answer, null);
    powered(write)(answer, card);
  };
  return box;
}

describe('a file that is none', () => {
  it('is left alone', () => expect(new Box().apply().lines).toEqual([]));

  const strange: [string, Uint8Array, RegExp][] = [
    ['is too large', Buffer.alloc(70_000, 'name = x\n'), /The file is too large/],
    ['is rich text', Buffer.from('{\\rtf1\\ansi name = x}'), /Make Plain Text/],
    ['is empty', Buffer.alloc(0), /Nothing is set/],
    ['is a picture', Buffer.from('89504e470d0a1a0a0000000d49484452ffd8', 'hex'), /nothing was changed/],
    ['has too many lines', Buffer.from(`${'#\n'.repeat(1_100)}name = x`), /up to line 1000 only/],
  ];
  it.each(strange)('is answered when it %s', (_, bytes, answer) => {
    writeCard(bytes);
    expect(new Box().apply().saved).toEqual([]);
    expect(text('boot/firmware/starling-answer.txt')).toMatch(answer);
  });

  it('is told in the log when it is a folder', () => {
    mkdirSync(at('boot/firmware/starling.txt'));
    expect(new Box().apply().lines).toEqual([expect.stringMatching(/cannot be read/)]);
  });
});

describe('the start script and the program', () => {
  const script = join(PROJECT, 'image/overlay/usr/lib/starling/card-settings');
  /** Tells whether Node was started, by a stand-in that writes a mark before it starts the real one. */
  const run = (): boolean => {
    const node = at('node');
    writeFileSync(node, `#!/bin/sh\ntouch ${at('started')}\nexec ${process.execPath} "$@"\n`);
    chmodSync(node, 0o755);
    rmSync(at('started'), { force: true });
    const env = { ...process.env, ROOT: root, NODE: node, CARD: join(PROJECT, 'src/card.ts') };
    execFileSync('sh', [script], { env, stdio: ['ignore', 'ignore', 'inherit'] });
    return existsSync(at('started'));
  };

  it('apply a file once, and start Node only for one that is new', () => {
    expect(run()).toBe(false);
    writeFileSync(at('usr/lib/starling/starling.txt'), TEMPLATE);
    writeCard(TEMPLATE);
    expect(run()).toBe(false);
    writeFileSync(at('var/lib/starling/settings.json'), '{"version":1,"volume":7}');
    writeCard(`${TEMPLATE}${GOOD}output = alsa:hw:0\r\nstation_key = none\r\n`);
    expect(run()).toBe(true);
    expect(JSON.parse(text('var/lib/starling/settings.json'))).toEqual({
      version: 1,
      name: 'Kitchen',
      output: 'alsa:hw:0',
      volume: 7,
    });
    expect(text('boot/firmware/starling-answer.txt')).toContain('All is well: 6 lines applied.');
    expect(modeOf('data/card-settings.json')).toBe(0o600);
    expect(run()).toBe(false);
    cpSync(at('boot/firmware/starling.txt'), at('copy'));
    writeCard(text('copy').replace('\nname = Kitchen', '\nname = Office').replace('alsa:hw:0', 'loud'));
    expect(run()).toBe(true);
    expect(JSON.parse(text('var/lib/starling/settings.json'))).toMatchObject({ name: 'Office', output: 'alsa:hw:0' });
    expect(text('boot/firmware/starling-answer.txt')).toMatch(
      /output = loud\) is no output\.\r\n {6}Allowed: auto, null/,
    );
    expect(run()).toBe(false);
  });

  it('leave settings alone that they cannot read, and say so', () => {
    writeFileSync(at('var/lib/starling/settings.json'), '{"version":0}');
    writeCard('name = Kitchen');
    expect(run()).toBe(true);
    expect(text('var/lib/starling/settings.json')).toBe('{"version":0}');
    expect(text('boot/firmware/starling-answer.txt')).toContain('has the version 0');
    expect(run()).toBe(true);
  });
});
