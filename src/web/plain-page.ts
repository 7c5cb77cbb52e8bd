/**
 * The status as plain HTML inside the page: what a browser without script shows, and what every browser shows until
 * its script has started. Everything that strangers wrote goes through `escapeHtml`.
 */
import { isCidText } from './images.ts';
import { escapeHtml, type Texts, type Translate, timeText, translator } from './plain-text.ts';
import type { NowStatus, PeerStatus, QueueStatus, StatusSnapshot, TrackStatus } from './snapshot.ts';

/** Where the template takes the plain status. */
export const PLAIN_MARK = '<!-- plain status -->';

/**
 * The page with the plain status filled in.
 * @param template text of index.html
 */
export function renderPage(template: string, status: StatusSnapshot, language: string, texts: Texts): string {
  const plain = plainStatus(status, translator(language, texts));
  return template
    .replace('<html lang="en"', () => `<html lang="${escapeHtml(language)}"`)
    .replace('<title>Starling', () => `<title>${escapeHtml(status.station.name)} – Starling`)
    .replace(PLAIN_MARK, () => plain);
}

function plainStatus(status: StatusSnapshot, t: Translate): string {
  const parts = [
    `<h1>${bdi(status.station.name)}</h1>`,
    `<p>${escapeHtml(t(`phase.${status.station.phase}`))}${status.diverged ? ` – ${escapeHtml(t('diverged.self'))}` : ''}</p>`,
    ...lightPlain(status.light, t),
    ...status.notices
      .filter(({ level }) => level !== 'info')
      .map((notice) => `<p class="notice">${escapeHtml(noticeText(notice, t))}</p>`),
    section(t('now.heading'), nowPlain(status.now, t)),
    section(
      t('queue.heading'),
      rows(status.queue, (entry) => queueRow(entry, t), t('queue.empty'), 'ol'),
    ),
    section(
      t('flock.heading'),
      rows(status.peers, (peer) => peerRow(peer, t), t('flock.alone'), 'ul'),
    ),
    section(t('music.heading'), musicPlain(status, t)),
    `<noscript><p class="small">${escapeHtml(t('plain.reload'))}</p></noscript>`,
  ];
  return parts.join('\n');
}

/** What the light on the box shows and means: a page without script cannot blink. */
function lightPlain(light: StatusSnapshot['light'], t: Translate): string[] {
  if (light?.pattern == null || light.text === undefined) return [];
  const { pattern } = light;
  const words = (part: string, english: string) => {
    const text = t(`light.${pattern}${part}`);
    return text === `light.${pattern}${part}` ? english : text;
  };
  const told = [
    `${t('light.heading')}: ${words('.looks', light.looks ?? '')}.`,
    words('', light.text),
    words('.help', light.help ?? ''),
  ];
  return [`<p class="small">${escapeHtml(told.join(' '))}</p>`];
}

/** A notice in the reader's language where its code is known. */
function noticeText(notice: { code: string; text: string }, t: Translate): string {
  const key = `notice.${notice.code}`;
  const text = t(key);
  return text === key ? notice.text : text;
}

function section(heading: string, body: string): string {
  return `<section><h2>${escapeHtml(heading)}</h2>\n${body}</section>`;
}

function rows<T>(items: readonly T[], row: (item: T) => string, empty: string, tag: 'ol' | 'ul'): string {
  if (items.length === 0) return `<p>${escapeHtml(empty)}</p>`;
  return `<${tag}>\n${items.map((item) => `<li>${row(item)}</li>`).join('\n')}\n</${tag}>`;
}

function bdi(text: string): string {
  return `<bdi>${escapeHtml(text)}</bdi>`;
}

/** Title in bold and the artist, or the one name that is known. */
function trackPlain(track: TrackStatus): string {
  if (!track.title) return `<strong>${bdi(track.name)}</strong>`;
  return `<strong>${bdi(track.title)}</strong>${track.artist ? ` – ${bdi(track.artist)}` : ''}`;
}

function by(entry: { node_id: string | null; node_name: string | null }, t: Translate): string {
  const name = entry.node_name ?? entry.node_id;
  return name === null ? '' : ` · ${escapeHtml(t('by', { name: '\u2068' })).replace('\u2068', () => bdi(name))}`;
}

function nowPlain(now: NowStatus | null, t: Translate): string {
  if (now === null || now.track === null) return `<p>${escapeHtml(t('now.nothing'))}</p>`;
  const { cover } = now.track;
  const picture =
    typeof cover === 'string' && isCidText(cover)
      ? `<img class="cover" src="/cover/${escapeHtml(cover)}" alt="" width="160" height="160">`
      : '';
  const position = now.position_ms === null ? '' : `${timeText(now.position_ms)} / `;
  const source = now.source === 'flock' ? '' : ` · ${escapeHtml(t(`source.${now.source}`))}`;
  return `${picture}<p>${trackPlain(now.track)}<br>${position}${timeText(now.duration_ms)}${by(now, t)}${source}</p>`;
}

function queueRow(entry: QueueStatus, t: Translate): string {
  const track = entry.track === null ? escapeHtml(t('queue.own')) : trackPlain(entry.track);
  return `${track}${by(entry, t)} · ${escapeHtml(t(entry.final ? 'queue.settled' : 'queue.settling'))}`;
}

function peerRow(peer: PeerStatus, t: Translate): string {
  const reason = peer.reason === null ? '' : ` (${escapeHtml(t(`reason.${peer.reason}`))})`;
  return `${bdi(peer.name || peer.node_id)} · ${escapeHtml(t(`peer.${peer.state}`))}${reason}`;
}

function musicPlain({ library }: StatusSnapshot, t: Translate): string {
  const figures = escapeHtml(t('music.ready', { ready: library.ready, n: library.tracks }));
  const progress = library.scanning
    ? `<p>${escapeHtml(t('music.scanning', { done: library.done_files, total: library.total_files }))}</p>`
    : '';
  if (library.skipped_total === 0) return `<p>${figures}</p>${progress}`;
  const heading = escapeHtml(t('music.skipped', { n: library.skipped_total }));
  const list = rows(library.skipped, (file) => `${bdi(file.path)}: ${escapeHtml(file.text)}`, '', 'ul');
  return `<p>${figures}</p>${progress}<h3>${heading}</h3>${list}`;
}
