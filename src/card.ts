/**
 * The front door of the SD card's settings file: starling.txt on the boot partition becomes this box's networks, country,
 * settings and SSH keys. Root runs it before the network starts (systemd unit starling-card.service), and only when the
 * file changed; the radio itself never does.
 *
 *     node dist/card.mjs               on the card
 *     node dist/card.mjs --root DIR    on a copy of its file system below DIR; nothing is mounted, nobody else's rights are taken
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from './node/atomic-file.ts';
import { didYouMean } from './node/cli.ts';
import { saveSettings } from './node/settings.ts';
import { readSettingsFile } from './node/settings-file.ts';
import { SETTINGS, type SettingSpec } from './node/settings-schema.ts';
import {
  applyCard,
  type CardSetting,
  createBootFiles,
  createKeeper,
  recordOf,
  recordText,
  STEPS,
} from './system/card/index.ts';
import { runsFromMemory } from './system/storage.ts';

/** Settings of the radio that a person may want before the first boot; the rest is on the page. */
const CARD_KEYS = ['station', 'station_key', 'name', 'output', 'volume'];
/** Owns the radio's data directory. */
const RADIO_USER = 'starling';
const RADIO_DIR = 'var/lib/starling';

function cardSetting(spec: SettingSpec, radioDir: string): CardSetting {
  const { key, secret, allowed } = spec;
  return {
    key,
    secret,
    allowed,
    check(text) {
      const checked = spec.check(text, { baseDir: radioDir, homeDir: radioDir, mustExist: false });
      if (!checked.ok) return checked;
      // The settings file keeps what was typed, checked again whenever it is read.
      return { ok: true, value: spec.json.includes('number') ? Number(text) : text };
    },
  };
}

/** Runs something as the radio's user: a file of root's in its directory would be lost to it, and a link there a trap. */
function asUser<T>(user: string | null, action: () => T): T {
  if (user === null) return action();
  process.setegid?.(user);
  process.seteuid?.(user);
  try {
    return action();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

/** A file that cannot be read has none: that it cannot is told when something is to be written into it. */
function hasSetting(radioDir: string, key: string, asRadio: <T>(action: () => T) => T): boolean {
  try {
    return asRadio(() => readSettingsFile(radioDir))?.[key] !== undefined;
  } catch {
    return false;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function main(root: string, isCard: boolean): void {
  const radioDir = join(root, RADIO_DIR);
  const bootDir = join(root, 'boot/firmware');
  const recordPath = join(root, 'data/card-settings.json');
  const asRadio = <T>(action: () => T) => asUser(isCard ? RADIO_USER : null, action);
  // Such a start knows neither what was applied before nor what was forgotten on purpose: the Wi-Fi is needed, a key to SSH
  // may be the owner's from before, and nothing that it finds is to be written down as an answer.
  const fromMemory = runsFromMemory(join(root, 'run/starling-boot'));
  const boot = createBootFiles({
    dir: bootDir,
    remount: (mode) => {
      // What fstab says of it (its label) is not looked up: devices are hidden from this unit. Without a source it would
      // be, even so; a remount needs none.
      const words = ['--options-mode', 'ignore', '-o', `remount,${mode}`, 'none', bootDir];
      if (isCard) execFileSync('mount', words, { stdio: ['ignore', 'ignore', 'inherit'] });
    },
  });
  const keeper = createKeeper({
    connectionsDir: join(root, 'etc/NetworkManager/system-connections'),
    sshDir: join(root, 'etc/starling'),
    radioDir,
    asRadio,
  });
  applyCard({
    boot: fromMemory ? { ...boot, write: () => {} } : boot,
    keeper,
    steps: fromMemory ? STEPS.filter((step) => step !== 'ssh' && step !== 'let_in') : STEPS,
    readRecord: () => recordOf(readText(recordPath)),
    // The hash of a file that held a password is no secret, but near to one.
    writeRecord: (record) => writeFileAtomically(recordPath, recordText(record), 0o600),
    saveSettings: (changes) => {
      const [problem] = asRadio(() => saveSettings(radioDir, changes));
      if (problem !== undefined) throw new Error(`the settings file ${problem.cause}`);
    },
    knowledge: {
      settings: SETTINGS.filter(({ key }) => CARD_KEYS.includes(key)).map((spec) => cardSetting(spec, radioDir)),
      didYouMean,
      hasSetting: (key) => hasSetting(radioDir, key, asRadio),
      template: readText(join(root, 'usr/lib/starling/starling.txt')),
    },
    log: (line) => console.log(line),
  });
}

const [flag, dir] = process.argv.slice(2);
if (flag !== undefined && (flag !== '--root' || dir === undefined)) {
  console.error('usage: node card.mjs [--root DIR]');
  process.exitCode = 2;
} else {
  main(dir ?? '/', dir === undefined);
}
