/**
 * npm run image:shell [-- STICK_IMAGE]: boots the built card in the emulator and runs the lines that are typed, as root in
 * the box. `.plug FILE`, `.unplug`, `.reset`, `.cut` (power off and on) and `.quit` are for the emulator.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { BOOT_MS, Box } from './box.ts';

const OUT = resolve(import.meta.dirname, '../../image/out');
const COMMAND_MS = 300_000;

const name = existsSync(OUT) ? readdirSync(OUT).find((file) => file.endsWith('.img')) : undefined;
if (name === undefined) throw new Error('there is no image: npm run image');
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const server = createServer();
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
const { port } = server.address() as { port: number };
await new Promise((closed) => server.close(closed));
const directory = mkdtempSync(join(tmpdir(), 'starling-shell-'));
const box = await Box.make(join(OUT, name), { directory, httpPort: port });
await box.start();
console.log(`page: ${box.url}/   serial log: ${box.serialLog}   sound: ${box.wav}`);
await box.agent.up(1, BOOT_MS);
console.log('the box is up');
try {
  for await (const line of createInterface({ input: process.stdin })) {
    const [verb = '', word = ''] = line.trim().split(' ');
    if (verb === '.quit') break;
    const answer = await carryOut(verb, word, line).catch((error: Error) => error.message);
    console.log(answer);
  }
} finally {
  await box.quit();
  rmSync(directory, { recursive: true, force: true });
}

async function carryOut(verb: string, word: string, line: string): Promise<string> {
  if (verb === '') return '';
  if (verb === '.plug') return await box.plug('stick', resolve(word)).then(() => 'plugged in');
  if (verb === '.unplug') return await box.unplug('stick').then(() => 'pulled');
  if (verb === '.reset') return await box.reset().then(() => 'reset');
  if (verb === '.cut') {
    await box.kill();
    await box.start();
    await box.agent.up(1, BOOT_MS);
    return 'the box is up again';
  }
  const { code, output } = await box.agent.run(line, COMMAND_MS);
  return `${output.trimEnd()}\n[${code}]`;
}
