import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { didYouMean } from '../../../src/node/cli.ts';
import { checkCard } from '../../../src/system/card/check.ts';
import { parseCard } from '../../../src/system/card/parse.ts';
import type { CardKnowledge, CardPlan, CardSetting } from '../../../src/system/card/types.ts';

export const TEMPLATE = readFileSync(resolve(import.meta.dirname, '../../../image/boot/starling.txt'), 'utf8');

const text = (key: string, isGood: (value: string) => boolean, secret = false): CardSetting => ({
  key,
  secret,
  allowed: `a good ${key}`,
  check: (value) => (isGood(value) ? { ok: true, value } : { ok: false, cause: `is no ${key}` }),
});

/** The radio's settings as the front door hands them over, in short. */
export const SETTINGS: CardSetting[] = [
  text('station', (value) => value.length <= 20),
  text('station_key', (value) => /^[0-9a-f]{64}$/.test(value), true),
  text('name', (value) => value.length <= 20),
  text('output', (value) => /^(auto|alsa)/.test(value)),
  {
    ...text('volume', () => true),
    check: (value) =>
      /^\d{1,3}$/.test(value) ? { ok: true, value: Number(value) } : { ok: false, cause: 'is not a whole number' },
  },
];

/** @param kept networks by the bytes of their names, and keys of settings */
export function knowledge(kept: readonly string[] = []): CardKnowledge {
  return {
    settings: SETTINGS,
    didYouMean,
    isKept: (hex) => kept.includes(hex),
    hasSetting: (key) => kept.includes(key),
    template: TEMPLATE,
  };
}

export function plan(file: string, kept: readonly string[] = []): CardPlan {
  return checkCard(parseCard(file).lines, knowledge(kept));
}

/** Made by ssh-keygen; nobody has the other halves. */
export const ED25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINqi/KWZtbuKERwnUCG7gxc0BoLltseKb/ikjYxsFN17 person@pc';
export const ECDSA =
  'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBP4fuOg91VzPdX4DAxVWvMdyX4YWeZ7MSu+h0uDVYUwUz31GSj26DxTAWT4tMVcJenGXSRS01qV3GdZO0Z+5wzg=';
export const RSA_1024 =
  'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC+1PEnuGCc+A5TDZ7op2jWtcMrgeFUUAHoGKnTdjGvjlXBOoZsY9VYd4VzneAqmNfaWU9FWgfoDArkUXJ74hXXtWOVstds47zkxxrDiruSQqdnkSuHi4m/tL8dYEvGN9o4UylgB1gBTZiXCjVj5GSpXNHl8fvay9lLtXmCM6WXWw==';
