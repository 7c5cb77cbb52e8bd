import type { Failure, WifiState } from './types.ts';

/** What a phone sees of it; the shape that the web room asks for. */
export interface WifiView {
  phase: 'unavailable' | 'idle' | 'hotspot' | 'trying' | 'failed';
  country: string | null;
  ssid: string | null;
  addresses: string[];
  hostname: string;
  networks: { ssid: string; strength: number; secured: boolean; known: boolean }[];
  scanned_ago_ms: number | null;
  saved: string[];
  failure: { ssid: string; cause: Failure } | null;
  hotspot: { on: boolean; ssid: string; address: string };
}

export function viewOf(
  state: WifiState,
  hotspot: { ssid: string; address: string },
  hostname: string,
  nowMs: number,
): WifiView {
  const { activity, failure, link, networks, saved, scannedAtMs } = state;
  const kept = new Set(saved.map(({ ssidHex }) => ssidHex));
  return {
    phase: phaseOf(state),
    country: state.country,
    ssid: link.ssid,
    addresses: [...link.addresses],
    hostname,
    networks: networks.map(({ ssid, ssidHex, strength, security }) => ({
      ssid,
      strength,
      secured: security !== 'open' && security !== 'owe',
      known: kept.has(ssidHex),
    })),
    scanned_ago_ms: scannedAtMs === null ? null : Math.max(nowMs - scannedAtMs, 0),
    saved: saved.map(({ ssid }) => ssid),
    failure: failure === null ? null : { ssid: failure.ssid, cause: failure.cause },
    hotspot: { on: activity.kind === 'hotspot', ssid: hotspot.ssid, address: hotspot.address },
  };
}

function phaseOf({ available, activity, failure }: WifiState): WifiView['phase'] {
  if (!available) return 'unavailable';
  if (activity.kind === 'trying' || activity.kind === 'seeking') return 'trying';
  if (failure !== null) return 'failed';
  const isOpen = activity.kind === 'hotspot' || activity.kind === 'opening';
  return isOpen ? 'hotspot' : 'idle';
}
