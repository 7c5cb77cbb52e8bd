import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Room beside the files: tables of the file system. */
const SPARE_MB = 8;

/** Makes the image of a FAT stick that holds a folder's files. @returns where it is */
export function makeStick(image: string, folder: string, label = 'MUSIC'): string {
  const names = readdirSync(folder);
  const bytes = names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  rmSync(image, { force: true });
  execFileSync('truncate', ['-s', `${Math.ceil(bytes / 1e6) + SPARE_MB + 32}M`, image]);
  execFileSync('mkfs.vfat', ['-F', '32', '-n', label, image], { stdio: 'ignore' });
  execFileSync('mcopy', ['-s', '-i', image, ...names.map((name) => join(folder, name)), '::/']);
  return image;
}
