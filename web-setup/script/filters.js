// What this box does not play, whoever brings it.

import { act } from './act.js';
import { get, post } from './api.js';
import { bdi, byId, iconButton, make, matchList } from './dom.js';
import { currentView, onView } from './router.js';
import { onSession, session } from './session.js';
import { t } from './text.js';

let filters = { explicit: true, genres: [] };

export function startFilters() {
  onSession(load);
  onView(load);
  const explicit = byId('filter-explicit');
  explicit.addEventListener('change', () => change(explicit, { ...filters, explicit: explicit.checked }));
  byId('filter-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    const input = byId('filter-genre');
    const genre = input.value.trim().toLowerCase();
    if (genre === '' || filters.genres.includes(genre)) return;
    if (await change(event.submitter, { ...filters, genres: [...filters.genres, genre] })) input.value = '';
  });
}

async function load() {
  byId('filters').hidden = !session.can.music;
  if (!session.can.music || currentView() !== 'music') return;
  try {
    show(await get('/api/filters'));
  } catch {
    // What was shown stays; the banner tells when the box is gone.
  }
}

/** The box's answer is what counts: a refused change is put back. */
async function change(control, wanted) {
  const agreed = await act(control, () => post('/api/filters', { explicit: wanted.explicit, genres: wanted.genres }), {
    done: show,
  });
  if (!agreed) show(filters);
  return agreed;
}

function show({ explicit, genres }) {
  filters = { explicit, genres };
  byId('filter-explicit').checked = explicit;
  byId('filter-genres-none').hidden = genres.length > 0;
  byId('filter-genres').hidden = genres.length === 0;
  matchList(
    byId('filter-genres'),
    genres,
    (genre) => `${document.documentElement.lang} ${genre}`,
    (genre) => {
      const remove = iconButton('close', t('music.filters.remove', { genre }), () =>
        change(remove, { ...filters, genres: filters.genres.filter((other) => other !== genre) }),
      );
      return make('li', 'chip', bdi(genre), remove);
    },
    () => {},
  );
}
