import type { Libp2p } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { CODE_P2P, type Multiaddr } from '@multiformats/multiaddr';
import type { Counters } from './counters.ts';
import {
  DIAL_TICK_MS,
  DIAL_TIMEOUT_MS,
  FIRST_REDIAL_MS,
  LONGEST_PATIENT_REDIAL_MS,
  LONGEST_REDIAL_MS,
  MAX_ADDRESSES_PER_PEER,
  MAX_CANDIDATES,
  MAX_FAILED_DIALS,
  MAX_PARALLEL_DIALS,
  PATIENT_REDIALS,
  SATISFIED_BOOTSTRAP_MS,
  TARGET_CONNECTIONS,
} from './limits.ts';
import type { Logger } from './types.ts';

/** Where an address was learnt: `bootstrap` ones are never given up. */
export type Origin = 'bootstrap' | 'mdns' | 'exchange' | 'known';

interface Candidate {
  /** Null for a bootstrap address that names no peer; learnt when it is reached, forgotten when that fails. */
  peer: string | null;
  /** The addresses were given with the peer's name. */
  named: boolean;
  addresses: Multiaddr[];
  origin: Origin;
  /** It was reached in this run: it exists, and a partition is the likely reason if it cannot be reached now. */
  proven: boolean;
  failures: number;
  nextMs: number;
  dialling: boolean;
}

export interface DiallerComponents {
  libp2p(): Libp2p;
  nodeId: string;
  monoNowMs(): number;
  isShunned(peer: string): boolean;
  log: Logger;
  counters: Counters;
}

/** The peer a multiaddr names, null when it names none. */
export function peerOf(address: Multiaddr): string | null {
  return address.getComponents().findLast((part) => part.code === CODE_P2P)?.value ?? null;
}

/**
 * Pause before the dial after `failures` failed ones: doubling up to a limit, with a random quarter so that a flock does
 * not march in step. What is known to exist is looked for often, so that a partition heals soon after it ends.
 */
export function redialDelayMs(failures: number, proven: boolean, random: number): number {
  const longestMs = proven && failures < PATIENT_REDIALS ? LONGEST_PATIENT_REDIAL_MS : LONGEST_REDIAL_MS;
  return Math.min(FIRST_REDIAL_MS * 2 ** Math.min(failures, 16), longestMs) * (0.75 + random / 2);
}

/** Knows addresses and keeps connections to them: all bootstrap addresses, and others up to a number. */
export class Dialler {
  readonly #components: DiallerComponents;
  readonly #candidates = new Map<string, Candidate>();
  #timer: NodeJS.Timeout | null = null;
  #dialling = 0;
  #stopped = new AbortController();

  constructor(components: DiallerComponents) {
    this.#components = components;
  }

  start(): void {
    if (this.#timer !== null) return;
    this.#stopped = new AbortController();
    this.#timer = setInterval(() => this.#tick(), DIAL_TICK_MS);
    this.#tick();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#stopped.abort();
  }

  /** Bootstrap addresses: each one is a candidate of its own until its peer is known. */
  addBootstrap(addresses: Multiaddr[]): void {
    for (const address of addresses) {
      const peer = peerOf(address);
      if (peer !== this.#components.nodeId) this.#put(peer, [address], 'bootstrap', 0);
    }
  }

  /**
   * A peer was heard of. `delayMs` lets one of two that hear of each other at once go first.
   * A peer that is there again is dialled again soon, however often that failed before.
   */
  found(peer: string, addresses: Multiaddr[], origin: Origin, delayMs = 0): void {
    if (peer === this.#components.nodeId || addresses.length === 0) return;
    this.#put(peer, addresses, origin, delayMs);
  }

  /** A connection ended: its peer is looked for again. */
  lost(peer: string): void {
    for (const candidate of this.#candidates.values()) {
      if (candidate.peer !== peer) continue;
      candidate.nextMs = this.#components.monoNowMs() + redialDelayMs(0, true, Math.random());
    }
  }

  #put(peer: string | null, addresses: Multiaddr[], origin: Origin, delayMs: number): void {
    const key = peer ?? addresses[0]!.toString();
    const known = this.#candidates.get(key);
    const nextMs = this.#components.monoNowMs() + delayMs;
    if (known === undefined) {
      this.#makeRoom();
      this.#candidates.set(key, {
        peer,
        named: peer !== null,
        addresses: addresses.slice(0, MAX_ADDRESSES_PER_PEER),
        origin,
        proven: origin === 'bootstrap',
        failures: 0,
        nextMs,
        dialling: false,
      });
      return;
    }
    if (known.origin === 'bootstrap') {
      known.addresses = mergeAddresses(known.addresses, addresses);
      return;
    }
    known.addresses =
      origin === 'mdns' ? addresses.slice(0, MAX_ADDRESSES_PER_PEER) : mergeAddresses(known.addresses, addresses);
    // only the link itself proves that the peer is there; what others tell does not hurry us
    if (origin !== 'mdns') return;
    known.origin = 'mdns';
    known.failures = 0;
    known.nextMs = Math.min(known.nextMs, this.#components.monoNowMs() + FIRST_REDIAL_MS);
  }

  /** Hearsay makes room first, then whoever failed most; what is known to exist stays. */
  #makeRoom(): void {
    if (this.#candidates.size < MAX_CANDIDATES) return;
    let worst: string | null = null;
    let worstRank = -1;
    for (const [key, candidate] of this.#candidates) {
      const rank = (candidate.proven ? 0 : 1_000) + (candidate.origin === 'exchange' ? 500 : 0) + candidate.failures;
      if (candidate.origin === 'bootstrap' || rank <= worstRank) continue;
      worst = key;
      worstRank = rank;
    }
    if (worst !== null) this.#candidates.delete(worst);
  }

  #tick(): void {
    const nowMs = this.#components.monoNowMs();
    const connected = this.#connected();
    for (const [key, candidate] of this.#candidates) {
      if (this.#dialling >= MAX_PARALLEL_DIALS) return;
      if (!this.#isDue(candidate, connected, nowMs)) continue;
      void this.#dial(key, candidate);
    }
  }

  #connected(): Set<string> {
    return new Set(
      this.#components
        .libp2p()
        .getConnections()
        .map((connection) => connection.remotePeer.toString()),
    );
  }

  #isDue(candidate: Candidate, connected: Set<string>, nowMs: number): boolean {
    if (candidate.dialling || nowMs < candidate.nextMs) return false;
    if (candidate.peer !== null && (connected.has(candidate.peer) || this.#components.isShunned(candidate.peer)))
      return false;
    if (connected.size < TARGET_CONNECTIONS) return true;
    // with enough friends, a bootstrap address is still looked at now and then: it may lead to another part of the flock
    return candidate.origin === 'bootstrap' && nowMs - candidate.nextMs >= SATISFIED_BOOTSTRAP_MS;
  }

  async #dial(key: string, candidate: Candidate): Promise<void> {
    const { libp2p, counters, log, monoNowMs } = this.#components;
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]);
    candidate.dialling = true;
    this.#dialling += 1;
    counters.add('dials');
    try {
      const connection = await libp2p().dial(withPeer(candidate), { signal });
      candidate.peer ??= connection.remotePeer.toString();
      candidate.proven = true;
      candidate.failures = 0;
      candidate.nextMs = monoNowMs() + FIRST_REDIAL_MS;
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      counters.add('failedDials');
      log.debug('a peer could not be dialled', { address: candidate.addresses[0]?.toString(), cause: String(error) });
      this.#failed(key, candidate);
    } finally {
      candidate.dialling = false;
      this.#dialling -= 1;
    }
  }

  #failed(key: string, candidate: Candidate): void {
    candidate.failures += 1;
    if (!candidate.named) candidate.peer = null;
    if (!candidate.proven && candidate.failures >= MAX_FAILED_DIALS) {
      this.#candidates.delete(key);
      return;
    }
    candidate.nextMs =
      this.#components.monoNowMs() + redialDelayMs(candidate.failures - 1, candidate.proven, Math.random());
  }
}

/** The dial target: every address names the peer, so that nobody else can answer in its place. */
function withPeer(candidate: Candidate): Multiaddr[] {
  const { peer, addresses } = candidate;
  if (peer === null) return addresses;
  const id = peerIdFromString(peer).toString();
  return addresses.map((address) => (peerOf(address) === null ? address.encapsulate(`/p2p/${id}`) : address));
}

function mergeAddresses(known: Multiaddr[], found: Multiaddr[]): Multiaddr[] {
  const merged = new Map([...known, ...found].map((address) => [address.toString(), address]));
  return [...merged.values()].slice(0, MAX_ADDRESSES_PER_PEER);
}
