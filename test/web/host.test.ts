import { spawn } from 'node:child_process';
import { once } from 'node:events';
import systeminformation from 'systeminformation';
import { describe, expect, it } from 'vitest';
import { createHost } from '../../src/system/index.ts';

describe("this machine's figures", () => {
  it('agree with an independent reading, and count what this process started', async () => {
    const child = spawn(
      process.execPath,
      ['-e', 'Buffer.alloc(64e6, 1); console.log("up"); setInterval(() => {}, 1e6)'],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    await once(child.stdout, 'data');
    const host = createHost();
    await host.start();
    await host.stop();
    const figures = host.figures();
    const memory = await systeminformation.mem();
    const processes = (await systeminformation.processes()).list;
    const seen = processes.find(({ pid }) => pid === child.pid);
    child.kill();
    await once(child, 'exit');
    expect(figures.systemTotalBytes).toBe(memory.total);
    expect(figures.systemAvailableBytes).toBeGreaterThan(0.8 * memory.available);
    expect(figures.systemAvailableBytes).toBeLessThan(1.2 * memory.available);
    expect(figures.childrenRssBytes).toBeGreaterThan(0.9 * 1_024 * (seen?.memRss ?? Number.NaN));
  });
});
