/** Lines made by the kernel's module gpio-sim, pulled up and down through sysfs: the real interface without a board. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GpioPort } from '../../src/controls/ports.ts';
import type { Bench } from './contract.ts';

const CONFIG = '/sys/kernel/config/gpio-sim';
const LABEL = 'starling-sim';
const LINES = { skip: 5, never: 6, light: 7 };

/** Why there is no gpio-sim here; null when there is. */
export function whyNoSim(): string | null {
  if (process.getuid?.() !== 0) return 'making lines with gpio-sim needs root';
  if (existsSync(CONFIG)) return null;
  return 'this kernel has no gpio-sim (modprobe gpio-sim, and configfs on /sys/kernel/config); `npm run test:gpio` has lines of its own';
}

/** @returns the bench, and the way to take the lines away again */
export function openSim(port: GpioPort): { bench: Bench; close(): void } {
  const device = join(CONFIG, `starling-${process.pid}`);
  const bank = join(device, 'bank0');
  mkdirSync(bank, { recursive: true });
  writeFileSync(join(bank, 'num_lines'), '8');
  writeFileSync(join(bank, 'label'), LABEL);
  writeFileSync(join(device, 'live'), '1');
  const text = (path: string) => readFileSync(path, 'utf8').trim();
  const chip = join('/sys/devices/platform', text(join(device, 'dev_name')), text(join(bank, 'chip_name')));
  const line = (name: keyof typeof LINES) => join(chip, `sim_gpio${LINES[name]}`);
  return {
    bench: {
      port,
      wiring: {
        chips: [LABEL],
        skip: { offset: LINES.skip, activeLow: true },
        never: { offset: LINES.never, activeLow: true },
        light: { offset: LINES.light, activeLow: false },
      },
      contact: async (button, pressed) => writeFileSync(join(line(button), 'pull'), pressed ? 'pull-down' : 'pull-up'),
      cannotHold: 'taking a line with a pull-up sets the very pull of gpio-sim by which a button is pressed',
      lit: async () => text(join(line('light'), 'value')) === '1',
    },
    close: () => {
      writeFileSync(join(device, 'live'), '0');
      rmdirSync(bank);
      rmdirSync(device);
    },
  };
}
