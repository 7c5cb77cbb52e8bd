import { describe, expect, it } from 'vitest';
import {
  drawWiring,
  type Part,
  type PatternFile,
  type PinFile,
  tablesOf,
  troubleTable,
} from '../../../hardware/draw.ts';
import { isSteady, PATTERN_NAMES, parseLightTable } from '../../../src/controls/light.ts';
import { parsePinMap } from '../../../src/controls/pins.ts';
import { projectFiles, read } from '../house/files.ts';

const pinFile = JSON.parse(read('hardware/pins.json')) as PinFile;
const patternFile = JSON.parse(read('hardware/light-patterns.json')) as PatternFile;
const parts = Object.entries(pinFile.parts) as [keyof PinFile['parts'], Part][];
const nameOf = (physical: number) => pinFile.header.find((pin) => pin.physical === physical)?.name;

/** A table without the spaces that the formatter pads it with. */
function cellsOf(table: string): string[][] {
  const rows = table.split('\n').filter((line) => line.startsWith('|'));
  const split = (line: string) => line.split('|').slice(1, -1);
  return rows.map((row) => split(row).map((cell) => cell.trim().replace(/^-+$/, '---')));
}

describe('the pin map', () => {
  it('is what the code understands', () => expect(parsePinMap(pinFile).parts.skip.bcm).toBe(pinFile.parts.skip.bcm));

  it('has the 40 pins of the header, each line once, and power and ground where they are on every Pi', () => {
    expect(pinFile.header.map(({ physical }) => physical)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    const lines = pinFile.header.map(({ name }) => name).filter((name) => name.startsWith('GPIO'));
    expect(lines.map((name) => Number(name.slice(4))).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 28 }, (_, index) => index),
    );
    const at = (name: string) => pinFile.header.filter((pin) => pin.name === name).map(({ physical }) => physical);
    expect({ ground: at('GND'), five: at('5V'), three: at('3V3') }).toEqual({
      ground: [6, 9, 14, 20, 25, 30, 34, 39],
      five: [2, 4],
      three: [1, 17],
    });
  });

  it.each(parts)('puts %s on the pin that carries its line, and on a ground', (_, part) => {
    expect(nameOf(part.physical)).toBe(`GPIO${part.bcm}`);
    expect(nameOf(part.ground)).toBe('GND');
  });

  it('uses no pin twice, and none that other boards need', () => {
    const used = parts.flatMap(([, part]) => [part.physical, part.ground]);
    expect(new Set(used).size).toBe(used.length);
    const taken = pinFile.others.flatMap(({ bcm }) => bcm);
    expect(parts.filter(([, part]) => taken.includes(part.bcm))).toEqual([]);
  });

  it('knows the boards, and their lines hold ours', () => {
    expect(pinFile.boards.map(({ name }) => name)).toEqual([
      'Raspberry Pi 3 Model B',
      'Raspberry Pi 3 Model B+',
      'Raspberry Pi 4 Model B',
      'Raspberry Pi Zero 2 W',
    ]);
    for (const { lines } of pinFile.boards) for (const [, part] of parts) expect(part.bcm).toBeLessThan(lines);
  });

  it('gives the light a current that the pin and the LED bear, and buttons the pins that are high from the start', () => {
    const { light, skip, never } = pinFile.parts;
    // 3.3 V on a red LED of 1.8 V, the most that flows.
    expect(((3.3 - 1.8) / (light.resistor_ohm ?? 0)) * 1_000).toBeLessThan(5);
    // BCM 0 to 8 are pulled up by reset.
    for (const part of [skip, never]) expect(part.bcm <= 8 && part.active_low).toBe(true);
  });
});

describe('the wiring picture', () => {
  const svg = read('hardware/wiring.svg');

  it('is drawn from the pin map (else: node hardware/draw.ts)', () => expect(svg).toBe(drawWiring(pinFile)));

  it('shows every pin with its name', () => {
    const shown = [...svg.matchAll(/data-pin="(\d+)" data-name="(\w+)"/g)].map(([, pin, name]) => [Number(pin), name]);
    expect(shown).toEqual(pinFile.header.map(({ physical, name }) => [physical, name]));
  });

  it.each(parts)('leads both wires of %s to its pins', (name, part) => {
    const place = new Map(
      [...svg.matchAll(/<(?:circle cx|rect x)="([\d.]+)" (?:cy|y)="([\d.]+)"[^>]*data-pin="(\d+)"/g)].map(
        ([, x, y, pin]) => [Number(pin), { x: Number(x), y: Number(y) }],
      ),
    );
    const wires = [...svg.matchAll(/d="M([\d.]+) ([\d.]+)[^"]*"[^>]*data-part="(\w+)" data-pin="(\d+)"/g)].filter(
      ([, , , of]) => of === name,
    );
    expect(wires.map(([, , , , pin]) => Number(pin)).sort()).toEqual([part.physical, part.ground].sort());
    for (const [, x, y, , pin] of wires) {
      expect(Number(y)).toBe(place.get(Number(pin))?.y);
      // From the end of the label beside the pin.
      expect(Math.abs(Number(x) - (place.get(Number(pin))?.x ?? 0))).toBeLessThan(130);
    }
  });

  it('is told in words, needs nothing from elsewhere, and runs no script', () => {
    expect(svg).toMatch(/<title id="title">.+<\/title>\n<desc id="what">.+<\/desc>/);
    expect(svg.replace('xmlns="http://www.w3.org/2000/svg"', '')).not.toMatch(/http|<script|<image|@import|href/);
  });
});

describe('the light patterns', () => {
  it('are what the code asks for, and no more', () => {
    expect(Object.keys(parseLightTable(patternFile)).sort()).toEqual([...PATTERN_NAMES].sort());
  });

  it('can be told apart', () => {
    const shapes = patternFile.patterns.map(({ steps }) => JSON.stringify(steps));
    expect(new Set(shapes).size).toBe(shapes.length);
  });

  it('count the errors', () => {
    for (const { name, steps } of patternFile.patterns) {
      const number = /^error_(\d)$/.exec(name)?.[1];
      if (number !== undefined) expect(steps.length / 2).toBe(Number(number));
    }
  });

  it.each(patternFile.patterns.filter(({ steps }) => !isSteady(steps)))(
    'flash at most three times a second: $name',
    ({ steps }) => {
      // Starts of flashes over three rounds; no four of them within a second.
      let atMs = 0;
      const starts: number[] = [];
      for (let round = 0; round < 12; round++)
        for (const [index, ms] of steps.entries()) {
          if (index % 2 === 0) starts.push(atMs);
          atMs += ms;
        }
      for (let index = 3; index < starts.length; index++)
        expect((starts[index] ?? 0) - (starts[index - 3] ?? 0)).toBeGreaterThanOrEqual(1_000);
    },
  );
});

describe('the page about the hardware', () => {
  const page = read('hardware/README.md');

  it.each(Object.entries(tablesOf(pinFile, patternFile)))(
    'has the table "%s" as it is (else: node hardware/draw.ts)',
    (name, table) => {
      const shown = page.split(`<!-- ${name} -->`)[1]?.split(`<!-- /${name} -->`)[0] ?? '';
      expect(cellsOf(shown)).toEqual(cellsOf(table));
    },
  );

  it('names only files that are there', () => {
    const files = projectFiles();
    const linked = [...page.matchAll(/\]\(([\w.-]+)\)/g)].map(([, path]) => `hardware/${path}`);
    expect(linked.length).toBeGreaterThan(4);
    expect(linked.filter((path) => !files.includes(path))).toEqual([]);
  });

  it('has a case for each board of the map', () => {
    const scad = read('hardware/case.scad');
    for (const board of ['pi3b', 'pi3bplus', 'pi4b', 'zero2w']) {
      expect(scad).toContain(board);
      expect(page).toContain(`\`${board}\``);
    }
  });
});

describe('the page for the person with the card', () => {
  const page = read('README.md');
  const steps = page.slice(page.indexOf('in seven steps'), page.indexOf('### When something is wrong'));

  it('tells what to do at each pattern of the light (else: node hardware/draw.ts)', () => {
    const shown = page.split('<!-- light -->')[1]?.split('<!-- /light -->')[0] ?? '';
    expect(cellsOf(shown)).toEqual(cellsOf(troubleTable(patternFile)));
    expect(shown.trim().split('\n')).toHaveLength(2 + patternFile.patterns.length);
  });

  it('goes from flashing to music in seven steps, before anything else', () => {
    expect([...steps.matchAll(/^(\d)\. \*\*/gm)].map(([, number]) => number)).toEqual([
      '1',
      '2',
      '3',
      '4',
      '5',
      '6',
      '7',
    ]);
    expect(page.indexOf('in seven steps')).toBeLessThan(page.indexOf('## Hear it in a minute'));
  });

  it('has pictures of the real page, all of them made by the script and described in words', () => {
    const pictures = [...page.matchAll(/<img src="([^"]+)"[^>]* alt="([^"]*)"/g)];
    expect([...steps.matchAll(/<img /g)].length).toBeGreaterThan(2);
    const script = read('test/web/screenshots.ts');
    const made = [...script.matchAll(/\{ name: '([a-z-]+)'/g)].map(([, name]) => `web-setup/screenshots/${name}.webp`);
    const files = projectFiles();
    for (const [, path = '', words = ''] of pictures) {
      expect(made).toContain(path);
      expect(files).toContain(path);
      expect(words.length).toBeGreaterThan(15);
    }
  });
});
