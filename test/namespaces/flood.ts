/** Garbage of every kind, each from a peer of its own: the first bad messages silence a peer, so kinds must not share one. */
import { randomBytes } from 'node:crypto';
import * as dagCbor from '@ipld/dag-cbor';
import { encodeMessage, signMessage } from '../../src/consensus/canonical.ts';
import { MAX_MESSAGE_BYTES, MAX_SYNC_RESPONSE_BYTES } from '../../src/consensus/limits.ts';
import type { Signed, SignedMessage, StateMessage, Topic } from '../../src/consensus/messages.ts';
import { frames } from '../../src/network/streams.ts';
import { syncProtocol } from '../../src/network/sync.ts';
import { createCrypto } from '../../src/node/crypto.ts';
import { Carrier } from './carrier.ts';

const KINDS = ['malformed', 'oversized', 'foreign', 'unsigned', 'replayed', 'questions'] as const;
type Kind = (typeof KINDS)[number];

/** Messages a second of each kind to everybody: several times what an honest node sends. */
const RATE_PER_SECOND = 5;
/** Questions a second: more than any peer is answered. */
const QUESTIONS_PER_SECOND = 20;
/** Honest messages kept to be sent again. */
const KEPT = 4_096;
/** Gossip itself drops what it has seen for two minutes: only then the table of replays is asked. */
const REPLAYED_AFTER_MS = 125_000;
const ANSWER_WITHIN_MS = 2_000;
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
  readonly #heard: { topic: Topic; bytes: Uint8Array; atMs: number }[] = [];
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
      const rate = kind === 'questions' ? QUESTIONS_PER_SECOND : RATE_PER_SECOND;
      setInterval(() => void this.#send(kind, carrier).catch(() => {}), 1_000 / rate);
    }
  }

  /** An honest message: to be sent again, and a pattern for forgeries. */
  heard(topic: Topic, message: SignedMessage): void {
    if (message.body.type === 'STATE') this.#state = message as Signed<StateMessage>;
    if (this.#heard.length < KEPT) {
      this.#heard.push({ topic, bytes: encodeMessage(message), atMs: performance.now() });
    }
  }

  sent(): Record<string, number> {
    return { ...this.#sent };
  }

  async #send(kind: Kind, carrier: Carrier): Promise<void> {
    if (this.#state === null) return;
    const number = this.#sent[kind];
    if (kind === 'replayed') {
      const old = this.#heard[number];
      if (old === undefined || performance.now() - old.atMs < REPLAYED_AFTER_MS) return;
      carrier.publishBytes(old.topic, old.bytes);
      this.#sent[kind]++;
      return;
    }
    this.#sent[kind]++;
    if (kind === 'questions') return await this.#ask(carrier);
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

  /** Catch-up questions to everybody at once, and never a pause when it is told to wait. */
  async #ask(carrier: Carrier): Promise<void> {
    await Promise.allSettled(
      carrier.connections.map(async (connection) => {
        const stream = await connection.newStream(syncProtocol(this.#station));
        const framed = frames(stream, MAX_SYNC_RESPONSE_BYTES);
        await framed.write(dagCbor.encode({ kind: 'status' }));
        await framed.read({ signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
        await stream.close();
      }),
    );
  }
}
