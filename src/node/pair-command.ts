import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What `npm start -- pair` sends to the radio that runs: its listener says yes to the phone that asks. SIGUSR1 is Node's debugger's. */
export const PAIR_SIGNAL = 'SIGUSR2';
/** The radio's own account of itself, in its data directory. */
export const RUN_FILE = 'run.json';

/**
 * Says yes, for a person at this machine, to the one phone that asked within the last minute: what holding the button
 * does on a box that has one. Whoever may send signals to the radio may do this, which is its own user and root.
 *
 * @returns what to tell, and whether it could be done
 */
export function confirmAtTheMachine(
  dataDir: string,
  kill: (pid: number, signal: string) => void,
): { ok: boolean; text: string } {
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
    kill(pid as number, PAIR_SIGNAL);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPERM')
      return { ok: false, text: 'The radio runs as another user: only that user and root may do this.' };
    return { ok: false, text: `The radio that wrote ${RUN_FILE} does not run any more.` };
  }
  return {
    ok: true,
    text: "The phone that asked within the last minute is let in; the phone and the radio's log tell.",
  };
}
