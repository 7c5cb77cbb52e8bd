// How a track, and who brought it, are shown everywhere.

import { murmuration, smallMurmuration } from './art.js';
import { bdi, make, nodeDot, shortId } from './dom.js';
import { t } from './text.js';

/** Title and artist in two lines; a track of which only the name is known has one. */
export function words(track) {
  if (track.title) return { title: track.title, artist: track.artist ?? '' };
  const [artist, ...rest] = track.name.split(' – ');
  return rest.length === 0 ? { title: track.name, artist: '' } : { title: rest.join(' – '), artist };
}

/** Who brought a track, as dot and text; the name keeps its own direction. */
export function broughtBy(entry, selfId) {
  if (entry.node_id === null) return [];
  if (entry.node_id === selfId) return [nodeDot(entry.node_id), t('by.self')];
  const [before = '', after = ''] = t('by', { name: '\u0001' }).split('\u0001');
  return [nodeDot(entry.node_id), before, bdi(entry.node_name ?? shortId(entry.node_id)), after];
}

/**
 * Puts a track's picture into its place: its cover, or a murmuration.
 * @param {HTMLElement} place
 * @param {object | null} track
 * @param {string} title for the cover's description; "" where the title stands beside it
 */
export function putCover(place, track, title, small = false) {
  const key = `${track?.hash ?? ''} ${track?.cover ?? ''} ${title}`;
  if (place.dataset.cover === key) return;
  place.dataset.cover = key;
  const drawn = () => (small ? smallMurmuration : murmuration)(track?.hash ?? '0');
  if (!track?.cover) {
    place.replaceChildren(drawn());
    return;
  }
  const picture = make('img');
  picture.alt = title === '' ? '' : t('now.cover', { title });
  picture.addEventListener('error', () => place.replaceChildren(drawn()), { once: true });
  picture.src = `/cover/${encodeURIComponent(track.cover)}`;
  place.replaceChildren(picture);
}
