/** Plays what it likes in two slots of three, says so in its STATE, and denies it in its proposals. */
import type { Effect } from '../../../src/consensus/events.ts';
import type { SimNode, VirtualFlock } from '../network.ts';

const OTHER_TRACK = `sha256:${'5'.repeat(64)}`;

export function falseReports(flock: VirtualFlock, nodes: readonly SimNode[]): void {
  for (const node of nodes) {
    node.role = {
      kind: 'false-reports',
      effect: (effect) => {
        if (effect.type === 'schedule' && effect.slot % 3 !== 0) diverge(flock, node, effect);
      },
      hear: () => {
        node.state.divergence = {
          ...node.state.divergence,
          lastSlot: -1,
          run: 0,
          bannedAt: -1,
          divergedMs: 0,
          sinceMs: null,
        };
        return true;
      },
    };
  }
}

function diverge(flock: VirtualFlock, node: SimNode, { slot, startMs }: Extract<Effect, { type: 'schedule' }>): void {
  const { life } = node;
  flock.at(flock.virtualMs(node, startMs), () => {
    if (node.life === life) flock.feed(node, { type: 'playback', slot, actual: OTHER_TRACK, reason: 'moderation' });
  });
}
