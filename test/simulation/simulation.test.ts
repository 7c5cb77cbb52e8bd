import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeCbor } from '../../src/consensus/cbor.ts';
import { FAST_RULES } from '../../src/consensus/rules.ts';
import { createCrypto } from '../../src/node/crypto.ts';
import { ADVERSARY_KINDS, type AdversaryKind } from './adversaries/index.ts';
import { Agenda } from './agenda.ts';
import { simulatedCrypto, simulatedNodeId } from './crypto.ts';
import { commandOf, DEFAULT_OPTIONS, OptionError, readOptions, type SimOptions } from './options.ts';
import { createRandom } from './random.ts';
import { type SimExtras, simulate } from './run.ts';
import { cborBytes } from './size.ts';

const options = (over: Partial<SimOptions>): SimOptions => ({ ...DEFAULT_OPTIONS, ...over });

/** Every rule held; a failure names the command that shows it again. */
function expectSound(over: Partial<SimOptions>, extras?: SimExtras) {
  const outcome = simulate(options(over), extras);
  const shown = outcome.problems.map(({ rule, node, what }) => `${rule} (node ${node}): ${what}`);
  expect(shown.slice(0, 5), commandOf(options(over))).toEqual([]);
  expect(outcome.figures.agreement).toBe(1);
  return outcome;
}

describe('a simulated flock', () => {
  it('is the same to the byte for one seed, and another one for another', () => {
    const trouble = { nodes: 6, slots: 20, loss: 0.1, duplicate: 0.1, skewMs: 200, churn: 0.05 };
    const [first, second, other] = [7, 7, 8].map((seed) => simulate(options({ ...trouble, seed })));
    expect(second!.logHash).toBe(first!.logHash);
    expect(second!.figures.bytes_per_node_slot).toBe(first!.figures.bytes_per_node_slot);
    expect(other!.logHash).not.toBe(first!.logHash);
  });

  it.each([1, 2])('keeps every rule under loss, repetition, wrong clocks and power cuts (seed %i)', (seed) => {
    expectSound({ nodes: 8, slots: 60, seed, loss: 0.05, duplicate: 0.05, skewMs: 500, churn: 0.03 });
  });

  it('keeps every rule when strangers boot at once', () => {
    const { flock } = expectSound({ nodes: 12, slots: 30, seed: 3, start: 'cold', loss: 0.02, skewMs: 200 });
    expect(flock.nodes.every((node) => node.state.phase === 'member')).toBe(true);
  });

  it('keeps every rule on slow lines', () => {
    expectSound({ nodes: 8, slots: 40, seed: 4, latencyMs: [100, 600], loss: 0.05, skewMs: 500 });
  });

  it('draws literally too', () => {
    expectSound({ nodes: 8, slots: 40, seed: 5, draw: 'hash-mod', loss: 0.05, skewMs: 300 });
  });

  it.each([1, 2])('becomes one log again after a partition (seed %i)', (seed) => {
    const partitions = [{ atMs: 150_000, forMs: 90_000, share: 0.3 }];
    const { figures } = expectSound({ nodes: 9, slots: 10, seed, partitions, skewMs: 200 });
    expect(figures.heal_ms.p50).toBeGreaterThan(0);
    expect(figures.heal_ms.p99).toBeLessThanOrEqual(15_000);
  });
});

describe('processes that get no turn for a while', () => {
  const quick: SimExtras = { rules: FAST_RULES, trackMs: [8_000, 12_000] };

  // Seeds that split while stalls shorter than the time to the next tick went unnoticed.
  it.each([
    [2, 5, 6_000, 'cold'],
    [5, 3, 3_000, 'cold'],
    [2, 4, 3_000, 'warm'],
    [2, 6, 3_000, 'warm'],
    // Proposals that came before a late record were judged by deadlines that had passed.
    [2, 9, 3_000, 'warm'],
    [2, 12, 6_000, 'cold'],
    [3, 17, 6_000, 'warm'],
    [10, 23, 6_000, 'warm'],
  ] as const)('do not split a flock of %i (seed %i, up to %i ms, %s)', (nodes, seed, forMs, start) => {
    expectSound({ nodes, slots: 40, seed, start, loss: 0.02, stall: { forMs, chance: 0.5 } }, quick);
  });

  it('keep every rule beside late releases', () => {
    const adversaries = [{ kind: 'late-release' as const, count: 2 }];
    expectSound({ nodes: 8, slots: 40, seed: 3, loss: 0.02, stall: { forMs: 9_000, chance: 0.5 }, adversaries });
  });
});

// Each broke a rule once; the name says how.
describe('seeds of the past', () => {
  it('woken near the end of the music: decided alone before anybody could be heard', () => {
    expectSound({ nodes: 9, slots: 32, seed: 22, draw: 'hash-mod', loss: 0.03, churn: 0.03 });
    const partitions = [{ atMs: 300_000, forMs: 200_000, share: 0.4 }];
    const stall = { forMs: 6_000, chance: 0.2 };
    expectSound({ nodes: 10, slots: 36, seed: 21, churn: 0.1, stall, partitions });
  });

  it('woken within a Delta of its end', () => {
    const adversaries = [{ kind: 'clock-lies' as const, count: 3 }];
    expectSound({ nodes: 12, slots: 16, seed: 25, loss: 0.02, skewMs: 300, churn: 0.02, adversaries });
  });

  it('framed with a signature that the run itself took for good', () => {
    const adversaries = [{ kind: 'framing' as const, count: 3 }];
    expectSound({ nodes: 12, slots: 12, seed: 21, loss: 0.02, skewMs: 300, churn: 0.02, adversaries });
  });
});

describe('adversaries', () => {
  const quick: Partial<Record<AdversaryKind, number>> = { flooding: 4 };
  it.each(ADVERSARY_KINDS)('%s: two of ten split nothing and get nobody excluded', (kind) => {
    const slots = quick[kind] ?? 30;
    const count = kind === 'flooding' ? 1 : 2;
    const over = { nodes: 10, slots, seed: 1, loss: 0.02, skewMs: 200, adversaries: [{ kind, count }] };
    const { figures } = expectSound(over);
    expect(figures.excluded_honest).toBe(0);
  });

  it.each([
    ['late-release', 'within R', 2, 2, true],
    ['late-release', 'one more than R', 2, 3, false],
  ] as const)('%s by %s colluders', (kind, _, rounds, colluders, holds) => {
    const adversaries = [{ kind, count: colluders }];
    const { figures } = simulate(options({ nodes: 8, slots: 60, seed: 2, skewMs: 200, adversaries }), {
      rules: { max_rounds: rounds },
    });
    expect(figures.agreement === 1).toBe(holds);
  });

  it.each(['equivocation', 'wrong-rules', 'false-reports'] as const)('%s is found out and logged', (kind) => {
    const { flock } = expectSound({ nodes: 8, slots: 40, seed: 3, adversaries: [{ kind, count: 1 }] });
    const [honest] = flock.nodes;
    const log = honest!.state.chain!.links.at(-1)!.log;
    expect([...log.exclusions.keys()]).toEqual([flock.nodes.at(-1)!.nodeId]);
  });

  it('grinding tracks wins the literal draw and not the ticket', () => {
    const share = (draw: 'ticket' | 'hash-mod'): number => {
      const adversaries = [{ kind: 'track-grinding', count: 1 }] as const;
      const over = { nodes: 8, slots: 60, seed: 4, draw, adversaries: [...adversaries] };
      const { winners } = simulate(options(over), { rules: { rest_slots: 0 }, tracksPerNode: 60 });
      return (winners.get(7) ?? 0) / 60;
    };
    expect(share('hash-mod')).toBeGreaterThan(0.8);
    expect(share('ticket')).toBeLessThan(0.3);
  });
});

describe('its parts', () => {
  it('do things in order of time, then of arrival, far ahead too', () => {
    const agenda = new Agenda();
    const seen: string[] = [];
    const note = (name: string) => ({ run: () => seen.push(`${agenda.nowMs} ${name}`) });
    agenda.add(200_000, note('far'));
    agenda.add(5, note('second'));
    agenda.add(5, { run: () => agenda.add(5, note('added meanwhile')) });
    agenda.add(3, note('first'));
    agenda.add(200_000, note('far too'));
    agenda.run(300_000);
    expect(seen).toEqual(['3 first', '5 second', '5 added meanwhile', '200000 far', '200000 far too']);
  });

  it('count bytes as the wire has them', () => {
    const values = [
      { a: 1, bb: -70_000, text: 'Grüße 🐦', bytes: new Uint8Array(300), list: [null, true, 2 ** 40], none: undefined },
      [[], {}, '', 23, 24, 255, 256, 65_535, 65_536],
    ];
    for (const value of values) {
      const given = Array.isArray(value)
        ? value
        : Object.fromEntries(Object.entries(value).filter(([k]) => k !== 'none'));
      expect(cborBytes(value)).toBe(encodeCbor(given).length);
    }
  });

  it('draw numbers that repeat and spread evenly', () => {
    const [a, b] = [createRandom(1), createRandom(1)];
    const drawn = Array.from({ length: 10_000 }, () => a.between(0, 9));
    expect(Array.from({ length: 10_000 }, () => b.between(0, 9))).toEqual(drawn);
    for (let digit = 0; digit < 10; digit++) {
      const share = drawn.filter((d) => d === digit).length / drawn.length;
      expect(Math.abs(share - 0.1)).toBeLessThan(0.02);
    }
  });
});

const real = createCrypto({ signingSeed: new Uint8Array(32).fill(1), vrfSeed: new Uint8Array(32).fill(2) });
const realOther = createCrypto({ signingSeed: new Uint8Array(32).fill(3), vrfSeed: new Uint8Array(32).fill(4) });
const fast = simulatedCrypto(simulatedNodeId(1, 0));
const fastOther = simulatedCrypto(simulatedNodeId(1, 1));

describe.each([
  ['real', real, realOther],
  ['simulated', fast, fastOther],
])('%s crypto', (_, crypto, other) => {
  const bytes = Uint8Array.of(1, 2, 3);

  it('signs so that its own id verifies, and nothing else does', () => {
    const sig = crypto.sign(bytes);
    expect(sig).toHaveLength(64);
    expect(crypto.sign(bytes)).toEqual(sig);
    expect(other.verify(crypto.nodeId, bytes, sig)).toBe(true);
    expect(crypto.verify(other.nodeId, bytes, sig)).toBe(false);
    expect(crypto.verify(crypto.nodeId, Uint8Array.of(1, 2, 4), sig)).toBe(false);
    expect(crypto.verify(crypto.nodeId, bytes, sig.with(5, sig[5]! ^ 1))).toBe(false);
    expect(crypto.verify(crypto.nodeId, bytes, sig.subarray(1))).toBe(false);
  });

  it('proves one output for a key and an input', () => {
    const proof = crypto.vrfProve(bytes);
    expect(proof).toHaveLength(80);
    expect(crypto.vrfKey).toHaveLength(32);
    const output = other.vrfVerify(crypto.vrfKey, bytes, proof);
    expect(output).toHaveLength(64);
    expect(other.vrfVerify(crypto.vrfKey, bytes, crypto.vrfProve(bytes))).toEqual(output);
    expect(crypto.vrfVerify(other.vrfKey, bytes, proof)).toBeNull();
    expect(crypto.vrfVerify(crypto.vrfKey, Uint8Array.of(9), proof)).toBeNull();
    expect(crypto.vrfVerify(crypto.vrfKey, bytes, proof.with(79, proof[79]! ^ 1))).toBeNull();
    expect(other.vrfVerify(other.vrfKey, bytes, other.vrfProve(bytes))).not.toEqual(output);
  });
});

describe('the command', () => {
  it('reads its options and says them again', () => {
    const line =
      '--nodes 12 --slots 7 --seed 3 --loss 0.1 --latency 5..900 --duplicate 0.2 --skew 500 --churn 0.1 --stall 3000:0.5 --partition 60,30,0.5 --adversary late-release:2 --adversary replay:1 --draw hash-mod --start cold';
    const { options: read } = readOptions(line.split(' '));
    expect(commandOf(read)).toBe(`npm run sim -- ${line}`);
  });

  it.each([
    ['--nodes 0', '--nodes 0: expected a whole number from 1 to 5000'],
    ['--loss 2', '--loss 2: expected a share from 0 to 0.9'],
    ['--latency 9..3', 'A at most B'],
    ['--stall 5', 'MS:P, whole milliseconds'],
    ['--partition 5', 'AT,FOR,SHARE'],
    ['--draw dice', '--draw dice: expected ticket or hash-mod'],
    ['--adversary gnomes:1', 'KIND one of late-release'],
    ['--nodes 3 --adversary replay:3', 'fewer adversaries than nodes (3)'],
    ['--nodez 3', 'Known options: --nodes'],
  ])('%s is refused', (line, text) => {
    expect(() => readOptions(line.split(' '))).toThrow(text);
    if (!line.startsWith('--nodez')) expect(() => readOptions(line.split(' '))).toThrow(OptionError);
  });

  it('ends with one line of JSON', () => {
    const main = join(import.meta.dirname, 'main.ts');
    const text = execFileSync(process.execPath, [main, '--nodes', '4', '--slots', '5', '--json'], { encoding: 'utf8' });
    expect(text.trim().split('\n')).toHaveLength(1);
    const figures = JSON.parse(text) as Record<string, unknown>;
    expect(Object.keys(figures)).toEqual([
      'seed',
      'nodes',
      'slots',
      'agreement',
      'splits',
      'excluded_honest',
      'heal_ms',
      'messages_per_node_slot',
      'bytes_per_node_slot',
      'wall_s',
    ]);
  });

  it('fails where a rule was broken, and says how to see it again', () => {
    const main = join(import.meta.dirname, 'main.ts');
    // A network that delays everything by more than it promises.
    const args = ['--nodes', '6', '--slots', '30', '--latency', '5000..15000', '--seed', '2'];
    expect(() => execFileSync(process.execPath, [main, ...args], { encoding: 'utf8', stdio: 'pipe' })).toThrow(
      /to see it again: npm run sim -- --nodes 6 --slots 30 --seed 2 --latency 5000\.\.15000/,
    );
  });
});
