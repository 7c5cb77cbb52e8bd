import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHost } from '../../../src/system/index.ts';
import { MachineTree } from './machine-tree.ts';

let tree: MachineTree;
beforeEach(async () => {
  tree = await MachineTree.make();
});
afterEach(() => tree.remove());

async function figures() {
  const host = createHost({ root: tree.root, pid: 100 });
  await host.start();
  await host.stop();
  return host.figures();
}

describe("the host's figures", () => {
  it('are read from /proc and /sys', async () => {
    await tree.file('proc/meminfo', 'MemTotal:         443000 kB\nMemFree:  1 kB\nMemAvailable:     201000 kB\n');
    await tree.file('proc/loadavg', '0.52 0.40 0.30 1/200 999\n');
    await tree.file('sys/firmware/devicetree/base/model', 'Raspberry Pi Zero 2 W Rev 1.0\0');
    await tree.file('sys/class/thermal/thermal_zone0/temp', '48312\n');
    await tree.file('sys/class/thermal/thermal_zone1/temp', '-274000\n');
    await tree.file('sys/class/thermal/cooling_device0/temp', '99000\n');
    await tree.file('proc/100/task/100/children', '200 201 ');
    await tree.file('proc/100/task/104/children', '');
    await tree.file('proc/200/task/200/children', '300 ');
    await tree.file('proc/200/status', 'Name:\tmpv\nVmRSS:\t   60000 kB\n');
    await tree.file('proc/201/status', 'Name:\tffmpeg\nVmRSS:\t   50000 kB\n');
    await tree.file('proc/300/status', 'Name:\tzombie\n');
    expect(await figures()).toMatchObject({
      systemTotalBytes: 443_000 * 1_024,
      systemAvailableBytes: 201_000 * 1_024,
      childrenRssBytes: 110_000 * 1_024,
      load1m: 0.52,
      model: 'Raspberry Pi Zero 2 W Rev 1.0',
      temperatureC: 48.312,
    });
  });

  it('names a PC by its firmware', async () => {
    await tree.file('sys/class/dmi/id/sys_vendor', 'ACME\n');
    await tree.file('sys/class/dmi/id/product_name', 'Book 3\n');
    expect((await figures()).model).toBe('ACME Book 3');
  });

  it('are unknown, not wrong, where the machine does not tell', async () => {
    const found = await figures();
    expect(found).toMatchObject({ model: null, temperatureC: null, load1m: null, childrenRssBytes: 0 });
    expect(found.rssBytes).toBeGreaterThan(1_000_000);
  });

  it('end though processes claim each other as children, and this process is none of its own', async () => {
    await tree.file('proc/100/task/100/children', '200');
    await tree.file('proc/200/task/200/children', '200 100 ');
    await tree.file('proc/200/status', 'VmRSS:\t 10 kB\n');
    await tree.file('proc/100/status', 'VmRSS:\t 1 kB\n');
    expect((await figures()).childrenRssBytes).toBe(10 * 1_024);
  });
});
