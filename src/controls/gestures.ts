/**
 * Two buttons, their contacts bouncing, and what a hand means by them. Pure: time comes in with the events, wishes go
 * out as values, and a state is never changed but replaced.
 *
 *     (state, edge or time) -> (state, wishes)        wakeAtMs(state): when time itself will mean something
 */
import {
  APART_MS,
  DEBOUNCE_MS,
  PAIR_HOLD_MS,
  RESET_ALL_HOLD_MS,
  RESET_WIFI_HOLD_MS,
  SHORT_PRESS_MS,
  STUCK_MS,
  UNDO_MS,
} from './limits.ts';
import { BUTTON_NAMES, type ButtonName, type Edge } from './ports.ts';

export type ResetKind = 'wifi' | 'all';

export type GestureEvent =
  | ({ kind: 'edge' } & Edge)
  /** Nothing but time has passed. */
  | { kind: 'time'; atMs: number }
  /** The last "never again" was not done: there is nothing to take back. */
  | { kind: 'neverRefused'; atMs: number };

export type Gesture =
  | { kind: 'skip' }
  | { kind: 'never' }
  /** Takes the last "never again" back. */
  | { kind: 'undo' }
  | { kind: 'pair' }
  /** Letting go now resets. */
  | { kind: 'armed'; what: ResetKind }
  /** Letting go does nothing any more. */
  | { kind: 'disarmed' }
  | { kind: 'reset'; what: ResetKind }
  | { kind: 'stuck'; button: ButtonName }
  | { kind: 'freed'; button: ButtonName };

/** One button: what the wire says, and what it has said for long enough to be believed. */
interface Contact {
  raw: boolean;
  rawSinceMs: number;
  down: boolean;
  downSinceMs: number;
  /** Down for too long, or from the start: worth nothing until it was let go. */
  stuck: boolean;
}

/** From the first button going down until all have been up for `APART_MS`. */
interface Press {
  /** The button that took part, or both. */
  who: ButtonName | 'both';
  downAtMs: number;
  /** Null while a button is down. */
  upAtMs: number | null;
  /** Since when both are down, null while they are not. */
  bothSinceMs: number | null;
  armed: ResetKind | null;
  /** It has meant something already, and means nothing more. */
  spent: boolean;
}

export interface GestureState {
  readonly atMs: number;
  readonly contacts: Readonly<Record<ButtonName, Contact>>;
  readonly press: Press | null;
  /** When the track was banned that the next press would bring back. */
  readonly neverAtMs: number | null;
}

export interface GestureStep {
  state: GestureState;
  wishes: Gesture[];
}

/** @param pressed buttons that are down already: whatever lies on them is no wish */
export function initialGestures(pressed: readonly ButtonName[], atMs: number): GestureState {
  const contact = (button: ButtonName): Contact => {
    const down = pressed.includes(button);
    return { raw: down, rawSinceMs: atMs, down, downSinceMs: atMs, stuck: down };
  };
  return { atMs, contacts: { skip: contact('skip'), never: contact('never') }, press: null, neverAtMs: null };
}

/** Times of events may stand still, and are taken for the present when they lie in the past. */
export function stepGestures(before: GestureState, event: GestureEvent): GestureStep {
  const atMs = Math.max(before.atMs, event.atMs);
  const draft: Draft = { ...before, wishes: [] };
  for (let due = nextDue(draft); due !== null && due.atMs <= atMs; due = nextDue(draft)) {
    draft.atMs = Math.max(draft.atMs, due.atMs);
    due.apply(draft);
  }
  draft.atMs = atMs;
  if (event.kind === 'edge') wireChanged(draft, event.button, event.pressed);
  if (event.kind === 'neverRefused') draft.neverAtMs = null;
  const { wishes, ...state } = draft;
  return { state, wishes };
}

/** When a time event is due; null while nothing waits. */
export function wakeAtMs(state: GestureState): number | null {
  const due = nextDue(state);
  return due === null ? null : Math.max(due.atMs, state.atMs);
}

interface Draft {
  atMs: number;
  contacts: Readonly<Record<ButtonName, Contact>>;
  press: Press | null;
  neverAtMs: number | null;
  wishes: Gesture[];
}

interface Due {
  atMs: number;
  apply(draft: Draft): void;
}

/** Whatever time alone will bring next. */
function nextDue(state: Omit<Draft, 'wishes'>): Due | null {
  const dues: Due[] = [];
  for (const button of BUTTON_NAMES) {
    const contact = state.contacts[button];
    if (contact.raw !== contact.down) {
      dues.push({ atMs: contact.rawSinceMs + DEBOUNCE_MS, apply: (draft) => contactSettled(draft, button) });
    } else if (contact.down && !contact.stuck) {
      dues.push({ atMs: contact.downSinceMs + STUCK_MS, apply: (draft) => contactStuck(draft, button) });
    }
  }
  if (state.press !== null) dues.push(...pressDues(state.press, state.contacts));
  return dues.reduce<Due | null>((first, due) => (first === null || due.atMs < first.atMs ? due : first), null);
}

function pressDues(press: Press, contacts: Draft['contacts']): Due[] {
  // The other button may have gone down at the last moment, and is believed only after it rested.
  if (press.upAtMs !== null) return [{ atMs: press.upAtMs + APART_MS + DEBOUNCE_MS, apply: finish }];
  if (press.spent) return [];
  // A wire that just went up may be a bounce: nothing is promised until that is known.
  const firm = (button: ButtonName) => contacts[button].raw && contacts[button].down;
  if (press.who === 'skip' && firm('skip')) return [{ atMs: press.downAtMs + PAIR_HOLD_MS, apply: holdReached }];
  if (press.bothSinceMs === null || !firm('skip') || !firm('never')) return [];
  const { bothSinceMs } = press;
  if (press.armed === null)
    return [{ atMs: bothSinceMs + RESET_WIFI_HOLD_MS, apply: (draft) => arm(draft, press, 'wifi') }];
  if (press.armed === 'wifi')
    return [{ atMs: bothSinceMs + RESET_ALL_HOLD_MS, apply: (draft) => arm(draft, press, 'all') }];
  return [];
}

function wireChanged(draft: Draft, button: ButtonName, raw: boolean): void {
  const contact = draft.contacts[button];
  if (contact.raw === raw) return;
  setContact(draft, button, { raw, rawSinceMs: draft.atMs });
}

function setContact(draft: Draft, button: ButtonName, change: Partial<Contact>): void {
  draft.contacts = { ...draft.contacts, [button]: { ...draft.contacts[button], ...change } };
}

/** The wire has rested: it went down or up at the moment of its last edge. */
function contactSettled(draft: Draft, button: ButtonName): void {
  const { raw, rawSinceMs, stuck } = draft.contacts[button];
  setContact(draft, button, { down: raw, downSinceMs: raw ? rawSinceMs : 0, stuck: false });
  if (stuck) {
    draft.wishes.push({ kind: 'freed', button });
    return;
  }
  if (raw) wentDown(draft, button, rawSinceMs);
  else wentUp(draft, rawSinceMs);
}

function wentDown(draft: Draft, button: ButtonName, atMs: number): void {
  // The same button once more: the press before it stood alone.
  if (draft.press?.upAtMs != null && draft.press.who === button) finish(draft);
  const before = draft.press;
  if (before === null) {
    draft.press = { who: button, downAtMs: atMs, upAtMs: null, bothSinceMs: null, armed: null, spent: false };
    return;
  }
  const both = BUTTON_NAMES.every((name) => draft.contacts[name].down && !draft.contacts[name].stuck);
  const who = before.who === button ? button : 'both';
  draft.press = { ...before, who, upAtMs: null, bothSinceMs: both ? atMs : null };
}

function wentUp(draft: Draft, atMs: number): void {
  const { press } = draft;
  if (press === null) return;
  const held = BUTTON_NAMES.some((name) => draft.contacts[name].down && !draft.contacts[name].stuck);
  const upAtMs = held ? null : atMs;
  if (press.armed !== null && !press.spent) draft.wishes.push({ kind: 'reset', what: press.armed });
  const spent = press.spent || press.armed !== null;
  draft.press = { ...press, upAtMs, bothSinceMs: null, armed: null, spent };
}

function contactStuck(draft: Draft, button: ButtonName): void {
  setContact(draft, button, { stuck: true });
  draft.wishes.push({ kind: 'stuck', button });
  const { press } = draft;
  if (press === null) return;
  if (press.armed !== null) draft.wishes.push({ kind: 'disarmed' });
  const held = BUTTON_NAMES.some((name) => draft.contacts[name].down && !draft.contacts[name].stuck);
  // What else is down belongs to the same accident; what comes later does not.
  draft.press = held ? { ...press, bothSinceMs: null, armed: null, spent: true } : null;
}

function arm(draft: Draft, press: Press, what: ResetKind): void {
  draft.press = { ...press, armed: what };
  draft.wishes.push({ kind: 'armed', what });
}

function holdReached(draft: Draft): void {
  if (draft.press !== null) draft.press = { ...draft.press, spent: true };
  draft.wishes.push({ kind: 'pair' });
}

/** All buttons have been up for long enough: what was it? */
function finish(draft: Draft): void {
  const { press } = draft;
  draft.press = null;
  if (press === null || press.spent || press.who === 'both' || press.upAtMs === null) return;
  if (press.upAtMs - press.downAtMs >= SHORT_PRESS_MS) return;
  if (press.who === 'skip') {
    draft.wishes.push({ kind: 'skip' });
    return;
  }
  const undo = draft.neverAtMs !== null && press.downAtMs - draft.neverAtMs <= UNDO_MS;
  draft.neverAtMs = undo ? null : draft.atMs;
  draft.wishes.push({ kind: undo ? 'undo' : 'never' });
}
