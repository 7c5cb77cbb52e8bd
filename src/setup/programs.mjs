/**
 * The programs that Starling runs besides Node, by Debian package: found by looking for their files, installed by
 * apt-get where this user may, named in one command where not.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Refusal } from './refusal.mjs';

/**
 * @typedef {object} Package
 * @property {string} name Debian's name.
 * @property {string[][]} has The package is there when of each group one file is: a program's name, or an absolute path.
 * @property {string} why What for, for people on other systems.
 */

/** What a node needs in order to run. @type {Package[]} */
const RUN_PACKAGES = [
  { name: 'ffmpeg', has: [['ffmpeg'], ['ffprobe']], why: 'reads and cuts music' },
  { name: 'mpv', has: [['mpv']], why: 'plays it' },
];

/** What the tests need on top: a sound server without a sound card, networks of their own, a browser. @type {Package[]} */
const TEST_PACKAGES = [
  { name: 'pipewire', has: [['pipewire']], why: 'records what the players play' },
  { name: 'pipewire-pulse', has: [['pipewire-pulse']], why: 'records what the players play' },
  {
    name: 'pipewire-alsa',
    has: [['/usr/share/alsa/alsa.conf.d/50-pipewire.conf', '/etc/alsa/conf.d/50-pipewire.conf']],
    why: 'lets ALSA players play to it',
  },
  { name: 'wireplumber', has: [['wireplumber']], why: 'connects players and recorder' },
  { name: 'dbus', has: [['dbus-daemon'], ['dbus-run-session']], why: 'a session bus for the sound server' },
  { name: 'pulseaudio-utils', has: [['pactl'], ['parec']], why: 'records what the players play' },
  { name: 'alsa-utils', has: [['aplay']], why: 'lists ALSA devices' },
  { name: 'iproute2', has: [['ip']], why: 'makes the networks of the flock tests' },
  { name: 'nftables', has: [['nft']], why: 'cuts those networks' },
  { name: 'systemd', has: [['systemd-analyze']], why: 'reads the units' },
  { name: 'spin', has: [['spin']], why: 'makes the model of the settling' },
  { name: 'gcc', has: [['cc', 'gcc']], why: 'compiles that model' },
  { name: 'libc6-dev', has: [['/usr/include/stdio.h']], why: 'compiles that model' },
  { name: 'chromium', has: [['chromium', 'chromium-browser']], why: 'looks at the page' },
];

/** What the emulated box needs, beside ffmpeg that makes and reads the music of its stick. @type {Package[]} */
const IMAGE_TEST_PACKAGES = [
  { name: 'qemu-system-arm', has: [['qemu-system-aarch64']], why: 'is the emulated board' },
  { name: 'u-boot-qemu', has: [['/usr/lib/u-boot/qemu_arm64/u-boot.bin']], why: 'starts the card in it' },
  { name: 'dosfstools', has: [['mkfs.vfat']], why: 'makes sticks' },
  { name: 'mtools', has: [['mcopy']], why: 'fills them' },
  { name: 'exfatprogs', has: [['mkfs.exfat']], why: 'makes sticks' },
  { name: 'ntfs-3g', has: [['mkntfs'], ['ntfscp']], why: 'makes sticks' },
  { name: 'e2fsprogs', has: [['mke2fs']], why: 'makes sticks' },
  { name: 'xorriso', has: [['xorrisofs']], why: "makes a Mac's stick" },
  { name: 'squashfs-tools', has: [['unsquashfs'], ['mksquashfs']], why: 'makes updates that do not work' },
];

/** Programs for administrators stand in directories that a user's PATH often lacks. */
const SYSTEM_DIRS = ['/usr/sbin', '/sbin', '/usr/local/sbin'];
/** Another apt-get (unattended upgrades after a boot) may hold the lock for minutes. */
const APT_LOCK_WAIT_S = 300;
/** Lines of apt-get's output that a failure shows: the errors stand last. */
const SHOWN_LINES = 15;

/** @param {string} name @param {string} path */
function isProgram(name, path) {
  return [...path.split(delimiter), ...SYSTEM_DIRS].some((dir) => {
    if (dir === '') return false;
    try {
      accessSync(join(dir, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** @type {Record<string, Package[]>} */
const PACKAGES = {
  start: RUN_PACKAGES,
  test: [...RUN_PACKAGES, ...TEST_PACKAGES],
  'image-test': [...RUN_PACKAGES, ...IMAGE_TEST_PACKAGES],
};

/**
 * @param {string} purpose One that needs no packages has none missing.
 * @param {string} [path] Where to look for programs.
 * @returns {Package[]} the packages of which something is missing here.
 */
export function missingPackages(purpose, path = process.env.PATH ?? '') {
  const wanted = PACKAGES[purpose] ?? [];
  const isThere = (file) => (file.startsWith('/') ? existsSync(file) : isProgram(file, path));
  return wanted.filter((one) => !one.has.every((group) => group.some(isThere)));
}

/** @param {string[]} names */
function aptInstall(names) {
  return ['install', '--yes', '--no-install-recommends', ...names];
}

function listsAreEmpty() {
  try {
    return !readdirSync('/var/lib/apt/lists').some((name) => /_Packages(\.\w+)?$/.test(name));
  } catch {
    return true;
  }
}

/**
 * Runs apt-get and tells what it sets up.
 * @param {string[]} args
 * @param {(line: string) => void} say
 * @returns {Promise<{ code: number, tail: string }>}
 */
function aptGet(args, say) {
  const options = ['-q', '-o', 'Dpkg::Use-Pty=0', '-o', `DPkg::Lock::Timeout=${APT_LOCK_WAIT_S}`];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  return new Promise((resolve) => {
    const child = spawn('apt-get', [...options, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let tail = [];
    let rest = '';
    const take = (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const fetched = /^Need to get ([\d.,]+ [kMG]?B)/.exec(line)?.[1];
        if (fetched !== undefined) say(`  ${fetched} to fetch`);
      }
      tail = [...tail, ...lines].slice(-SHOWN_LINES);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('error', (error) => resolve({ code: 127, tail: String(error) }));
    child.on('close', (code) => resolve({ code: code ?? 1, tail: [...tail, rest].join('\n').trim() }));
  });
}

/** @param {string} tail @param {string} command */
function aptFailure(tail, command) {
  if (
    /Temporary failure resolving|Could not connect|Could not resolve|Network is unreachable|Connection timed out/i.test(
      tail,
    )
  )
    return new Refusal(
      "Debian's package server cannot be reached: this machine seems to have no network.",
      [command],
      tail,
    );
  if (/No space left|not enough free space|don't have enough free space/i.test(tail))
    return new Refusal('There is no space left on the disk for the packages.', [command], tail);
  if (/Unable to locate package|has no installation candidate/i.test(tail))
    return new Refusal(
      "This system's package lists do not hold all that is needed.",
      ['apt-get update', command],
      tail,
    );
  return new Refusal('apt-get could not install what is missing.', [command], tail);
}

/**
 * Installs what is missing, or says what to type.
 * @param {Package[]} missing
 * @param {(line: string) => void} say
 * @throws {Refusal} with the command to type, or with apt-get's own words when it failed.
 */
export async function installPackages(missing, say) {
  if (missing.length === 0) return;
  const names = missing.map((one) => one.name);
  if (!isProgram('apt-get', process.env.PATH ?? '')) {
    const lines = missing.map((one) => `  ${one.has.map((group) => group[0]).join(', ')}: ${one.why}`);
    throw new Refusal(
      `These programs are missing, and this system has no apt-get to install them with. Please install:\n${lines.join('\n')}`,
      [],
    );
  }
  const command = `apt-get ${aptInstall(names).join(' ')}`;
  if (process.getuid?.() !== 0) {
    const withSudo = `sudo apt-get update && sudo ${command}`;
    const typed = isProgram('sudo', process.env.PATH ?? '') ? withSudo : `su -c 'apt-get update && ${command}'`;
    throw new Refusal(`Not installed on this machine: ${names.join(', ')}. Please type:`, [typed]);
  }
  say(`Installing ${names.join(', ')} (once)`);
  if (listsAreEmpty()) await aptGet(['update'], say);
  let result = await aptGet(aptInstall(names), say);
  if (result.code !== 0) {
    // Lists of last month name files that the server no longer has.
    await aptGet(['update'], say);
    result = await aptGet(aptInstall(names), say);
  }
  if (result.code !== 0) throw aptFailure(result.tail, command);
}
