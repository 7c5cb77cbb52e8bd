import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Gesture,
  type GestureEvent,
  type GestureState,
  initialGestures,
  stepGestures,
  wakeAtMs,
} from '../../../src/controls/gestures.ts';
import { APART_MS, DEBOUNCE_MS, STUCK_MS, UNDO_MS } from '../../../src/controls/limits.ts';

type Move = [atMs: number, button: 'A' | 'B', way: 'down' | 'up'];

const edge = ([atMs, button, way]: Move): GestureEvent => ({
  kind: 'edge',
  button: button === 'A' ? 'skip' : 'never',
  pressed: way === 'down',
  atMs,
});

/** What comes of it in the end: "skip", "armed wifi" ... with the time at which it was meant. */
function play(moves: readonly Move[], start: readonly ('skip' | 'never')[] = []): { atMs: number; wish: string }[] {
  let state = initialGestures(start, 0);
  const found: { atMs: number; wish: string }[] = [];
  const take = (event: GestureEvent) => {
    for (let dueMs = wakeAtMs(state); dueMs !== null && dueMs <= event.atMs; dueMs = wakeAtMs(state)) {
      if (dueMs < state.atMs) throw new Error('a time in the past');
      apply({ kind: 'time', atMs: dueMs });
    }
    apply(event);
  };
  const apply = (event: GestureEvent) => {
    const step = stepGestures(state, event);
    state = step.state;
    for (const wish of step.wishes) found.push({ atMs: state.atMs, wish: nameOf(wish) });
  };
  for (const move of moves) take(edge(move));
  take({ kind: 'time', atMs: (moves.at(-1)?.[0] ?? 0) + 10 * STUCK_MS });
  return found;
}

function nameOf(wish: Gesture): string {
  if ('what' in wish) return `${wish.kind} ${wish.what}`;
  return 'button' in wish ? `${wish.kind} ${wish.button}` : wish.kind;
}

const wishes = (moves: readonly Move[], start: readonly ('skip' | 'never')[] = []) =>
  play(moves, start).map(({ wish }) => wish);

/** Both from `fromMs` on; the first is let go at `toMs`, the other a little later. */
const bothHeld = (fromMs: number, toMs: number): Move[] => [
  [fromMs, 'A', 'down'],
  [fromMs + 40, 'B', 'down'],
  [toMs, 'B', 'up'],
  [toMs + 60, 'A', 'up'],
];
const tap = (button: 'A' | 'B', atMs: number, forMs = 120): Move[] => [
  [atMs, button, 'down'],
  [atMs + forMs, button, 'up'],
];

describe('buttons', () => {
  it.each<[string, Move[], string[]]>([
    ['a short press of the first: skip', tap('A', 100), ['skip']],
    ['a short press of the second: never again', tap('B', 100), ['never']],
    ['a press shorter than a bounce: nothing', tap('A', 100, DEBOUNCE_MS - 1), []],
    ['a slow short press is still one', tap('A', 100, 1_900), ['skip']],
    ['a change of mind between short and long', tap('A', 100, 2_500), []],
    ['the first held: pairs once, and skips nothing', tap('A', 100, 4_000), ['pair']],
    ['the first held long', tap('A', 100, 30_000), ['pair']],
    ['the second held long: nothing', tap('B', 100, 30_000), []],
    ['two presses of the first: two skips', [...tap('A', 100), ...tap('A', 1_000)], ['skip', 'skip']],
    ['a quick double press of the first', [...tap('A', 100, 60), ...tap('A', 230, 60)], ['skip', 'skip']],
    ['the second again soon: undo', [...tap('B', 100), ...tap('B', 5_000)], ['never', 'undo']],
    ['a quick double press of the second', [...tap('B', 100, 60), ...tap('B', 230, 60)], ['never', 'undo']],
    [
      'undo, then never again anew',
      [...tap('B', 0), ...tap('B', 3_000), ...tap('B', 6_000)],
      ['never', 'undo', 'never'],
    ],
    ['the second again late', [...tap('B', 0), ...tap('B', 11_000)], ['never', 'never']],
    [
      'a skip between does not hinder the undo',
      [...tap('B', 0), ...tap('A', 2_000), ...tap('B', 4_000)],
      ['never', 'skip', 'undo'],
    ],
    ['both for a moment', bothHeld(0, 300), []],
    ['both for nearly ten seconds', bothHeld(0, 10_030), []],
    ['both for ten seconds: Wi-Fi, when let go', bothHeld(0, 10_100), ['armed wifi', 'reset wifi']],
    ['both for nineteen seconds', bothHeld(0, 19_000), ['armed wifi', 'reset wifi']],
    ['both for twenty seconds: all', bothHeld(0, 20_100), ['armed wifi', 'armed all', 'reset all']],
    [
      'both for a minute: something lies on the box',
      bothHeld(0, 70_000),
      ['armed wifi', 'armed all', 'stuck skip', 'disarmed', 'stuck never', 'freed never', 'freed skip'],
    ],
    [
      'both nearly at once, one quickly let go',
      [
        [0, 'A', 'down'],
        [60, 'A', 'up'],
        [160, 'B', 'down'],
        [220, 'B', 'up'],
      ],
      [],
    ],
    [
      'the second presses while the first is down',
      [
        [0, 'A', 'down'],
        [500, 'B', 'down'],
        [600, 'B', 'up'],
        [700, 'A', 'up'],
      ],
      [],
    ],
    [
      'the other order of letting go',
      [
        [0, 'A', 'down'],
        [50, 'B', 'down'],
        [400, 'A', 'up'],
        [900, 'B', 'up'],
      ],
      [],
    ],
    [
      'both, one let go and taken again: the ten seconds begin anew',
      [
        [0, 'A', 'down'],
        [0, 'B', 'down'],
        [8_000, 'B', 'up'],
        [8_200, 'B', 'down'],
        [17_000, 'B', 'up'],
        [17_000, 'A', 'up'],
      ],
      [],
    ],
    [
      'after a reset what is still held means nothing',
      [...bothHeld(0, 10_100).slice(0, 3), [11_000, 'B', 'down'], [40_000, 'B', 'up'], [40_000, 'A', 'up']],
      ['armed wifi', 'reset wifi'],
    ],
    [
      'the first held to pair, then the second too',
      [
        [0, 'A', 'down'],
        [3_500, 'B', 'down'],
        [4_000, 'B', 'up'],
        [4_100, 'A', 'up'],
      ],
      ['pair'],
    ],
    [
      'a bounce while both are held',
      [
        [0, 'A', 'down'],
        [0, 'B', 'down'],
        [9_990, 'A', 'up'],
        [10_005, 'A', 'down'],
        [12_000, 'A', 'up'],
        [12_000, 'B', 'up'],
      ],
      ['armed wifi', 'reset wifi'],
    ],
    [
      'a release in the very moment: not reached',
      [
        [0, 'A', 'down'],
        [0, 'B', 'down'],
        [9_999, 'A', 'up'],
        [9_999, 'B', 'up'],
      ],
      [],
    ],
    ['a button that hangs', [...tap('A', 0, STUCK_MS + 5_000)], ['pair', 'stuck skip', 'freed skip']],
    ['the other one works while one hangs', [[0, 'B', 'down'], ...tap('A', STUCK_MS + 5_000)], ['stuck never', 'skip']],
    ['one press far from the other: two wishes', [...tap('A', 0), ...tap('B', 120 + APART_MS + 1)], ['skip', 'never']],
  ])('%s', (_, moves, expected) => {
    expect(wishes(moves)).toEqual(expected);
  });

  it('means nothing by a button that was down from the start, until it was let go', () => {
    expect(wishes([[5_000, 'A', 'up'], ...tap('A', 6_000)], ['skip'])).toEqual(['freed skip', 'skip']);
    expect(wishes([...tap('B', 30_000)], ['skip'])).toEqual(['never']);
    expect(
      wishes(
        [
          [40_000, 'A', 'up'],
          [40_000, 'B', 'up'],
        ],
        ['skip', 'never'],
      ),
    ).toEqual(['freed skip', 'freed never']);
  });

  it('pairs while the button is still down, and skips soon after it was let go', () => {
    expect(play(tap('A', 1_000, 5_000))).toEqual([{ atMs: 4_000, wish: 'pair' }]);
    expect(play(tap('A', 1_000, 200))).toEqual([{ atMs: 1_200 + APART_MS + DEBOUNCE_MS, wish: 'skip' }]);
  });

  it('takes nothing back that was not done', () => {
    const events: GestureEvent[] = [
      ...tap('B', 0).map(edge),
      { kind: 'time', atMs: 1_000 },
      { kind: 'neverRefused', atMs: 1_001 },
    ];
    const run = [...events, ...tap('B', 2_000).map(edge), { kind: 'time' as const, atMs: 3_000 }].reduce<{
      state: GestureState;
      wishes: Gesture[];
    }>(
      ({ state, wishes }, event) => {
        const step = stepGestures(state, event);
        return { state: step.state, wishes: [...wishes, ...step.wishes] };
      },
      { state: initialGestures([], 0), wishes: [] },
    );
    expect(run.wishes).toEqual([{ kind: 'never' }, { kind: 'never' }]);
  });

  it('undoes until the very end of its time', () => {
    const firstMs = 120 + APART_MS + DEBOUNCE_MS;
    expect(wishes([...tap('B', 0), ...tap('B', firstMs + UNDO_MS)])).toEqual(['never', 'undo']);
    expect(wishes([...tap('B', 0), ...tap('B', firstMs + UNDO_MS + 1)])).toEqual(['never', 'never']);
  });

  it('does not change the state that it is given', () => {
    const state = initialGestures([], 0);
    const copy = structuredClone(state);
    stepGestures(state, edge([5, 'A', 'down']));
    expect(state).toEqual(copy);
  });
});

/** Any moves: who, which way, after how long; bounces are as likely as holds. */
const anyMoves = fc
  .array(
    fc.record({
      button: fc.constantFrom<'A' | 'B'>('A', 'B'),
      way: fc.constantFrom<'down' | 'up'>('down', 'up'),
      gapMs: fc.oneof(
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 400 }),
        fc.integer({ min: 0, max: 25_000 }),
      ),
    }),
    { maxLength: 40 },
  )
  .map((steps) => {
    let atMs = 0;
    return steps.map(({ button, way, gapMs }): Move => {
      atMs += gapMs;
      return [atMs, button, way];
    });
  });

/** One contact that bounces: closed or open for less than the debounce each time. */
const bounces = (count: number) =>
  fc.array(fc.integer({ min: 0, max: DEBOUNCE_MS - 1 }), { minLength: count, maxLength: count });

function chatter(button: 'A' | 'B', fromMs: number, gapsMs: readonly number[], endsDown: boolean): Move[] {
  let atMs = fromMs;
  const moves = gapsMs.map((gapMs, index): Move => {
    atMs += gapMs;
    return [atMs, button, index % 2 === 0 ? 'down' : 'up'];
  });
  return [...moves, [atMs, button, endsDown ? 'down' : 'up']];
}

describe('buttons, whatever happens to them', () => {
  it('make no wish of a thousand random bounces', () => {
    fc.assert(
      fc.property(bounces(1_000), fc.constantFrom<'A' | 'B'>('A', 'B'), (gapsMs, button) => {
        expect(wishes(chatter(button, 10, gapsMs, false))).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  it('make one wish of a press that bounces on both ends', () => {
    fc.assert(
      fc.property(bounces(20), bounces(20), fc.integer({ min: DEBOUNCE_MS, max: 1_000 }), (down, up, heldMs) => {
        const first = chatter('A', 10, down, true);
        const fromMs = (first.at(-1)?.[0] ?? 0) + heldMs;
        // The first bounce of the release opens the contact.
        const last = chatter('A', fromMs, [0, ...up], false);
        expect(wishes([...first, [fromMs, 'A', 'up'], ...last])).toEqual(['skip']);
      }),
    );
  });

  it('mean neither skip nor never when both take part at nearly the same time, in whatever order', () => {
    const both = fc.record({
      apartMs: fc.integer({ min: 0, max: 100 }),
      aMs: fc.integer({ min: DEBOUNCE_MS, max: 5_000 }),
      bMs: fc.integer({ min: DEBOUNCE_MS, max: 5_000 }),
      aFirst: fc.boolean(),
    });
    fc.assert(
      fc.property(both, ({ apartMs, aMs, bMs, aFirst }) => {
        const a = aFirst ? 0 : apartMs;
        const b = aFirst ? apartMs : 0;
        const moves: Move[] = [
          [a, 'A', 'down'],
          [a + aMs, 'A', 'up'],
          [b, 'B', 'down'],
          [b + bMs, 'B', 'up'],
        ];
        const made = wishes(moves.sort((x, y) => x[0] - y[0]));
        // The first alone may still be held long enough to pair: with the second down for a moment before, it is not.
        expect(made.filter((wish) => wish !== 'pair')).toEqual([]);
      }),
    );
  });

  it('reset only what was armed just before, by a hand that let go', () => {
    fc.assert(
      fc.property(anyMoves, (moves) => {
        const made = wishes(moves);
        let armed: string | null = null;
        for (const wish of made) {
          if (wish.startsWith('reset ')) expect(`armed ${wish.slice(6)}`).toBe(armed);
          if (wish.startsWith('armed ')) armed = wish;
          else if (wish.startsWith('reset ') || wish === 'disarmed') armed = null;
          else if (!/^(stuck|freed)/.test(wish)) expect(armed).toBeNull();
        }
        expect(armed).toBeNull();
      }),
      { numRuns: 500 },
    );
  });

  it('undo only what was banned within the time', () => {
    fc.assert(
      fc.property(anyMoves, (moves) => {
        let bannedMs: number | null = null;
        for (const { wish, atMs } of play(moves)) {
          if (wish === 'undo') expect(atMs - (bannedMs ?? Number.NEGATIVE_INFINITY)).toBeLessThan(UNDO_MS + 5_000);
          if (wish === 'never') bannedMs = atMs;
          if (wish === 'undo') bannedMs = null;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('come to rest: nothing waits for a button that nobody touches', () => {
    fc.assert(
      fc.property(anyMoves, (moves) => {
        let state = initialGestures([], 0);
        for (const move of moves) state = stepGestures(state, edge(move)).state;
        state = stepGestures(state, { kind: 'time', atMs: state.atMs + 2 * STUCK_MS }).state;
        expect(wakeAtMs(state)).toBeNull();
        expect(state.press).toBeNull();
      }),
    );
  });

  it('answer alike however often time is told, and in one go after a stall', () => {
    const looks = fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 50 });
    fc.assert(
      fc.property(anyMoves, looks, (moves, looksMs) => {
        const inOneGo = (events: GestureEvent[]) => {
          let state = initialGestures([], 0);
          return events.flatMap((event) => {
            const step = stepGestures(state, event);
            state = step.state;
            return step.wishes.map(nameOf);
          });
        };
        const end: GestureEvent = { kind: 'time', atMs: (moves.at(-1)?.[0] ?? 0) + 10 * STUCK_MS };
        const times: GestureEvent[] = looksMs.map((atMs) => ({ kind: 'time', atMs }));
        const watched = [...moves.map(edge), ...times].sort((x, y) => x.atMs - y.atMs);
        expect(inOneGo([...watched, end])).toEqual(wishes(moves));
        expect(inOneGo([...moves.map(edge), end])).toEqual(wishes(moves));
      }),
    );
  });
});
