import { join } from 'node:path';
import { createControls } from '../../../src/controls/controls.ts';
import { FakeGpio } from '../../../src/controls/fake-gpio.ts';
import { presenceContract } from '../../web/ports-contract.ts';
import { ROOT } from '../house/files.ts';

presenceContract('the first button', async () => {
  let atMs = 0;
  const gpio = new FakeGpio({ labels: ['pinctrl-bcm2835'], nowMs: () => atMs });
  const fine = () => ({ ok: true }) as const;
  const quiet = () => {};
  const controls = createControls(
    {
      gpio,
      actions: { skip: fine, never: () => ({ ok: false, text: '' }), allow: fine, reset: async () => fine() },
      doing: () => ({
        ...{ phase: 'member' as const, peers: 0, diverged: false, wifi: null, updating: false, pairing: true },
        ...{ noSound: false, noStorage: false },
      }),
      onChange: () => quiet,
      log: { debug: quiet, info: quiet, warn: quiet },
    },
    { hardwareDir: join(ROOT, 'hardware'), setting: 'auto', nowMs: () => atMs },
  );
  await controls.start();
  return {
    part: controls.presence,
    hold: () => {
      gpio.contact('skip', true, atMs);
      atMs += 4_000;
      gpio.contact('skip', false, atMs);
      atMs += 4_000;
    },
    end: () => controls.stop(),
  };
});
