import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, type TestContext } from 'vitest';
import { makeBox, OTHER_STATION, until } from './boxes.ts';

const PROCESS = fileURLToPath(new URL('./box-process.ts', import.meta.url));
const NAMES = ['a', 'b'].map((end) => `starling-${process.pid}-${end}`);

interface Running {
  child: ChildProcess;
  nodeId: string;
  peers: string[];
  unhandled: string[];
}

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: 'pipe' });
}

/** Two namespaces and a cable between them: a switch with no router. Both ends up, no addresses yet. */
function plugCable(context: TestContext): void {
  try {
    for (const name of NAMES) ip('netns', 'add', name);
    ip('link', 'add', 'cable0', 'netns', NAMES[0]!, 'type', 'veth', 'peer', 'name', 'cable0', 'netns', NAMES[1]!);
    for (const name of NAMES) {
      ip('-n', name, 'link', 'set', 'lo', 'up');
      ip('-n', name, 'link', 'set', 'cable0', 'up');
    }
  } catch (error) {
    const said = (error as { stderr?: Buffer }).stderr?.toString().trim() ?? String(error);
    context.skip(`no network namespaces here (needs root and iproute2): ${said}`);
  }
}

async function run(namespace: string, number: number, ...words: string[]): Promise<Running> {
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, PROCESS, String(number), ...words], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
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

  afterEach(async () => {
    await end(running);
    running.length = 0;
    for (const name of NAMES) {
      try {
        ip('netns', 'del', name);
      } catch {
        // it was never made
      }
    }
  });

  it('boxes of one station find each other, also when the cable is plugged in later, and find no others', async (context) => {
    plugCable(context);
    const [first, second] = NAMES as [string, string];
    ip('-n', first, 'addr', 'add', '10.77.0.1/24', 'dev', 'cable0');
    const a = await run(first, 1);
    const b = await run(second, 2);
    running.push(a, b);
    expect(execFileSync('ip', ['-n', first, 'route', 'show', 'default']).toString()).toBe('');
    ip('-n', second, 'addr', 'add', '10.77.0.2/24', 'dev', 'cable0');
    const foreign = await run(second, 3, OTHER_STATION);
    running.push(foreign);
    await until('they meet', () => a.peers.includes(b.nodeId) && b.peers.includes(a.nodeId), 20_000);
    expect(foreign.peers).toEqual([]);
    expect(a.peers).toEqual([b.nodeId]);
    expect(running.flatMap((box) => box.unhandled)).toEqual([]);
  });
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
