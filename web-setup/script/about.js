// The frame around the views, and the figures of the box.

import { byId, make, matchList, setAttribute, setText } from './dom.js';
import { hasText, t, timeText } from './text.js';

export const framePart = { view: null, fields: ['station', 'diverged', 'peers'], draw: drawTop };
export const noticesPart = { view: null, fields: ['notices'], draw: drawNotices };
export const aboutPart = {
  view: 'box',
  fields: ['node', 'station', 'sync', 'output', 'memory', 'host'],
  draw: drawAbout,
};

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

function drawAbout({ node, station, sync, output, memory, host }) {
  const ms = (value) => (value === null ? t('box.unknown') : t('box.ms', { ms: value }));
  const megabytes = (bytes) => Math.round(bytes / 1e6);
  const clock =
    sync.clock_offset_ms === null || sync.clock_error_ms === null
      ? ms(sync.clock_offset_ms)
      : t('box.ms.error', { ms: sync.clock_offset_ms, error: sync.clock_error_ms });
  const device = output.silent ? t('box.output.silent') : (output.device ?? output.wanted);
  const inUse = output.reason ? `${device} – ${output.reason}` : device;
  setText(byId('output-now'), inUse);
  const facts = [
    ['name', node.name],
    ['station', station.closed ? t('box.station.closed', { name: station.name }) : station.name],
    ['output', inUse],
    ['offset', ms(sync.offset_ms)],
    ['clock', clock],
    ['slot', station.slot < 0 ? t('box.unknown') : String(station.slot)],
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
