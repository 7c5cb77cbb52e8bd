// Draws the status. Each view names the fields that it depends on.

import { murmuration } from './art.js';
import { bdi, byId, make, matchList, nodeDot, setAttribute, setText } from './dom.js';
import { hasText, t, timeText } from './text.js';

/** Every view with its fields. */
export const VIEWS = [
  { fields: ['station', 'node', 'diverged', 'peers'], draw: drawTop },
  { fields: ['notices'], draw: drawNotices },
  { fields: ['now', 'node'], draw: drawNow },
  { fields: ['queue', 'station', 'node'], draw: drawQueue },
  { fields: ['peers', 'node', 'diverged', 'station'], draw: drawFlock },
  { fields: ['library'], draw: drawMusic },
  { fields: ['node', 'station', 'sync', 'output', 'memory', 'host'], draw: drawBox },
];

function drawTop({ station, peers, diverged }) {
  setText(byId('station'), station.name);
  document.title = `${station.name} – Starling`;
  const alone = station.phase === 'member' && !peers.some((peer) => peer.connected);
  const text = diverged ? t('diverged.self') : t(alone ? 'phase.alone' : `phase.${station.phase}`);
  setText(byId('state-text'), text);
  const kind = diverged ? 'diverged' : station.phase === 'member' ? 'sync' : 'unknown';
  setAttribute(byId('state'), 'data-state', kind);
}

/** Told in full where they belong: no banner beside it. */
const SHOWN_ELSEWHERE = new Set(['skippedFiles']);

function drawNotices({ notices }) {
  matchList(
    byId('notices'),
    notices.filter(({ code }) => !SHOWN_ELSEWHERE.has(code)),
    (notice) => notice.code,
    () => make('p', 'notice'),
    (element, notice) => {
      setAttribute(element, 'data-level', notice.level);
      setText(element, hasText(`notice.${notice.code}`) ? t(`notice.${notice.code}`) : notice.text);
    },
  );
}

/** Title and artist in two lines; a track of which only the name is known has one. */
function words(track) {
  return track.title ? { title: track.title, artist: track.artist ?? '' } : { title: track.name, artist: '' };
}

/** Who brought a track, as dot and text; the name keeps its own direction. */
function broughtBy(entry, selfId) {
  if (entry.node_id === null) return [];
  if (entry.node_id === selfId) return [nodeDot(entry.node_id), t('by.self')];
  const [before = '', after = ''] = t('by', { name: '\u0001' }).split('\u0001');
  return [nodeDot(entry.node_id), before, bdi(entry.node_name ?? shortId(entry.node_id)), after];
}

function shortId(nodeId) {
  return `…${nodeId.slice(-6)}`;
}

/** Puts nodes into an element only when what they say has changed. */
function setParts(element, signature, parts) {
  if (element.dataset.signature === signature) return;
  element.dataset.signature = signature;
  element.replaceChildren(...parts);
}

function drawNow({ now, node }) {
  const track = now?.track ?? null;
  const { title, artist } =
    track === null ? { title: t(now === null ? 'now.nothing' : 'now.silence'), artist: '' } : words(track);
  setText(byId('now-title'), title);
  setText(byId('now-artist'), artist);
  drawCover(track, title);
  const by = now === null ? [] : broughtBy(now, node.id);
  setParts(byId('now-by'), `${document.documentElement.lang} ${now?.node_id} ${now?.node_name}`, by);
  setText(byId('now-source'), now === null || now.source === 'flock' ? '' : t(`source.${now.source}`));
}

function drawCover(track, title) {
  const cover = byId('now-cover');
  const key = `${track?.hash ?? ''} ${track?.cover ?? ''} ${title}`;
  if (cover.dataset.key === key) return;
  cover.dataset.key = key;
  if (track === null) {
    cover.replaceChildren(murmuration('0'));
    return;
  }
  if (!track.cover) {
    cover.replaceChildren(murmuration(track.hash));
    return;
  }
  const picture = make('img');
  picture.alt = t('now.cover', { title });
  picture.addEventListener('error', () => cover.replaceChildren(murmuration(track.hash)), { once: true });
  picture.src = `/cover/${encodeURIComponent(track.cover)}`;
  cover.replaceChildren(picture);
}

function drawQueue({ queue, node, station }) {
  byId('queue-empty').hidden = queue.length > 0;
  matchList(
    byId('queue'),
    queue,
    (entry) => String(entry.slot),
    makeQueueRow,
    (row, entry, index) => {
      const [place, text, side] = row.children;
      setText(place, String(index + 1));
      const { title, artist } = entry.track === null ? { title: t('queue.own'), artist: '' } : words(entry.track);
      setText(text.children[0], title);
      setText(text.children[1], artist);
      setParts(
        text.children[2],
        `${document.documentElement.lang} ${entry.node_id} ${entry.node_name}`,
        broughtBy(entry, node.id),
      );
      setText(
        side.children[0],
        t('queue.in', { n: Math.max(0, Math.ceil((entry.start_ms - station.time_ms) / 60_000)) }),
      );
      setText(side.children[1], t(entry.final ? 'queue.settled' : 'queue.settling'));
      setAttribute(side.children[1], 'data-state', entry.final ? 'settled' : 'settling');
      side.children[1].title = entry.final ? '' : t('queue.settling.hint');
      setText(side.children[2], entry.track === null ? '' : t(entry.ready ? 'queue.ready' : 'queue.fetching'));
    },
  );
}

function makeQueueRow() {
  return make(
    'li',
    'row',
    make('span', 'place'),
    make('div', 'row-words', make('bdi', 'row-title'), make('bdi', 'row-artist'), make('p', 'by')),
    make('div', 'row-side', make('span', 'length'), make('span', 'badge'), make('span', 'small')),
  );
}

function drawFlock({ peers, node, diverged, station }) {
  byId('flock-alone').hidden = peers.length > 0;
  setText(byId('flock-count'), t('flock.count', { n: peers.length + 1 }));
  const self = {
    node_id: node.id,
    name: node.name,
    state: diverged ? 'diverged' : station.phase === 'member' ? 'sync' : 'unknown',
    self: true,
    phase: station.phase,
  };
  matchList(
    byId('peers'),
    [self, ...peers],
    (peer) => peer.node_id,
    () => makePeerRow(),
    drawPeer,
  );
}

function makePeerRow() {
  return make(
    'li',
    'row',
    make('span', 'dot'),
    make('div', 'row-words', make('bdi', 'row-title'), make('p', 'small')),
    make('div', 'row-side', make('span', 'badge'), make('span', 'small')),
  );
}

function drawPeer(row, peer) {
  const [dot, text, side] = row.children;
  if (row.dataset.hue !== peer.node_id) {
    row.dataset.hue = peer.node_id;
    dot.replaceWith(nodeDot(peer.node_id));
  }
  setText(text.children[0], peer.name || shortId(peer.node_id));
  setText(text.children[1], peerWords(peer));
  setText(side.children[0], t(peer.self && peer.state === 'unknown' ? `phase.${peer.phase}` : `peer.${peer.state}`));
  setAttribute(side.children[0], 'data-state', peer.state);
  const offset = typeof peer.offset_ms === 'number' ? t('peer.offset', { ms: peer.offset_ms }) : '';
  setText(side.children[1], offset);
}

function peerWords(peer) {
  if (peer.self) return t('flock.self');
  const reason = peer.reason ? t(`reason.${peer.reason}`) : '';
  const plays = peer.state === 'diverged' && peer.track ? t('peer.plays', { name: peer.track.name }) : '';
  return [reason, plays].filter(Boolean).join(' · ');
}

function drawMusic({ library }) {
  const none = library.tracks === 0 && !library.scanning;
  setText(byId('music-ready'), none ? t('music.empty') : t('music.ready', { ready: library.ready, n: library.tracks }));
  byId('music-progress').hidden = !library.scanning;
  setAttribute(byId('music-track'), 'aria-valuemax', Math.max(1, library.total_files));
  setAttribute(byId('music-track'), 'aria-valuenow', library.done_files);
  byId('music-bar').style.setProperty('--share', String(library.done_files / Math.max(1, library.total_files)));
  const speed = library.realtime_x > 1 ? ` · ${t('music.speed', { x: Math.round(library.realtime_x) })}` : '';
  setText(
    byId('music-scanning'),
    t('music.scanning', { done: library.done_files, total: library.total_files }) + speed,
  );
  setText(
    byId('music-sources'),
    library.sources.length === 0 ? '' : `${t('music.sources')}: ${library.sources.join(', ')}`,
  );
  byId('skipped').hidden = library.skipped_total === 0;
  setText(byId('skipped-summary'), t('music.skipped', { n: library.skipped_total }));
}

function drawBox({ node, station, sync, output, memory, host }) {
  const ms = (value) => (value === null ? t('box.unknown') : t('box.ms', { ms: value }));
  const megabytes = (bytes) => Math.round(bytes / 1e6);
  const clock =
    sync.clock_offset_ms === null || sync.clock_error_ms === null
      ? ms(sync.clock_offset_ms)
      : t('box.ms.error', { ms: sync.clock_offset_ms, error: sync.clock_error_ms });
  const device = output.silent ? t('box.output.silent') : (output.device ?? output.wanted);
  const facts = [
    ['name', node.name],
    ['station', station.closed ? t('box.station.closed', { name: station.name }) : station.name],
    ['slot', station.slot < 0 ? t('box.unknown') : String(station.slot)],
    ['output', output.reason ? `${device} – ${output.reason}` : device],
    ['offset', ms(sync.offset_ms)],
    ['clock', clock],
    [
      'memory',
      t('box.memory.value', { own: megabytes(memory.rss_bytes), children: megabytes(memory.children_rss_bytes) }),
    ],
    ...(host.temperature_c === null ? [] : [['temperature', t('box.temperature.value', { c: host.temperature_c })]]),
    ['uptime', timeText(node.uptime_ms)],
    ...(host.model === null ? [] : [['model', host.model]]),
    ['version', node.version],
    ['id', node.id],
  ];
  matchList(
    byId('box-list'),
    facts,
    ([name]) => name,
    () => make('div', 'fact', make('dt'), make('dd')),
    (element, [name, value]) => {
      setText(element.children[0], t(`box.${name}`));
      setText(element.children[1], value);
    },
  );
}
