/** Programs that are run to the end, or held while something is held. No shell is involved. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { GpioError } from './errors.ts';
import { MAX_COMPLAINT_CHARS, MAX_LINE_CHARS, TOOL_TIMEOUT_MS } from './limits.ts';

/** Ends a held program together with this process, however that ends: else it would hold the lines against the next one. */
const SETPRIV = '/usr/bin/setpriv';

/** @param toolDir where the programs are; null: wherever PATH says */
export function runTool(toolDir: string | null, name: string, args: readonly string[]): Promise<string> {
  const options = { timeout: TOOL_TIMEOUT_MS, maxBuffer: 1 << 16, env: plainEnv() };
  return new Promise((resolve, reject) => {
    execFile(inDir(toolDir, name), args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(toolError(name, stderr, error));
    });
  });
}

export interface HeldTool {
  /** Ends it, and waits until the kernel has its lines back. */
  end(): Promise<void>;
}

export interface HeldListener {
  onLine(line: string): void;
  /** It ended without having been told to. Called once at most. */
  onEnd(cause: GpioError): void;
}

export function holdTool(
  toolDir: string | null,
  name: string,
  args: readonly string[],
  listener: HeldListener,
): HeldTool {
  const program = inDir(toolDir, name);
  const [file, ...rest] = existsSync(SETPRIV)
    ? [SETPRIV, '--pdeathsig', 'TERM', '--', program, ...args]
    : [program, ...args];
  const child = spawn(file ?? program, rest, { stdio: ['ignore', 'pipe', 'pipe'], env: plainEnv() });
  let isWanted = true;
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (complaint.length < MAX_LINE_CHARS) complaint += text;
  });
  splitLines(child, (line) => {
    if (isWanted) listener.onLine(line);
  });
  const ended = new Promise<void>((resolve) => {
    const onEnd = (error: NodeJS.ErrnoException) => {
      resolve();
      if (!isWanted) return;
      isWanted = false;
      listener.onEnd(toolError(name, complaint, error));
    };
    child.on('error', onEnd);
    child.on('close', (code, signal) => onEnd(new Error(`ended (${signal ?? code})`)));
  });
  return {
    end: async () => {
      isWanted = false;
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      const hard = setTimeout(() => child.kill('SIGKILL'), TOOL_TIMEOUT_MS);
      await ended;
      clearTimeout(hard);
    },
  };
}

function inDir(toolDir: string | null, name: string): string {
  return toolDir === null ? name : join(toolDir, name);
}

/** Messages in the one language that is looked for in them. */
function plainEnv(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C' };
}

function splitLines(child: ChildProcess, onLine: (line: string) => void): void {
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = (lines.pop() ?? '').slice(-MAX_LINE_CHARS);
    for (const line of lines) onLine(line);
  });
}

/** What a tool's failure means for a person. */
function toolError(name: string, stderr: string, error: Error): GpioError {
  const { code } = error as NodeJS.ErrnoException;
  const complaint = (stderr.trim().split('\n')[0] ?? '').slice(0, MAX_COMPLAINT_CHARS);
  if (code === 'ENOENT' || /failed to execute/i.test(complaint))
    return new GpioError('tools', `${name} is not there: install Debian's package gpiod.`);
  if (code === 'EACCES' || /permission denied|operation not permitted/i.test(complaint))
    return new GpioError('denied', 'This user may not use the pins (/dev/gpiochip*): add it to the group gpio.');
  if (/resource busy/i.test(complaint))
    return new GpioError('busy', 'The pins are taken by another program or by the kernel (see gpioinfo).');
  return new GpioError('lost', `${name} failed: ${complaint === '' ? error.message : complaint}`);
}
