import { hash } from 'node:crypto';
import { type GossipSub, type Message, TopicValidatorResult } from '@libp2p/gossipsub';
import type { PeerId } from '@libp2p/interface';
import { decodeMessage, encodeMessage, verifyMessage } from '../consensus/canonical.ts';
import type { ConsensusCrypto } from '../consensus/events.ts';
import { MAX_MESSAGE_BYTES } from '../consensus/limits.ts';
import type { SignedMessage, Topic } from '../consensus/messages.ts';
import { BoundedSet } from './bounded.ts';
import type { Counters } from './counters.ts';
import { MAX_REPLAY_HASHES } from './limits.ts';
import type { Logger, MessageHandler } from './types.ts';

export const TOPICS: readonly Topic[] = ['proposal', 'state', 'op'];

/** The name of a topic on the wire. */
export function topicName(stationId: string, topic: Topic): string {
  return `/starling/1/${stationId}/${topic}`;
}

/** Message id: the content's hash, so that a message is the same message whoever passes it on. */
export function messageId(message: { data: Uint8Array }): Uint8Array {
  return hash('sha256', message.data, 'buffer');
}

export interface GossipComponents {
  pubsub: GossipSub;
  verify: ConsensusCrypto['verify'];
  log: Logger;
  counters: Counters;
  handler(): MessageHandler | null;
}

/** The three topics of a station: checks what comes in, cheapest check first, and sends what goes out. */
export class Gossip {
  readonly #components: GossipComponents;
  readonly #stationId: string;
  readonly #seen = new BoundedSet(MAX_REPLAY_HASHES);

  constructor(components: GossipComponents, init: { stationId: string }) {
    this.#components = components;
    this.#stationId = init.stationId;
  }

  start(): void {
    const { pubsub } = this.#components;
    for (const topic of TOPICS) {
      const name = topicName(this.#stationId, topic);
      pubsub.topicValidators.set(name, (from, message) => this.#validate(topic, from, message));
      pubsub.subscribe(name);
    }
  }

  stop(): void {
    const { pubsub } = this.#components;
    for (const topic of TOPICS) {
      const name = topicName(this.#stationId, topic);
      pubsub.topicValidators.delete(name);
      try {
        pubsub.unsubscribe(name);
      } catch {
        // gossip has been stopped already
      }
    }
  }

  async publish(topic: Topic, message: SignedMessage): Promise<void> {
    const bytes = encodeMessage(message);
    this.#seen.add(contentKey(bytes));
    this.#components.counters.add('published');
    try {
      await this.#components.pubsub.publish(topicName(this.#stationId, topic), bytes);
    } catch (error) {
      this.#components.log.warn('message was not gossiped', { topic, cause: String(error) });
    }
  }

  #validate(topic: Topic, from: PeerId, message: Message): TopicValidatorResult {
    const { counters, log } = this.#components;
    counters.add('received');
    try {
      return this.#check(topic, from.toString(), message.data);
    } catch (error) {
      counters.add('handlerErrors');
      log.error('a message could not be handled', { topic, cause: String(error) });
      return TopicValidatorResult.Ignore;
    }
  }

  #check(topic: Topic, from: string, bytes: Uint8Array): TopicValidatorResult {
    const { counters, verify } = this.#components;
    if (bytes.length > MAX_MESSAGE_BYTES[topic]) {
      counters.add('refusedOversized');
      return TopicValidatorResult.Reject;
    }
    const message = this.#decode(topic, bytes);
    if (message === null) {
      counters.add('refusedMalformed');
      return TopicValidatorResult.Reject;
    }
    if (message.body.station !== this.#stationId) {
      counters.add('refusedForeign');
      return TopicValidatorResult.Reject;
    }
    const key = contentKey(bytes);
    if (this.#seen.has(key)) {
      counters.add('refusedReplayed');
      return TopicValidatorResult.Ignore;
    }
    if (verifyMessage(verify, this.#stationId, message) !== null) {
      counters.add('refusedUnsigned');
      return TopicValidatorResult.Reject;
    }
    // only what is signed is remembered: garbage cannot push honest hashes out of the table
    this.#seen.add(key);
    return this.#deliver(message, from, topic);
  }

  #decode(topic: Topic, bytes: Uint8Array): SignedMessage | null {
    try {
      return decodeMessage(topic, bytes);
    } catch {
      return null;
    }
  }

  #deliver(message: SignedMessage, from: string, topic: Topic): TopicValidatorResult {
    const { counters, handler } = this.#components;
    const verdict = handler()?.(message, from, topic) ?? 'ignore';
    if (verdict === 'accept') {
      counters.add('delivered');
      return TopicValidatorResult.Accept;
    }
    if (verdict === 'ignore') {
      counters.add('ignoredByLog');
      return TopicValidatorResult.Ignore;
    }
    counters.add('refusedByLog');
    return TopicValidatorResult.Reject;
  }
}

function contentKey(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'base64url');
}
