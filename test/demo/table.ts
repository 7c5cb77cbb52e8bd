import type { FlockObserver } from './observer.ts';

const CLEAR = '\u001b[2J\u001b[H';

/** The live table: one row a node. On something that is no terminal, a line every ten seconds instead. */
export function drawTable(observer: FlockObserver, leftMs: number): void {
  const rows = [...observer.latest.values()].map((status) => {
    const { now } = status;
    return [
      status.node.name,
      status.station.phase,
      String(status.peers.length),
      `${status.library.ready}/${status.library.tracks}`,
      now === null ? '-' : `${now.slot} ${now.track?.name ?? `(${now.source})`}`.slice(0, 44),
      now?.position_ms == null ? '-' : (now.position_ms / 1_000).toFixed(1),
      status.sync.offset_ms === null ? '-' : status.sync.offset_ms.toFixed(2),
      status.queue.map((entry) => `${entry.slot}${entry.final ? '' : '?'}${entry.ready ? '' : '*'}`).join(' '),
    ];
  });
  const head = ['node', 'phase', 'peers', 'tracks', 'now', 's', 'offset ms', 'queue (? settling, * not here)'];
  const lastSpread = observer.spreads().at(-1);
  const foot = `${Math.round(leftMs / 1_000)} s left, ${observer.decided.size} slots decided, ${observer.conflicts().length} conflicts, spread ${lastSpread?.toFixed(3) ?? '-'} ms`;
  if (process.stdout.isTTY) {
    process.stdout.write(`${CLEAR}${layOut([head, ...rows])}\n\n${foot}\n`);
  } else if (Math.round(leftMs / 500) % 20 === 0) {
    console.log(`${layOut(rows)}\n${foot}`);
  }
}

function layOut(rows: readonly string[][]): string {
  const widths = rows.reduce<number[]>((best, row) => row.map((cell, i) => Math.max(best[i] ?? 0, cell.length)), []);
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')).join('\n');
}
