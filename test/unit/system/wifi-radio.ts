import type { RadioPort, RadioView } from '../../../src/system/wifi/radio.ts';
import type { Failure, Recipe, SeenNetwork, Wish } from '../../../src/system/wifi/types.ts';

export const NEST = { ssid: 'Nest', ssidHex: '4e657374' };

/** A radio in memory: it does at once what it is asked, and answers attempts when the test says so. */
export class FakeRadio implements RadioPort {
  readonly done: string[] = [];
  readonly #handlers = new Set<() => void>();
  /** What the next attempt answers; null: it waits for `answer`. */
  answer: ((failure: Failure | null) => void) | null = null;
  failing = new Set<string>();
  now: RadioView | null = {
    device: 'wlan0',
    wired: ['eth0'],
    ssid: null,
    hotspotOn: false,
    saved: [],
    networks: [{ ...NEST, strength: 70, security: 'psk' }],
    scannedAtMs: 1,
  };
  #wish: Wish | null = null;

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  async refresh(): Promise<void> {}

  view(): RadioView | null {
    return this.now;
  }

  onChange(handler: () => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  change(more: Partial<RadioView> | null): void {
    this.now = more === null || this.now === null ? (more as RadioView | null) : { ...this.now, ...more };
    for (const handler of this.#handlers) handler();
  }

  #do(step: string): void {
    this.done.push(step);
    if (this.failing.has(step)) throw new Error(`no ${step}`);
  }

  async scan(): Promise<readonly SeenNetwork[]> {
    this.#do('scan');
    return this.now?.networks ?? [];
  }

  async openHotspot(): Promise<void> {
    this.#do('openHotspot');
    this.change({ hotspotOn: true, networks: null });
  }

  async closeHotspot(): Promise<void> {
    this.#do('closeHotspot');
    this.change({ hotspotOn: false });
  }

  tryNetwork(wish: Wish, recipe: Recipe, signal: AbortSignal): Promise<Failure | null> {
    this.#do(`try ${wish.ssid} ${recipe}`);
    this.#wish = wish;
    return this.#answered(signal, wish.ssid);
  }

  tryKnown(first: string | null, signal: AbortSignal): Promise<Failure | null> {
    this.#do(`known ${first ?? '-'}`);
    return this.#answered(signal, first ?? 'Nest');
  }

  #answered(signal: AbortSignal, ssid: string): Promise<Failure | null> {
    return new Promise((resolve) => {
      this.answer = (failure) => {
        if (failure === null) this.change({ ssid });
        resolve(failure);
      };
      signal.addEventListener('abort', () => resolve('no_answer'));
    });
  }

  async saveProfile(): Promise<void> {
    this.#do('save');
    if (this.#wish !== null && this.now !== null) {
      const { ssid, ssidHex } = this.#wish;
      this.change({ saved: [...this.now.saved.filter((each) => each.ssidHex !== ssidHex), { ssid, ssidHex }] });
    }
  }

  async dropProfile(): Promise<void> {
    this.#do('drop');
  }

  async forget(ssids: readonly string[]): Promise<void> {
    this.#do(`forget ${ssids.join()}`);
    const saved = this.now?.saved.filter(({ ssid }) => !ssids.includes(ssid)) ?? [];
    const inUse = this.now?.ssid ?? null;
    this.change({ saved, ssid: inUse !== null && ssids.includes(inUse) ? null : inUse });
  }
}
