/** Garbage of every kind, each from a peer of its own: the first bad messages silence a peer, so kinds must not share one. */
import { randomBytes } from 'node:crypto';
import * as dagCbor from '@ipld/dag-cbor';
import { encodeMessage, signMessage } from '../../src/consensus/canonical.ts';
import { MAX_MESSAGE_BYTES } from '../../src/consensus/limits.ts';
import type { Signed, SignedMessage, StateMessage, Topic } from '../../src/consensus/messages.ts';
import { frames } from '../../src/network/streams.ts';
import { syncProtocol } from '../../src/network/sync.ts';
import { createCrypto } from '../../src/node/crypto.ts';
import { Carrier } from './carrier.ts';

const KINDS = ['malformed', 'oversized', 'foreign', 'unsigned', 'replayed', 'questions'] as const;
type Kind = (typeof KINDS)[number];

/** Messages a second of each kind: forty times what an honest node sends. */
const RATE_PER_SECOND = 10;
/** Honest messages kept to be sent again: the oldest of them when gossip has forgotten them. */
const KEPT = 4_096;
const OTHER_STATION = 'cd'.repeat(32);

export class Flood {
  readonly #station: string;
  readonly #targets: readonly string[];
  readonly #sent: Record<Kind, number> = {
    malformed: 0,
    oversized: 0,
    foreign: 0,
    unsigned: 0,
    replayed: 0,
    questions: 0,
  };
  readonly #heard: { topic: Topic; bytes: Uint8Array }[] = [];
  #state: Signed<StateMessage> | null = null;
  #stranger = createCrypto({
    signingSeed: Uint8Array.from(randomBytes(32)),
    vrfSeed: Uint8Array.from(randomBytes(32)),
  });

  constructor(station: string, targets: readonly string[]) {
    this.#station = station;
    this.#targets = targets;
  }

  async start(): Promise<void> {
    for (const kind of KINDS) {
      const carrier = await Carrier.to(this.#station, this.#targets);
      setInterval(() => void this.#send(kind, carrier).catch(() => {}), 1_000 / RATE_PER_SECOND);
    }
  }

  /** An honest message: to be sent again, and a pattern for forgeries. */
  heard(topic: Topic, message: SignedMessage): void {
    if (message.body.type === 'STATE') this.#state = message as Signed<StateMessage>;
    if (this.#heard.length < KEPT) this.#heard.push({ topic, bytes: encodeMessage(message) });
  }

  sent(): Record<string, number> {
    return { ...this.#sent };
  }

  async #send(kind: Kind, carrier: Carrier): Promise<void> {
    if (this.#state === null) return;
    const number = this.#sent[kind]++;
    if (kind === 'questions') return await this.#ask(carrier);
    if (kind === 'replayed') {
      const { topic, bytes } = this.#heard[number % this.#heard.length]!;
      return carrier.publishBytes(topic, bytes);
    }
    carrier.publishBytes('state', this.#invent(kind, number, this.#state));
  }

  #invent(kind: Exclude<Kind, 'replayed' | 'questions'>, number: number, pattern: Signed<StateMessage>): Uint8Array {
    const body = { ...pattern.body, node_id: this.#stranger.nodeId, epoch: number };
    switch (kind) {
      case 'malformed':
        return Uint8Array.from(randomBytes(200));
      case 'oversized':
        return Uint8Array.from(randomBytes(MAX_MESSAGE_BYTES.state + 1));
      case 'foreign':
        return encodeMessage(signMessage(this.#stranger, { ...body, station: OTHER_STATION }));
      case 'unsigned':
        return encodeMessage({ body: { ...pattern.body, epoch: number }, sig: pattern.sig });
    }
  }

  /** Catch-up questions to everybody, and never a pause when it is told to wait. */
  async #ask(carrier: Carrier): Promise<void> {
    for (const connection of carrier.connections) {
      const framed = frames(await connection.newStream(syncProtocol(this.#station)), 1_000_000);
      await framed.write(dagCbor.encode({ kind: 'status' }));
    }
  }
}
