import { CHANGE_PATHS } from '../../src/web/change-guards.ts';
import { PLAYING, WIFI_PASSWORD } from './fakes.ts';

/** Bodies that are right in themselves, so that what is refused is refused for what the test does. */
const BODIES: Record<string, unknown> = {
  '/api/pair': { name: 'Phone' },
  '/api/phones/revoke': { id: 'AAAAAAAAAAAA' },
  '/api/skip': { slot: null },
  '/api/never': { hash: null },
  '/api/allow': { hash: PLAYING.hash },
  '/api/like': { hash: PLAYING.hash },
  '/api/filters': { explicit: false, genres: ['polka'] },
  '/api/settings': { volume: 30 },
  '/api/reset': { what: 'wifi', confirm: 'Kitchen' },
  '/api/wifi/join': { ssid: 'Home <b>', password: WIFI_PASSWORD },
  '/api/wifi/forget': { ssid: 'Home <b>' },
  '/api/wifi/country': { country: 'GB' },
  '/api/update/prepare': { bytes: 1_000 },
  '/api/update/install': { file: 'sda1/starling-1.3.0-arm64.update' },
};

/** Every route that changes something, but for the form without script. */
export const CHANGES = [...CHANGE_PATHS].filter((path) => path.startsWith('/api/'));

export function bodyFor(path: string): unknown {
  return BODIES[path] ?? {};
}
