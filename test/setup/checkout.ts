/**
 * A throw-away checkout with a PATH of its own: the real preparation, with `apt-get` and `npm` that only write down how
 * they were called and make what the real ones would.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
/** What the scripts here call; nothing else of the machine is on the checkout's PATH. */
const TOOLS = ['sh', 'flock', 'cat', 'mkdir', 'ln', 'touch', 'chmod', 'sleep', 'env', 'cp'];

const APT_GET = `#!/bin/sh
echo "apt-get $*" >> "$CALLS"
case "$*" in
  *update*) touch "$FAKE/updated"; exit 0 ;;
esac
if [ -f "$FAKE/apt-fails" ]; then cat "$FAKE/apt-fails"; exit 100; fi
if [ -f "$FAKE/apt-stale" ] && [ ! -f "$FAKE/updated" ]; then echo "E: Failed to fetch ffmpeg.deb  404  Not Found"; exit 100; fi
for program in ffmpeg ffprobe mpv; do printf '#!/bin/sh\\n' > "$FAKE/bin/$program"; chmod +x "$FAKE/bin/$program"; done
`;

const NPM = `#!/bin/sh
echo "npm $*" >> "$CALLS"
if [ -f "$FAKE/npm-fails" ]; then cat "$FAKE/npm-fails" >&2; exit 1; fi
mkdir -p node_modules/.bin
if [ -f "$FAKE/npm-sleeps" ]; then sleep "$(cat "$FAKE/npm-sleeps")"; fi
ln -sfn "$MODULES/esbuild" node_modules/esbuild
ln -sfn "$MODULES/@esbuild" node_modules/@esbuild
cp package-lock.json node_modules/.package-lock.json
`;

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export class Checkout {
  readonly base = realpathSync(mkdtempSync(join(tmpdir(), 'starling setup ')));
  readonly root = join(this.base, 'check out');
  readonly #fake = join(this.base, 'fake');

  constructor() {
    mkdirSync(join(this.#fake, 'bin'), { recursive: true });
    cpSync(join(ROOT, 'src/setup'), join(this.root, 'src/setup'), { recursive: true });
    writeFileSync(
      join(this.root, 'src/main.ts'),
      'const text: string = "up"; console.log(text, import.meta.filename);\n',
    );
    this.writeJson('package.json', { name: 'starling', type: 'module' });
    this.writeJson('package-lock.json', {
      name: 'starling',
      lockfileVersion: 3,
      packages: { '': { name: 'starling' } },
    });
    for (const tool of TOOLS) this.#link(tool);
    symlinkSync(process.execPath, join(this.#fake, 'bin/node'));
    this.program('apt-get', APT_GET);
    this.program('npm', NPM);
    writeFileSync(join(this.#fake, 'calls'), '');
    for (const dir of [this.base, this.#fake, this.root]) chmodSync(dir, 0o777);
  }

  #link(tool: string): void {
    const found = (process.env.PATH ?? '').split(delimiter).find((dir) => dir !== '' && existsSync(join(dir, tool)));
    if (found === undefined) throw new Error(`${tool} is not on this machine's PATH`);
    symlinkSync(join(found, tool), join(this.#fake, 'bin', tool));
  }

  writeJson(path: string, value: unknown): void {
    writeFileSync(join(this.root, path), JSON.stringify(value));
  }

  program(name: string, script: string): void {
    writeFileSync(join(this.#fake, 'bin', name), script, { mode: 0o755 });
  }

  without(program: string): void {
    rmSync(join(this.#fake, 'bin', program));
  }

  /** Sets how a fake program behaves: `apt-fails`, `apt-stale`, `npm-fails` or `npm-sleeps`, each with its text. */
  set(behaviour: string, text: string): void {
    writeFileSync(join(this.#fake, behaviour), text);
  }

  clear(behaviour: string): void {
    rmSync(join(this.#fake, behaviour));
  }

  /** The calls of apt-get and npm since the last time that this was asked. */
  calls(): string[] {
    const path = join(this.#fake, 'calls');
    const lines = readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
    writeFileSync(path, '');
    return lines;
  }

  spawn(args: string[], options: { uid?: number } = {}): { child: ChildProcess; outcome: Promise<Outcome> } {
    const child = spawn(join(this.#fake, 'bin/node'), args, {
      cwd: this.root,
      env: {
        PATH: join(this.#fake, 'bin'),
        HOME: this.base,
        FAKE: this.#fake,
        CALLS: join(this.#fake, 'calls'),
        MODULES: join(ROOT, 'node_modules'),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own, so that a test can end all of it at once.
      detached: true,
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    });
    const outcome = new Promise<Outcome>((settle) => {
      let stdout = '';
      let stderr = '';
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
      });
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      child.on('close', (code) => settle({ code, stdout, stderr }));
    });
    return { child, outcome };
  }

  prepare(purpose = 'start', options: { uid?: number } = {}): Promise<Outcome> {
    return this.spawn(['src/setup/prepare.mjs', purpose], options).outcome;
  }

  remove(): void {
    rmSync(this.base, { recursive: true, force: true });
  }
}
