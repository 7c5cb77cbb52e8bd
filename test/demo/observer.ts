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
  /** Samples in which a node that had sounded before sounded nothing at all while the programme ran. */
  silent_moments: number;
  /** The first of them: who, where, and since when it runs. */
  silences: string[];
  conflicts: number[];
}

const SHOWN_SILENCES = 10;

/** Collects the nodes' own reports over a run and sets them against each other. */
export class FlockObserver {
  readonly decided = new Map<number, Map<string, string>>();
  readonly latest = new Map<string, StatusSnapshot>();
  readonly #spreads: number[] = [];
  readonly #fallbackSlots = new Set<number>();
  readonly #played = new Map<string, Set<number>>();
  readonly #foreign = new Set<string>();
  readonly #silences: string[] = [];
  /** By node: uptime at which it last sounded. A smaller uptime afterwards is a new process. */
  readonly #soundedAtUptimeMs = new Map<string, number>();

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

  /** Once a process has sounded it must not fall silent; before, nothing is decoded yet. */
  #noteSilence({ now, node, output, station, sync }: StatusSnapshot): void {
    const before = this.#soundedAtUptimeMs.get(node.id);
    const sounded = before !== undefined && before <= node.uptime_ms;
    if (output.state === 'playing' || output.state === 'filler') this.#soundedAtUptimeMs.set(node.id, node.uptime_ms);
    else if (!sounded) this.#soundedAtUptimeMs.delete(node.id);
    if (!sounded || now === null || now.slot < 0 || output.state !== 'idle') return;
    const at = `${station.time_ms - now.start_ms} of ${now.duration_ms} ms`;
    this.#silences.push(
      `${node.name}, slot ${now.slot} (${now.source}) at ${at}, up ${node.uptime_ms} ms, filler ${sync.filler_ms} ms`,
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
