/** One listener's share of an endless stream: a bounded backlog that forgets its oldest part when nobody takes it. */

export interface ListenerInit {
  maxBacklogBytes: number;
  /** A listener that takes nothing for so long is let go. */
  patienceMs: number;
  nowMs?: () => number;
}

export class Listener implements AsyncIterable<Uint8Array> {
  readonly #init: ListenerInit;
  readonly #nowMs: () => number;
  readonly #left: () => void;
  readonly #chunks: Uint8Array[] = [];
  #backlogBytes = 0;
  #lostBytes = 0;
  #takenAtMs: number;
  #waiting: ((result: IteratorResult<Uint8Array>) => void) | null = null;
  #closed = false;

  constructor(init: ListenerInit, left: () => void) {
    this.#init = init;
    this.#nowMs = init.nowMs ?? (() => performance.now());
    this.#left = left;
    this.#takenAtMs = this.#nowMs();
  }

  get backlogBytes(): number {
    return this.#backlogBytes;
  }

  get lostBytes(): number {
    return this.#lostBytes;
  }

  /** `chunk` is whole frames, so that the stream stays one when some are forgotten; it is shared and not written to. */
  push(chunk: Uint8Array): void {
    if (this.#closed) return;
    if (this.#waiting !== null) {
      const resolve = this.#waiting;
      this.#waiting = null;
      this.#takenAtMs = this.#nowMs();
      resolve({ done: false, value: chunk });
      return;
    }
    this.#chunks.push(chunk);
    this.#backlogBytes += chunk.byteLength;
    while (this.#backlogBytes > this.#init.maxBacklogBytes) {
      const lost = this.#chunks.shift()!.byteLength;
      this.#backlogBytes -= lost;
      this.#lostBytes += lost;
    }
    if (this.#nowMs() - this.#takenAtMs > this.#init.patienceMs) this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#chunks.length = 0;
    this.#backlogBytes = 0;
    this.#waiting?.({ done: true, value: undefined });
    this.#waiting = null;
    this.#left();
  }

  /** To be read by one reader. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => this.#next(),
      return: async () => {
        this.close();
        return { done: true, value: undefined };
      },
    };
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#closed) return { done: true, value: undefined };
    this.#takenAtMs = this.#nowMs();
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return await new Promise((resolve) => (this.#waiting = resolve));
    this.#backlogBytes -= chunk.byteLength;
    return { done: false, value: chunk };
  }
}
