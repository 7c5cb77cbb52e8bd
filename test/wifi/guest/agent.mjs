/** Runs in the guest: commands come in as lines of JSON over a virtio port, and their results go back the same way. */
import { spawn } from 'node:child_process';
import { createReadStream, existsSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const MAX_OUTPUT = 200_000;

/** udev names the ports; without its links, sysfs does. */
function portPath() {
  if (existsSync('/dev/virtio-ports/rig')) return '/dev/virtio-ports/rig';
  const folder = '/sys/class/virtio-ports';
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const name = names.find((each) => readFileSync(`${folder}/${each}/name`, 'utf8').trim() === 'rig');
  return name === undefined ? null : `/dev/${name}`;
}

while (portPath() === null) await sleep(200);
const port = openSync(portPath(), 'r+');

function answer(message) {
  const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
  for (let at = 0; at < bytes.length; ) at += writeSync(port, bytes, at);
}

function run({ id, command, timeoutMs }) {
  const child = spawn('/bin/bash', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const take = (data) => {
    output = (output + data).slice(-MAX_OUTPUT);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const done = (code) => {
    clearTimeout(timer);
    answer({ id, code, output });
  };
  child.on('exit', (code) => setTimeout(() => done(code), 50));
}

answer({ id: 0, code: 0, output: 'ready' });
for await (const line of createInterface({ input: createReadStream(null, { fd: port, autoClose: false }) })) {
  if (line.trim() !== '') run(JSON.parse(line));
}
