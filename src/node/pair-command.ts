import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** What `npm start -- pair` sends to the radio that runs: its listener says yes to the phone that asks. SIGUSR1 is Node's debugger's. */
export const PAIR_SIGNAL = 'SIGUSR2';
/** The radio's own account of itself, in its data directory. */
export const RUN_FILE = 'run.json';
/** What Node runs where a radio runs: the bundle, or the source. */
const PROGRAMS = ['starling.mjs', 'main.ts'];

/** Processes of this machine. */
export interface Processes {
  /** The pid of whoever asks. */
  own: number;
  /** Program and arguments; null where that cannot be told (no /proc, or not for this user's eyes). */
  commandLine(pid: number): string[] | null;
  kill(pid: number, signal: string): void;
}

export const processes: Processes = {
  own: process.pid,
  commandLine: (pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    } catch {
      return null;
    }
  },
  kill: (pid, signal) => void process.kill(pid, signal),
};

/**
 * Says yes, for a person at this machine, to the one phone that asked within the last minute: what holding the button
 * does on a box that has one. Whoever may send signals to the radio may do this, which is its own user and root.
 *
 * @returns what to tell, and whether it could be done
 */
export function confirmAtTheMachine(dataDir: string, machine = processes): { ok: boolean; text: string } {
  let pid: unknown;
  try {
    ({ pid } = JSON.parse(readFileSync(join(dataDir, RUN_FILE), 'utf8')) as { pid?: unknown });
  } catch {
    return {
      ok: false,
      text: `No radio runs with the data directory ${dataDir}. Another one: npm start -- pair --data DIR`,
    };
  }
  if (!Number.isSafeInteger(pid) || (pid as number) < 2) return { ok: false, text: `${RUN_FILE} names no process.` };
  try {
    if (!isRadio(pid as number, machine)) return { ok: false, text: GONE };
    machine.kill(pid as number, PAIR_SIGNAL);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPERM')
      return { ok: false, text: 'The radio runs as another user: only that user and root may do this.' };
    return { ok: false, text: GONE };
  }
  return {
    ok: true,
    text: "The phone that asked within the last minute is let in; the phone and the radio's log tell.",
  };
}

const GONE = `The radio that wrote ${RUN_FILE} does not run any more.`;

/** After a power cut the pid may be anybody's, whom the signal would end. Where nothing can be told, it is believed. */
function isRadio(pid: number, machine: Processes): boolean {
  if (pid === machine.own) return false;
  const words = machine.commandLine(pid);
  if (words === null) return true;
  return basename(words[0] ?? '').startsWith('node') && words.some((word) => PROGRAMS.includes(basename(word)));
}
