import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rememberedPort, rememberPort, USUAL_PORT } from '../../../src/node/listen-port.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'starling-port-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('the port of a box', () => {
  it('is the one it had last time', async () => {
    rememberPort(directory, ['/ip4/127.0.0.1/tcp/45123/p2p/12D3KooW']);
    expect(await rememberedPort(directory)).toBe(45_123);
  });

  it('gives way when somebody else has it', async () => {
    const other = createServer().listen(0, '0.0.0.0');
    await new Promise((resolve) => other.once('listening', resolve));
    const taken = (other.address() as AddressInfo).port;
    rememberPort(directory, [`/ip4/127.0.0.1/tcp/${taken}`]);
    expect([USUAL_PORT, 0]).toContain(await rememberedPort(directory));
    other.close();
  });

  it.each(['{', '{"port":"x"}', '{"port":70000}'])('is no matter when its file is damaged: %s', async (text) => {
    writeFileSync(join(directory, 'listen-port.json'), text);
    expect([USUAL_PORT, 0]).toContain(await rememberedPort(directory));
  });
});
