import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, type TestContext } from 'vitest';
import { Namespaces, NamespacesError } from '../namespaces/namespaces.ts';
import { makeBox, OTHER_STATION, until } from './boxes.ts';

const PROCESS = fileURLToPath(new URL('./box-process.ts', import.meta.url));
interface Running {
  child: ChildProcess;
  nodeId: string;
  peers: string[];
  unhandled: string[];
}

/** Two namespaces on a switch with no router, the second without an address yet. */
function plugCables(context: TestContext, namespaces: Namespaces, address: string): void {
  try {
    namespaces.start();
    namespaces.add('a', address);
    namespaces.add('b');
  } catch (error) {
    if (!(error instanceof NamespacesError)) throw error;
    context.skip(error.message);
  }
}

async function run(within: string[], number: number, ...station: string[]): Promise<Running> {
  const [command = '', ...words] = [...within, process.execPath, PROCESS, String(number), ...station];
  const child = spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const running: Running = { child, nodeId: '', peers: [], unhandled: [] };
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const said = JSON.parse(line) as { nodeId?: string; peers?: string[]; unhandled?: string };
    if (said.nodeId !== undefined) running.nodeId = said.nodeId;
    if (said.peers !== undefined) running.peers = said.peers;
    if (said.unhandled !== undefined) running.unhandled.push(said.unhandled);
  });
  await until(`box ${number} is up`, () => running.nodeId !== '');
  return running;
}

async function end(boxes: Running[]): Promise<void> {
  for (const { child } of boxes) {
    child.stdin!.end();
    if (child.exitCode === null) await once(child, 'exit');
  }
}

describe('on a switch with no router', () => {
  const running: Running[] = [];
  const namespaces = new Namespaces(null);

  afterEach(async () => {
    await end(running);
    running.length = 0;
    await namespaces.stop();
  });

  it.for([
    ['addresses by hand', '10.77.0.1', '10.77.0.2'],
    ['addresses that nobody gave (RFC 3927)', '169.254.77.1', '169.254.77.2'],
  ])(
    'boxes of one station with %s find each other, also when the cable is plugged in later, and find no others',
    async ([, one = '', other = ''], context) => {
      plugCables(context, namespaces, one);
      const [first, second] = [namespaces.inside('a'), namespaces.inside('b')];
      const a = await run(first, 1);
      const b = await run(second, 2);
      running.push(a, b);
      const [command = '', ...words] = [...first, 'ip', 'route', 'show', 'default'];
      expect(execFileSync(command, words).toString()).toBe('');
      namespaces.address('b', other);
      const foreign = await run(second, 3, OTHER_STATION);
      running.push(foreign);
      await until('they meet', () => a.peers.includes(b.nodeId) && b.peers.includes(a.nodeId), 20_000);
      expect(foreign.peers).toEqual([]);
      expect(a.peers).toEqual([b.nodeId]);
      expect(running.flatMap((box) => box.unhandled)).toEqual([]);
    },
  );
});

describe('on one machine', () => {
  it('boxes that listen on loopback alone find each other', async () => {
    const a = makeBox(31, { mdns: true, stationId: '31'.repeat(32) });
    const b = makeBox(32, { mdns: true, stationId: '31'.repeat(32) });
    await Promise.all([a.network.start(), b.network.start()]);
    await until('they meet', () => a.network.peers().some((peer) => peer.nodeId === b.nodeId && peer.sync));
    await Promise.all([a.network.stop(), b.network.stop()]);
  });
});
