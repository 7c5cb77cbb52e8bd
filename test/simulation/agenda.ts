/**
 * What happens when, in virtual milliseconds: a ring of instants for the next minute, a heap for what lies beyond. Within
 * an instant things happen in the order in which they were added, so equal runs stay equal.
 */
export interface Task {
  run(): void;
}

/** Instants in the ring: messages and most timers lie within it. */
const RING = 65_536;

interface Far {
  at: number;
  serial: number;
  task: Task;
}

export class Agenda {
  /** The instant that is being carried out. */
  nowMs = 0;
  #size = 0;
  #serial = 0;
  readonly #ring: (Task[] | undefined)[] = new Array(RING);
  readonly #far: Far[] = [];

  get size(): number {
    return this.#size;
  }

  /** Adds a task. What is due now or was due earlier is carried out before time goes on. */
  add(atMs: number, task: Task): void {
    const at = Math.max(Math.ceil(atMs), this.nowMs);
    this.#size++;
    if (at - this.nowMs >= RING) {
      this.#push({ at, serial: this.#serial++, task });
      return;
    }
    const place = at % RING;
    const list = this.#ring[place];
    if (list === undefined) this.#ring[place] = [task];
    else list.push(task);
  }

  /** Carries out everything up to and with `untilMs`; stops early when `goesOn` says so, asked after each instant. */
  run(untilMs: number, goesOn: () => boolean = () => true): void {
    for (; this.nowMs <= untilMs; this.nowMs++) {
      this.#fetchFar();
      const place = this.nowMs % RING;
      const list = this.#ring[place];
      if (list === undefined) continue;
      // The list grows while it is carried out: what is added for this very instant comes last.
      for (let i = 0; i < list.length; i++) list[i]!.run();
      this.#size -= list.length;
      this.#ring[place] = undefined;
      if (!goesOn()) return;
    }
    this.nowMs = untilMs;
  }

  #fetchFar(): void {
    while (this.#far.length > 0 && this.#far[0]!.at - this.nowMs < RING) {
      const { at, task } = this.#pop();
      this.#size--;
      this.add(at, task);
    }
  }

  #push(entry: Far): void {
    const heap = this.#far;
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  #pop(): Far {
    const heap = this.#far;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

const isBefore = (a: Far, b: Far): boolean => (a.at === b.at ? a.serial < b.serial : a.at < b.at);
