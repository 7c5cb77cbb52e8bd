/**
 * The updater: the part of updates that needs all rights. Bundled to dist/updater.mjs; the units in systemd/ call it.
 *
 *     updater install FILE [--any-version] [--restart]   writes an update into the other slot; the next start tries it
 *     updater request                                    as the radio asked for it (update/request.json)
 *     updater confirm [--limit-s SECONDS]                in a start on trial: waits until the box works, and keeps it
 *     updater status                                     tells what runs and what became of the last update, as JSON
 *
 * Exit codes: 0 done, 1 refused or failed (the cause on stderr), 2 wrong use.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { askRadio } from './ask-radio.ts';
import { Card, findCard } from './card.ts';
import { UpdateError } from './errors.ts';
import { TRIAL_LIMIT_MS } from './limits.ts';
import { confirmTrial, installFrom, installRequested, type Machine, statusOf } from './updater-work.ts';

const EXIT_FAILED = 1;
const EXIT_WRONG_USE = 2;
const USAGE = `updater install FILE [--any-version] [--restart]
updater request
updater confirm [--limit-s SECONDS]
updater status
`;

/** The card that this program runs from. */
function thisMachine(): Machine {
  const bootFolder = '/boot/firmware';
  return {
    places: {
      keys: '/usr/lib/starling/release-keys',
      results: '/data/update',
      data: '/var/lib/starling',
      sticks: '/media',
    },
    kernelLine: readFileSync('/proc/cmdline', 'utf8'),
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    version: versionOf(join(dirname(fileURLToPath(import.meta.url)), '../package.json')),
    // Node's name for it is the same as Debian's on the boards there are.
    arch: process.arch,
    openCard: () => new Card(findCard(bootFolder)),
    askRadio: () => askRadio('http://127.0.0.1/api/status'),
    restart: () => void spawnSync('systemctl', ['reboot'], { stdio: 'inherit' }),
    sleep: (ms) => sleep(ms),
    monoMs: () => performance.now(),
    wallMs: () => Date.now(),
    say: (text) => void process.stdout.write(`${text}\n`),
    complain: (text) => void process.stderr.write(`updater: ${text}\n`),
  };
}

function versionOf(packageFile: string): string {
  return (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version;
}

/** @returns the exit code */
export async function updater(argv: readonly string[], machine: Machine): Promise<number> {
  const [command, ...rest] = argv;
  const wrong = (text: string) => {
    machine.complain(`${text}\n${USAGE}`);
    return EXIT_WRONG_USE;
  };
  try {
    const options = {
      'any-version': { type: 'boolean' },
      restart: { type: 'boolean' },
      'limit-s': { type: 'string' },
    } as const;
    const { values, positionals } = parseArgs({ args: rest, options, allowPositionals: true });
    const file = positionals[0];
    if (positionals.length !== (command === 'install' ? 1 : 0)) return wrong('wrong number of arguments');
    const limitS = Number(values['limit-s'] ?? TRIAL_LIMIT_MS / 1_000);
    if (!Number.isSafeInteger(limitS) || limitS < 1) return wrong('--limit-s: allowed are whole seconds from 1 on');
    const wishes = { anyVersion: values['any-version'] === true, restart: values.restart === true };
    if (command === 'install') return exit(await installFrom(resolve(file ?? ''), wishes, machine));
    if (command === 'request') return exit(await installRequested(machine));
    if (command === 'confirm') return exit(await confirmTrial(limitS * 1_000, machine));
    if (command !== 'status') return wrong(`${JSON.stringify(command ?? '')} is no command`);
    machine.say(JSON.stringify(statusOf(machine), null, 2));
    return 0;
  } catch (error) {
    if ((error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')) return wrong((error as Error).message);
    const { code, message, stack } = error as UpdateError;
    machine.complain(error instanceof UpdateError ? `${code}: ${message}` : (stack ?? String(error)));
    return EXIT_FAILED;
  }
}

const exit = (isDone: boolean): number => (isDone ? 0 : EXIT_FAILED);

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url))
  process.exitCode = await updater(process.argv.slice(2), thisMachine());
