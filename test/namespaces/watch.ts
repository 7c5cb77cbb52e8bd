/** What a run looked like from outside: the nodes' own reports, set against each other and against the clock. */
import type { StatusSnapshot } from '../../src/web/snapshot.ts';
import { FlockObserver } from '../demo/observer.ts';

export interface Quantiles {
  p50: number | null;
  p95: number | null;
  max: number | null;
}

/** Two nodes held different records of one slot, at the same time or one after the other. */
export interface Split {
  slot: number;
  /** When the second record was first seen, milliseconds of the watch. */
  seenMs: number;
}

interface Watched {
  name: string;
  /** Its monotonic clock, less this machine's. */
  monoAheadMs: number;
  /** How far its sound was from the middle of the others'. */
  apartMs: number[];
  /** What its clock filter said it may be wrong. */
  clockErrorMs: number | null;
  clockOffMs: number | null;
}

/** A node is compared with the others from this long after its first sound: it starts, measures, and then corrects. */
const SETTLED_MS = 4_000;

export class LabWatch {
  #observer = new FlockObserver();
  readonly #nodes = new Map<string, Watched>();
  readonly #soundsSinceMs = new Map<string, number>();
  readonly #spreadMs: number[] = [];
  /** By slot: record hash to when it was first seen. */
  readonly #records = new Map<number, Map<string, number>>();
  #latest: StatusSnapshot[] = [];

  enter(nodeId: string, name: string, monoAheadMs: number): void {
    this.#nodes.set(nodeId, { name, monoAheadMs, apartMs: [], clockErrorMs: null, clockOffMs: null });
  }

  /** One moment: the status of every node that answered. */
  add(statuses: readonly StatusSnapshot[]): void {
    const nowMs = performance.now();
    const aligned = statuses.map((status) => this.#align(status));
    this.#latest = aligned;
    this.#observer.add(aligned);
    for (const status of aligned) {
      const { head, head_slot } = status.station;
      if (head !== null) this.#noteRecord(head_slot, head, nowMs);
      for (const { slot, hash } of status.history) this.#noteRecord(slot, hash, nowMs);
    }
    this.#noteApart(aligned, nowMs);
  }

  get latest(): readonly StatusSnapshot[] {
    return this.#latest;
  }

  named(name: string): StatusSnapshot | undefined {
    return this.#latest.find((status) => status.node.name === name);
  }

  /** Everybody is a member and stands on the same record: records are hash-linked, so everything before is the same. */
  onOneLog(count: number): boolean {
    const all = this.#latest.map(({ station }) => (station.phase === 'member' ? station.head : null));
    return all.length >= count && all[0] !== null && new Set(all).size === 1;
  }

  /** Everybody plays the same track of the flock. */
  onOneTrack(count: number): boolean {
    const playing = this.#latest.map(({ now }) => (now?.source === 'flock' ? `${now.slot} ${now.track?.hash}` : null));
    return playing.length >= count && playing[0] !== null && new Set(playing).size === 1;
  }

  /** Newest slot that everybody has decided, and newest that anybody has. */
  heads(): { least: number; most: number } {
    const heads = this.#latest.map(({ station }) => station.head_slot);
    return { least: Math.min(...heads), most: Math.max(...heads) };
  }

  splits(): Split[] {
    return [...this.#records]
      .filter(([, seen]) => seen.size > 1)
      .map(([slot, seen]) => ({ slot, seenMs: [...seen.values()].sort((a, b) => a - b)[1]! }))
      .sort((a, b) => a.slot - b.slot);
  }

  /** When a record of this slot was first seen; infinite: never. */
  firstSeenMs(slot: number): number {
    return Math.min(...(this.#records.get(slot)?.values() ?? []));
  }

  /** The flock plays: whoever falls silent from now on is counted. What a node does before is its start. */
  plays(): void {
    this.#observer = new FlockObserver();
  }

  result() {
    return this.#observer.result(this.#nodes.size);
  }

  /** How far apart the nodes' sounds were that played the same track at the same place of the log. */
  spread(): Quantiles {
    return quantiles(this.#spreadMs);
  }

  of(name: string): { apartMs: Quantiles; clockErrorMs: number | null; clockOffMs: number | null } {
    const watched = [...this.#nodes.values()].find((node) => node.name === name);
    if (watched === undefined) throw new Error(`nobody here is called ${name}`);
    const { apartMs, clockErrorMs, clockOffMs } = watched;
    return { apartMs: quantiles(apartMs), clockErrorMs, clockOffMs };
  }

  counted(counter: string): number {
    return this.#latest.reduce((sum, status) => sum + (status.counters[counter] ?? 0), 0);
  }

  picture(): string {
    return this.#latest
      .map(({ node, station, now, peers, counters, history }) => {
        const { phase, genesis, head, head_slot, slot, roster } = station;
        const last = history.slice(-6).map((each) => `${each.slot}:${each.hash.slice(0, 6)}`);
        const connected = peers.filter((peer) => peer.connected).length;
        const state = {
          phase,
          genesis: genesis?.slice(0, 6),
          head: head?.slice(0, 6),
          head_slot,
          slot,
          roster,
          connected,
        };
        const happened = Object.entries(counters).filter(([, times]) => times > 0);
        return `${node.name} ${JSON.stringify(state)} ${now?.source} ${last.join(' ')}\n  ${JSON.stringify(Object.fromEntries(happened))}`;
      })
      .join('\n');
  }

  /** Every node's monotonic instants on this machine's clock. */
  #align(status: StatusSnapshot): StatusSnapshot {
    const watched = this.#nodes.get(status.node.id);
    if (watched === undefined) return status;
    watched.clockErrorMs = status.sync.clock_error_ms;
    watched.clockOffMs = status.sync.clock_offset_ms;
    const { now } = status;
    if (now === null || now.measured_mono_ms === null) return status;
    return { ...status, now: { ...now, measured_mono_ms: now.measured_mono_ms - watched.monoAheadMs } };
  }

  #noteRecord(slot: number, hash: string, nowMs: number): void {
    const seen = this.#records.get(slot) ?? new Map<string, number>();
    if (!seen.has(hash)) seen.set(hash, nowMs);
    this.#records.set(slot, seen);
  }

  #noteApart(statuses: readonly StatusSnapshot[], nowMs: number): void {
    const starts = new Map<string, { id: string; startMs: number }[]>();
    for (const { node, now } of statuses) {
      if (now === null || now.source !== 'flock' || now.position_ms === null || now.measured_mono_ms === null) continue;
      const sinceMs = this.#soundsSinceMs.get(node.id) ?? nowMs;
      this.#soundsSinceMs.set(node.id, sinceMs);
      if (nowMs - sinceMs < SETTLED_MS) continue;
      const place = `${now.slot} ${now.start_ms} ${now.track?.hash}`;
      const ofSlot = starts.get(place) ?? [];
      ofSlot.push({ id: node.id, startMs: now.measured_mono_ms - now.position_ms });
      starts.set(place, ofSlot);
    }
    for (const ofSlot of starts.values()) {
      const all = ofSlot.map(({ startMs }) => startMs);
      if (all.length > 1) this.#spreadMs.push(Math.max(...all) - Math.min(...all));
      if (all.length < 3) continue;
      for (const { id, startMs } of ofSlot) {
        const others = ofSlot.filter((one) => one.id !== id).map((one) => one.startMs);
        this.#nodes.get(id)?.apartMs.push(Math.abs(startMs - median(others)));
      }
    }
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

export function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    return value === undefined ? null : Math.round(value * 1_000) / 1_000;
  };
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}
