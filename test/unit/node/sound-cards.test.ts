import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { automaticDevices, outputChoices } from '../../../src/node/sound-cards.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'starling-cards-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}
/** As `/proc/asound/cards` has them: two lines each. */
function putCards(...cards: [id: string, driver: string][]): void {
  const lines = cards.map(
    ([id, driver], index) => ` ${index} [${id.padEnd(15)}]: ${driver} - ${id}\n     ${id} at x\n`,
  );
  put('proc/asound/cards', lines.join(''));
}
const HEADPHONES: [string, string] = ['Headphones', 'bcm2835_headpho'];
const HDMI_0: [string, string] = ['vc4hdmi0', 'vc4-hdmi'];
const HDMI_1: [string, string] = ['vc4hdmi1', 'vc4-hdmi'];
const USB: [string, string] = ['Device', 'USB-Audio'];
const BOARD: [string, string] = ['sndrpihifiberry', 'RPi-simple'];
const automatic = (env: NodeJS.ProcessEnv = {}) =>
  automaticDevices(env, root).map((device) => device.replace('sysdefault:CARD=', ''));

/** EDID of a screen: a first block, and one of CTA-861 with or without loudspeakers. */
function edid(plays: boolean): Uint8Array {
  const bytes = new Uint8Array(256);
  bytes.set([0x02, 0x03, 0, plays ? 0xc0 : 0x80], 128);
  return bytes;
}

describe('outputs to choose from', () => {
  it('name each sound card', () => {
    putCards(HEADPHONES, ['DAC', 'x']);
    const cards = ['alsa:sysdefault:CARD=Headphones', 'alsa:sysdefault:CARD=DAC'];
    expect(outputChoices(root)).toEqual(['auto', 'alsa', 'pipewire', ...cards, 'null']);
    rmSync(join(root, 'proc'), { recursive: true });
    expect(outputChoices(root)).toEqual(['auto', 'alsa', 'pipewire', 'null']);
  });
});

describe('the automatic output', () => {
  it('of a Raspberry Pi is the jack, however Linux numbers the cards', () => {
    putCards(HDMI_0, HDMI_1, HEADPHONES);
    expect(automatic()).toEqual(['Headphones', 'vc4hdmi0', 'vc4hdmi1']);
    putCards(HEADPHONES, HDMI_0);
    expect(automatic()[0]).toBe('Headphones');
  });

  it('is what was put in on purpose, if something was', () => {
    putCards(HEADPHONES, HDMI_0, BOARD, USB);
    expect(automatic()).toEqual(['Device', 'sndrpihifiberry', 'Headphones', 'vc4hdmi0']);
  });

  it('is a screen that says it has loudspeakers, and none that does not', () => {
    putCards(HEADPHONES, HDMI_0, HDMI_1);
    put('sys/class/drm/card1-HDMI-A-1/edid', edid(false));
    put('sys/class/drm/card1-HDMI-A-2/edid', edid(true));
    expect(automatic()).toEqual(['vc4hdmi1', 'Headphones', 'vc4hdmi0']);
    put('sys/class/drm/card1-HDMI-A-2/edid', '');
    expect(automatic()).toEqual(['Headphones', 'vc4hdmi0', 'vc4hdmi1']);
  });

  it('of a board with one screen and no jack is the screen', () => {
    putCards(HEADPHONES, ['vc4hdmi', 'vc4-hdmi']);
    put('proc/device-tree/model', 'Raspberry Pi Zero 2 W Rev 1.0\0');
    put('sys/class/drm/card0-HDMI-A-1/edid', edid(true));
    expect(automatic()).toEqual(['vc4hdmi', 'Headphones']);
  });

  it('is the default’s matter on other machines, and where a sound server runs', () => {
    putCards(['PCH', 'HDA-Intel'], USB);
    expect(automatic()).toEqual([]);
    putCards(HEADPHONES);
    put('run/pipewire-0', '');
    expect(automatic({ XDG_RUNTIME_DIR: join(root, 'run') })).toEqual([]);
    expect(automatic({ XDG_RUNTIME_DIR: join(root, 'elsewhere') })).toEqual(['Headphones']);
  });
});
