/** The consensus room's public surface. See README.md for the protocol itself. */
export {
  clipText,
  contentHash,
  decodeMessage,
  decodeSync,
  encodeMessage,
  encodeSync,
  MalformedMessageError,
  signingBytes,
  signMessage,
  stationId,
  topicOf,
  verifyMessage,
} from './canonical.ts';
export { type Draw, type DrawRow, drawOf } from './drawn.ts';
export type * from './events.ts';
export * as limits from './limits.ts';
export { createMemo, type FoldMemo } from './link.ts';
export type * from './messages.ts';
export { DEFAULT_RULES, FAST_RULES, parseRules, type Rules, RulesError, rulesHash, rulesJson } from './rules.ts';
export { type ConsensusInit, type ConsensusState, createConsensus } from './state.ts';
export { nextWakeMs, step } from './step.ts';
export { likesCount, view } from './view.ts';
export { vrfProve, vrfPublicKey, vrfVerify } from './vrf.ts';
