import {
  ATTEMPT_MS,
  BOOT_GRACE_MS,
  FAILURE_SHOWN_MS,
  FIRST_SCAN_MS,
  IDLE_MS,
  KNOWN_MS,
  LINK_LOST_MS,
  MAX_ADDRESSES,
  MAX_PHONES,
  MAX_RECIPES,
  MAX_SAVED,
  OPEN_MS,
  REOPEN_MS,
  SCAN_MS,
} from './limits.ts';
import { bounded } from './networks.ts';
import type { Activity, Failure, Link, Recipe, WifiEffect, WifiEvent, WifiState, WifiTimes, Wish } from './types.ts';

/**
 * Wi-Fi provisioning as a pure function: when the hotspot opens and closes, when networks are tried, and what follows.
 * It knows no clock but `nowMs` of its events (monotonic milliseconds) and touches nothing but its state.
 */

export const WIFI_TIMES: WifiTimes = {
  bootGraceMs: BOOT_GRACE_MS,
  linkLostMs: LINK_LOST_MS,
  scanMs: SCAN_MS,
  firstScanMs: FIRST_SCAN_MS,
  openMs: OPEN_MS,
  reopenMs: REOPEN_MS,
  attemptMs: ATTEMPT_MS,
  idleMs: IDLE_MS,
  knownMs: KNOWN_MS,
  failureShownMs: FAILURE_SHOWN_MS,
};

export interface Step {
  state: WifiState;
  effects: WifiEffect[];
}

const NO_LINK: Link = { wired: false, ssid: null, addresses: [] };

export function initialWifi(times: WifiTimes = WIFI_TIMES): WifiState {
  return {
    times,
    available: false,
    country: null,
    link: NO_LINK,
    networks: [],
    scannedAtMs: null,
    saved: [],
    activity: { kind: 'rest' },
    dueMs: null,
    failure: null,
    nextId: 1,
  };
}

/** What an event makes of the state, and what is to be done in the world. */
export function stepWifi(before: WifiState, event: WifiEvent): Step {
  const happened = apply(before, event);
  const settled = settle(happened.state, event.nowMs);
  return { state: settled.state, effects: [...happened.effects, ...settled.effects] };
}

export function isLinked(link: Link): boolean {
  return link.wired || link.ssid !== null;
}

function apply(state: WifiState, event: WifiEvent): Step {
  const { nowMs } = event;
  switch (event.type) {
    case 'boot':
      return boot(state, event);
    case 'available':
      return availability(state, event.available, nowMs);
    case 'link':
      return still(withLink(state, event.link, nowMs));
    case 'saved':
      return still({ ...state, saved: event.saved.slice(0, MAX_SAVED) });
    case 'scanned':
      return scanned({ ...state, networks: bounded(event.networks), scannedAtMs: nowMs }, nowMs);
    case 'hotspot':
      return hotspot(state, event.on, nowMs);
    case 'phones':
      return still(phones(state, event.count, nowMs));
    case 'outcome':
      return outcome(state, event.id, event.failure, nowMs);
    case 'join':
      return join(state, event.wish, event.country, nowMs);
    case 'forget':
      return forget(state, event.ssids, nowMs);
    case 'country':
      return country(state, event.country, nowMs);
    case 'scan':
      return state.available && state.activity.kind === 'rest' ? beginScan(state, false, nowMs) : still(state);
    case 'tick':
      return still(state);
  }
}

function still(state: WifiState): Step {
  return { state, effects: [] };
}

function boot(state: WifiState, event: WifiEvent & { type: 'boot' }): Step {
  const { nowMs, available, hotspotOn } = event;
  const link = boundedLink(event.link);
  const saved = event.saved.slice(0, MAX_SAVED);
  // With nothing kept there is nothing to wait for.
  const graceMs = saved.length > 0 ? state.times.bootGraceMs : 0;
  return {
    state: {
      ...state,
      available,
      link,
      saved,
      country: event.country,
      activity: available && hotspotOn ? openHotspot(state, nowMs) : { kind: 'rest' },
      dueMs: isLinked(link) ? null : nowMs + graceMs,
    },
    effects: available && event.country !== null ? [{ do: 'setCountry', country: event.country }] : [],
  };
}

function availability(state: WifiState, available: boolean, nowMs: number): Step {
  if (available === state.available) return still(state);
  const dueMs = isLinked(state.link) ? null : nowMs + state.times.bootGraceMs;
  const effects: WifiEffect[] =
    available && state.country !== null ? [{ do: 'setCountry', country: state.country }] : [];
  // Whatever was going on went with the radio.
  const lost = state.activity.kind === 'trying' ? failed(state, state.activity.wish, 'no_answer', nowMs) : state;
  return { state: { ...lost, available, activity: { kind: 'rest' }, dueMs }, effects };
}

function withLink(state: WifiState, told: Link, nowMs: number): WifiState {
  const link = boundedLink(told);
  if (isLinked(link)) return { ...state, link, dueMs: null };
  const { ssid } = state.link;
  // Whoever forgets the network in use wants to be asked anew at once.
  const isForgotten = ssid !== null && !state.saved.some((saved) => saved.ssid === ssid);
  return { ...state, link, dueMs: state.dueMs ?? nowMs + (isForgotten ? 0 : state.times.linkLostMs) };
}

function boundedLink(link: Link): Link {
  return { ...link, addresses: link.addresses.slice(0, MAX_ADDRESSES) };
}

function scanned(state: WifiState, nowMs: number): Step {
  if (state.activity.kind !== 'scanning') return still(state);
  return afterScan(state, state.activity.opens, nowMs);
}

function afterScan(state: WifiState, opens: boolean, nowMs: number): Step {
  if (!opens || isLinked(state.link)) return still(rest(state));
  // A scan that says nothing is not asked for again and again.
  return beginOpening({ ...state, scannedAtMs: state.scannedAtMs ?? nowMs }, nowMs);
}

function beginScan(state: WifiState, opens: boolean, nowMs: number): Step {
  const scanMs = state.saved.length === 0 ? state.times.firstScanMs : state.times.scanMs;
  const activity: Activity = { kind: 'scanning', untilMs: nowMs + scanMs, opens };
  return { state: { ...state, activity }, effects: [{ do: 'scan' }] };
}

function beginOpening(state: WifiState, nowMs: number): Step {
  const activity: Activity = { kind: 'opening', untilMs: nowMs + state.times.openMs };
  return { state: { ...state, activity }, effects: [{ do: 'openHotspot' }] };
}

function rest(state: WifiState): WifiState {
  return { ...state, activity: { kind: 'rest' } };
}

function openHotspot(state: WifiState, nowMs: number): Activity {
  return { kind: 'hotspot', phones: 0, quietSinceMs: nowMs, knownDueMs: nowMs + state.times.knownMs };
}

function hotspot(state: WifiState, on: boolean, nowMs: number): Step {
  const { kind } = state.activity;
  // During an attempt the hotspot is on its way out: what is told of it is old.
  if (kind === 'trying' || kind === 'seeking') return still(state);
  if (on) return still(kind === 'hotspot' ? state : { ...state, activity: openHotspot(state, nowMs) });
  if (kind !== 'opening' && kind !== 'hotspot') return still(state);
  return still(reopenLater(state, nowMs));
}

function reopenLater(state: WifiState, nowMs: number): WifiState {
  return { ...rest(state), dueMs: isLinked(state.link) ? null : nowMs + state.times.reopenMs };
}

function phones(state: WifiState, told: number, nowMs: number): WifiState {
  const { activity } = state;
  if (activity.kind !== 'hotspot') return state;
  const count = Math.min(told, MAX_PHONES);
  const quietSinceMs = count > 0 ? null : (activity.quietSinceMs ?? nowMs);
  return { ...state, activity: { ...activity, phones: count, quietSinceMs } };
}

function join(state: WifiState, wish: Wish, code: string | null, nowMs: number): Step {
  const { activity } = state;
  const [recipe, ...more] = wish.recipes.slice(0, MAX_RECIPES);
  if (!state.available || activity.kind === 'trying' || recipe === undefined) return still(state);
  const effects: WifiEffect[] = [];
  if (activity.kind === 'seeking') effects.push({ do: 'stopTrying', id: activity.id });
  if (activity.kind === 'hotspot' || activity.kind === 'opening') effects.push({ do: 'closeHotspot' });
  if (code !== null) effects.push({ do: 'setCountry', country: code });
  const id = state.nextId;
  effects.push({ do: 'tryNetwork', id, wish, recipe });
  return {
    state: {
      ...state,
      country: code ?? state.country,
      failure: null,
      nextId: id + 1,
      activity: {
        kind: 'trying',
        id,
        wish,
        recipes: [recipe, ...more],
        untilMs: nowMs + state.times.attemptMs,
        before: state.link.ssid,
        firstFailure: null,
      },
    },
    effects,
  };
}

function outcome(state: WifiState, id: number, failure: Failure | null, nowMs: number): Step {
  const { activity } = state;
  if (activity.kind === 'seeking' && activity.id === id) return sought(state, id, failure, nowMs);
  if (activity.kind !== 'trying' || activity.id !== id) return still(state);
  if (failure === null) {
    const { ssid, ssidHex } = activity.wish;
    const others = state.saved.filter((saved) => saved.ssidHex !== ssidHex);
    const saved = [{ ssid, ssidHex }, ...others].slice(0, MAX_SAVED);
    // The link itself is told by its own event; until then the hotspot must not think that it is missed.
    const dueMs = isLinked(state.link) ? null : nowMs + state.times.linkLostMs;
    return { state: { ...rest(state), saved, failure: null, dueMs }, effects: [{ do: 'saveProfile', id }] };
  }
  const [, next, ...more] = activity.recipes;
  const firstFailure = activity.firstFailure ?? failure;
  if (next !== undefined && isWorthAnother(failure)) {
    const again: WifiEffect[] = [
      { do: 'dropProfile', id },
      { do: 'tryNetwork', id: state.nextId, wish: activity.wish, recipe: next },
    ];
    const untilMs = nowMs + state.times.attemptMs;
    const trying: Activity = { ...activity, id: state.nextId, recipes: [next, ...more], untilMs, firstFailure };
    return { state: { ...state, activity: trying, nextId: state.nextId + 1 }, effects: again };
  }
  const after = wayBack(failed(state, activity.wish, tellingOf(firstFailure, failure), nowMs), activity.before, nowMs);
  return { state: after.state, effects: [{ do: 'dropProfile', id }, ...after.effects] };
}

/** Another way of speaking to it does not bring a network into reach, nor an address. */
function isWorthAnother(failure: Failure): boolean {
  return failure !== 'not_found' && failure !== 'no_address';
}

/** Of two failures in a row, the one that says more: a network that got as far as an address did accept the password. */
function tellingOf(first: Failure, last: Failure): Failure {
  const order: Failure[] = ['no_address', 'wrong_password', 'refused', 'no_answer', 'not_found'];
  return order.find((failure) => failure === first || failure === last) ?? last;
}

function failed(state: WifiState, wish: Wish, cause: Failure, nowMs: number): WifiState {
  return { ...state, failure: { ssid: wish.ssid, cause, atMs: nowMs } };
}

/** After an attempt that failed: back to where the box was found before. */
function wayBack(state: WifiState, before: string | null, nowMs: number): Step {
  if (state.link.wired) return still(rest(state));
  if (before !== null && state.saved.some(({ ssid }) => ssid === before)) return seek(state, before, nowMs);
  return beginOpening({ ...state, dueMs: nowMs }, nowMs);
}

function seek(state: WifiState, first: string | null, nowMs: number): Step {
  const id = state.nextId;
  const activity: Activity = { kind: 'seeking', id, untilMs: nowMs + state.times.attemptMs };
  return { state: { ...state, activity, nextId: id + 1 }, effects: [{ do: 'tryKnown', id, first }] };
}

function sought(state: WifiState, id: number, failure: Failure | null, nowMs: number): Step {
  if (failure === null) {
    const dueMs = isLinked(state.link) ? null : nowMs + state.times.linkLostMs;
    return still({ ...rest(state), dueMs });
  }
  const stop: WifiEffect = { do: 'stopTrying', id };
  if (isLinked(state.link)) return { state: rest(state), effects: [stop] };
  const opening = beginOpening({ ...state, dueMs: nowMs }, nowMs);
  return { state: opening.state, effects: [stop, ...opening.effects] };
}

function forget(state: WifiState, ssids: readonly string[], nowMs: number): Step {
  const gone = new Set(ssids);
  const failure = state.failure !== null && gone.has(state.failure.ssid) ? null : state.failure;
  const saved = state.saved.filter(({ ssid }) => !gone.has(ssid));
  const inUse = state.link.ssid !== null && gone.has(state.link.ssid);
  const link = inUse ? { ...state.link, ssid: null } : state.link;
  const dueMs = inUse && !link.wired ? nowMs : state.dueMs;
  return { state: { ...state, saved, failure, link, dueMs }, effects: [{ do: 'forget', ssids: [...ssids] }] };
}

function country(state: WifiState, code: string, nowMs: number): Step {
  const told: Step = { state: { ...state, country: code }, effects: [{ do: 'setCountry', country: code }] };
  if (!state.available || state.activity.kind !== 'rest') return told;
  const scan = beginScan(told.state, false, nowMs);
  return { state: scan.state, effects: [...told.effects, ...scan.effects] };
}

/** What is due by now, whatever the event was. */
function settle(state: WifiState, nowMs: number): Step {
  const current = forgetFailure(state, nowMs);
  if (!current.available) return still(current);
  const { activity } = current;
  switch (activity.kind) {
    case 'rest':
      return current.dueMs !== null && current.dueMs <= nowMs ? beginScan(current, true, nowMs) : still(current);
    case 'scanning':
      return settleScan(current, activity, nowMs);
    case 'opening':
      if (activity.untilMs > nowMs) return still(current);
      return { state: reopenLater(current, nowMs), effects: [{ do: 'closeHotspot' }] };
    case 'hotspot':
      return settleHotspot(current, activity, nowMs);
    case 'trying':
    case 'seeking': {
      if (activity.untilMs > nowMs) return still(current);
      const { id } = activity;
      const after = outcome(current, id, 'no_answer', nowMs);
      return { state: after.state, effects: [{ do: 'stopTrying', id }, ...after.effects] };
    }
  }
}

function settleScan(state: WifiState, activity: Activity & { kind: 'scanning' }, nowMs: number): Step {
  if (activity.opens && isLinked(state.link)) return still(rest(state));
  // A person asked for a scan, and meanwhile the hotspot became due: one scan serves both.
  const opens = activity.opens || (state.dueMs !== null && state.dueMs <= nowMs);
  return activity.untilMs <= nowMs
    ? afterScan(state, opens, nowMs)
    : still({ ...state, activity: { ...activity, opens } });
}

function settleHotspot(state: WifiState, activity: Activity & { kind: 'hotspot' }, nowMs: number): Step {
  const { phones: count, quietSinceMs, knownDueMs } = activity;
  if (count > 0 || quietSinceMs === null || nowMs - quietSinceMs < state.times.idleMs) return still(state);
  if (isLinked(state.link)) return { state: { ...rest(state), dueMs: null }, effects: [{ do: 'closeHotspot' }] };
  // Found open at the start, with no list of networks to offer: nobody is on it, so there is time to make one.
  if (state.scannedAtMs === null) {
    const scan = beginScan(state, true, nowMs);
    return { state: scan.state, effects: [{ do: 'closeHotspot' }, ...scan.effects] };
  }
  if (state.saved.length === 0 || nowMs < knownDueMs) return still(state);
  const seeking = seek(state, null, nowMs);
  return { state: seeking.state, effects: [{ do: 'closeHotspot' }, ...seeking.effects] };
}

function forgetFailure(state: WifiState, nowMs: number): WifiState {
  const { failure, link, times } = state;
  const isOld = failure !== null && isLinked(link) && nowMs - failure.atMs >= times.failureShownMs;
  return isOld ? { ...state, failure: null } : state;
}

/** The ways in which a network of this kind is tried, in order. */
export function recipesFor(security: Recipe | 'mixed' | 'unknown'): Recipe[] {
  switch (security) {
    case 'mixed':
    case 'unknown':
      // Current firmware of the Raspberry Pi fails on networks that offer WPA2 and WPA3 under one name.
      return ['psk', 'wpa2'];
    default:
      return [security];
  }
}
