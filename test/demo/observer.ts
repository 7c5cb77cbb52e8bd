import type { StatusSnapshot } from '../../src/web/snapshot.ts';

export interface DemoResult {
  nodes: number;
  /** Slots that at least two nodes decided. */
  slots: number;
  /** Of those, the ones that every node that decided them decided alike. */
  agreed_slots: number;
  /** How far apart the nodes' sounds were, over all moments at which at least two played the same slot. */
  position_spread_ms: { p50: number | null; p95: number | null; max: number | null; samples: number };
  /** Tracks that a node fetched from another, summed over nodes. */
  fetched_tracks: number;
  /** Nodes that played a track which only another node owned. */
  nodes_that_played_foreign: number;
  /** Slots that nobody proposed for. */
  fallbacks: number;
  played_slots: number;
  /** Silences of nodes that had sounded before, while the programme ran. */
  silent_moments: number;
  /** The first of them: who, where, since when it runs, and what it did in the sample before. */
  silences: string[];
  /** By the nodes' own counts: rendered as silence where something should have sounded, summed over processes. */
  silent_ms: number;
  conflicts: number[];
}

const SHOWN_SILENCES = 10;
/** Shorter than a pause between two words: what a machine without a free processor may lose at a change of stations. */
const AUDIBLE_GAP_MS = 250;

/** One process, as its last sample showed it. */
interface Sample {
  state: string;
  uptimeMs: number;
  silentMs: number;
  hasSounded: boolean;
  /** Silence so far without a sample between that had none. */
  gapMs: number;
}

/** Collects the nodes' own reports over a run and sets them against each other. */
export class FlockObserver {
  readonly decided = new Map<number, Map<string, string>>();
  readonly latest = new Map<string, StatusSnapshot>();
  readonly #spreads: number[] = [];
  readonly #fallbackSlots = new Set<number>();
  readonly #played = new Map<string, Set<number>>();
  readonly #foreign = new Set<string>();
  readonly #silences: string[] = [];
  /** By node. A smaller uptime in the next sample is a new process. */
  readonly #samples = new Map<string, Sample>();
  #silentMs = 0;

  /** One moment: the status of every node that answered. */
  add(statuses: readonly StatusSnapshot[]): void {
    for (const status of statuses) {
      this.latest.set(status.node.id, status);
      for (const entry of status.history) this.#noteDecided(status.node.id, entry);
      this.#notePlaying(status);
    }
    this.#noteSpread(statuses);
  }

  conflicts(): number[] {
    return [...this.decided].filter(([, byNode]) => new Set(byNode.values()).size > 1).map(([slot]) => slot);
  }

  result(nodes: number): DemoResult {
    const shared = [...this.decided.values()].filter((byNode) => byNode.size > 1);
    const conflicts = this.conflicts();
    return {
      nodes,
      slots: shared.length,
      agreed_slots: shared.length - conflicts.length,
      position_spread_ms: { ...quantiles(this.#spreads), samples: this.#spreads.length },
      fetched_tracks: [...this.latest.values()].reduce((sum, status) => sum + status.figures.fetched_tracks, 0),
      nodes_that_played_foreign: this.#foreign.size,
      fallbacks: this.#fallbackSlots.size,
      played_slots: new Set([...this.#played.values()].flatMap((slots) => [...slots])).size,
      silent_moments: this.#silences.length,
      silences: this.#silences.slice(0, SHOWN_SILENCES),
      silent_ms: this.#silentMs,
      conflicts,
    };
  }

  spreads(): readonly number[] {
    return this.#spreads;
  }

  #noteDecided(nodeId: string, entry: StatusSnapshot['history'][number]): void {
    const byNode = this.decided.get(entry.slot) ?? new Map<string, string>();
    byNode.set(nodeId, entry.hash);
    this.decided.set(entry.slot, byNode);
    if (entry.fallback && entry.slot > 4) this.#fallbackSlots.add(entry.slot);
  }

  #notePlaying(status: StatusSnapshot): void {
    const { now } = status;
    this.#noteSilence(status);
    if (now === null || now.track === null || now.source !== 'flock') return;
    const played = this.#played.get(status.node.id) ?? new Set<number>();
    played.add(now.slot);
    this.#played.set(status.node.id, played);
    if (now.node_id !== null && now.node_id !== status.node.id) this.#foreign.add(status.node.id);
  }

  /**
   * Once a process has sounded it must not fall silent; before, nothing is decoded yet. A silence is what the node's own
   * count of silent frames says where people hear a gap, or two samples in a row that are idle: one alone may fall
   * between two sounds.
   */
  #noteSilence({ now, node, output, station, sync }: StatusSnapshot): void {
    const last = this.#samples.get(node.id);
    const before = last !== undefined && last.uptimeMs <= node.uptime_ms ? last : null;
    const sounds = output.state === 'playing' || output.state === 'filler';
    const sample = {
      state: output.state,
      uptimeMs: node.uptime_ms,
      silentMs: sync.silent_ms,
      hasSounded: sounds || before?.hasSounded === true,
      gapMs: 0,
    };
    this.#samples.set(node.id, sample);
    // The count begins anew when the radio does, within one process.
    const newlySilentMs = Math.max(0, sync.silent_ms - (before?.silentMs ?? 0));
    this.#silentMs += newlySilentMs;
    sample.gapMs = newlySilentMs === 0 ? 0 : newlySilentMs + (before?.gapMs ?? 0);
    if (before === null || !before.hasSounded || now === null || now.slot < 0) return;
    const idleTwice = output.state === 'idle' && before.state === 'idle';
    if (!idleTwice && sample.gapMs < AUDIBLE_GAP_MS) return;
    const at = `${station.time_ms - now.start_ms} of ${now.duration_ms} ms`;
    this.#silences.push(
      `${node.name}, slot ${now.slot} (${now.source}) at ${at}: ${output.state}, up ${node.uptime_ms} ms, ` +
        `before ${before.state}, up ${before.uptimeMs} ms; silent for ${newlySilentMs} ms more, ${sync.silent_ms} ms in all, ` +
        `filler ${sync.filler_ms} ms`,
    );
  }

  /** Each node tells where in the track its sound was at an instant of the machine's own clock: compare the starts. */
  #noteSpread(statuses: readonly StatusSnapshot[]): void {
    const bySlot = new Map<number, number[]>();
    for (const { now } of statuses) {
      if (now === null || now.source !== 'flock' || now.position_ms === null || now.measured_mono_ms === null) continue;
      const starts = bySlot.get(now.slot) ?? [];
      starts.push(now.measured_mono_ms - now.position_ms);
      bySlot.set(now.slot, starts);
    }
    for (const starts of bySlot.values()) {
      if (starts.length > 1) this.#spreads.push(Math.max(...starts) - Math.min(...starts));
    }
  }
}

function quantiles(values: readonly number[]): { p50: number | null; p95: number | null; max: number | null } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    return value === undefined ? null : Math.round(value * 1_000) / 1_000;
  };
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}
