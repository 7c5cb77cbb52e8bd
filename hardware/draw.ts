/**
 * Draws what people read from what the code reads: `node hardware/draw.ts` (then `npm run format`) writes wiring.svg and
 * the tables of both README.md anew from pins.json and light-patterns.json. A test holds them together.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Part {
  label: string;
  bcm: number;
  physical: number;
  ground: number;
  direction: 'in' | 'out';
  active_low: boolean;
  wiring: string;
  resistor_ohm?: number;
}

export interface PinFile {
  boards: { name: string; chip: string; lines: number; header: string }[];
  parts: { skip: Part; never: Part; light: Part };
  header: { physical: number; name: string }[];
  others: { name: string; bcm: number[] }[];
}

export interface PatternFile {
  patterns: { name: string; steps: number[]; looks: string; text: string; help: string }[];
}

const WIDTH = 1000;
const HEIGHT = 830;
const PITCH = 32;
const TOP = 118;
/** The two rows of the header. */
const ODD_X = 484;
const EVEN_X = 516;
const PILL_WIDTH = 92;
const INK = '#1d2733';
const FAINT = '#8593a3';
const COLOURS = { skip: '#1565c0', never: '#c62828', light: '#b26a00', ground: '#546e7a' } as const;

interface Point {
  x: number;
  y: number;
}

/** Where a pin is in the picture. */
function pinAt(physical: number): Point {
  return { x: physical % 2 === 1 ? ODD_X : EVEN_X, y: TOP + Math.floor((physical - 1) / 2) * PITCH };
}

/** Outer end of a pin's label, where its wire begins. */
function labelEnd(physical: number): Point {
  const { x, y } = pinAt(physical);
  return { x: x + (physical % 2 === 1 ? -1 : 1) * (26 + PILL_WIDTH), y };
}

const text = (x: number, y: number, content: string, more = '') => `<text x="${x}" y="${y}"${more}>${content}</text>`;

function pins(file: PinFile): string {
  const used = new Map<number, string>();
  for (const [name, part] of Object.entries(file.parts)) {
    used.set(part.physical, COLOURS[name as keyof typeof COLOURS]);
    used.set(part.ground, COLOURS.ground);
  }
  const drawn = file.header.map(({ physical, name }) => {
    const { x, y } = pinAt(physical);
    const side = physical % 2 === 1 ? -1 : 1;
    const colour = used.get(physical);
    const shape =
      physical === 1
        ? `<rect x="${x - 11}" y="${y - 11}" width="22" height="22" rx="3"`
        : `<circle cx="${x}" cy="${y}" r="11"`;
    const pin = `${shape} fill="${colour ?? '#f3d27a'}" stroke="${colour ?? '#c9a13b'}" data-pin="${physical}" data-name="${name}"/>`;
    const number = text(x, y + 3.5, String(physical), ` class="number${colour === undefined ? '' : ' used'}"`);
    const anchor = side < 0 ? 'end' : 'start';
    if (colour === undefined) {
      const label = text(x + side * 26, y + 4, name, ` class="name" text-anchor="${anchor}"`);
      return pin + number + label;
    }
    const left = side < 0 ? x - 26 - PILL_WIDTH : x + 26;
    const pill = `<rect x="${left}" y="${y - 12}" width="${PILL_WIDTH}" height="24" rx="12" fill="${colour}"/>`;
    const neck = `<path d="M${x + side * 11} ${y}H${x + side * 26}" stroke="${colour}" stroke-width="4"/>`;
    const label = text(left + PILL_WIDTH / 2, y + 4.5, name === 'GND' ? 'ground' : name, ' class="pill"');
    return neck + pin + number + pill + label;
  });
  const frame = `<rect x="${ODD_X - 20}" y="${TOP - 20}" width="${EVEN_X - ODD_X + 40}" height="${19 * PITCH + 40}" rx="8" fill="#22303c"/>`;
  return [frame, ...drawn].join('\n');
}

function wire(part: string, physical: number, colour: string, to: Point): string {
  const { x, y } = labelEnd(physical);
  const bendX = x + (to.x < x ? -28 : 28);
  const path = y === to.y ? `M${x} ${y}H${to.x}` : `M${x} ${y}H${bendX}V${to.y}H${to.x}`;
  return `<path class="wire" d="${path}" stroke="${colour}" data-part="${part}" data-pin="${physical}"/>`;
}

function button(name: 'skip' | 'never', part: Part): string {
  const upper = Math.min(pinAt(part.physical).y, pinAt(part.ground).y);
  const lower = Math.max(pinAt(part.physical).y, pinAt(part.ground).y);
  const middle = (upper + lower) / 2;
  const terminal = (physical: number): Point => ({ x: 236, y: pinAt(physical).y < middle ? middle - 32 : middle + 32 });
  const colour = COLOURS[name];
  return [
    wire(name, part.physical, colour, terminal(part.physical)),
    wire(name, part.ground, COLOURS.ground, terminal(part.ground)),
    `<rect x="150" y="${middle - 43}" width="86" height="86" rx="8" fill="#e7ebf0" stroke="${INK}" stroke-width="2"/>`,
    ...[-32, 32].map(
      (dy) => `<rect x="228" y="${middle + dy - 6}" width="16" height="12" rx="2" fill="#aab4bf" stroke="${INK}"/>`,
    ),
    `<circle cx="193" cy="${middle}" r="27" fill="${colour}" stroke="${INK}" stroke-width="2"/>`,
    text(136, middle - 4, part.label, ' class="part" text-anchor="end"'),
    text(136, middle + 16, 'push button', ' class="note" text-anchor="end"'),
  ].join('\n');
}

function light(part: Part): string {
  const hot = pinAt(part.physical).y;
  const { x } = labelEnd(part.physical);
  const shortY = hot + 44;
  const zigzag = `M${x + 40} ${hot}h12l4 -9 8 18 8 -18 8 18 8 -18 8 18 4 -9h12`;
  const ledX = x + 190;
  const centreY = (hot + shortY) / 2;
  return [
    `<path class="wire" d="M${x} ${hot}H${x + 40}" stroke="${COLOURS.light}" data-part="light" data-pin="${part.physical}"/>`,
    `<path d="${zigzag}" fill="none" stroke="${COLOURS.light}" stroke-width="3.5" stroke-linejoin="round"/>`,
    `<path class="wire" d="M${x + 112} ${hot}H${ledX}" stroke="${COLOURS.light}"/>`,
    wire('light', part.ground, COLOURS.ground, { x: ledX, y: shortY }),
    `<path d="M${ledX} ${centreY - 38}h26a38 38 0 0 1 0 76h-26z" fill="#ffd36b" stroke="${INK}" stroke-width="2"/>`,
    `<rect x="${ledX - 8}" y="${centreY - 42}" width="10" height="84" rx="3" fill="#ffc13b" stroke="${INK}" stroke-width="2"/>`,
    text(x + 76, hot - 18, `${part.resistor_ohm} Ω`, ' class="note" text-anchor="middle"'),
    text(ledX - 16, hot - 10, 'long leg', ' class="note small" text-anchor="end"'),
    text(ledX - 16, shortY + 20, 'short leg', ' class="note small" text-anchor="end"'),
    text(ledX + 78, centreY - 2, part.label, ' class="part"'),
    text(ledX + 78, centreY + 18, 'LED', ' class="note"'),
  ].join('\n');
}

/** Where the header is on the board, and which end is up. */
function board(): string {
  return `<g transform="translate(96 112)">
<rect width="112" height="170" rx="9" fill="#2e7d4f" stroke="#1b5234" stroke-width="2"/>
<rect x="40" y="-10" width="32" height="20" rx="2" fill="#5b6670"/>
<rect x="92" y="12" width="14" height="104" rx="2" fill="#22303c"/>
<rect x="94" y="14" width="5" height="5" fill="#f3d27a"/>
<rect x="12" y="142" width="40" height="36" rx="2" fill="#cfd6dd" stroke="#8593a3"/>
<rect x="60" y="142" width="40" height="36" rx="2" fill="#cfd6dd" stroke="#8593a3"/>
<rect x="36" y="62" width="38" height="38" rx="3" fill="#22303c"/>
<text x="56" y="-18" class="note small" text-anchor="middle">SD card</text>
<text x="56" y="198" class="note small" text-anchor="middle">USB (Pi 3 and 4)</text>
<path d="M150 16.5H112" stroke="${INK}" stroke-width="1.5" marker-end="url(#tip)"/>
<text x="156" y="21" class="note small">pin 1</text>
</g>`;
}

/** The wiring as a picture: every wire, label and number comes from the pin map. */
export function drawWiring(file: PinFile): string {
  const { skip, never, light: lamp } = file.parts;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-20 0 ${WIDTH + 20} ${HEIGHT}" role="img" aria-labelledby="title what">
<title id="title">Two buttons and a light on the 40-pin header of a Raspberry Pi</title>
<desc id="what">Skip: pins ${skip.physical} and ${skip.ground}. Never again: pins ${never.physical} and ${never.ground}. Light: pin ${lamp.physical} through ${lamp.resistor_ohm} ohm to the long leg of an LED, its short leg to pin ${lamp.ground}.</desc>
<style>
text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: ${INK}; }
.title { font-size: 24px; font-weight: 600; }
.part { font-size: 19px; font-weight: 600; }
.note { font-size: 14px; fill: #4a5866; }
.small { font-size: 12.5px; }
.name { font-size: 12px; fill: ${FAINT}; }
.number { font-size: 10.5px; text-anchor: middle; }
.pill, .number.used { fill: #fff; }
.pill { font-size: 13.5px; font-weight: 600; text-anchor: middle; }
.wire { fill: none; stroke-width: 4; stroke-linejoin: round; stroke-linecap: round; }
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="${INK}"/></marker></defs>
<rect x="-20" width="${WIDTH + 20}" height="${HEIGHT}" fill="#fff"/>
${text(WIDTH / 2, 46, 'Two buttons and a light', ' class="title" text-anchor="middle"')}
${text(WIDTH / 2, 72, 'The 40-pin header from above, the end with the SD card up. Same on Pi 3B, 3B+, 4B and Zero 2 W.', ' class="note" text-anchor="middle"')}
${board()}
${pins(file)}
${button('skip', skip)}
${button('never', never)}
${light(lamp)}
${text(WIDTH / 2, HEIGHT - 24, 'Unplug the power before wiring. Never connect these pins to 5 V.', ' class="note" text-anchor="middle"')}
</svg>
`;
}

export function pinTable(file: PinFile): string {
  const rows = Object.values(file.parts).map((part) => {
    const pull = part.direction === 'in' ? 'pull-up inside the Pi, pressed is low' : 'lit is high';
    return [part.label, part.bcm, part.physical, part.ground, pull, part.wiring];
  });
  return table(['part', 'BCM', 'pin', 'ground pin', 'line', 'between them'], rows);
}

export function boardTable(file: PinFile): string {
  const rows = file.boards.map((board) => [board.name, `\`${board.chip}\``, board.lines, board.header]);
  return table(['board', 'GPIO chip', 'lines', 'header'], rows);
}

export function othersTable(file: PinFile): string {
  return table(
    ['takes', 'BCM'],
    file.others.map(({ name, bcm }) => [name, bcm.join(', ')]),
  );
}

export function lightTable(file: PatternFile): string {
  return table(
    ['light', 'means', 'what to do', 'name'],
    file.patterns.map(({ name, looks, text: means, help }) => [looks, means, help, `\`${name}\``]),
  );
}

/** For the page of the person with the card: what to do, without the names that the code has. */
export function troubleTable(file: PatternFile): string {
  return table(
    ['the light', 'means', 'what to do'],
    file.patterns.map(({ looks, text: means, help }) => [looks, means, help]),
  );
}

function table(head: string[], rows: (string | number)[][]): string {
  const line = (cells: (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Puts each table between its two marks. @throws when a mark is missing */
export function fillIn(page: string, tables: Record<string, string>): string {
  return Object.entries(tables).reduce((before, [name, content]) => {
    const marks = new RegExp(`(<!-- ${name} -->\\n)[\\s\\S]*?(<!-- /${name} -->)`);
    if (!marks.test(before)) throw new Error(`the page has no place for the table "${name}"`);
    return before.replace(marks, (_, open: string, close: string) => `${open}\n${content}\n\n${close}`);
  }, page);
}

export function tablesOf(pinFile: PinFile, patternFile: PatternFile): Record<string, string> {
  return {
    pins: pinTable(pinFile),
    boards: boardTable(pinFile),
    others: othersTable(pinFile),
    light: lightTable(patternFile),
  };
}

function fillFile(path: string, tables: Record<string, string>): void {
  writeFileSync(path, fillIn(readFileSync(path, 'utf8'), tables));
}

function main(): void {
  const here = (name: string) => join(import.meta.dirname, name);
  const pinFile = JSON.parse(readFileSync(here('pins.json'), 'utf8')) as PinFile;
  const patternFile = JSON.parse(readFileSync(here('light-patterns.json'), 'utf8')) as PatternFile;
  writeFileSync(here('wiring.svg'), drawWiring(pinFile));
  fillFile(here('README.md'), tablesOf(pinFile, patternFile));
  fillFile(here('../README.md'), { light: troubleTable(patternFile) });
}

if (import.meta.main) main();
