import type { ConsensusEvent, Effect, Indication, Persisted, SyncRequest, SyncResponse } from '../consensus/events.ts';
import type { NodeId, SignedMessage } from '../consensus/messages.ts';
import { MAX_OPEN_QUESTIONS, MAX_SLEEP_MS, MAX_UNWRITTEN, PULSE_MS } from './bounds.ts';
import type { JournalEntry } from './journal.ts';
import type { Logger, NetworkPort, Verdict } from './ports.ts';

/** An event as its source knows it; the heart adds the time. */
export type TimelessEvent = ConsensusEvent extends infer E
  ? E extends unknown
    ? Omit<E, 'nowMs' | 'monoMs' | 'heldUpMs'>
    : never
  : never;

type EffectOf<T extends Effect['type']> = Extract<Effect, { type: T }>;

/** The consensus room, seen from here: a state that an event advances, and when it wants to be woken. */
export interface ConsensusPort {
  step(event: ConsensusEvent): Effect[];
  nextWakeMs(): { nowMs: number | null; monoMs: number | null };
}

export interface HeartComponents {
  consensus: ConsensusPort;
  network: NetworkPort;
  writeJournal(entries: readonly JournalEntry[]): void;
  stationNowMs(): number;
  monoMs(): number;
  onFetch(effect: EffectOf<'fetch'>): void;
  onCancelFetch(effect: EffectOf<'cancelFetch'>): void;
  onKeep(effect: EffectOf<'keep'>): void;
  onSchedule(effect: EffectOf<'schedule'>): void;
  onUnschedule(effect: EffectOf<'unschedule'>): void;
  onSyncTime(effect: EffectOf<'syncTime'>): void;
  onIndication(indication: Indication): void;
  /** Something that people can see may have changed. */
  onAdvanced(): void;
  log: Logger;
}

const REFUSED: SyncResponse = { kind: 'refused', cause: 'busy' };

/**
 * The event loop: one event at a time into `step`, its effects carried out in their order, persisted ones first. An
 * effect may cause further events; they wait in line, so `step` is never entered twice.
 */
export class Heart {
  readonly #components: HeartComponents;
  readonly #waiting: TimelessEvent[] = [];
  readonly #questions = new Map<number, (response: SyncResponse) => void>();
  #nextQuestionId = 1;
  #busy = false;
  #stopped = false;
  #timer: NodeJS.Timeout | null = null;
  #pulse: NodeJS.Timeout | null = null;
  /** When the pulse is due at the latest; before start and after stop: never. */
  #pulseDueMs = Number.POSITIVE_INFINITY;
  #faults = 0;
  /** What could not be written (a full card), newest word a key: tried again with every step. */
  readonly #unwritten = new Map<string, JournalEntry>();

  constructor(components: HeartComponents) {
    this.#components = components;
  }

  /** Events that `step` answered with an exception: always 0 unless there is a bug. */
  get faults(): number {
    return this.#faults;
  }

  start(restored: Record<string, Persisted>, random: Uint8Array): void {
    this.dispatch({ type: 'start', restored, random } as TimelessEvent);
    if (this.#stopped || this.#pulse !== null) return;
    this.#pulse = setInterval(() => this.#beat(), PULSE_MS);
    this.#pulseDueMs = this.#components.monoMs() + PULSE_MS;
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#pulse !== null) clearInterval(this.#pulse);
    this.#pulseDueMs = Number.POSITIVE_INFINITY;
    for (const answer of this.#questions.values()) answer(REFUSED);
    this.#questions.clear();
  }

  dispatch(event: TimelessEvent): void {
    if (this.#stopped) return;
    this.#waiting.push(event);
    if (!this.#busy) this.#drain();
  }

  /** A checked message from gossip; the answer tells gossip whether to pass it on. */
  receive(message: SignedMessage, from: NodeId): Verdict {
    if (this.#stopped || this.#busy) return 'ignore';
    const verdict = this.#advance({ type: 'message', message, from });
    this.#drain();
    return verdict;
  }

  /** A peer's question on the catch-up stream. */
  ask(from: NodeId, request: SyncRequest): Promise<SyncResponse> {
    if (this.#stopped || this.#questions.size >= MAX_OPEN_QUESTIONS) return Promise.resolve(REFUSED);
    const requestId = this.#nextQuestionId++;
    return new Promise((resolve) => {
      this.#questions.set(requestId, resolve);
      this.dispatch({ type: 'asked', requestId, from, request });
    });
  }

  #drain(): void {
    for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift()) {
      this.#advance(event);
      // step answers a question in the same call, or not at all.
      if (event.type === 'asked') this.#resolveQuestion(event.requestId, REFUSED);
    }
    this.#sleep();
    this.#components.onAdvanced();
  }

  #advance(event: TimelessEvent): Verdict {
    this.#busy = true;
    try {
      const nowMs = Math.floor(this.#components.stationNowMs());
      const monoMs = Math.floor(this.#components.monoMs());
      const heldUpMs = this.#takeHeldUpMs();
      const full = heldUpMs > 0 ? { ...event, nowMs, monoMs, heldUpMs } : { ...event, nowMs, monoMs };
      return this.#carryOut(this.#components.consensus.step(full as ConsensusEvent));
    } catch (error) {
      this.#faults += 1;
      this.#components.log.error('an event could not be handled', { event: event.type, cause: (error as Error).stack });
      return 'ignore';
    } finally {
      this.#busy = false;
    }
  }

  /** The process had a turn: in time, or step learns at once that it had none for long. */
  #beat(): void {
    if (this.#components.monoMs() - this.#pulseDueMs > PULSE_MS) this.dispatch({ type: 'tick' });
    this.#pulseDueMs = this.#components.monoMs() + PULSE_MS;
  }

  /**
   * How long this process was stopped, starved or busy, told once; 0 when its pulse is in time. What lies in the sockets
   * then is older than it looks, whichever comes first, the pulse or the message.
   */
  #takeHeldUpMs(): number {
    const lateMs = Math.floor(this.#components.monoMs() - this.#pulseDueMs);
    if (!(lateMs > PULSE_MS / 4)) return 0;
    this.#pulseDueMs = this.#components.monoMs() + PULSE_MS;
    return lateMs;
  }

  #carryOut(effects: readonly Effect[]): Verdict {
    const isKept = this.#keep(effects.filter((effect) => effect.type === 'persist'));
    let verdict: Verdict = 'accept';
    for (const effect of effects) {
      if (effect.type === 'verdict') verdict = effect.verdict;
      // What is not on disk is not promised; the music goes on all the same.
      else if (isKept || effect.type !== 'publish') this.#carryOutOne(effect);
    }
    return verdict;
  }

  /** False when not everything is on disk. */
  #keep(entries: readonly JournalEntry[]): boolean {
    for (const { key, value } of entries) {
      this.#unwritten.delete(key);
      if (this.#unwritten.size < MAX_UNWRITTEN) this.#unwritten.set(key, { key, value });
    }
    if (this.#unwritten.size === 0) return true;
    const isNew = this.#unwritten.size === entries.length;
    try {
      this.#components.writeJournal([...this.#unwritten.values()]);
      this.#unwritten.clear();
      return true;
    } catch (error) {
      const level = isNew ? 'error' : 'debug';
      this.#components.log[level]('the journal cannot be written: this box plays on, and says nothing until it can', {
        cause: String(error),
      });
      return false;
    }
  }

  #carryOutOne(effect: Effect): void {
    const components = this.#components;
    switch (effect.type) {
      case 'persist':
      case 'verdict':
        return;
      case 'publish':
        this.#publish(effect);
        return;
      case 'ask':
        this.#ask(effect);
        return;
      case 'answer':
        this.#resolveQuestion(effect.requestId, effect.response);
        return;
      case 'fetch':
        components.onFetch(effect);
        return;
      case 'cancelFetch':
        components.onCancelFetch(effect);
        return;
      case 'keep':
        components.onKeep(effect);
        return;
      case 'schedule':
        components.onSchedule(effect);
        return;
      case 'unschedule':
        components.onUnschedule(effect);
        return;
      case 'syncTime':
        components.onSyncTime(effect);
        return;
      case 'indicate':
        components.onIndication(effect.indication);
        return;
    }
  }

  #publish(effect: EffectOf<'publish'>): void {
    this.#components.network.publish(effect.topic, effect.message).catch((error) => {
      this.#components.log.debug('not published', { topic: effect.topic, cause: String(error) });
    });
  }

  #ask(effect: EffectOf<'ask'>): void {
    const { requestId, peer } = effect;
    this.#components.network
      .request(peer, effect.request, effect.timeoutMs)
      .catch((error) => {
        this.#components.log.debug('no answer from peer', { peer, kind: effect.request.kind, cause: String(error) });
        return null;
      })
      .then((response) => this.dispatch({ type: 'answer', requestId, from: peer, response }));
  }

  #resolveQuestion(requestId: number, response: SyncResponse): void {
    this.#questions.get(requestId)?.(response);
    this.#questions.delete(requestId);
  }

  #sleep(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#stopped) return;
    const wake = this.#components.consensus.nextWakeMs();
    const untilStation = wake.nowMs === null ? MAX_SLEEP_MS : wake.nowMs - this.#components.stationNowMs();
    const untilMono = wake.monoMs === null ? MAX_SLEEP_MS : wake.monoMs - this.#components.monoMs();
    const sleepMs = Math.max(1, Math.min(untilStation, untilMono, MAX_SLEEP_MS));
    this.#timer = setTimeout(() => this.dispatch({ type: 'tick' }), Math.ceil(sleepMs));
  }
}
