import { describe, it } from 'vitest';
import { FakeGpio } from '../../../src/controls/fake-gpio.ts';
import { type Bench, CASES, runCase } from '../../controls/contract.ts';

function bench(): Bench {
  const nowMs = () => Number(process.hrtime.bigint()) / 1e6;
  const fake = new FakeGpio({ nowMs });
  return {
    port: fake,
    wiring: {
      chips: ['pinctrl-fake'],
      skip: { offset: 5, activeLow: true },
      never: { offset: 6, activeLow: true },
      light: { offset: 12, activeLow: false },
    },
    contact: async (button, pressed) => fake.contact(button, pressed),
    lit: async () => fake.lit(),
  };
}

describe('the fake of the pins', () => {
  it.concurrent.each(CASES.map((one) => [one.name, one] as const))('%s', async (_, one) => runCase(one, bench()));
});
