/** A deterministic generator of numbers: xoshiro128** (Blackman and Vigna), seeded through splitmix32. */
export interface Random {
  /** A whole number from 0 to 2^32 - 1. */
  word(): number;
  /** A number from 0 (included) to 1 (excluded). */
  unit(): number;
  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number;
  /** A choice among the items; undefined of none. */
  pick<T>(items: readonly T[]): T | undefined;
  /** The items in another order, as a new list. */
  shuffle<T>(items: readonly T[]): T[];
}

const rotl = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

function splitmix32(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x9e3779b9) >>> 0;
    let t = a ^ (a >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return (t ^ (t >>> 15)) >>> 0;
  };
}

export function createRandom(seed: number): Random {
  const next = splitmix32(seed);
  let [a, b, c, d] = [next(), next(), next(), next()];
  const word = (): number => {
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotl(d, 11);
    return result;
  };
  const unit = (): number => word() / 4_294_967_296;
  const between = (least: number, most: number): number => least + Math.floor(unit() * (most - least + 1));
  return {
    word,
    unit,
    between,
    pick: (items) => items[between(0, items.length - 1)],
    shuffle: (items) => {
      const mixed = [...items];
      for (let i = mixed.length - 1; i > 0; i--) {
        const j = between(0, i);
        [mixed[i], mixed[j]] = [mixed[j]!, mixed[i]!];
      }
      return mixed;
    },
  };
}
