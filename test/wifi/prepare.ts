import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const PROJECT = resolve(import.meta.dirname, '../..');

export interface Rig {
  /** Disk, kernel and initramfs. */
  base: string;
  /** What the guest unpacks into /rig. */
  files: string;
  /** Of this run; logs stay there. */
  work: string;
}

/** Makes what the guest needs: its root (minutes the first time), and the code under test. @throws with what is missing */
export async function prepareRig(): Promise<Rig> {
  const script = join(import.meta.dirname, 'root.sh');
  const base = execFileSync('bash', [script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();
  const work = mkdtempSync(join(tmpdir(), 'starling-wifi-'));
  const folder = join(work, 'rig');
  mkdirSync(folder);
  for (const name of ['agent.mjs', 'world.sh']) cpSync(join(import.meta.dirname, 'guest', name), join(folder, name));
  cpSync(join(PROJECT, 'systemd'), join(folder, 'systemd'), { recursive: true });
  await build({
    entryPoints: [join(import.meta.dirname, 'guest/box.ts')],
    outfile: join(folder, 'box.mjs'),
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    logLevel: 'warning',
  });
  const files = join(work, 'rig.tar');
  execFileSync('tar', ['-C', folder, '-cf', files, '.']);
  // A disk has whole sectors.
  execFileSync('truncate', ['-s', '%1M', files]);
  return { base, files, work };
}
