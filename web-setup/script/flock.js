// Who is here, and whether they all play the same at the same time.

import { openCatalog } from './catalog.js';
import { byId, icon, make, matchList, nodeDot, setAttribute, setText, shortId } from './dom.js';
import { drawGraph } from './graph.js';
import { t } from './text.js';

export const flockPart = { view: 'flock', fields: ['peers', 'node', 'diverged', 'station'], draw: drawFlock };

function drawFlock({ peers, node, diverged, diverged_reason, station }) {
  byId('flock-alone').hidden = peers.length > 0;
  setText(byId('flock-count'), t('flock.count', { n: peers.length + 1 }));
  const state = diverged ? 'diverged' : station.phase === 'member' ? 'sync' : 'unknown';
  const self = { node_id: node.id, name: node.name, state, reason: diverged_reason, self: true, phase: station.phase };
  matchList(byId('peers'), [self, ...peers], (peer) => peer.node_id, makeRow, drawRow);
  drawGraph(state, peers);
}

function makeRow(peer) {
  const row = make(
    'li',
    'row',
    nodeDot(peer.node_id),
    make('div', 'row-words', make('bdi', 'row-title'), make('p', 'small')),
    make('div', 'row-side', make('span', 'badge'), make('span', 'small')),
  );
  if (!peer.self) {
    const words = make('span');
    const open = make('button', 'link', words, icon('next'));
    open.type = 'button';
    open.addEventListener('click', () => openCatalog(peer.node_id, row.dataset.name));
    row.children[1].append(open);
  }
  return row;
}

function drawRow(row, peer) {
  const [, text, side] = row.children;
  const open = text.children[2];
  const name = peer.name || shortId(peer.node_id);
  row.dataset.name = name;
  setText(text.children[0], name);
  setText(text.children[1], peerWords(peer));
  setText(side.children[0], t(peer.self && peer.state === 'unknown' ? `phase.${peer.phase}` : `peer.${peer.state}`));
  setAttribute(side.children[0], 'data-state', peer.state);
  setText(side.children[1], typeof peer.offset_ms === 'number' ? t('peer.offset', { ms: peer.offset_ms }) : '');
  if (open === undefined) return;
  const count = typeof peer.tracks === 'number' ? t('catalog.count', { n: peer.tracks }) : '';
  setText(open.firstElementChild, [t('catalog.open'), count].filter(Boolean).join(' · '));
  setAttribute(open, 'aria-label', [t('catalog.open'), count, name].filter(Boolean).join(' · '));
  open.hidden = !peer.catalog && typeof peer.tracks !== 'number';
}

function peerWords(peer) {
  const reason = peer.reason ? t(`reason.${peer.reason}`) : '';
  if (peer.self) return [t('flock.self'), reason].filter(Boolean).join(' · ');
  const plays = peer.state === 'diverged' && peer.track ? t('peer.plays', { name: peer.track.name }) : '';
  const away =
    peer.connected && typeof peer.rtt_ms === 'number' ? t('peer.rtt', { ms: Math.round(peer.rtt_ms * 10) / 10 }) : '';
  const lost = peer.connected ? '' : t('peer.lost');
  return [reason, plays, away, lost].filter(Boolean).join(' · ');
}
