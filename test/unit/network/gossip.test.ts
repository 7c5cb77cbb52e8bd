import { TopicValidatorResult } from '@libp2p/gossipsub';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeMessage } from '../../../src/consensus/canonical.ts';
import type { Topic } from '../../../src/consensus/messages.ts';
import { Counters } from '../../../src/network/counters.ts';
import { Gossip, messageId, TOPICS, topicName } from '../../../src/network/gossip.ts';
import type { MessageHandler } from '../../../src/network/types.ts';
import { makeBox, OTHER_STATION, SILENT, STATION, stateOf, verifyEd25519 } from '../../network/boxes.ts';

type Validator = (from: { toString(): string }, message: { data: Uint8Array; topic: string }) => TopicValidatorResult;

describe('gossip', () => {
  const box = makeBox(1);
  let counters: Counters;
  let handler: MessageHandler | null;
  let validators: Map<string, Validator>;
  let published: Uint8Array[];
  let gossip: Gossip;
  let subscribed: Set<string>;

  beforeEach(() => {
    counters = new Counters();
    handler = () => 'accept';
    validators = new Map();
    published = [];
    subscribed = new Set();
    const pubsub = {
      topicValidators: validators,
      subscribe: (topic: string) => subscribed.add(topic),
      unsubscribe: (topic: string) => subscribed.delete(topic),
      publish: async (_topic: string, data: Uint8Array) => {
        published.push(data);
        throw new Error('no peers');
      },
    };
    const components = { verify: verifyEd25519, log: SILENT, counters, handler: () => handler };
    gossip = new Gossip({ ...components, pubsub: pubsub as never }, { stationId: STATION });
    gossip.start();
  });

  const receive = (bytes: Uint8Array, topic: Topic = 'state') =>
    validators.get(topicName(STATION, topic))!({ toString: () => 'peer' }, { data: bytes, topic });
  const seen = () => Object.fromEntries(Object.entries(counters.snapshot()).filter(([, count]) => count > 0));

  it('listens on its three topics, and on none after it stopped', () => {
    expect([...subscribed]).toEqual(TOPICS.map((topic) => `/starling/1/${STATION}/${topic}`));
    gossip.stop();
    expect(subscribed.size).toBe(0);
    expect(validators.size).toBe(0);
  });

  it('hands a good message on and carries out the verdict', () => {
    expect(receive(encodeMessage(stateOf(box, 1)))).toBe(TopicValidatorResult.Accept);
    handler = () => 'ignore';
    expect(receive(encodeMessage(stateOf(box, 2)))).toBe(TopicValidatorResult.Ignore);
    handler = () => 'reject';
    expect(receive(encodeMessage(stateOf(box, 3)))).toBe(TopicValidatorResult.Reject);
    handler = null;
    expect(receive(encodeMessage(stateOf(box, 4)))).toBe(TopicValidatorResult.Ignore);
    expect(seen()).toEqual({ received: 4, delivered: 1, ignoredByLog: 2, refusedByLog: 1 });
  });

  it('refuses by cause, and asks nobody above', () => {
    handler = () => {
      throw new Error('must not be asked');
    };
    const good = stateOf(box, 5);
    const unsigned = { ...good, sig: new Uint8Array(64) };
    const forged = stateOf({ number: 2, nodeId: box.nodeId }, 6);
    expect(receive(new Uint8Array(4_097))).toBe(TopicValidatorResult.Reject);
    expect(receive(new Uint8Array(0))).toBe(TopicValidatorResult.Reject);
    expect(receive(encodeMessage(unsigned))).toBe(TopicValidatorResult.Reject);
    expect(receive(encodeMessage(forged))).toBe(TopicValidatorResult.Reject);
    expect(receive(encodeMessage(stateOf(box, 7, OTHER_STATION)))).toBe(TopicValidatorResult.Reject);
    expect(receive(encodeMessage(good), 'proposal')).toBe(TopicValidatorResult.Reject);
    expect(seen()).toEqual({
      received: 6,
      refusedOversized: 1,
      refusedMalformed: 2,
      refusedUnsigned: 2,
      refusedForeign: 1,
    });
  });

  it('hears a message once, its own ones never', async () => {
    const bytes = encodeMessage(stateOf(box, 8));
    expect(receive(bytes)).toBe(TopicValidatorResult.Accept);
    expect(receive(bytes)).toBe(TopicValidatorResult.Ignore);
    await gossip.publish('state', stateOf(box, 9));
    expect(receive(published[0]!)).toBe(TopicValidatorResult.Ignore);
    expect(seen()).toEqual({ received: 3, delivered: 1, refusedReplayed: 2, published: 1 });
  });

  it('survives a handler that fails', () => {
    handler = () => {
      throw new Error('broken');
    };
    expect(receive(encodeMessage(stateOf(box, 10)))).toBe(TopicValidatorResult.Ignore);
    expect(seen()).toMatchObject({ handlerErrors: 1 });
  });

  it('names a message by its content', () => {
    const bytes = encodeMessage(stateOf(box, 11));
    expect(Buffer.compare(messageId({ data: bytes }), messageId({ data: bytes.slice() }))).toBe(0);
    expect(messageId({ data: bytes }).length).toBe(32);
  });
});
