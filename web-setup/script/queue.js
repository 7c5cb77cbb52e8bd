// The next five, and why each of them: the numbers of its draw, to compare by hand.

import { get } from './api.js';
import {
  bdi,
  byId,
  icon,
  make,
  makeText,
  matchList,
  nodeDot,
  setAttribute,
  setParts,
  setText,
  shortId,
} from './dom.js';
import { t } from './text.js';
import { broughtBy, putCover, words } from './tracks.js';

/** More are not compared by hand; the winner is among the first. */
const MAX_SHOWN_PROPOSALS = 16;
const SOON_MS = 90_000;

export const queuePart = { view: 'now', fields: ['queue', 'station', 'node'], draw: drawQueue };

let selfId = '';

function drawQueue({ queue, node, station }) {
  selfId = node.id;
  byId('queue-empty').hidden = queue.length > 0;
  matchList(
    byId('queue'),
    queue,
    (entry) => String(entry.slot),
    () => makeRow(),
    (row, entry) => drawRow(row, entry, station),
  );
}

function makeRow() {
  const summary = make(
    'summary',
    'row',
    make('span', 'thumb'),
    make('div', 'row-words', make('bdi', 'row-title'), make('bdi', 'row-artist'), make('p', 'by')),
    make('div', 'row-side', make('span', 'length'), make('span', 'badge'), make('span', 'small')),
    icon('chevron'),
  );
  const details = make('details', 'why', summary, make('div', 'why-body'));
  details.addEventListener('toggle', () => {
    if (details.open) fillReason(details);
  });
  return make('li', 'queue-row', details);
}

function drawRow(row, entry, station) {
  const details = row.firstElementChild;
  const [thumb, text, side] = details.firstElementChild.children;
  const { title, artist } = entry.track === null ? { title: t('queue.own'), artist: '' } : words(entry.track);
  putCover(thumb, entry.track !== null && !entry.ready ? { ...entry.track, cover: null } : entry.track, '', true);
  setText(text.children[0], title);
  setText(text.children[1], artist);
  const why = shortReason(entry);
  setParts(text.children[2], `${entry.node_id} ${entry.node_name} ${why}`, () => [
    ...broughtBy(entry, selfId),
    ...(why === '' ? [] : [` · ${why}`]),
  ]);
  setText(side.children[0], whenText(entry.start_ms - station.time_ms));
  setText(side.children[1], t(entry.final ? 'queue.settled' : 'queue.settling'));
  setAttribute(side.children[1], 'data-state', entry.final ? 'settled' : 'settling');
  side.children[1].title = entry.final ? '' : t('queue.settling.hint');
  setText(side.children[2], stateOf(entry));
  // A draw that is not over may end otherwise: its numbers are asked for again.
  const version = `${document.documentElement.lang} ${entry.final} ${entry.ticket} ${entry.proposals}`;
  if (details.dataset.version === version) return;
  details.dataset.version = version;
  details.dataset.slot = String(entry.slot);
  details.dataset.kind = kindOf(entry);
  if (details.open) fillReason(details);
}

/** By the minute, and in steps of five seconds where minutes say too little. */
function whenText(inMs) {
  if (inMs > SOON_MS) return t('queue.in', { n: Math.ceil(inMs / 60_000) });
  return t('queue.soon', { n: Math.max(0, Math.ceil(inMs / 5_000) * 5) });
}

function stateOf({ track, ready, moderation }) {
  if (track === null) return '';
  if (moderation) return t('queue.moderated');
  return t(ready ? 'queue.ready' : 'queue.fetching');
}

function kindOf({ track, node_id, ticket }) {
  if (track === null) return 'own';
  if (node_id === null) return 'fallback';
  return ticket === null ? 'founder' : 'draw';
}

function shortReason(entry) {
  return entry.ticket !== null && entry.proposals > 0 ? t('why.lowest', { n: entry.proposals }) : '';
}

async function fillReason(details) {
  const body = details.children[1];
  const { kind, slot, version } = details.dataset;
  if (kind !== 'draw') {
    body.replaceChildren(makeText('p', 'small', `why.${kind}`));
    return;
  }
  if (body.childElementCount === 0) body.replaceChildren(makeText('p', 'small', 'loading'));
  let parts;
  try {
    parts = drawParts(await get(`/api/draw/${slot}`));
  } catch {
    parts = [makeText('p', 'small', 'why.unknown')];
  }
  if (details.dataset.version === version) body.replaceChildren(...parts);
}

function drawParts({ slot, draw, beacon, proposals, winner, seed }) {
  const byTicket = draw !== 'hash-mod';
  const rule = byTicket ? t('why.ticket') : t('why.hash', { n: proposals.length });
  const sorted = byTicket ? [...proposals].sort((a, b) => (a.ticket < b.ticket ? -1 : 1)) : proposals;
  const list = make('ol', 'proposals');
  list.append(
    ...sorted.slice(0, MAX_SHOWN_PROPOSALS).map((proposal) => proposalRow(proposal, proposal.node_id === winner)),
  );
  return [
    make('p', 'small', rule),
    list,
    make('p', 'fine', `${t('why.slot', { slot })} · ${t('why.beacon')} `, make('code', '', beacon ?? '–')),
    ...(seed ? [make('p', 'fine', `${t('why.seed')} `, make('code', '', seed))] : []),
  ];
}

function proposalRow({ node_id, name, ticket, track }, won) {
  const who = node_id === selfId ? make('span', '', t('flock.self')) : bdi(name || shortId(node_id));
  const what = make('span', 'proposal-track', bdi(track?.name ?? ''));
  const top = make(
    'p',
    'proposal-who',
    nodeDot(node_id),
    who,
    ...(won ? [makeText('span', 'badge', 'why.winner')] : []),
  );
  const number = make('code', 'ticket');
  if (ticket) number.append(make('b', '', ticket.slice(0, 6)), ticket.slice(6));
  const row = make('li', 'proposal', top, what, number);
  if (won) {
    row.dataset.won = 'yes';
    top.lastElementChild.dataset.state = 'settled';
  }
  return row;
}
