import { describe, expect, it } from 'vitest';
import { type Configuration, check, whyNotHere } from './check.ts';

const one = (honest: number, faulty: number, rounds: number): Configuration => ({
  honest,
  faulty,
  proposers: 1,
  rounds,
  relayed: 16,
});
const two = (faulty: number, relayed: number): Configuration => ({
  honest: 2,
  faulty,
  proposers: 2,
  rounds: 2,
  relayed,
});

const reason = whyNotHere();

describe('the settling of a slot, every run of small flocks', () => {
  it.for([one(2, 1, 1), one(3, 2, 2), one(3, 3, 3), two(2, 1), two(2, 2)])(
    'agrees with f = R: %j',
    (configuration, { skip }) => {
      if (reason !== null) skip(reason);
      const { splits, states } = check(configuration);
      expect(splits).toBe(false);
      // A model in which nothing can happen would agree too.
      expect(states).toBeGreaterThan(1_000);
    },
  );

  it.for([one(2, 2, 1), one(3, 3, 2), one(2, 4, 3), two(3, 2)])(
    'splits with f = R + 1: %j',
    (configuration, { skip }) => {
      if (reason !== null) skip(reason);
      expect(check(configuration, true).splits).toBe(true);
    },
  );

  it.for([
    { ...two(2, 1), variant: 'BEYOND' as const },
    { ...one(2, 2, 2), variant: 'ONE_VALUE' as const },
    { ...one(2, 2, 2), variant: 'NO_WORD' as const },
  ])('splits where a rule is missing: %j', (configuration, { skip }) => {
    if (reason !== null) skip(reason);
    expect(check(configuration, true).splits).toBe(true);
  });
});
